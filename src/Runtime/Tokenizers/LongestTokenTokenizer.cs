using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>RWKV's vocabulary ("rwkv" in GGUF): from the left, always the longest token whose bytes come next.</summary>
/// <remarks>Tokens are any bytes; files spell what is not printable as \n, \t, \r, \xHH, and a backslash as two (the rwkv_vocab files' own spelling).</remarks>
internal sealed class LongestTokenTokenizer : Tokenizer
{
    private readonly ByteTrie _trie;

    public LongestTokenTokenizer(Vocabulary vocabulary)
        : base(vocabulary, PieceTable.Build(vocabulary, Unescape))
    {
        var entries = new List<(ReadOnlyMemory<byte> Text, int Id)>(vocabulary.Count);
        var bytes = new List<byte>();
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (!vocabulary.Has(id, TokenAttributes.Normal))
                continue;
            bytes.Clear();
            Unescape(vocabulary.Tokens[id], bytes);
            entries.Add((bytes.ToArray(), id));
        }

        _trie = new ByteTrie(entries);
        var missing = Enumerable.Range(0, 256).Count(value => _trie.Step(ByteTrie.Root, (byte)value) is var node && (node == ByteTrie.None || _trie.ValueAt(node) == ByteTrie.None));
        if (missing > 0 && vocabulary.Special.Unknown is null)
            vocabulary.Warnings.Add($"{missing} of the 256 bytes are no token of their own, and none is for what is unknown: texts that need one lose it");
    }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        while (!text.IsEmpty)
        {
            var (id, length) = (ByteTrie.None, 1);
            var node = ByteTrie.Root;
            for (var i = 0; i < text.Length && (node = _trie.Step(node, text[i])) != ByteTrie.None; i++)
            {
                if (_trie.ValueAt(node) is >= 0 and var found)
                    (id, length) = (found, i + 1);
            }

            if (id >= 0)
                ids.Add(id);
            else if (UnknownId is { } unknown)
                ids.Add(unknown);
            text = text[length..];
        }
    }

    private static void Unescape(ReadOnlySpan<byte> text, List<byte> output)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != (byte)'\\' || i + 1 == text.Length)
            {
                output.Add(text[i]);
                continue;
            }

            i++;
            if (text[i] == (byte)'x' && i + 2 < text.Length && Digit(text[i + 1]) is >= 0 and var high && Digit(text[i + 2]) is >= 0 and var low)
            {
                output.Add((byte)(high << 4 | low));
                i += 2;
                continue;
            }

            output.Add(text[i] switch { (byte)'n' => (byte)'\n', (byte)'t' => (byte)'\t', (byte)'r' => (byte)'\r', var other => other });
        }
    }

    private static int Digit(byte character) => character switch
    {
        >= (byte)'0' and <= (byte)'9' => character - '0',
        >= (byte)'a' and <= (byte)'f' => character - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => character - 'A' + 10,
        _ => -1,
    };
}
