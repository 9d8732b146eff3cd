namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>GPT-2's printable stand-ins: a character for each byte, so that any bytes can be written as text.</summary>
/// <remarks>Printable Latin-1 characters stand for themselves; the other bytes are U+0100 and on, in order.</remarks>
internal static class ByteAlphabet
{
    private const int StandIns = 0x100;

    private static readonly int[] s_characterOf = BuildCharacters();
    private static readonly Dictionary<int, byte> s_byteOf = Enumerable.Range(0, 256).ToDictionary(value => s_characterOf[value], value => (byte)value);

    /// <summary>The UTF-8 of the character that stands for a byte.</summary>
    public static byte[] SpellingOf(byte value)
    {
        var buffer = new byte[4];
        return buffer[..Utf8.Encode(s_characterOf[value], buffer)];
    }

    /// <summary>Appends the bytes that a spelling stands for; false when a character stands for none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> spelling, List<byte> bytes)
    {
        while (!spelling.IsEmpty)
        {
            if (!Utf8.TryDecode(spelling, out var codePoint, out var length) || !s_byteOf.TryGetValue(codePoint, out var value))
            {
                return false;
            }

            bytes.Add(value);
            spelling = spelling[length..];
        }

        return true;
    }

    /// <summary>Appends what a token prints as: the bytes it stands for; characters that stand for none print as they are.</summary>
    public static void DecodePiece(ReadOnlySpan<byte> spelling, List<byte> bytes)
    {
        while (!spelling.IsEmpty)
        {
            if (Utf8.TryDecode(spelling, out var codePoint, out var length) && s_byteOf.TryGetValue(codePoint, out var value))
            {
                bytes.Add(value);
            }
            else
            {
                length = Math.Min(length, spelling.Length);
                bytes.AddRange(spelling[..length]);
            }

            spelling = spelling[length..];
        }
    }

    private static int[] BuildCharacters()
    {
        var next = StandIns;
        return [.. Enumerable.Range(0, 256).Select(value => value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE ? value : next++)];
    }
}
