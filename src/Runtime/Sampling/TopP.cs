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
}
