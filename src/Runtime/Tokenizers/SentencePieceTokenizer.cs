using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>SentencePiece's byte-pair encoding ("llama" in GGUF): neighbours that spell a token merge, the best score first.</summary>
/// <remarks>
/// Kudo and Richardson, "SentencePiece" (2018). Spaces become U+2581; characters without a token become byte tokens. Where
/// no token goes on past a space into the next word, words are merged one by one and remembered, with the same result.
/// </remarks>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private readonly uint[] _priorities;
    private readonly int[] _bytes = new int[256];
    private readonly bool _wordsAreIndependent;
    private readonly IdleWorkspaces<Workspace> _idle = new();

    public SentencePieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, PieceTable.Build(vocabulary, PieceTable.WithSpaces))
    {
        _priorities = [.. vocabulary.Scores.Select(Priority)];
        _wordsAreIndependent = true;
        for (var id = 0; id < vocabulary.Count; id++)
        {
            _wordsAreIndependent &= !ContinuesPastSpace(vocabulary.Tokens[id]);
        }

        for (var value = 0; value < 256; value++)
        {
            _bytes[value] = vocabulary.FindByte((byte)value) is >= 0 and var id ? id : vocabulary.Special.Unknown
                ?? throw new ModelFormatException($"the vocabulary has neither a token for the byte 0x{value:X2} nor one for the unknown", vocabulary.Source);
        }
    }

    private protected override bool KeepsEveryByte => true;

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        var work = _idle.TryTake() ?? new Workspace(this);
        try
        {
            ReadOnlySpan<byte> escaped = Utf8.Replace(text, " "u8, Utf8.EscapedSpace);
            if (AddsSpacePrefix && afterSpecial)
            {
                escaped = (byte[])[.. Utf8.EscapedSpace, .. escaped];
            }

            if (!_wordsAreIndependent)
            {
                MergeWord(escaped, work.Merger, ids);
                return;
            }

            while (!escaped.IsEmpty)
            {
                var length = WordLength(escaped);
                work.Cache.Encode(escaped[..length], ids);
                escaped = escaped[length..];
            }
        }
        finally
        {
            _idle.Return(work, text.Length);
        }
    }

    // Higher scores go first; the order of the bits of a float, sign apart, is that of its value.
    private static uint Priority(float score)
    {
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        var ascending = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
        return ~ascending;
    }

    private static bool ContinuesPastSpace(ReadOnlySpan<byte> token)
    {
        for (var at = 1; at + 3 <= token.Length; at++)
        {
            if (token.Slice(at, 3).SequenceEqual(Utf8.EscapedSpace) && (at < 3 || !token.Slice(at - 3, 3).SequenceEqual(Utf8.EscapedSpace)))
            {
                return true;
            }
        }

        return false;
    }

    // Leading spaces and what follows up to the next space, in steps of whole characters as the merger takes them.
    private static int WordLength(ReadOnlySpan<byte> text)
    {
        var inSpaces = true;
        for (var at = 0; at < text.Length;)
        {
            var length = Math.Min(Utf8.LengthFromLead(text[at]), text.Length - at);
            var isSpace = length == 3 && text.Slice(at, 3).SequenceEqual(Utf8.EscapedSpace);
            if (isSpace && !inSpaces)
            {
                return at;
            }

            inSpaces = isSpace;
            at += length;
        }

        return text.Length;
    }

    private void MergeWord(ReadOnlySpan<byte> word, PairMerger merger, List<int> ids)
    {
        merger.Clear();
        for (var at = 0; at < word.Length;)
        {
            var length = Math.Min(Utf8.LengthFromLead(word[at]), word.Length - at);
            merger.Add(Vocabulary.Tokens.Find(word.Slice(at, length)), at + length);
            at += length;
        }

        merger.Merge(word, new Rules(Vocabulary.Tokens, _priorities));
        for (var i = 0; i < merger.Count; i++)
        {
            if (merger.SymbolAt(i) is >= 0 and var id)
            {
                ids.Add(id);
                continue;
            }

            foreach (var value in word[merger.StartOf(i)..merger.EndOf(i)])
            {
                ids.Add(_bytes[value]);
            }
        }
    }

    private readonly struct Rules(ByteStringTable tokens, uint[] priorities) : IMergeRules
    {
        public bool TryMerge(ReadOnlySpan<byte> text, int start, int end, int left, int right, out uint priority, out int merged)
        {
            merged = end - start <= tokens.LongestLength ? tokens.Find(text[start..end]) : -1;
            priority = merged < 0 ? 0 : priorities[merged];
            return merged >= 0;
        }
    }

    private sealed class Workspace
    {
        public Workspace(SentencePieceTokenizer tokenizer) => Cache = new WordCache((word, ids) => tokenizer.MergeWord(word, Merger, ids));

        public PairMerger Merger { get; } = new();

        public WordCache Cache { get; }
    }
}
