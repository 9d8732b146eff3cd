using System.Buffers;
using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers.Splitting;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Turns text into the token ids of a model and back.</summary>
/// <remarks>
/// Made from a GGUF file's metadata; its ids equal those of llama.cpp (August 2026) for the same file (kind "characters" is Hearth's own). Immutable and safe
/// for use by several threads at once.
/// </remarks>
public abstract class Tokenizer
{
    private const int LongestPooled = 1 << 18;

    private static readonly string[] s_models = ["llama", "gpt2", "gemma4", "whitespace", "bert", "t5", "rwkv", "characters"];

    private readonly SpecialTokenSplitter _splitter;
    private volatile ControlSplitter? _lastWith;
    private readonly PieceTable _pieces;
    private readonly int _longestSpelling;

    private protected Tokenizer(Vocabulary vocabulary, PieceTable pieces)
    {
        Vocabulary = vocabulary;
        _pieces = pieces;
        _splitter = new SpecialTokenSplitter(Enumerable.Range(0, vocabulary.Count)
            .Where(id => vocabulary.Has(id, TokenAttributes.Special))
            .Select(id => (id, vocabulary.Tokens[id].ToArray(), vocabulary.Attributes[id])));
        for (var id = 0; id < vocabulary.Count; id++)
        {
            _longestSpelling = Math.Max(_longestSpelling, vocabulary.Tokens[id].Length);
        }
    }

    /// <summary>The algorithm's name in <c>tokenizer.ggml.model</c>.</summary>
    public string Model => Vocabulary.Model;

    /// <summary>Tokens in the vocabulary; ids are 0 up to but without it.</summary>
    public int VocabularySize => Vocabulary.Count;

    /// <summary>All tokens with a role of their own.</summary>
    public SpecialTokenIds Special => Vocabulary.Special;

    /// <summary>The token that begins a text, or null.</summary>
    public int? BeginOfTextId => Special.BeginOfText;

    /// <summary>The token that ends a text, or null.</summary>
    public int? EndOfTextId => Special.EndOfText;

    /// <summary>The token that ends a turn, or null.</summary>
    public int? EndOfTurnId => Special.EndOfTurn;

    /// <summary>The token that fills the rows of a batch, or null.</summary>
    public int? PaddingId => Special.Padding;

    /// <summary>The token for what the vocabulary cannot spell, or null.</summary>
    public int? UnknownId => Special.Unknown;

    /// <summary>Whether encoding with special tokens begins with <see cref="BeginOfTextId"/>.</summary>
    public virtual bool AddsBeginOfText => Vocabulary.AddsBeginOfText;

    /// <summary>Whether encoding with special tokens ends with <see cref="EndOfTextId"/> (WordPiece: with the separator, always).</summary>
    public virtual bool AddsEndOfText => Vocabulary.AddsEndOfText;

    /// <summary>Whether a space is put before text that begins an input or follows a special token.</summary>
    public bool AddsSpacePrefix => Vocabulary.AddsSpacePrefix;

    /// <summary>The tokens that end generation, ascending.</summary>
    public IReadOnlyList<int> EndOfGenerationIds => [.. Vocabulary.EndOfGeneration.Order()];

    /// <summary>The tokens that the file forbids to generate (<c>tokenizer.ggml.suppress_tokens</c>).</summary>
    public IReadOnlyList<int> SuppressedIds => Vocabulary.Suppressed;

    /// <summary>What in the file is odd and was read all the same, a sentence each: roles that no token has, merges that are no pairs.</summary>
    public IReadOnlyList<string> Warnings => Vocabulary.Warnings;

    private protected Vocabulary Vocabulary { get; }

    /// <summary>Whether a first space in decoded text is one that encoding put there.</summary>
    private protected virtual bool DropsLeadingSpace => Vocabulary.AddsSpacePrefix;

    /// <summary>Makes the tokenizer that a model file describes.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="preTokenizerOverride">A name to take in place of <c>tokenizer.ggml.pre</c>; only byte-pair vocabularies have one.</param>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or names an algorithm or a pre-tokenizer that is not known.</exception>
    /// <exception cref="ModelFormatException">Keys are missing, mistyped or contradict each other.</exception>
    public static Tokenizer FromMetadata(GgufMetadata metadata, string? preTokenizerOverride = null) => Create(metadata, preTokenizerOverride, side: "");

    /// <summary>The same with tokens that count as control tokens whatever the file calls them.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="controlSpellings">Their spellings; those that are no token are passed over.</param>
    internal static Tokenizer FromMetadata(GgufMetadata metadata, IEnumerable<string> controlSpellings) => Create(metadata, preTokenizerOverride: null, side: "", controlSpellings);

