using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tokenizers;
using TokenKind = Hearth.Runtime.Tokenizers.TokenKind;

namespace Hearth.Runtime;

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
    private readonly SearchValues<string> _controlTokens;

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
        _controlTokens = SearchValues.Create(
            [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(i => tokenizer.KindOf(i) == TokenKind.Control).Select(tokenizer.TokenText).Where(t => t.Length > 1)],
            StringComparison.Ordinal);
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
        var mark = UnusedCharacter(chat);
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
            ["content"] = trusted || message.Content is null ? message.Content : Break(message.Content, mark!.Value),
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

    // Puts the mark behind the first character of each spelling of a control token.
    private string Break(string text, char mark)
    {
        var next = text.AsSpan().IndexOfAny(_controlTokens);
        if (next < 0)
            return text;
        var broken = new StringBuilder(text.Length + 8);
        var rest = text.AsSpan();
        for (; next >= 0; next = rest.IndexOfAny(_controlTokens))
        {
            broken.Append(rest[..(next + 1)]).Append(mark);
            rest = rest[(next + 1)..];
        }

        return broken.Append(rest).ToString();
    }

    // A character of the private use area that no message holds: 6400 of them, so that a chat that holds all is a joke.
    private static char UnusedCharacter(ChatPrompt chat)
    {
        ArgumentNullException.ThrowIfNull(chat);
        for (var candidate = '\uE000'; candidate <= '\uF8FF'; candidate++)
        {
            if (!chat.Messages.Any(m => m.Content?.Contains(candidate, StringComparison.Ordinal) ?? false))
                return candidate;
        }

        throw new HearthException("the chat's messages hold every character of Unicode's private use area");
    }
}
