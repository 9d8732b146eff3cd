using System.Runtime.InteropServices;
using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers.Splitting;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Byte-pair encoding ("gpt2" in GGUF): words are merged pair by pair in the order of the merge list.</summary>
/// <remarks>
/// Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016), over bytes as in GPT-2, or over
/// characters with bytes for the rest (Gemma 4). Symbols are the tokens and whatever else the merge list mentions.
/// </remarks>
internal sealed class BytePairTokenizer : Tokenizer
{
    private const string MergesKey = "tokenizer.ggml.merges";

    private readonly PreTokenizer _preTokenizer;
    private readonly ByteStringTable _symbols;
    private readonly int[] _tokenOfSymbol;
    private readonly int[] _symbolOfByte = new int[256];
    private readonly int[][] _fallback;
    private readonly bool _keepsEveryByte;
    private readonly Dictionary<ulong, (uint Rank, int Merged)> _merges;
    private readonly IdleWorkspaces<Workspace> _idle = new();

    public BytePairTokenizer(Vocabulary vocabulary, PreTokenizer preTokenizer, GgufStringList merges)
        : base(vocabulary, PieceTable.Build(vocabulary, preTokenizer.EscapesSpaces ? PieceTable.WithSpaces : ByteAlphabet.DecodePiece))
    {
        _preTokenizer = preTokenizer;
        _symbols = new ByteStringTable(vocabulary.Count + 256);
        var tokens = new List<int>(vocabulary.Count + 256);
        var raw = new List<byte>();
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (TrySpell(vocabulary.Tokens[id], raw))
            {
                var symbol = _symbols.Intern(CollectionsMarshal.AsSpan(raw));
                CollectionsMarshal.SetCount(tokens, _symbols.Count);
                tokens[symbol] = id;
            }
        }

        for (var value = 0; value < 256; value++)
        {
            _symbolOfByte[value] = _symbols.Intern([(byte)value]);
        }

