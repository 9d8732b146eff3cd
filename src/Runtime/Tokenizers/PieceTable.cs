namespace Hearth.Runtime.Tokenizers;

/// <summary>The bytes that each token prints as, in one block.</summary>
internal sealed class PieceTable
{
    private readonly byte[] _bytes;
    private readonly int[] _starts;

    private PieceTable(byte[] bytes, int[] starts)
    {
        _bytes = bytes;
        _starts = starts;
    }

    /// <summary>How a vocabulary's normal tokens print.</summary>
    public delegate void NormalPiece(ReadOnlySpan<byte> text, List<byte> output);

    public ReadOnlySpan<byte> this[int id] => _bytes.AsSpan(_starts[id].._starts[id + 1]);

    /// <summary>Spells out every token: special ones as they are written, normal ones as <paramref name="normal"/> says, bytes as bytes; others print nothing.</summary>
    public static PieceTable Build(Vocabulary vocabulary, NormalPiece normal)
    {
        var bytes = new List<byte>(vocabulary.Count * 8);
        var starts = new int[vocabulary.Count + 1];
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (vocabulary.Has(id, TokenAttributes.Special))
            {
                bytes.AddRange(vocabulary.Tokens[id]);
            }
            else if (vocabulary.Has(id, TokenAttributes.Normal))
            {
                normal(vocabulary.Tokens[id], bytes);
            }
            else if (vocabulary.Has(id, TokenAttributes.Byte))
            {
                bytes.Add(vocabulary.ByteOf(id));
            }

            starts[id + 1] = bytes.Count;
        }

        return new PieceTable([.. bytes], starts);
    }

    /// <summary>Takes what each token prints as from elsewhere.</summary>
    public static PieceTable Of(int count, Func<int, byte[]> pieceOf)
    {
        var bytes = new List<byte>(count * 8);
        var starts = new int[count + 1];
        for (var id = 0; id < count; id++)
        {
            bytes.AddRange(pieceOf(id));
            starts[id + 1] = bytes.Count;
        }

        return new PieceTable([.. bytes], starts);
    }

    /// <summary>Spells U+2581 as the space that it stands for.</summary>
    public static void WithSpaces(ReadOnlySpan<byte> text, List<byte> output)
        => output.AddRange(Text.Utf8.Replace(text, Text.Utf8.EscapedSpace, " "u8));
}
