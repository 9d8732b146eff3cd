using System.Text;
using System.Text.Unicode;

namespace Hearth.Runtime.Gguf;

/// <summary>Strings of a GGUF file as .NET strings, without loss.</summary>
/// <remarks>
/// The format asks for UTF-8, but vocabularies exist whose tokens are raw bytes. A byte b that is no part of valid UTF-8
/// becomes the lone surrogate U+DC00 + b (as in Python's surrogateescape, PEP 383), which no valid UTF-8 decodes to;
/// <see cref="GetBytes"/> turns it back. So distinct byte strings stay distinct, and the writer writes what the reader read.
/// </remarks>
public static class GgufText
{
    private const int EscapeBase = 0xDC00;

    /// <summary>Decodes UTF-8; bytes outside of it are escaped.</summary>
    public static string FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes))
            return Encoding.UTF8.GetString(bytes);
        var text = new StringBuilder(bytes.Length);
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var consumed) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
            }
            else
            {
                foreach (var invalid in bytes[..consumed])
                    text.Append((char)(EscapeBase + invalid));
            }

            bytes = bytes[consumed..];
        }

        return text.ToString();
    }

    /// <summary>The bytes of a string: UTF-8, with escaped bytes as themselves and any other lone surrogate as U+FFFD.</summary>
    public static byte[] GetBytes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!HasEscapes(text))
            return Encoding.UTF8.GetBytes(text);
        var bytes = new List<byte>(text.Length * 2);
        Span<byte> buffer = stackalloc byte[4];
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var consumed) == System.Buffers.OperationStatus.Done || !IsEscape(rest[0]))
                bytes.AddRange(buffer[..rune.EncodeToUtf8(buffer)]);
            else
                bytes.Add((byte)(rest[0] - EscapeBase));
            rest = rest[consumed..];
        }

        return [.. bytes];
    }

    /// <summary>Whether the string holds bytes that were not valid UTF-8.</summary>
    public static bool HasEscapes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                i++;
            else if (IsEscape(text[i]))
                return true;
        }

        return false;
    }

    private static bool IsEscape(char c) => c is >= (char)(EscapeBase + 0x80) and <= (char)(EscapeBase + 0xFF);
}