        _merges = BuildMerges(merges, vocabulary.Warnings);
        var known = tokens.Count;
        CollectionsMarshal.SetCount(tokens, _symbols.Count);
        CollectionsMarshal.AsSpan(tokens)[known..].Fill(-1);
        _tokenOfSymbol = [.. tokens];
        _fallback = BuildFallback();
        _keepsEveryByte = FindsEveryByte();
    }

    /// <summary>The merge list; Kimi K2 files have none.</summary>
    public static GgufStringList ReadMerges(GgufMetadata metadata, string preTokenizer)
        => preTokenizer == "kimi-k2" && !metadata.Contains(MergesKey) ? new GgufStringList([]) : metadata.GetStrings(MergesKey);

    private protected override bool KeepsEveryByte => _keepsEveryByte;

    // White space goes between words of kind "whitespace". Elsewhere a byte goes that has no token, be it its own or of its
    // spelling, or that a merge has put into a symbol which is none.
    private bool FindsEveryByte()
        => Model != "whitespace"
            && (Array.TrueForAll(_fallback, tokens => tokens.Length > 0)
                || (_preTokenizer.IsByteEncoded && Array.TrueForAll(_symbolOfByte, symbol => _tokenOfSymbol[symbol] >= 0) && _merges.Values.All(merge => _tokenOfSymbol[merge.Merged] >= 0)));

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        var work = _idle.TryTake() ?? new Workspace(this);
        try
        {
            if (Model == "whitespace")
            {
                EncodeBetweenSpaces(text, work, ids);
            }
            else
            {
                EncodeWords(_preTokenizer.EscapesSpaces ? Utf8.Replace(text, " "u8, Utf8.EscapedSpace) : text, work, ids);
            }
        }
        finally
        {
            _idle.Return(work, text.Length);
        }
    }

    private void EncodeBetweenSpaces(ReadOnlySpan<byte> text, Workspace work, List<int> ids)
    {
        var segment = new List<byte>(text.Length);
        Span<byte> buffer = stackalloc byte[4];
        while (!text.IsEmpty)
        {
            if (!Utf8.TryDecode(text, out var codePoint, out var length))
            {
                (codePoint, length) = (Utf8.Replacement, 1);
            }

            text = text[length..];
            if ((CodePoints.ClassOf(codePoint) & CodePointClass.WhiteSpace) == 0)
            {
                segment.AddRange(buffer[..Utf8.Encode(Vocabulary.Lowercases ? CodePoints.ToLower(codePoint) : codePoint, buffer)]);
                continue;
            }

            EncodeWords(CollectionsMarshal.AsSpan(segment), work, ids);
            segment.Clear();
        }

        EncodeWords(CollectionsMarshal.AsSpan(segment), work, ids);
    }

    private void EncodeWords(ReadOnlySpan<byte> text, Workspace work, List<int> ids)
    {
        work.Text.Load(text);
        _preTokenizer.Split(work.Text, ref work.Ends, ref work.Spare);
        var start = 0;
        foreach (var end in work.Ends)
        {
            work.Cache.Encode(work.Text.Bytes(start, end), ids);
            start = end;
        }
    }

    private void MergeWord(ReadOnlySpan<byte> word, PairMerger merger, List<int> ids)
    {
        if ((_preTokenizer.IgnoresMerges || (_preTokenizer.KeepsLineFeedRuns && !word.ContainsAnyExcept((byte)'\n')))
            && _symbols.Find(word) is >= 0 and var whole && _tokenOfSymbol[whole] >= 0)
        {
            ids.Add(_tokenOfSymbol[whole]);
            return;
        }

        merger.Clear();
        for (var at = 0; at < word.Length;)
        {
            var length = _preTokenizer.IsByteEncoded ? 1 : Math.Min(Utf8.LengthFromLead(word[at]), word.Length - at);
            merger.Add(length == 1 ? _symbolOfByte[word[at]] : _symbols.Find(word.Slice(at, length)), at + length);
            at += length;
        }

        merger.Merge(word, new Rules(_merges));
        for (var i = 0; i < merger.Count; i++)
        {
            var symbol = merger.SymbolAt(i);
            if (symbol >= 0 && _tokenOfSymbol[symbol] >= 0)
            {
                ids.Add(_tokenOfSymbol[symbol]);
                continue;
            }

            foreach (var value in word[merger.StartOf(i)..merger.EndOf(i)])
            {
                ids.AddRange(_fallback[value]);
            }
        }
    }

    // A merge may make up or use a string that is no token; such a string is a symbol all the same.
    private Dictionary<ulong, (uint Rank, int Merged)> BuildMerges(GgufStringList merges, List<string> warnings)
    {
        var result = new Dictionary<ulong, (uint, int)>(merges.Count);
        var (broken, firstBroken, repeated, firstRepeated) = (0, 0, 0, 0);
        var (left, right) = (new List<byte>(), new List<byte>());
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var merge = merges[rank];
            // The first byte is a symbol's even where it is a space.
            var space = merge.IsEmpty ? 0 : merge[1..].IndexOf((byte)' ') + 1;
            if (space == 0 || !TrySpell(merge[..space], left) || !TrySpell(merge[(space + 1)..], right))
            {
                firstBroken = broken++ == 0 ? rank : firstBroken;
                continue;
            }

            var pair = Rules.Key(_symbols.Intern(CollectionsMarshal.AsSpan(left)), _symbols.Intern(CollectionsMarshal.AsSpan(right)));
            left.AddRange(right);
            if (!result.TryAdd(pair, ((uint)rank, _symbols.Intern(CollectionsMarshal.AsSpan(left)))))
            {
                firstRepeated = repeated++ == 0 ? rank : firstRepeated;
            }
        }

        if (broken > 0)
        {
            warnings.Add($"'{MergesKey}' has {broken} entries that are not two spelled symbols with a space between, the first '{GgufText.FromBytes(merges[firstBroken])}' at {firstBroken}; they merge nothing, so texts may get other tokens than the model was trained with");
        }

        if (repeated > 0)
        {
            warnings.Add($"'{MergesKey}' has {repeated} pairs that it had before, the first '{GgufText.FromBytes(merges[firstRepeated])}' at {firstRepeated}; of each the first place counts");
        }

        return result;
    }

    // What the reference emits for a byte of a symbol that is no token: tokens spelled by single bytes of its spelling.
    private int[][] BuildFallback()
    {
        var fallback = new int[256][];
        for (var value = 0; value < 256; value++)
        {
            if (_preTokenizer.IsByteEncoded)
            {
                fallback[value] = [.. ByteAlphabet.SpellingOf((byte)value).ToArray().Select(b => Vocabulary.Tokens.Find([b])).Where(id => id >= 0)];
            }
            else
            {
                var id = Vocabulary.Tokens.Find(Encoding.ASCII.GetBytes($"<0x{value:X2}>"));
                fallback[value] = id >= 0 ? [id] : [];
            }
        }

        return fallback;
    }

    private bool TrySpell(ReadOnlySpan<byte> spelling, List<byte> raw)
    {
        raw.Clear();
        if (_preTokenizer.IsByteEncoded)
        {
            return ByteAlphabet.TryDecode(spelling, raw);
        }

        raw.AddRange(spelling);
        return true;
    }

    private readonly struct Rules(Dictionary<ulong, (uint Rank, int Merged)> merges) : IMergeRules
    {
        public static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

        public bool TryMerge(ReadOnlySpan<byte> text, int start, int end, int left, int right, out uint priority, out int merged)
        {
            var found = merges.TryGetValue(Key(left, right), out var rule);
            (priority, merged) = rule;
            return found;
        }
    }

    private sealed class Workspace
    {
        public List<int> Ends = [];
        public List<int> Spare = [];

        public Workspace(BytePairTokenizer tokenizer) => Cache = new WordCache((word, ids) => tokenizer.MergeWord(word, Merger, ids));

        public CodePointText Text { get; } = new();

        public PairMerger Merger { get; } = new();

        public WordCache Cache { get; }
    }
}
