using System.Text.Json.Nodes;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>Turns chats into prompts with the template that a model's file carries.</summary>
/// <remarks>Safe to use from several threads.</remarks>
internal sealed class ChatPromptRenderer
{
    private const string TemplateKey = "tokenizer.chat_template";
    private const string ToolTemplateKey = "tokenizer.chat_template.tool_use";

    private readonly Tokenizer _tokenizer;
    private readonly TimeProvider _clock;
    private readonly ChatTemplate _template;
    private readonly ChatTemplate? _toolTemplate;
    private readonly ControlSpellings _controlTokens;

    /// <summary>Parses the file's templates.</summary>
    /// <exception cref="HearthException">There is none, or it is malformed.</exception>
    public ChatPromptRenderer(GgufMetadata metadata, Tokenizer tokenizer, TimeProvider clock)
    {
        if (!metadata.TryGet<string>(TemplateKey, out var source))
            throw new HearthException($"the model has no chat template (metadata key '{TemplateKey}' is missing); give it a plain prompt instead");
        _template = ChatTemplate.Parse(source);
        _toolTemplate = metadata.TryGet<string>(ToolTemplateKey, out var toolSource) ? ChatTemplate.Parse(toolSource) : null;
        _tokenizer = tokenizer;
        _clock = clock;
        _controlTokens = new ControlSpellings(tokenizer);
    }

    /// <summary>The prompt as text.</summary>
    public string Render(ChatPrompt chat) => Render(chat, mark: null);

    /// <summary>The prompt as token ids.</summary>
    /// <remarks>
    /// What the template writes may be control tokens; what users, tools and systems write may not. So every spelling of a
    /// control token in a message is broken by a mark before rendering, and the mark taken out while tokenizing.
    /// </remarks>
    public IReadOnlyList<int> Tokenize(ChatPrompt chat)
    {
        ArgumentNullException.ThrowIfNull(chat);
        var mark = ControlSpellings.UnusedCharacter(chat.Messages.Select(message => message.Content));
        var ids = _tokenizer.EncodeMarked(Render(chat, mark), mark);
        if (_tokenizer.AddsBeginOfText && _tokenizer.BeginOfTextId is { } begin && (ids.Count == 0 || ids[0] != begin))
            ids.Insert(0, begin);
        return ids;
    }

    private string Render(ChatPrompt chat, char? mark)
    {
        ArgumentNullException.ThrowIfNull(chat);
        if (chat.Messages.Count == 0)
            throw new ArgumentException("a chat has at least one message", nameof(chat));
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = chat.Messages.Select(m => Describe(m, mark)).ToList(),
            ["tools"] = chat.Tools.Count > 0 ? chat.Tools.ToList<object?>() : null,
            ["add_generation_prompt"] = chat.AddGenerationPrompt,
            ["bos_token"] = Spelling(_tokenizer.BeginOfTextId),
            ["eos_token"] = Spelling(_tokenizer.EndOfTextId),
        };
        foreach (var (name, value) in chat.Variables)
            variables[name] = value;
        var template = chat.Tools.Count > 0 && _toolTemplate is not null ? _toolTemplate : _template;
        return template.Render(variables, _clock);
    }

    private string Spelling(int? id) => id is { } known ? _tokenizer.TokenText(known) : "";

    private Dictionary<string, object?> Describe(ChatMessage message, char? mark)
    {
        // The assistant's words came from the model: there a control token is what it says.
        var trusted = mark is null || message.Role == "assistant";
        var described = new Dictionary<string, object?>
        {
            ["role"] = message.Role,
            ["content"] = trusted || message.Content is null ? message.Content : _controlTokens.Break(message.Content, mark!.Value),
        };
        if (message.Name is not null)
            described["name"] = message.Name;
        if (message.ToolCallId is not null)
            described["tool_call_id"] = message.ToolCallId;
        if (message.ToolCalls.Count > 0)
            described["tool_calls"] = message.ToolCalls.Select(Describe).ToList();
        return described;
    }

    private static Dictionary<string, object?> Describe(ToolCall call) => new()
    {
        ["id"] = call.Id,
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?> { ["name"] = call.Name, ["arguments"] = (JsonNode)call.Arguments },
    };
}
