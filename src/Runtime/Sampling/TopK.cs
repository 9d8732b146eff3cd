using System.Numerics;
using System.Runtime.InteropServices;

namespace Hearth.Runtime.Sampling;

/// <summary>Keeps the k likeliest tokens.</summary>
internal static class TopK
{
    /// <summary>Beyond this, a heap loses to a rough sort.</summary>
    private const int HeapLimit = 256;

    /// <summary>Finds the k likeliest candidates, likeliest first; tokens at negative infinity are never among them.</summary>
    /// <param name="logits">Without NaN and positive infinity.</param>
    /// <param name="maximum">The greatest of them.</param>
    /// <param name="k">At least 1.</param>
    /// <param name="candidates">At least logits.Length long; its start receives the result.</param>
    /// <param name="buckets">Work space.</param>
    /// <returns>How many there are, at most k.</returns>
    public static int Select(ReadOnlySpan<float> logits, float maximum, int k, Span<ulong> candidates, LogitBuckets buckets)
    {
        if (k <= HeapLimit)
        {
            var count = SelectWithHeap(logits, candidates[..Math.Min(k, logits.Length)]);
            SortDescending(candidates[..count]);
            return count;
        }

        var last = buckets.FindRank(logits, maximum, Math.Min(k, logits.Length));
        var possible = MinP.Gather(logits, LogitBuckets.LowerBound(last, maximum), candidates);
        var kept = Math.Min(k, possible);
        MoveTopToFront(candidates[..possible], kept);
        SortDescending(candidates[..kept]);
        return kept;
    }

    /// <summary>Sorts likeliest first.</summary>
    public static void SortDescending(Span<ulong> candidates)
    {
        candidates.Sort();
        candidates.Reverse();
    }

    /// <summary>Moves the n greatest candidates to the front, in no order (quickselect; sorts where pivots keep failing).</summary>
    public static void MoveTopToFront(Span<ulong> candidates, int n)
    {
        var attempts = 2 * BitOperations.Log2((uint)candidates.Length + 1);
        while (n > 0 && n < candidates.Length)
        {
            if (attempts-- == 0)
            {
                SortDescending(candidates);
                return;
            }

            var split = Partition(candidates);
            if (split == n)
            {
                return;
            }

            if (split > n)
            {
                candidates = candidates[..split];
            }
            else
            {
                // The pivot itself stands at the split and is the next greatest.
                candidates = candidates[(split + 1)..];
                n -= split + 1;
            }
        }
    }

    /// <summary>Moves what is greater than a pivot before it; returns where the pivot stands then.</summary>
    private static int Partition(Span<ulong> candidates)
    {
        var last = candidates.Length - 1;
        var pivot = MedianOfThree(candidates[0], candidates[last / 2], candidates[last]);
        (candidates[candidates.IndexOf(pivot)], candidates[last]) = (candidates[last], pivot);
        var split = 0;
        for (var i = 0; i < last; i++)
        {
            if (candidates[i] > pivot)
            {
                (candidates[i], candidates[split]) = (candidates[split], candidates[i]);
                split++;
            }
        }

        (candidates[split], candidates[last]) = (candidates[last], candidates[split]);
        return split;
    }

    private static ulong MedianOfThree(ulong a, ulong b, ulong c)
        => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));

    /// <summary>One pass over the logits; a vector whose lanes are all below the heap's least is skipped in one comparison.</summary>
    private static int SelectWithHeap(ReadOnlySpan<float> logits, Span<ulong> heap)
    {
        var count = 0;
        var least = float.NegativeInfinity;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        for (var v = 0; v < vectors.Length; v++)
        {
            if (Vector.GreaterThanAny(vectors[v], new Vector<float>(least)))
            {
                var begin = v * Vector<float>.Count;
                Offer(logits.Slice(begin, Vector<float>.Count), begin, heap, ref count, ref least);
            }
        }

        var rest = vectors.Length * Vector<float>.Count;
        Offer(logits[rest..], rest, heap, ref count, ref least);
        return count;
    }

    private static void Offer(ReadOnlySpan<float> logits, int firstToken, Span<ulong> heap, ref int count, ref float least)
    {
        for (var i = 0; i < logits.Length; i++)
        {
            // Ids rise, so a candidate that only equals the least loses against it.
            if (!(logits[i] > least))
            {
                continue;
            }

            var candidate = Candidate.Pack(firstToken + i, logits[i]);
            if (count < heap.Length)
            {
                heap[count++] = candidate;
                SiftUp(heap, count - 1);
            }
            else
            {
                heap[0] = candidate;
                SiftDown(heap);
            }

            if (count == heap.Length)
            {
                least = Candidate.Logit(heap[0]);
            }
        }
    }

    private static void SiftUp(Span<ulong> heap, int child)
    {
        while (child > 0 && heap[(child - 1) / 2] > heap[child])
        {
            var parent = (child - 1) / 2;
            (heap[parent], heap[child]) = (heap[child], heap[parent]);
            child = parent;
        }
    }

    private static void SiftDown(Span<ulong> heap)
    {
        var parent = 0;
        while ((2 * parent) + 1 < heap.Length)
        {
            var child = (2 * parent) + 1;
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
            {
                child++;
            }

            if (heap[parent] <= heap[child])
            {
                return;
            }

            (heap[parent], heap[child]) = (heap[child], heap[parent]);
            parent = child;
        }
    }
}