    /// <summary>Makes the tokenizer of what an encoder–decoder writes, where its tokens are others than those it reads.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <returns>Null where there is one vocabulary (no <c>tokenizer.ggml.decoder_tokens</c>).</returns>
    /// <exception cref="UnsupportedModelException">The file names an algorithm or a pre-tokenizer that is not known.</exception>
    /// <exception cref="ModelFormatException">Keys are missing, mistyped or contradict each other.</exception>
    public static Tokenizer? ForDecoder(GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return metadata.Contains("tokenizer.ggml.decoder_tokens") ? Create(metadata, preTokenizerOverride: null, VocabularyReader.DecoderSide) : null;
    }

    private static Tokenizer Create(GgufMetadata metadata, string? preTokenizerOverride, string side, IEnumerable<string>? controlSpellings = null)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        if (!metadata.TryGet<string>("tokenizer.ggml.model", out var model))
        {
            throw new UnsupportedModelException("a file without vocabulary (metadata key 'tokenizer.ggml.model' is missing)", s_models);
        }

        var name = preTokenizerOverride ?? metadata.Get("tokenizer.ggml.pre", "");
        switch (model)
        {
            case "gpt2" or "gemma4" or "whitespace":
                var preTokenizer = PreTokenizers.ByName(model == "gemma4" ? "gemma4" : name);
                return new BytePairTokenizer(Read(preTokenizer), preTokenizer, BytePairTokenizer.ReadMerges(metadata, name));
            case "llama":
                return new SentencePieceTokenizer(Read(null));
            case "bert":
                return new WordPieceTokenizer(Read(null));
            case "t5":
                return new UnigramTokenizer(Read(null), CharacterMap.Read(metadata));
            case "rwkv":
                return new LongestTokenTokenizer(Read(null));
            case "characters":
                return new CharacterTokenizer(Read(null));
            case "no_vocab" or "none":
                throw new UnsupportedModelException($"tokenizer '{model}' (the file holds no vocabulary: only token ids can go in and out)", s_models);
            default:
                throw new UnsupportedModelException($"tokenizer '{model}' (tokenizer.ggml.model)", s_models);
        }

