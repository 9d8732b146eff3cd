using System.Text;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Numbers;
using Hearth.Runtime.Constraints.Patterns;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>A model's tokens as constraints see them: the bytes that each adds to the text, and what all constraints share.</summary>
/// <remarks>Safe for several threads.</remarks>
internal sealed class ConstraintVocabulary
{
    /// <summary>Sets of characters whose tokens are remembered.</summary>
    private const int MostSlices = 24;

    /// <summary>Characters of the longest spelling of a control token that is looked for.</summary>
    private const int LongestControl = 128;

    private readonly Tokenizer? _tokenizer;
    private readonly Lazy<CharacterSlice> _everything;
    private readonly Dictionary<int, LexState> _whitespace = [];
    private readonly Dictionary<string, LexState> _punctuation = new(StringComparer.Ordinal);
    private readonly Dictionary<CharSet, CharacterSlice> _slices = [];
    private readonly Dictionary<CharSet, int> _asked = [];

    /// <summary>Creates the vocabulary of a model.</summary>
    /// <param name="tokenizer">Spells the tokens; null: there are none.</param>
    /// <param name="size">Logits of the model; ids beyond the tokenizer's have no text.</param>
    public ConstraintVocabulary(Tokenizer? tokenizer, int size)
    {
        _tokenizer = tokenizer;
        Size = size;
        var strings = new List<(ReadOnlyMemory<byte>, int)>(tokenizer?.VocabularySize ?? 0);
        Ends = [.. (tokenizer?.EndOfGenerationIds ?? []).Where(id => id < size)];
        for (var id = 0; id < Math.Min(size, tokenizer?.VocabularySize ?? 0); id++)
        {
            if (SpellingOf(id) is { Length: > 0 } bytes)
            {
                strings.Add((bytes.ToArray(), id));
            }
        }

        Trie = TokenTrie.Build(strings);
        var factory = new ExpressionFactory();
        var everything = new CharAutomaton(factory, factory.Everything).Start;
        Everything = everything;
        AnyString = new StringLexer(everything, StringLengths.Any, isJson: true);
        AnyQuoted = new PrefixState((byte)'"', AnyString.Start);
        AnyNumber = NumberLexer.Start([NumberRange.All]).First();

        // The largest formats take milliseconds to make, once a process: better here than in somebody's first mask.
        foreach (var format in (ReadOnlySpan<string>)["date-time", "time", "uri", "email"])
        {
            _ = StringFormats.Automaton(format)?.Start.NextOfClass(0);
        }

        _everything = new(() => CharacterSlice.OfEverything(this));
    }

    /// <summary>No tokens at all: what constraints are checked with where no model is at hand.</summary>
    public static ConstraintVocabulary None { get; } = new(null, 0);

    /// <summary>Bits of a mask.</summary>
    public int Size { get; }

    /// <summary>Words of a mask.</summary>
    public int MaskLength => (Size + 63) / 64;

    /// <summary>All tokens that are text, by their bytes.</summary>
    public TokenTrie Trie { get; }

    /// <summary>The tokens that end a text.</summary>
    public int[] Ends { get; }

    /// <summary>The language of all texts.</summary>
    public CharState Everything { get; }

    /// <summary>The inside of any JSON string; shared by all constraints, as is what it remembers.</summary>
    public StringLexer AnyString { get; }

    /// <summary>Any JSON string with its quotes.</summary>
    public LexState AnyQuoted { get; }

    /// <summary>Any JSON number.</summary>
    public LexState AnyNumber { get; }

    /// <summary>Runs of white space up to a length, shared by all constraints.</summary>
    public LexState Whitespace(int longest)
    {
        lock (_whitespace)
        {
            return _whitespace.TryGetValue(longest, out var known) ? known : _whitespace[longest] = WhitespaceLexer.Start(longest);
        }
    }

    /// <summary>One fixed text, shared by all constraints; for punctuation.</summary>
    public LexState Punctuation(string text)
    {
        lock (_punctuation)
        {
            return _punctuation.TryGetValue(text, out var known) ? known : _punctuation[text] = LiteralLexer.Start(text);
        }
    }

    /// <summary>How all tokens go on in any JSON string.</summary>
    public CharacterSlice EverythingSlice => _everything.Value;

    /// <summary>Whether a space is dropped from a token that begins a text or follows a token of its own kind.</summary>
    public bool DropsLeadingSpace => _tokenizer?.DropsFirstSpace == true;

    /// <summary>The bytes of a token; of a control token those of <see cref="ControlSpelling"/>; none where it is neither text nor that.</summary>
    public ReadOnlySpan<byte> Bytes(int token) => SpellingOf(token);

    /// <summary>Whether the token after this one loses a leading space.</summary>
    public bool RestartsText(int token) => _tokenizer?.KindOf(token) is TokenKind.UserDefined or TokenKind.Control;

    /// <summary>The tokens of a text that follows another.</summary>
    public List<int> Encode(ReadOnlySpan<byte> utf8) => _tokenizer?.EncodeBehindText(utf8) ?? [];

    /// <summary>How tokens go on in a run of some characters; null until it was asked for some times, since it takes a pass over all tokens.</summary>
    public CharacterSlice? SliceOf(CharSet characters)
    {
        lock (_slices)
        {
            if (_slices.TryGetValue(characters, out var known))
            {
                return known;
            }

            var asked = _asked[characters] = _asked.GetValueOrDefault(characters) + 1;
            if (_asked.Count > 1000)
            {
                _asked.Clear();
            }

            if (asked < 3)
            {
                return null;
            }

            if (_slices.Count >= MostSlices)
            {
                _slices.Clear();
            }

            return _slices[characters] = CharacterSlice.Of(this, characters);
        }
    }

    /// <summary>The bytes of a text in which spellings of control tokens mean these tokens, the longest first.</summary>
    public byte[] Spell(string text)
    {
        var bytes = new List<byte>();
        var begin = 0;
        for (var at = 0; at < text.Length;)
        {
            var length = 0;
            var token = -1;
            for (var end = Math.Min(text.Length, at + LongestControl); end > at && token < 0; end--)
            {
                length = end - at;
                token = _tokenizer?.TryGetId(text[at..end], out var id) == true && ControlSpelling.TryRead(SpellingOf(id), out _) ? id : -1;
            }

            if (token < 0)
            {
                at++;
                continue;
            }

            bytes.AddRange(Encoding.UTF8.GetBytes(text[begin..at]));
            bytes.AddRange(ControlSpelling.Of(token));
            at += length;
            begin = at;
        }

        bytes.AddRange(Encoding.UTF8.GetBytes(text[begin..]));
        return [.. bytes];
    }

    // Bytes that no UTF-8 has spell control tokens here, so a token of such a byte alone is none of text.
    private ReadOnlySpan<byte> SpellingOf(int id)
        => _tokenizer is null || (uint)id >= (uint)Math.Min(Size, _tokenizer.VocabularySize) || _tokenizer.IsEndOfGeneration(id) ? []
            : _tokenizer.KindOf(id) switch
            {
                TokenKind.Control => ControlSpelling.Of(id),
                TokenKind.Normal or TokenKind.UserDefined or TokenKind.Byte when _tokenizer.TokenBytes(id) is var bytes && bytes.IndexOfAnyInRange(ControlSpelling.FirstByte, byte.MaxValue) < 0 => bytes,
                _ => [],
            };
}
