namespace Hearth.Runtime.Tokenizers;

/// <summary>Which neighbouring symbols become one, and in which order.</summary>
internal interface IMergeRules
{
    /// <summary>Whether the symbols over [start, middle) and [middle, end) of the text merge; the lowest priority goes first.</summary>
    bool TryMerge(ReadOnlySpan<byte> text, int start, int end, int left, int right, out uint priority, out int merged);
}

/// <summary>Merges neighbouring symbols of a word until no rule applies: always the most urgent pair, of equals the leftmost.</summary>
/// <remarks>Short words are searched afresh for each merge; long ones keep a heap, so that n symbols take O(n log n).</remarks>
internal sealed class PairMerger
{
    private const int LongestScanned = 24;
    private const int LargestKept = 1 << 16;

    private int[] _symbols = new int[64];
    private int[] _starts = new int[65];
    private int[] _next = [];
    private int[] _previous = [];
    private readonly uint[] _priorities = new uint[LongestScanned];
    private readonly int[] _merged = new int[LongestScanned];

    /// <summary>Symbols at present.</summary>
    public int Count { get; private set; }

    public int SymbolAt(int index) => _symbols[index];

    /// <summary>Where a symbol begins in the text.</summary>
    public int StartOf(int index) => _starts[index];

    /// <summary>Where a symbol ends in the text.</summary>
    public int EndOf(int index) => _starts[index + 1];

    public void Clear()
    {
        Count = 0;
        _starts[0] = 0;
        if (_symbols.Length > LargestKept)
        {
            (_symbols, _starts, _next, _previous) = (new int[64], new int[65], [], []);
        }
    }

    /// <summary>Appends a symbol that ends at <paramref name="end"/>; -1 stands for one that the vocabulary does not know.</summary>
    public void Add(int symbol, int end)
    {
        if (Count == _symbols.Length)
        {
            Array.Resize(ref _symbols, Count * 2);
            Array.Resize(ref _starts, (Count * 2) + 1);
        }

        _symbols[Count] = symbol;
        _starts[++Count] = end;
    }

    /// <summary>Merges all symbols added so far, which spell <paramref name="text"/>.</summary>
    public void Merge<TRules>(ReadOnlySpan<byte> text, TRules rules)
        where TRules : struct, IMergeRules
    {
        if (Count <= LongestScanned)
        {
            MergeShort(text, rules);
        }
        else
        {
            MergeLong(text, rules);
        }
    }

    private void MergeShort<TRules>(ReadOnlySpan<byte> text, TRules rules)
        where TRules : struct, IMergeRules
    {
        for (var i = 0; i + 1 < Count; i++)
        {
            Rate(i, text, rules);
        }

        while (true)
        {
            var (best, priority) = (-1, uint.MaxValue);
            for (var i = 0; i + 1 < Count; i++)
            {
                if (_priorities[i] < priority)
                {
                    (best, priority) = (i, _priorities[i]);
                }
            }

            if (best < 0)
            {
                return;
            }

            _symbols[best] = _merged[best];
            var tail = Count - best - 2;
            Array.Copy(_symbols, best + 2, _symbols, best + 1, tail);
            Array.Copy(_starts, best + 2, _starts, best + 1, tail + 1);
            Array.Copy(_priorities, best + 2, _priorities, best + 1, Math.Max(0, tail - 1));
            Array.Copy(_merged, best + 2, _merged, best + 1, Math.Max(0, tail - 1));
            Count--;
            Rate(best, text, rules);
            Rate(best - 1, text, rules);
        }
    }

    private void Rate<TRules>(int index, ReadOnlySpan<byte> text, TRules rules)
        where TRules : struct, IMergeRules
    {
        if (index >= 0 && index + 1 < Count
            && !rules.TryMerge(text, _starts[index], _starts[index + 2], _symbols[index], _symbols[index + 1], out _priorities[index], out _merged[index]))
        {
            _priorities[index] = uint.MaxValue;
        }
    }

    private void MergeLong<TRules>(ReadOnlySpan<byte> text, TRules rules)
        where TRules : struct, IMergeRules
    {
        if (_next.Length < Count)
        {
            (_next, _previous) = (new int[_symbols.Length], new int[_symbols.Length]);
        }

        for (var i = 0; i < Count; i++)
        {
            (_previous[i], _next[i]) = (i - 1, i + 1);
        }

        var queue = new PriorityQueue<Pair, ulong>(Count);
        for (var i = 0; i + 1 < Count; i++)
        {
            Offer(queue, i, text, rules);
        }

        while (queue.TryDequeue(out var pair, out _))
        {
            // A pair is stale once either of its symbols has become part of another.
            var right = _next[pair.Index];
            if (right < 0 || right >= Count || _symbols[pair.Index] != pair.Left || _symbols[right] != pair.Right || _starts[right] != pair.Middle)
            {
                continue;
            }

            _symbols[pair.Index] = pair.Merged;
            _next[pair.Index] = _next[right];
            _next[right] = -1;
            if (_next[pair.Index] < Count)
            {
                _previous[_next[pair.Index]] = pair.Index;
            }

            Offer(queue, pair.Index, text, rules);
            Offer(queue, _previous[pair.Index], text, rules);
        }

        Compact();
    }

    private void Offer<TRules>(PriorityQueue<Pair, ulong> queue, int index, ReadOnlySpan<byte> text, TRules rules)
        where TRules : struct, IMergeRules
    {
        if (index < 0 || _next[index] >= Count)
        {
            return;
        }

        var right = _next[index];
        var end = _starts[_next[right]];
        if (rules.TryMerge(text, _starts[index], end, _symbols[index], _symbols[right], out var priority, out var merged))
        {
            queue.Enqueue(new Pair(index, _starts[right], _symbols[index], _symbols[right], merged), ((ulong)priority << 32) | (uint)index);
        }
    }

    private void Compact()
    {
        var (kept, end) = (0, _starts[Count]);
        for (var i = 0; i < Count; i = _next[i])
        {
            (_symbols[kept], _starts[kept]) = (_symbols[i], _starts[i]);
            kept++;
        }

        _starts[kept] = end;
        Count = kept;
    }

    private readonly record struct Pair(int Index, int Middle, int Left, int Right, int Merged);
}
