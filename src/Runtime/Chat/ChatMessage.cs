using System.Text.Json.Nodes;

namespace Hearth.Runtime;

/// <summary>One message of a chat, as templates see it.</summary>
/// <param name="Role">"system", "user", "assistant", "tool" or another role that the model's template knows.</param>
/// <param name="Content">The text; null where an assistant's message holds tool calls only.</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>The author's name, where the template shows it.</summary>
    public string? Name { get; init; }

    /// <summary>Calls that the assistant made.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    /// <summary>What the assistant thought before it answered; templates know it as <c>reasoning_content</c>. Null: nothing is known.</summary>
    public string? Reasoning { get; init; }

    /// <summary>For role "tool": which call this is the result of.</summary>
    public string? ToolCallId { get; init; }
}

/// <summary>A call of a tool.</summary>
/// <param name="Id">Names the call, so that its result can be matched to it.</param>
/// <param name="Name">The tool's name.</param>
/// <param name="Arguments">A JSON object.</param>
public sealed record ToolCall(string Id, string Name, JsonObject Arguments)
{
    /// <summary>What the model wrote where it is no JSON object: templates get this text instead of <see cref="Arguments"/>. Null: they say all.</summary>
    public string? ArgumentsText { get; init; }
}

/// <summary>A chat for the model's template.</summary>
public sealed record ChatPrompt
{
    /// <summary>The messages, oldest first; at least one.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>Tools as OpenAI's API lists them: {"type": "function", "function": {name, description, parameters}}.</summary>
    public IReadOnlyList<JsonObject> Tools { get; init; } = [];

    /// <summary>Whether the text ends where the assistant's reply begins.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Whether the text ends with the last message's, so that a model goes on from its last character; <see cref="AddGenerationPrompt"/> is of no effect then.</summary>
    public bool ContinuesFinalMessage { get; init; }

    /// <summary>Further variables for the template, such as enable_thinking.</summary>
    public IReadOnlyDictionary<string, JsonNode?> Variables { get; init; } = new Dictionary<string, JsonNode?>();

    /// <summary>What the first messages were as tokens; null: all are tokenized afresh.</summary>
    internal Chat.WrittenHistory? History { get; init; }
}
