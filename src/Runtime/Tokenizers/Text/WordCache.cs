using System.Runtime.InteropServices;

namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>Appends the ids of a word.</summary>
internal delegate void WordEncoder(ReadOnlySpan<byte> word, List<int> ids);

/// <summary>Remembers the ids of words met before. Direct-mapped and bounded: a newcomer takes its slot's place.</summary>
/// <remarks>Not safe for several threads; each encoder at work has one of its own.</remarks>
/// <param name="encode">Encodes a word that is not remembered.</param>
internal sealed class WordCache(WordEncoder encode)
{
    /// <summary>Longer words are rare and cost more to keep than to merge again.</summary>
    private const int LongestWord = 64;

    private const int Slots = 1 << 16;
    private const int ArenaLimit = 1 << 21;

    private readonly Entry[] _entries = new Entry[Slots];
    private byte[] _words = new byte[1 << 12];
    private int[] _ids = new int[1 << 11];
    private int _wordsUsed;
    private int _idsUsed;

    /// <summary>Appends the ids of a word, remembered or made now.</summary>
    public void Encode(ReadOnlySpan<byte> word, List<int> ids)
    {
        if (word.Length > LongestWord)
        {
            encode(word, ids);
            return;
        }

        var hash = ByteStringTable.Hash(word);
        if (TryGet(word, hash, out var known))
        {
            ids.AddRange(known);
            return;
        }

        var first = ids.Count;
        encode(word, ids);
        Add(word, hash, CollectionsMarshal.AsSpan(ids)[first..]);
    }

    private bool TryGet(ReadOnlySpan<byte> word, ulong hash, out ReadOnlySpan<int> ids)
    {
        ref readonly var entry = ref _entries[(int)hash & (Slots - 1)];
        if (entry.Hash == hash && entry.WordLength == word.Length && _words.AsSpan(entry.WordStart, entry.WordLength).SequenceEqual(word))
        {
            ids = _ids.AsSpan(entry.IdStart, entry.IdCount);
            return true;
        }

        ids = default;
        return false;
    }

    private void Add(ReadOnlySpan<byte> word, ulong hash, ReadOnlySpan<int> ids)
    {
        if (_wordsUsed + word.Length > ArenaLimit || _idsUsed + ids.Length > ArenaLimit)
        {
            Array.Clear(_entries);
            _wordsUsed = _idsUsed = 0;
        }

        _entries[(int)hash & (Slots - 1)] = new Entry(hash, _wordsUsed, word.Length, _idsUsed, ids.Length);
        Append(ref _words, ref _wordsUsed, word);
        Append(ref _ids, ref _idsUsed, ids);
    }

    private static void Append<T>(ref T[] arena, ref int used, ReadOnlySpan<T> values)
    {
        if (used + values.Length > arena.Length)
        {
            Array.Resize(ref arena, Math.Max(used + values.Length, arena.Length * 2));
        }

        values.CopyTo(arena.AsSpan(used));
        used += values.Length;
    }

    private readonly record struct Entry(ulong Hash, int WordStart, int WordLength, int IdStart, int IdCount);
}
