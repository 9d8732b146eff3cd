using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>Turns chats into prompts with the template that a model's file carries.</summary>
/// <remarks>Safe to use from several threads.</remarks>
internal sealed class ChatPromptRenderer
{
    // The name by which the library behind these templates calls an exception of raise_exception.
    private const string Refusal = "TemplateError";

    private const string LastText = "hearth-ends-here-7c51f0";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ModelTemplates _templates;
    private readonly Tokenizer _tokenizer;
    private readonly TimeProvider _clock;
    private readonly ControlSpellings _controlTokens;

    /// <param name="templates">The file's templates.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="clock">What templates read the date from.</param>
    public ChatPromptRenderer(ModelTemplates templates, Tokenizer tokenizer, TimeProvider clock)
    {
        _templates = templates;
        _tokenizer = tokenizer;
        _clock = clock;
        _controlTokens = new ControlSpellings(tokenizer);
    }

    /// <summary>The prompt as text.</summary>
    /// <exception cref="HearthException">There is no usable template.</exception>
    /// <exception cref="ChatTemplateFailureException">The template refused the messages, failed on them or wrote nothing.</exception>
    public string Render(ChatPrompt chat) => Render(chat, mark: null, CancellationToken.None);

    /// <summary>The prompt as token ids.</summary>
    /// <remarks>
    /// What the template writes may be control tokens; what users, tools and systems write may not. So every spelling of a
    /// control token in what a caller gives, but for what the assistant said, is broken by a mark before rendering, and the mark
    /// taken out while tokenizing.
    /// </remarks>
    /// <param name="chat">The chat.</param>
    /// <param name="most">Tokens that fit.</param>
    /// <param name="cancellationToken">Stops a template that takes long.</param>
    /// <exception cref="ContextLengthExceededException">The text's length alone says that it takes more.</exception>
    public IReadOnlyList<int> Tokenize(ChatPrompt chat, int most, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(chat);
        var mark = ControlSpellings.UnusedCharacter(TextsOf(chat));
        var text = Render(chat, mark, cancellationToken);
        if (_tokenizer.LeastTokens(text.Length - text.AsSpan().Count(mark)) is var least && least > most)
            throw new ContextLengthExceededException(least, most, isLeast: true);
        var ids = _tokenizer.EncodeMarked(text, mark);
        if (ids.Count == 0)
            throw new ChatTemplateFailureException("what the model's chat template wrote of these messages makes no token: the prompt would be empty");
        int? unwritten = _tokenizer.AddsBeginOfText && _tokenizer.BeginOfTextId is { } begin && ids[0] != begin ? begin : null;
        if (unwritten is { } added)
            ids.Insert(0, added);
        return chat.History is null ? ids : chat.History.TakeOver(_tokenizer, ids, text.Replace(mark.ToString(), "", StringComparison.Ordinal), unwritten);
    }

    private static IEnumerable<string?> TextsOf(ChatPrompt chat)
        => chat.Messages.SelectMany(message => new[] { message.Role, message.Content, message.Reasoning, message.Name, message.ToolCallId }
                .Concat(message.ToolCalls.SelectMany(call => TemplateTexts.In(call.Arguments).Concat([call.ArgumentsText, call.Id, call.Name]))))
            .Concat(chat.Tools.SelectMany(TemplateTexts.In))
            .Concat(chat.Variables.Values.SelectMany(TemplateTexts.In));

    private string Render(ChatPrompt chat, char? mark, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(chat);
        if (chat.Messages.Count == 0)
            throw new ArgumentException("a chat has at least one message", nameof(chat));
        if (!chat.ContinuesFinalMessage)
            return RenderWhole(chat, mark, cancellationToken);

        // A text that nobody writes says where the last message ends, whatever the template puts behind it or trims off.
        var last = chat.Messages[^1];
        var text = RenderWhole(chat with { Messages = [.. chat.Messages.SkipLast(1), last with { Content = last.Content + LastText }], AddGenerationPrompt = false }, mark, cancellationToken);
        return text.LastIndexOf(LastText, StringComparison.Ordinal) is >= 0 and var end ? text[..end]
            : throw new ChatTemplateFailureException("the model's chat template does not write the last message as it is, so that its text cannot be continued");
    }

