namespace Hearth.Runtime.Sampling;

/// <summary>Nucleus sampling (arXiv 1904.09751): keeps the likeliest tokens whose probabilities reach p together.</summary>
internal static class TopP
{
    private const int FirstPiece = 2048;

    /// <summary>Moves the kept candidates to the front, likeliest first.</summary>
    /// <remarks>Orders candidates piece by piece and stops as soon as p is reached, so that a peaked distribution over a large vocabulary is never sorted.</remarks>
    /// <param name="candidates">In any order; at least one.</param>
    /// <param name="maximum">The greatest logit.</param>
    /// <param name="total">The sum of exp(logit - maximum) over all tokens that probabilities refer to.</param>
    /// <param name="p">0 to 1.</param>
    /// <returns>How many are kept; 0 where all candidates together do not reach p.</returns>
    public static int Keep(Span<ulong> candidates, float maximum, double total, float p)
    {
        var wanted = p * total;
        var sum = 0.0;
        var ordered = 0;
        for (var piece = FirstPiece; ordered < candidates.Length; piece *= 8)
        {
            var rest = candidates[ordered..];
            var next = Math.Min(piece, rest.Length);
            TopK.MoveTopToFront(rest, next);
            TopK.SortDescending(rest[..next]);
            for (var i = 0; i < next; i++)
            {
                sum += MathF.Exp(Candidate.Logit(rest[i]) - maximum);
                if (sum >= wanted)
                {
                    return ordered + i + 1;
                }
            }

            ordered += next;
        }

        return 0;
    }

    /// <summary>Collects the nucleus of a distribution that is flat, in no order.</summary>
    /// <param name="logits">Without NaN and positive infinity.</param>
    /// <param name="maximum">The greatest of them.</param>
    /// <param name="weights">exp(logit - maximum) of each.</param>
    /// <param name="wanted">The sum of weights that the nucleus reaches.</param>
    /// <param name="least">The least logit that another policy keeps: both keep a head of the same order.</param>
    /// <param name="candidates">At least logits.Length long; its start receives the result.</param>
    /// <param name="buckets">Work space.</param>
    /// <returns>How many are kept, at least 1.</returns>
    public static int KeepOfAll(ReadOnlySpan<float> logits, float maximum, ReadOnlySpan<float> weights, double wanted, float least, Span<ulong> candidates, LogitBuckets buckets)
    {
        var (last, sum) = buckets.FindMass(logits, maximum, weights, wanted);
        var possible = candidates[..MinP.Gather(logits, Math.Max(least, LogitBuckets.LowerBound(last, maximum)), candidates)];
        var sure = MoveToFront(possible, maximum, last - 1);
        var border = possible[sure..];
        border = border[..MoveToFront(border, maximum, last)];
        TopK.SortDescending(border);
        for (var i = 0; i < border.Length; i++)
        {
            sum += weights[Candidate.Token(border[i])];
            if (sum >= wanted)
            {
                return sure + i + 1;
            }
        }

        return sure + border.Length;
    }

    // Those of the buckets up to one; returns how many.
    private static int MoveToFront(Span<ulong> candidates, float maximum, int lastBucket)
    {
        var count = 0;
        for (var i = 0; i < candidates.Length; i++)
        {
            if (LogitBuckets.Of(Candidate.Logit(candidates[i]), maximum) <= lastBucket)
            {
                (candidates[count], candidates[i]) = (candidates[i], candidates[count]);
                count++;
            }
        }

        return count;
    }
}
