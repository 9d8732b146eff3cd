using System.Runtime.InteropServices;

namespace Hearth.LLamaSharp.Steps;

/// <summary>What slots ask of the memory behind them.</summary>
internal interface ISlotMemory
{
    /// <summary>Gives an empty slot the first positions of another; a negative length: all of them.</summary>
    void CopySequence(int source, int destination, int length);

    /// <summary>Forgets a slot's positions from one on.</summary>
    void RemoveFrom(int sequence, int position);
}

/// <summary>Which of llama.cpp's sequences, called slots here, holds which tokens.</summary>
/// <remarks>
/// Hearth's scheduler speaks of sequences whose tokens it knows, and of pages, which llama.cpp does not have. So a step's
/// sequence is found again by its tokens: the slot that it had in the step before, else the one that begins alike, whose
/// positions a free slot takes over without a copy. What is not held any more, since somebody else needed the slot or its
/// room, is read again. Safe for several threads, though one at a time may place and commit.
/// </remarks>
internal sealed class TokenSlots
{
    private readonly Lock _gate = new();
    private readonly ISlotMemory _memory;
    private readonly bool _wholeOnly;
    private readonly Slot[] _slots;
    private long _clock;

    /// <summary>Begins with empty slots.</summary>
    /// <param name="count">How many there are, at least 1.</param>
    /// <param name="wholeOnly">Whether a slot can only be taken over as a whole, since the model keeps a state of its end.</param>
    /// <param name="memory">Called under a lock.</param>
    public TokenSlots(int count, bool wholeOnly, ISlotMemory memory)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _memory = memory;
        _wholeOnly = wholeOnly;
        _slots = [.. Enumerable.Range(0, count).Select(id => new Slot(id))];
    }

    /// <summary>Whether a slot can only be taken over as a whole.</summary>
    public bool WholeOnly => _wholeOnly;

    /// <summary>How many slots there are.</summary>
    public int Count => _slots.Length;

    /// <summary>How many of the first tokens of a text some slot holds.</summary>
    public int Held(ReadOnlySpan<int> tokens)
    {
        lock (_gate)
        {
            var most = 0;
            foreach (var slot in _slots)
                most = Math.Max(most, Usable(slot, tokens));
            return most;
        }
    }

    /// <summary>Gives each sequence of a step a slot of its own that holds as much of its tokens as there is.</summary>
    /// <param name="texts">The tokens before the step of each sequence; those of no position may be null.</param>
    /// <returns>For each sequence its slot, which holds <see cref="Slot.Length"/> of its tokens.</returns>
    /// <exception cref="InvalidOperationException">There are more sequences than slots.</exception>
    public Slot[] Place(IReadOnlyList<IReadOnlyList<int>?> texts)
    {
        if (texts.Count > _slots.Length)
            throw new InvalidOperationException($"a step has {texts.Count} sequences, but there are {_slots.Length} slots");
        lock (_gate)
        {
            _clock++;
            foreach (var slot in _slots)
                slot.IsTaken = false;
            var placed = new Slot?[texts.Count];
            TakeOwn(texts, placed);
            TakeExact(texts, placed);
            for (var i = 0; i < placed.Length; i++)
                placed[i] ??= Take(Fork(TokensOf(texts[i])), texts[i]);
            return placed!;
        }
    }

    /// <summary>Records that a slot's next positions were computed.</summary>
    public void Commit(Slot slot, ReadOnlySpan<int> tokens)
    {
        lock (_gate)
            slot.TokenList.AddRange(tokens);
    }

    /// <summary>Empties slots whose contents are unknown.</summary>
    public void Forget(IEnumerable<Slot> slots)
    {
        lock (_gate)
        {
            foreach (var slot in slots)
                Empty(slot);
        }
    }

    /// <summary>Empties the slot that no sequence of this step has and that was of use longest ago; false where there is none.</summary>
    public bool DropIdle()
    {
        lock (_gate)
        {
            if (Idle(except: null, mayBeEmpty: false) is not { } slot)
                return false;
            Empty(slot);
            return true;
        }
    }

    private void TakeOwn(IReadOnlyList<IReadOnlyList<int>?> texts, Slot?[] placed)
    {
        for (var i = 0; i < placed.Length; i++)
        {
            if (texts[i] is { Count: > 0 } text && Array.Find(_slots, slot => !slot.IsTaken && ReferenceEquals(slot.Owner, text) && Holds(slot, TokensOf(text))) is { } own)
                placed[i] = Take(own, text);
        }
    }

    // A slot of a text that has ended is gone on with in place: what it held is still held. Where it can only be taken as a
    // whole, that would lose its end to others.
    private void TakeExact(IReadOnlyList<IReadOnlyList<int>?> texts, Slot?[] placed)
    {
        for (var i = 0; i < placed.Length && !_wholeOnly; i++)
        {
            if (placed[i] is null && texts[i] is { Count: > 0 } text && Array.Find(_slots, slot => !slot.IsTaken && !slot.IsOwned && Holds(slot, TokensOf(text))) is { } exact)
                placed[i] = Take(exact, text);
        }
    }

    // A free slot, with what the best of the others has.
    private Slot Fork(ReadOnlySpan<int> text)
    {
        Slot? source = null;
        var length = 0;
        foreach (var slot in _slots)
        {
            if (Usable(slot, text) is var usable && usable > length)
                (source, length) = (slot, usable);
        }

        var free = Idle(except: source, mayBeEmpty: true);
        if (free is null)
        {
            // The source is the only slot that nobody has.
            Shorten(source!, length);
            return source!;
        }

        Empty(free);
        if (source is not null)
        {
            _memory.CopySequence(source.Id, free.Id, _wholeOnly ? -1 : length);
            free.TokenList.AddRange(text[..length]);
        }

        return free;
    }

    private void Shorten(Slot slot, int length)
    {
        if (length == slot.Length)
            return;
        if (_wholeOnly)
        {
            Empty(slot);
            return;
        }

        _memory.RemoveFrom(slot.Id, length);
        slot.TokenList.RemoveRange(length, slot.Length - length);
    }

    private void Empty(Slot slot)
    {
        if (slot.Length > 0 || slot.IsDirty)
            _memory.RemoveFrom(slot.Id, 0);
        slot.TokenList.Clear();
        slot.Owner = null;
        slot.IsDirty = false;
    }

    private Slot Take(Slot slot, IReadOnlyList<int>? text)
    {
        slot.IsTaken = true;
        slot.IsDirty = true;
        slot.LastUse = _clock;
        slot.Owner = text;
        return slot;
    }

    // Empty ones first, then those of texts that have ended, then the ones of other sequences; of each the one of least use.
    private Slot? Idle(Slot? except, bool mayBeEmpty)
    {
        Slot? best = null;
        foreach (var slot in _slots)
        {
            if (slot.IsTaken || slot == except || (slot.Length == 0 && !mayBeEmpty))
                continue;
            if (best is null || Rank(slot).CompareTo(Rank(best)) < 0)
                best = slot;
        }

        return best;

        static (bool, bool, long) Rank(Slot slot) => (slot.Length > 0, slot.IsOwned, slot.LastUse);
    }

    private int Usable(Slot slot, ReadOnlySpan<int> text)
    {
        var common = slot.Tokens.CommonPrefixLength(text);
        return !_wholeOnly || common == slot.Length ? common : 0;
    }

    private static bool Holds(Slot slot, ReadOnlySpan<int> text) => slot.Tokens.SequenceEqual(text);

    private static ReadOnlySpan<int> TokensOf(IReadOnlyList<int>? text) => text switch
    {
        null => [],
        List<int> list => CollectionsMarshal.AsSpan(list),
        int[] array => array,
        _ => text.ToArray(),
    };

    /// <summary>One of llama.cpp's sequences.</summary>
    public sealed class Slot(int id)
    {
        /// <summary>Its number.</summary>
        public int Id => id;

        /// <summary>Positions that it holds.</summary>
        public int Length => TokenList.Count;

        internal List<int> TokenList { get; } = [];

        internal ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(TokenList);

        /// <summary>The tokens' list of the sequence that had it last.</summary>
        internal IReadOnlyList<int>? Owner { get; set; }

        /// <summary>Whether that sequence still lives: one that is disposed holds no tokens.</summary>
        internal bool IsOwned => Owner is { Count: > 0 };

        internal bool IsTaken { get; set; }

        /// <summary>Whether positions may have been written that are not committed.</summary>
        internal bool IsDirty { get; set; }

        internal long LastUse { get; set; }
    }
}