        Vocabulary Read(PreTokenizer? preTokenizer) => VocabularyReader.Read(metadata, model, preTokenizer, name, side, controlSpellings);
    }

    /// <inheritdoc cref="Encode(ReadOnlySpan{byte}, bool, bool)"/>
    /// <param name="text">The text; a lone surrogate counts as U+FFFD.</param>
    /// <param name="addSpecial">Whether to add the begin and end tokens that the model wants.</param>
    /// <param name="parseSpecial">Whether the spelling of a control token in the text stands for that token.</param>
    public List<int> Encode(string text, bool addSpecial = true, bool parseSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encode(text.AsSpan(), addSpecial, parseSpecial);
    }

    /// <inheritdoc cref="Encode(string, bool, bool)"/>
    public List<int> Encode(ReadOnlySpan<char> text, bool addSpecial = true, bool parseSpecial = false)
    {
        // The shared pool would keep what a huge text needs once.
        if (text.Length > LongestPooled)
        {
            var utf8 = new byte[Encoding.UTF8.GetByteCount(text)];
            _ = Encoding.UTF8.GetBytes(text, utf8);
            return Encode(utf8, addSpecial, parseSpecial);
        }

        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            var length = Encoding.UTF8.GetBytes(text, buffer);
            return Encode(buffer.AsSpan(0, length), addSpecial, parseSpecial);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The token ids of a text.</summary>
    /// <remarks>
    /// Without <paramref name="parseSpecial"/> the spelling of a control token is plain text, so that text from outside
    /// cannot steer the model; user-defined tokens are found in either case.
    /// </remarks>
    /// <param name="utf8">The text. Bytes that are no UTF-8 count as U+FFFD, or as single bytes where the vocabulary has tokens for them.</param>
    /// <param name="addSpecial">Whether to add the begin and end tokens that the model wants.</param>
    /// <param name="parseSpecial">Whether the spelling of a control token in the text stands for that token.</param>
    public List<int> Encode(ReadOnlySpan<byte> utf8, bool addSpecial = true, bool parseSpecial = false)
    {
        var ids = new List<int>((utf8.Length / 4) + 4);
        if (addSpecial)
        {
            AddFirst(ids);
        }

        AppendFragments(utf8, parseSpecial, mark: [], ids);

        if (addSpecial)
        {
            AddLast(ids);
        }

        return ids;
    }

    /// <summary>Whether the first space of a token is dropped where it begins a text or follows a user-defined token.</summary>
    internal bool DropsFirstSpace => DropsLeadingSpace;

    /// <summary>The token ids of a text that follows another: nothing is put before it, and control tokens are plain text.</summary>
    internal List<int> EncodeBehindText(ReadOnlySpan<byte> utf8)
    {
        var ids = new List<int>((utf8.Length / 4) + 4);
        AppendFragments(_splitter, utf8, parseSpecial: false, mark: [], ids, afterSpecial: false);
        return ids;
    }

    /// <summary>The token ids of a prompt in which control tokens count as such: one that spells its own begin or end token gets no second one.</summary>
    /// <remarks>The reference adds it and warns. A model has never seen two.</remarks>
    internal List<int> EncodePrompt(string text)
    {
        var ids = Encode(text, addSpecial: false, parseSpecial: true);
        var around = new List<int>();
        AddFirst(around);
        if (ids.Count < around.Count || !around.SequenceEqual(ids.Take(around.Count)))
        {
            ids.InsertRange(0, around);
        }

        around.Clear();
        AddLast(around);
        if (ids.Count < around.Count || !around.SequenceEqual(ids.TakeLast(around.Count)))
        {
            ids.AddRange(around);
        }

        return ids;
    }

    /// <summary>A number of tokens that no text of a length falls below, known without reading it; 0 where nothing is known.</summary>
    /// <param name="length">The text's UTF-16 units.</param>
    public long LeastTokens(long length)
        => KeepsEveryByte && _longestSpelling > 0 && !_splitter.SwallowsSpaces ? Math.Max(0, length) / _longestSpelling : 0;

    /// <summary>The token ids of a text in which control tokens count as such unless a mark breaks their spelling.</summary>
    /// <remarks>The marks are no part of the text; begin and end tokens are not added.</remarks>
    /// <param name="text">The text with its marks.</param>
    /// <param name="mark">A character that the text itself does not hold.</param>
    internal List<int> EncodeMarked(string text, char mark)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var marked = Encoding.UTF8.GetBytes([mark]);
        var ids = new List<int>((utf8.Length / 4) + 4);
        AppendFragments(utf8, parseSpecial: true, marked, ids);
        return ids;
    }

    /// <summary>The token ids of a text in which the spelling of one control token counts as such and that of all others is plain text.</summary>
    /// <remarks>Begin and end tokens are added where the model wants them.</remarks>
    /// <param name="text">The text.</param>
    /// <param name="control">The token.</param>
    internal List<int> EncodeWith(string text, int control)
    {
        // A model has one mask, so the last splitter is the one that is asked for again; two threads may make it twice.
        if (_lastWith is not { } last || last.Control != control)
        {
            last = new ControlSplitter(control, new SpecialTokenSplitter(Enumerable.Range(0, Vocabulary.Count)
                .Where(id => id == control || Vocabulary.Has(id, TokenAttributes.UserDefined))
                .Select(id => (id, Vocabulary.Tokens[id].ToArray(), Vocabulary.Attributes[id]))));
            _lastWith = last;
        }

        var ids = new List<int>((text.Length / 4) + 4);
        AddFirst(ids);
        AppendFragments(last.Splitter, Encoding.UTF8.GetBytes(text), parseSpecial: true, mark: [], ids);
        AddLast(ids);
        return ids;
    }

    private void AppendFragments(ReadOnlySpan<byte> utf8, bool parseSpecial, ReadOnlySpan<byte> mark, List<int> ids)
        => AppendFragments(_splitter, utf8, parseSpecial, mark, ids);

    private void AppendFragments(SpecialTokenSplitter splitter, ReadOnlySpan<byte> utf8, bool parseSpecial, ReadOnlySpan<byte> mark, List<int> ids, bool afterSpecial = true)
    {
        foreach (var fragment in splitter.Split(utf8, parseSpecial))
        {
            if (fragment.Token >= 0)
            {
                ids.Add(fragment.Token);
                afterSpecial = true;
            }
            else
            {
                EncodeText(Without(utf8.Slice(fragment.Start, fragment.Length), mark), afterSpecial, ids);
                afterSpecial = false;
            }
        }
    }

    private sealed record ControlSplitter(int Control, SpecialTokenSplitter Splitter);

    private static ReadOnlySpan<byte> Without(ReadOnlySpan<byte> text, ReadOnlySpan<byte> mark)
    {
        if (mark.IsEmpty || text.IndexOf(mark) < 0)
        {
            return text;
        }

        var kept = new ArrayBufferWriter<byte>(text.Length);
        for (var next = text.IndexOf(mark); next >= 0; next = text.IndexOf(mark))
        {
            kept.Write(text[..next]);
            text = text[(next + mark.Length)..];
        }

        kept.Write(text);
        return kept.WrittenSpan;
    }

    /// <summary>The text of a sequence of tokens; bytes that do not make up UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="includeControl">Whether control tokens are spelled out; otherwise they leave nothing.</param>
    /// <param name="continuesText">
    /// Whether the ids follow a text. If not, the space that encoding puts before a text is dropped again.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool includeControl = false, bool continuesText = false)
    {
        var bytes = new ArrayBufferWriter<byte>(Math.Max(16, ids.Length * 4));
        var atStart = !continuesText;
        foreach (var id in ids)
        {
            bytes.Write(NextPiece(id, includeControl, ref atStart));
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>A decoder for tokens that arrive one by one.</summary>
    /// <param name="includeControl">Whether control tokens are spelled out.</param>
    /// <param name="continuesText">Whether the tokens follow a text, as generated ones follow their prompt.</param>
    public StreamingDecoder CreateDecoder(bool includeControl = false, bool continuesText = false) => new(this, includeControl, continuesText);

    /// <summary>The bytes that a token stands for, control tokens spelled out; maybe a part of a character.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id) => _pieces[Checked(id)];

    /// <summary>The token's spelling in the vocabulary, with its escapes for bytes and spaces.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string TokenText(int id) => GgufText.FromBytes(Vocabulary.Tokens[Checked(id)]);

    /// <summary>The token's score in the file; 0 where it has none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public float ScoreOf(int id) => Vocabulary.Scores[Checked(id)];

    /// <summary>What a token stands for.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public TokenKind KindOf(int id) => Vocabulary.Attributes[Checked(id)] switch
    {
        var a when (a & TokenAttributes.Control) != 0 => TokenKind.Control,
        var a when (a & TokenAttributes.Unknown) != 0 => TokenKind.Unknown,
        var a when (a & TokenAttributes.UserDefined) != 0 => TokenKind.UserDefined,
        var a when (a & TokenAttributes.Unused) != 0 => TokenKind.Unused,
        var a when (a & TokenAttributes.Byte) != 0 => TokenKind.Byte,
        var a when (a & TokenAttributes.Normal) != 0 => TokenKind.Normal,
        _ => TokenKind.Undefined,
    };

    /// <summary>Whether a token leaves nothing in decoded text unless control tokens are asked for.</summary>
    internal bool IsHidden(int id) => (Vocabulary.Attributes[Checked(id)] & TokenAttributes.Hidden) != 0;

    /// <summary>Whether generation stops at a token: the end of text, turn or message, and tokens known by name to mean as much.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public bool IsEndOfGeneration(int id) => Vocabulary.EndOfGeneration.Contains(Checked(id));

    /// <summary>Looks a token up by its spelling in the vocabulary.</summary>
    public bool TryGetId(string token, out int id)
    {
        ArgumentNullException.ThrowIfNull(token);
        id = Vocabulary.Tokens.Find(GgufText.GetBytes(token));
        return id >= 0;
    }

    /// <summary>The bytes that a token adds to decoded text, given and updating whether a space that encoding put there may come.</summary>
    internal ReadOnlySpan<byte> NextPiece(int id, bool includeControl, ref bool atStart)
    {
        var attributes = Vocabulary.Attributes[Checked(id)];
        if (!includeControl && (attributes & TokenAttributes.Hidden) != 0)
        {
            atStart |= (attributes & TokenAttributes.Control) != 0;
            return [];
        }

        var piece = _pieces[id];
        if ((attributes & (TokenAttributes.Control | TokenAttributes.UserDefined)) != 0)
        {
            atStart = true;
            return piece;
        }

        var drops = atStart && DropsLeadingSpace && piece is [(byte)' ', ..];
        atStart = false;
        return drops ? piece[1..] : piece;
    }

    /// <summary>Whether every byte of a text belongs to some token, so that no token stands for more bytes than its spelling has.</summary>
    private protected virtual bool KeepsEveryByte => false;

    /// <summary>Appends the ids of a stretch of text without special tokens.</summary>
    private protected abstract void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids);

    private protected virtual void AddFirst(List<int> ids)
    {
        if (AddsBeginOfText && BeginOfTextId is { } id)
        {
            ids.Add(id);
        }
    }

    private protected virtual void AddLast(List<int> ids)
    {
        if (AddsEndOfText && EndOfTextId is { } id)
        {
            ids.Add(id);
        }
    }

    private int Checked(int id)
        => (uint)id < (uint)Vocabulary.Count ? id
            : throw new ArgumentOutOfRangeException(nameof(id), id, $"token id {id} is not in the vocabulary of {Vocabulary.Count} tokens");
}
