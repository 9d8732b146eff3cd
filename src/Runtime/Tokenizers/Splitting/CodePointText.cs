using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>A text as its pre-tokenizer sees it: one unit a code point, and where each begins in the UTF-8 bytes.</summary>
/// <remarks>
/// A unit is the character itself below U+0080 and one of <see cref="Units"/> above, so that characters outside of the
/// basic plane are single units as well, and a regular expression over units needs no table of categories.
/// Buffers are kept between texts; not safe for several threads.
/// </remarks>
internal sealed class CodePointText
{
    private byte[] _bytes = [];
    private char[] _units = [];
    private int[] _starts = [];
    private bool _isAscii;
    private int _byteCount;

    /// <summary>Code points in the text.</summary>
    public int Count { get; private set; }

    /// <summary>One unit a code point.</summary>
    public ReadOnlySpan<char> AllUnits => _units.AsSpan(0, Count);

    /// <summary>Takes a text; bytes that spell no code point become U+FFFD each.</summary>
    public void Load(ReadOnlySpan<byte> utf8)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
        {
            utf8 = Repair(utf8);
        }

        Grow(ref _bytes, utf8.Length);
        Grow(ref _units, utf8.Length);
        utf8.CopyTo(_bytes);
        _byteCount = utf8.Length;
        _isAscii = System.Text.Ascii.IsValid(utf8);
        if (_isAscii)
        {
            System.Text.Encoding.ASCII.GetChars(utf8, _units);
            Count = utf8.Length;
            return;
        }

        Grow(ref _starts, utf8.Length + 1);
        var count = 0;
        for (var at = 0; at < utf8.Length; count++)
        {
            _starts[count] = at;
            var lead = utf8[at];
            if (lead < 0x80)
            {
                _units[count] = (char)lead;
                at++;
                continue;
            }

            Utf8.TryDecode(utf8[at..], out var codePoint, out var length);
            _units[count] = Units.Of(codePoint);
            at += length;
        }

        _starts[count] = utf8.Length;
        Count = count;
    }

    /// <summary>The bytes of the code points from <paramref name="start"/> up to but without <paramref name="end"/>.</summary>
    public ReadOnlySpan<byte> Bytes(int start, int end) => _bytes.AsSpan(ByteAt(start)..ByteAt(end));

    /// <summary>The code point at an index.</summary>
    public int CodePointAt(int index)
    {
        if (_units[index] < 0x80 && _units[index] != Units.WhiteSpace)
        {
            return _units[index];
        }

        Utf8.TryDecode(_bytes.AsSpan(ByteAt(index), _byteCount - ByteAt(index)), out var codePoint, out _);
        return codePoint;
    }

    private int ByteAt(int index) => _isAscii ? index : _starts[index];

    private static void Grow<T>(ref T[] buffer, int length)
    {
        // A buffer that one huge text needed is not kept for the small ones after it.
        if (buffer.Length < length || (buffer.Length > 1 << 22 && length < buffer.Length / 4))
        {
            buffer = new T[length];
        }
    }

    private static byte[] Repair(ReadOnlySpan<byte> utf8)
    {
        var repaired = new List<byte>(utf8.Length + (utf8.Length / 4));
        Span<byte> buffer = stackalloc byte[4];
        while (!utf8.IsEmpty)
        {
            if (!Utf8.TryDecode(utf8, out var codePoint, out var length))
            {
                (codePoint, length) = (Utf8.Replacement, 1);
            }

            repaired.AddRange(buffer[..Utf8.Encode(codePoint, buffer)]);
            utf8 = utf8[length..];
        }

        return [.. repaired];
    }
}
