namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>Control tokens as bytes that no text has, so that constraints read them beside text and never mistake one for the other.</summary>
/// <remarks>Nine bytes from 0xF7 on: one that begins, and the id in digits of three bits, the highest first.</remarks>
internal static class ControlSpelling
{
    private const byte Begin = 0xFF;

    private const byte FirstDigit = 0xF7; // digits 0 to 7 are 0xF7 to 0xFE, which UTF-8 never has

    private const int Digits = 8;

    /// <summary>The least byte of spellings.</summary>
    public const byte FirstByte = FirstDigit;

    /// <summary>Bytes of a spelling.</summary>
    public const int Length = Digits + 1;

    /// <summary>The bytes of a token.</summary>
    public static byte[] Of(int token)
    {
        var bytes = new byte[Length];
        bytes[0] = Begin;
        for (var i = 0; i < Digits; i++)
            bytes[i + 1] = (byte)(FirstDigit + ((token >> (3 * (Digits - 1 - i))) & 7));
        return bytes;
    }

    /// <summary>Whether bytes spell a control token, and which.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out int token)
    {
        token = 0;
        if (bytes is not [Begin, ..] || bytes.Length < Length)
            return false;
        foreach (var digit in bytes[1..Length])
            token = (token << 3) | (digit - FirstDigit);
        return true;
    }
}
