using System.Runtime.CompilerServices;
using Hearth.Runtime.Chat;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Conversations;

/// <summary>A model that says what it is told to, in tokens that tokenizing its text would not give: one for each byte.</summary>
internal sealed class ScriptedModel : ILanguageModel
{
    private readonly ChatPromptRenderer _renderer;
    private int[] _cached = [];

    public ScriptedModel(string template)
    {
        var vocabulary = TinyVocabulary.SentencePiece().Add("<|im_start|>", TokenKind.Control).Add("<think>", TokenKind.Control).Add("</think>", TokenKind.Control);
        Tokenizer = vocabulary.Build();
        var templates = new ModelTemplates(new GgufMetadata(new Dictionary<string, object> { [ModelTemplates.Key] = template }));
        _renderer = new ChatPromptRenderer(templates, Tokenizer, TimeProvider.System);
        Dialect = TemplateProbe.Read(_renderer, Tokenizer, template);
    }

    public Tokenizer Tokenizer { get; }

    public string Says { get; set; } = "";

    public Action? BeforeEnd { get; set; }

    public ChatDialect Dialect { get; }

    public int ContextLength { get; init; } = 100_000;

    public List<GenerationRequest> Requests { get; } = [];

    public int Rendered { get; private set; }

    public ModelInformation Information => new("scripted", "none", ContextLength, Tokenizer.VocabularySize, 0, 0, true, DateTimeOffset.UnixEpoch);

    public ModelLoad Load => default;

    public List<int[]> Prompts { get; } = [];

    public IReadOnlyList<int> Tokenize(string text, bool addSpecial = true, bool parseSpecial = false) => Tokenizer.Encode(text, addSpecial, parseSpecial);

    public IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken = default)
    {
        Rendered++;
        return _renderer.Tokenize(chat, ContextLength, cancellationToken);
    }

    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        int[] prompt = [.. request.Prompt];
        Prompts.Add(prompt);
        Requests.Add(request);
        var found = Math.Min(prompt.AsSpan().CommonPrefixLength(_cached), prompt.Length - 1);
        var says = request.Options.MaxTokens == 0 ? "" : Says;
        int[] ids = [.. Spell(says)];
        foreach (var id in ids)
        {
            yield return new GenerationUpdate(Tokenizer.Decode([id], includeControl: true, continuesText: true), [id]);
        }

        _cached = [.. prompt, .. ids];
        BeforeEnd?.Invoke();
        yield return new GenerationUpdate("", [], FinishReason.Stop, new TokenUsage(prompt.Length, ids.Length, found, CacheMissReason.Differs, found));
    }

    private IEnumerable<int> Spell(string text)
    {
        while (text.Length > 0)
        {
            var marker = new[] { "<think>", "</think>" }.FirstOrDefault(mark => text.StartsWith(mark, StringComparison.Ordinal));
            Assert.True(Tokenizer.TryGetId(marker ?? $"<0x{(int)text[0]:X2}>", out var id));
            yield return id;
            text = text[(marker?.Length ?? 1)..];
        }
    }
}
