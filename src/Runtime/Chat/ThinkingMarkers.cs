using System.Text;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>How a model marks its thinking, read off its template and vocabulary; a constraint of the answer begins behind it.</summary>
/// <remarks>Immutable but for what is made once when first wanted; safe for several threads.</remarks>
internal sealed class ThinkingMarkers
{
    // Tokens of the prompt that are looked at: enough for a marker spelled in single bytes, and the white space behind it.
    private const int Tail = 48;

    private static readonly (string Open, string Close)[] s_known =
    [
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<seed:think>", "</seed:think>"),
        ("<thinking>", "</thinking>"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("\u25C1think\u25B7", "\u25C1/think\u25B7"),
    ];

    private readonly Tokenizer _tokenizer;
    private readonly Lazy<int[]> _blanks;
    private readonly Lazy<int[]> _overlong;
    private readonly Lazy<int[]> _ends;
    private readonly Lazy<int[]> _closing;

    private ThinkingMarkers(Tokenizer tokenizer, string open, string close)
    {
        _tokenizer = tokenizer;
        (Open, Close) = (open, close);
        CloseBytes = Encoding.UTF8.GetBytes(close);
        OpenToken = tokenizer.TryGetId(open, out var id) ? id : null;
        _blanks = new Lazy<int[]>(() => [.. Ids.Where(token => tokenizer.TokenBytes(token) is { Length: > 0 } bytes && IsBlank(bytes))]);
        _overlong = new Lazy<int[]>(() => [.. Ids.Where(token => RunsOver(tokenizer.TokenBytes(token)))]);
        _closing = new Lazy<int[]>(() => [.. tokenizer.Encode($"\n{close}\n\n", addSpecial: false, parseSpecial: true)]);
        _ends = new Lazy<int[]>(() => [.. Ids.Where(tokenizer.IsEndOfGeneration)]);
    }

    /// <summary>What begins the thinking.</summary>
    public string Open { get; }

    /// <summary>What ends it.</summary>
    public string Close { get; }

    /// <summary><see cref="Close"/> in UTF-8.</summary>
    public byte[] CloseBytes { get; }

    /// <summary>The token that begins the thinking; null where it takes several.</summary>
    public int? OpenToken { get; }

    /// <summary>The tokens by which thinking is ended where the model does not end it.</summary>
    public int[] Closing => _closing.Value;

    /// <summary>Tokens of the vocabulary.</summary>
    public int VocabularySize => _tokenizer.VocabularySize;

    /// <summary>Tokens of white space alone.</summary>
    public int[] Blanks => _blanks.Value;

    /// <summary>Tokens that end the marker within and go on with other than white space; which of them do depends on what comes before.</summary>
    public int[] Overlong => _overlong.Value;

    /// <summary>Tokens that end a text.</summary>
    public int[] Ends => _ends.Value;

    private IEnumerable<int> Ids => Enumerable.Range(0, _tokenizer.VocabularySize);

    /// <summary>A model's markers; null for one that does not think, or marks it in no known way.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="template">The source of its chat template; null for none.</param>
    public static ThinkingMarkers? Find(Tokenizer tokenizer, string? template)
    {
        foreach (var (open, close) in s_known)
        {
            var isWritten = template?.Contains(close, StringComparison.Ordinal) == true || template?.Contains(open, StringComparison.Ordinal) == true;
            if (isWritten || (tokenizer.TryGetId(open, out _) && tokenizer.TryGetId(close, out _)))
                return new ThinkingMarkers(tokenizer, open, close);
        }

        return null;
    }

    /// <summary>Markers that are known.</summary>
    public static ThinkingMarkers Of(Tokenizer tokenizer, string open, string close) => new(tokenizer, open, close);

    /// <summary>Whether a prompt ends within thoughts that it has begun itself.</summary>
    public bool IsBegunBy(IReadOnlyList<int> prompt) => TextBehind(prompt).EndsWith(Open, StringComparison.Ordinal);

    /// <summary>A walk that begins where the model's thinking ends.</summary>
    /// <param name="answer">The constraint of the answer.</param>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="mayOpen">Whether the answer may begin with thinking that the prompt has not begun.</param>
    /// <param name="budget">The most tokens of it; null: any number.</param>
    public ITokenConstraint Behind(ITokenConstraint answer, IReadOnlyList<int> prompt, bool mayOpen, int? budget = null)
    {
        var text = TextBehind(prompt);
        if (text.EndsWith(Open, StringComparison.Ordinal))
            return new ThinkingWalk(answer, this, _tokenizer, isThinking: true, budget);
        return mayOpen && OpenToken is not null && !text.EndsWith(Close, StringComparison.Ordinal) ? new ThinkingWalk(answer, this, _tokenizer, isThinking: false, budget) : answer;
    }

    private string TextBehind(IReadOnlyList<int> prompt)
    {
        int[] tail = [.. prompt.Skip(Math.Max(0, prompt.Count - Tail)).Where(id => (uint)id < (uint)_tokenizer.VocabularySize)];
        return _tokenizer.Decode(tail, includeControl: true, continuesText: true).TrimEnd();
    }

    /// <summary>Whether bytes are white space alone.</summary>
    public static bool IsBlank(ReadOnlySpan<byte> bytes) => bytes.IndexOfAnyExcept(" \t\r\n"u8) < 0;

    private bool RunsOver(ReadOnlySpan<byte> token)
    {
        for (var end = 1; end < token.Length; end++)
        {
            var head = token[Math.Max(0, end - CloseBytes.Length)..end];
            if (CloseBytes.AsSpan().EndsWith(head) && !IsBlank(token[end..]))
                return true;
        }

        return false;
    }
}
