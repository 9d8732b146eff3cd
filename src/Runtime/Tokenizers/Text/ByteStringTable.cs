using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>Distinct byte strings, numbered in the order in which they were added; found by span, without allocation.</summary>
/// <remarks>Open addressing with a hash seeded per process, so that no file can choose strings that collide.</remarks>
internal sealed class ByteStringTable
{
    private static readonly ulong s_seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8)) | 1;

    private byte[] _bytes;
    private int[] _starts;
    private ulong[] _slots; // upper half: hash; lower half: index + 1, or 0 when free

    public ByteStringTable(int capacity)
    {
        _bytes = new byte[Math.Max(16, capacity * 8L > Array.MaxLength ? capacity : capacity * 8)];
        _starts = new int[capacity + 1];
        _slots = new ulong[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, capacity * 2))];
    }

    public int Count { get; private set; }

    public int LongestLength { get; private set; }

    public ReadOnlySpan<byte> this[int index] => _bytes.AsSpan(_starts[index].._starts[index + 1]);

    /// <summary>The string's number, or -1.</summary>
    public int Find(ReadOnlySpan<byte> text)
    {
        var hash = Hash(text);
        var mask = _slots.Length - 1;
        for (var slot = (int)hash & mask; ; slot = (slot + 1) & mask)
        {
            var entry = _slots[slot];
            if (entry == 0)
            {
                return -1;
            }

            if ((entry ^ hash) >> 32 == 0 && this[(int)(uint)entry - 1].SequenceEqual(text))
            {
                return (int)(uint)entry - 1;
            }
        }
    }

    /// <summary>The number that the string has already, or is given now.</summary>
    public int Intern(ReadOnlySpan<byte> text) => Find(text) is >= 0 and var found ? found : Append(text);

    /// <summary>Seeded 64-bit hash of a byte string: 8 bytes a step, folded 128-bit products.</summary>
    public static ulong Hash(ReadOnlySpan<byte> text)
    {
        var hash = Fold(s_seed ^ (ulong)text.Length, 0x9E3779B97F4A7C15);
        var rest = text;
        for (; rest.Length > 8; rest = rest[8..])
        {
            hash = Fold(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(rest), 0xD6E8FEB86659FD93);
        }

        ulong tail = rest.Length switch
        {
            8 => BinaryPrimitives.ReadUInt64LittleEndian(rest),
            >= 4 => ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(rest) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(rest[^4..]),
            > 0 => ((ulong)rest[0] << 16) | ((ulong)rest[rest.Length >> 1] << 8) | rest[^1],
            _ => 0,
        };
        return Fold(hash ^ tail, 0xA0761D6478BD642F ^ s_seed);
    }

    private static ulong Fold(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low;
    }

    private int Append(ReadOnlySpan<byte> text)
    {
        var start = _starts[Count];
        var end = checked(start + text.Length);
        if (end > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(end, _bytes.Length * 2L)));
        }

        if (Count + 1 == _starts.Length)
        {
            Array.Resize(ref _starts, _starts.Length * 2);
        }

        text.CopyTo(_bytes.AsSpan(start));
        _starts[++Count] = end;
        LongestLength = Math.Max(LongestLength, text.Length);
        if (Count * 2 > _slots.Length)
        {
            _slots = new ulong[_slots.Length * 2];
            for (var i = 0; i < Count; i++)
            {
                Place(Hash(this[i]), i);
            }
        }
        else
        {
            Place(Hash(text), Count - 1);
        }

        return Count - 1;
    }

    private void Place(ulong hash, int index)
    {
        var mask = _slots.Length - 1;
        var slot = (int)hash & mask;
        while (_slots[slot] != 0)
        {
            slot = (slot + 1) & mask;
        }

        _slots[slot] = (hash & 0xFFFFFFFF00000000) | (uint)(index + 1);
    }
}