    private string RenderWhole(ChatPrompt chat, char? mark, CancellationToken cancellationToken)
    {
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = chat.Messages.Select(m => Describe(m, mark)).ToList(),
            ["tools"] = chat.Tools.Count > 0 ? chat.Tools.Select(tool => Broken(tool, mark)).ToList() : null,
            ["add_generation_prompt"] = chat.AddGenerationPrompt,
            ["bos_token"] = Spelling(_tokenizer.BeginOfTextId),
            ["eos_token"] = Spelling(_tokenizer.EndOfTextId),
        };
        AddUsual(variables, chat, mark);
        foreach (var (name, value) in chat.Variables)
            variables[name] = Broken(value, mark);
        var (template, key) = _templates.Select(chat.Tools.Count > 0);
        try
        {
            return template.Render(variables, _clock, cancellation: cancellationToken) is { Length: > 0 } text ? text
                : throw new ChatTemplateFailureException($"the model's chat template ('{key}') writes nothing of these messages");
        }
        catch (TemplateException exception)
        {
            var isRefusal = exception.Kind == Refusal;
            throw new ChatTemplateFailureException($"the model's chat template ('{key}') {(isRefusal ? "refuses these messages" : "fails on these messages")}: {exception.Message}", isRefusal, exception);
        }
    }

    // What the reference gives beside Hugging Face's own: Llama 3 asks for date_string (and says July 2024 without), firefunction for the others.
    private void AddUsual(Dictionary<string, object?> variables, ChatPrompt chat, char? mark)
    {
        var now = _clock.GetLocalNow();
        variables["date_string"] = now.ToString("dd MMM yyyy", CultureInfo.InvariantCulture);
        variables["datetime"] = _clock.GetUtcNow().ToString("MMM dd yyyy HH:mm:ss 'GMT'", CultureInfo.InvariantCulture);

        // Marked once it is text: the writer of JSON would spell a mark out.
        variables["functions"] = chat.Tools.Count == 0 ? "" : Broken(new JsonArray([.. chat.Tools.Select(tool => tool.DeepClone())]).ToJsonString(s_indented), mark);
    }

    private string Spelling(int? id) => id is { } known ? _tokenizer.TokenText(known) : "";

    private Dictionary<string, object?> Describe(ChatMessage message, char? mark)
    {
        // The assistant's words came from the model: there a control token is what it says.
        var trusted = mark is null || message.Role == "assistant";
        var described = new Dictionary<string, object?>
        {
            ["role"] = Broken(message.Role, mark),
            ["content"] = trusted || message.Content is null ? message.Content : _controlTokens.Break(message.Content, mark!.Value),
        };
        if (message.Name is not null)
            described["name"] = Broken(message.Name, mark);
        if (message.Reasoning is not null)
            described["reasoning_content"] = trusted ? message.Reasoning : _controlTokens.Break(message.Reasoning, mark!.Value);
        if (message.ToolCallId is not null)
            described["tool_call_id"] = Broken(message.ToolCallId, mark);
        if (message.ToolCalls.Count > 0)
            described["tool_calls"] = message.ToolCalls.Select(call => Broken(Describe(call), mark)).ToList();
        return described;
    }

    private object? Broken(object? value, char? mark) => mark is { } character ? TemplateTexts.Map(value, text => _controlTokens.Break(text, character)) : value;

    private static Dictionary<string, object?> Describe(ToolCall call) => new()
    {
        ["id"] = call.Id,
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?> { ["name"] = call.Name, ["arguments"] = call.ArgumentsText is { } text ? text : (JsonNode)call.Arguments },
    };
}
