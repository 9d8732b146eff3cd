using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

/// <summary>Small vocabularies written out by hand, as metadata.</summary>
internal sealed class TinyVocabulary(string model)
{
    private readonly List<string> _tokens = [];
    private readonly List<int> _kinds = [];
    private readonly List<float> _scores = [];
    private readonly Dictionary<string, object> _keys = new() { ["tokenizer.ggml.model"] = model };

    /// <summary>GPT-2's stand-in for a space.</summary>
    public const char Space = '\u0120';

    /// <summary>SentencePiece's stand-in for a space.</summary>
    public const char Escaped = '\u2581';

    public TinyVocabulary Add(string token, TokenKind kind = TokenKind.Normal, float score = 0)
    {
        _tokens.Add(token);
        _kinds.Add((int)kind);
        _scores.Add(score);
        return this;
    }

    public TinyVocabulary AddAll(params ReadOnlySpan<string> tokens)
    {
        foreach (var token in tokens)
        {
            Add(token);
        }

        return this;
    }

    /// <summary>The 256 byte tokens &lt;0x00&gt; to &lt;0xFF&gt;.</summary>
    public TinyVocabulary AddBytes()
    {
        for (var value = 0; value < 256; value++)
        {
            Add($"<0x{value:X2}>", TokenKind.Byte);
        }

        return this;
    }

    public TinyVocabulary With(string key, object value)
    {
        _keys["tokenizer.ggml." + key] = value;
        return this;
    }

    public TinyVocabulary Merging(params string[] merges) => With("merges", merges);

    public GgufMetadata ToMetadata()
    {
        var keys = new Dictionary<string, object>
        {
            ["tokenizer.ggml.tokens"] = _tokens.ToArray(),
            ["tokenizer.ggml.token_type"] = _kinds.ToArray(),
            ["tokenizer.ggml.scores"] = _scores.ToArray(),
        };
        foreach (var (key, value) in _keys)
        {
            keys[key] = value;
        }

        return new GgufMetadata(keys);
    }

    public Tokenizer Build(string? preTokenizer = null) => Tokenizer.FromMetadata(ToMetadata(), preTokenizer);

    /// <summary>Byte-pair encoding over the byte alphabet of ASCII letters and a few words.</summary>
    public static TinyVocabulary BytePair()
        => new TinyVocabulary("gpt2")
            .AddAll("a", "b", "c", "d", "1", "2", "3", Space.ToString(), "ab", "cd", "abcd", Space + "ab", "12")
            .Merging("a b", "c d", "ab cd", Space + " ab", "1 2")
            .With("pre", "gpt-2");

    /// <summary>SentencePiece byte-pair encoding with bytes to fall back on.</summary>
    public static TinyVocabulary SentencePiece()
        => new TinyVocabulary("llama")
            .Add("<unk>", TokenKind.Unknown)
            .Add("<s>", TokenKind.Control)
            .Add("</s>", TokenKind.Control)
            .AddBytes()
            .Add(Escaped.ToString(), score: -1)
            .Add("a", score: -2)
            .Add("b", score: -3)
            .Add("c", score: -4)
            .Add("ab", score: -5)
            .Add("bc", score: -6)
            .Add(Escaped + "ab", score: -7)
            .Add("<user>", TokenKind.UserDefined)
            .Add("<|im_end|>", TokenKind.Control);

    /// <summary>The spellings of ids, joined by blanks.</summary>
    public static string Spell(Tokenizer tokenizer, IEnumerable<int> ids) => string.Join(' ', ids.Select(tokenizer.TokenText));
}
