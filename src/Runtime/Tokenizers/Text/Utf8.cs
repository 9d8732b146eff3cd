namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>UTF-8 as the reference reads it: by the lead byte's length, lenient about overlong forms and surrogates.</summary>
internal static class Utf8
{
    public const int Replacement = 0xFFFD;

    /// <summary>U+2581, which SentencePiece writes for a space.</summary>
    public static ReadOnlySpan<byte> EscapedSpace => "\u2581"u8;

    /// <summary>Bytes that a character with this lead byte claims; 1 for a byte that cannot lead.</summary>
    public static int LengthFromLead(byte lead) => lead switch
    {
        < 0xC0 => 1,
        < 0xE0 => 2,
        < 0xF0 => 3,
        _ => 4,
    };

    /// <summary>Reads the code point at the start of <paramref name="text"/>; false when the bytes spell none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, out int codePoint, out int length)
    {
        var lead = text[0];
        length = LengthFromLead(lead);
        codePoint = lead;
        if (lead < 0x80)
        {
            return true;
        }

        if (lead is < 0xC0 or >= 0xF8 || text.Length < length)
        {
            return false;
        }

        codePoint = lead & (0x7F >> length);
        for (var i = 1; i < length; i++)
        {
            if ((text[i] & 0xC0) != 0x80)
            {
                return false;
            }

            codePoint = (codePoint << 6) | (text[i] & 0x3F);
        }

        return codePoint <= 0x10FFFF;
    }

    /// <summary>Writes a code point in its shortest form (surrogates included) and returns the bytes written, at most 4.</summary>
    public static int Encode(int codePoint, Span<byte> destination)
    {
        switch (codePoint)
        {
            case < 0x80:
                destination[0] = (byte)codePoint;
                return 1;
            case < 0x800:
                destination[0] = (byte)(0xC0 | (codePoint >> 6));
                destination[1] = (byte)(0x80 | (codePoint & 0x3F));
                return 2;
            case < 0x10000:
                destination[0] = (byte)(0xE0 | (codePoint >> 12));
                destination[1] = (byte)(0x80 | ((codePoint >> 6) & 0x3F));
                destination[2] = (byte)(0x80 | (codePoint & 0x3F));
                return 3;
            default:
                destination[0] = (byte)(0xF0 | (codePoint >> 18));
                destination[1] = (byte)(0x80 | ((codePoint >> 12) & 0x3F));
                destination[2] = (byte)(0x80 | ((codePoint >> 6) & 0x3F));
                destination[3] = (byte)(0x80 | (codePoint & 0x3F));
                return 4;
        }
    }

    /// <summary>Copies <paramref name="text"/> with every occurrence of one byte string replaced by another.</summary>
    public static byte[] Replace(ReadOnlySpan<byte> text, ReadOnlySpan<byte> what, ReadOnlySpan<byte> with)
    {
        var count = text.Count(what);
        if (count == 0)
        {
            return text.ToArray();
        }

        var result = new byte[checked(text.Length + (count * (with.Length - what.Length)))];
        var rest = result.AsSpan();
        for (var at = text.IndexOf(what); at >= 0; at = text.IndexOf(what))
        {
            text[..at].CopyTo(rest);
            with.CopyTo(rest[at..]);
            rest = rest[(at + with.Length)..];
            text = text[(at + what.Length)..];
        }

        text.CopyTo(rest);
        return result;
    }
}
