namespace Hearth.Runtime.Sampling;

/// <summary>How likely the model held a chosen token and the likeliest in its place, of its logits as they are.</summary>
/// <param name="LogProbability">Of the token.</param>
/// <param name="Likeliest">As many as were asked for, the likeliest first.</param>
internal sealed record TokenScores(double LogProbability, (int Token, double LogProbability)[] Likeliest);

/// <summary>A row of logits as the model gave it, kept to say how likely tokens were.</summary>
internal readonly ref struct RawLogits
{
    private readonly ReadOnlySpan<float> _logits;
    private readonly float _maximum;
    private readonly double _shift;
    private readonly SamplerScratch _scratch;

    /// <summary>Keeps a row in the scratch.</summary>
    /// <exception cref="HearthException">No logit is above negative infinity.</exception>
    public RawLogits(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        scratch.EnsureCapacity(logits.Length);
        var row = scratch.Keep(logits);
        _maximum = row[Logits.Maximum(row)];
        _shift = _maximum + Math.Log(Logits.Total(row, _maximum, scratch.Weights));
        _logits = row;
        _scratch = scratch;
    }

    /// <summary>How likely a token was and which were the likeliest.</summary>
    /// <param name="token">The token.</param>
    /// <param name="top">How many of the likeliest.</param>
    public TokenScores Of(int token, int top)
    {
        var count = top == 0 ? 0 : TopK.Select(_logits, _maximum, top, _scratch.Candidates, _scratch.Buckets);
        var likeliest = new (int, double)[count];
        for (var i = 0; i < count; i++)
        {
            likeliest[i] = (Candidate.Token(_scratch.Candidates[i]), Candidate.Logit(_scratch.Candidates[i]) - _shift);
        }

        return new TokenScores(_logits[token] - _shift, likeliest);
    }
}
