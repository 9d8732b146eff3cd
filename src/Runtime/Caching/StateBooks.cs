using System.Runtime.InteropServices;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Caching;

/// <summary>Which sequence and which cached prefix holds which state; pure bookkeeping over state numbers.</summary>
/// <remarks>
/// <para>
/// States are counted references, as pages are. A sequence writes its state in place as long as nobody else holds it, and
/// to a fresh one otherwise: a fork, a checkpoint and a published prefix are one more reference each, and a copy is made by
/// the step that goes on.
/// </para>
/// <para>
/// Checkpoints are kept at ends of pages: every so many pages of a long piece, at the last one of each piece, and where a
/// text parts from one that is cached. They take what room there is; the one of least use goes first. Guarded by the cache's
/// lock.
/// </para>
/// </remarks>
/// <param name="pool">The states.</param>
/// <param name="tree">Holds those of cached prefixes.</param>
/// <param name="sequences">Those that are not disposed.</param>
/// <param name="pageTokens">Positions of a page.</param>
internal sealed class StateBooks(PagePool pool, PrefixTree tree, IReadOnlyCollection<KvSequence> sequences, int pageTokens)
{
    // Between checkpoints of one piece: what a conversation's turn or a shared beginning is at least.
    private const int PagesBetween = 16;

    public PagePool Pool => pool;

    /// <summary>Reserves states for the next positions of a sequence; changes nothing but what is let go where it returns false.</summary>
    /// <param name="sequence">Goes on.</param>
    /// <param name="count">Positions.</param>
    /// <param name="keepsCheckpoints">Whether states are kept on the way where there is room.</param>
    public bool TryReserve(KvSequence sequence, int count, bool keepsCheckpoints)
    {
        var state = sequence.State;
        CancelReservation(state);
        while (NeedsFresh(state) && pool.FreeCount == 0)
        {
            if (!tree.EvictState() && !DropCheckpoint())
                return false;
        }

        state.Next = NeedsFresh(state) ? pool.Take() : state.Current;
        state.Reserved = count;
        if (keepsCheckpoints)
            ReserveCheckpoints(sequence, count);
        return true;
    }

    /// <summary>Lets go what is reserved, which no step has written.</summary>
    public void Cancel(KvSequence sequence) => CancelReservation(sequence.State);

    /// <summary>The step has run.</summary>
    /// <param name="sequence">Its positions are appended already.</param>
    /// <param name="count">How many.</param>
    public void Commit(KvSequence sequence, int count)
    {
        var state = sequence.State;
        if (state.Next < 0 || state.Reserved != count)
            throw new InvalidOperationException($"a step of {count} positions was committed, but {state.Reserved} were reserved: the state is of these");
        if (state.Next != state.Current && state.Current >= 0)
            pool.Release(state.Current);
        state.Current = state.Next;
        state.Next = -1;
        state.Reserved = 0;
        foreach (var (rows, kept) in state.NextCheckpoints)
            state.Checkpoints.Add((sequence.Length - count + rows, kept));
        state.NextCheckpoints.Clear();
        if (sequence.Length % pageTokens == 0)
        {
            pool.Retain(state.Current);
            state.Checkpoints.Add((sequence.Length, state.Current));
        }
    }

    /// <summary>Lets go all but the last checkpoints, once a step's were offered to the tree or nobody wants them there.</summary>
    public void Thin(SequenceState state)
    {
        while (state.Checkpoints.Count > SequenceState.MostCheckpoints)
            DropFirst(state);
    }

    /// <summary>Goes back to the last kept state at or before a length.</summary>
    /// <returns>The length that is left.</returns>
    public int Shrink(KvSequence sequence, int length)
    {
        var state = sequence.State;
        var isSpoilt = state.Next >= 0 && state.Next == state.Current;
        CancelReservation(state);
        if (length == sequence.Length && !isSpoilt)
            return length;
        if (state.Current >= 0)
            pool.Release(state.Current);
        state.Current = -1;

        // A checkpoint after the last position is the current state itself, spoilt with it only if it was written in
        // place, which it is not while two hold it.
        while (state.Checkpoints.Count > 0 && state.Checkpoints[^1].Length > length)
        {
            pool.Release(state.Checkpoints[^1].State);
            state.Checkpoints.RemoveAt(state.Checkpoints.Count - 1);
        }

        if (state.Checkpoints.Count == 0 || length == 0)
        {
            foreach (var (_, kept) in state.Checkpoints)
                pool.Release(kept);
            state.Checkpoints.Clear();
            return 0;
        }

        var (left, last) = state.Checkpoints[^1];
        pool.Retain(last);
        state.Current = last;
        return left;
    }

    /// <summary>Gives a sequence the states of another with the same positions.</summary>
    public void Fork(SequenceState parent, SequenceState fork)
    {
        if (parent.Current >= 0)
            pool.Retain(parent.Current);
        fork.Current = parent.Current;
        foreach (var checkpoint in parent.Checkpoints)
        {
            pool.Retain(checkpoint.State);
            fork.Checkpoints.Add(checkpoint);
        }
    }

    private bool NeedsFresh(SequenceState state) => state.Current < 0 || pool.References(state.Current) > 1;

    private void ReserveCheckpoints(KvSequence sequence, int count)
    {
        var state = sequence.State;
        var (begin, end) = (sequence.Length, sequence.Length + count);
        var last = (end - 1) / pageTokens * pageTokens;
        for (var at = ((begin / pageTokens) + 1) * pageTokens; at < end; at += pageTokens)
        {
            // The end of the piece is a checkpoint by itself where it is the end of a page.
            var isWanted = at == state.Branch || at % (PagesBetween * pageTokens) == 0 || (at == last && end % pageTokens != 0);
            if (isWanted && (pool.FreeCount > 0 || tree.EvictState()))
                state.NextCheckpoints.Add(new StateCheckpoint(at - begin, pool.Take()));
        }
    }

    private void CancelReservation(SequenceState state)
    {
        if (state.Next >= 0 && state.Next != state.Current)
            pool.Release(state.Next);
        foreach (var (_, kept) in CollectionsMarshal.AsSpan(state.NextCheckpoints))
            pool.Release(kept);
        state.NextCheckpoints.Clear();
        state.Next = -1;
        state.Reserved = 0;
    }

    // Checkpoints of sequences are for going back: any of them is worth less than going on.
    private bool DropCheckpoint()
    {
        foreach (var sequence in sequences)
        {
            if (sequence.State.Checkpoints.Count == 0)
                continue;
            DropFirst(sequence.State);
            return true;
        }

        return false;
    }

    private void DropFirst(SequenceState state)
    {
        pool.Release(state.Checkpoints[0].State);
        state.Checkpoints.RemoveAt(0);
    }
}
