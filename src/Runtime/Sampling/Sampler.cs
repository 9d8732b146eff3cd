namespace Hearth.Runtime.Sampling;

/// <summary>Chooses the next token of one request: logit bias, penalties, top-k, top-p, min-p, temperature, draw.</summary>
/// <remarks>
/// Holds the request's random numbers and penalty window, and nothing else: what it chooses depends on the request's
/// own logits and history, never on what else is in the batch. Not thread-safe.
/// </remarks>
internal sealed class Sampler
{
    private readonly SamplingParameters _parameters;
    private readonly Penalties? _penalties;
    private Xoshiro256 _random;

    public Sampler(SamplingParameters parameters, ReadOnlySpan<int> prompt)
    {
        _parameters = parameters;
        _penalties = parameters.HasPenalties ? new Penalties(parameters, prompt) : null;
        _random = new Xoshiro256(parameters.Seed);
    }

    /// <summary>Chooses a token and takes it into the penalty window.</summary>
    /// <param name="logits">[vocabulary]; changed in place.</param>
    /// <param name="scratch">Shared by the samplers of one thread.</param>
    /// <exception cref="HearthException">Every logit is NaN or negative infinity.</exception>
    public int Sample(Span<float> logits, SamplerScratch scratch)
    {
        foreach (var (token, bias) in _parameters.Bias)
        {
            logits[token] += bias;
        }

        _penalties?.Apply(logits);
        var likeliest = Logits.Maximum(logits);
        var chosen = _parameters.IsGreedy ? likeliest : Choose(logits, logits[likeliest], scratch);
        _penalties?.Accept(chosen);
        return chosen;
    }

    private int Choose(ReadOnlySpan<float> logits, float maximum, SamplerScratch scratch)
    {
        scratch.EnsureCapacity(logits.Length);
        var candidates = scratch.Candidates.AsSpan();
        var threshold = MinP.Threshold(maximum, _parameters.MinP);
        var kept = _parameters.TopK > 0
            ? KeepOfTopK(logits, maximum, threshold, scratch)
            : KeepOfAll(logits, maximum, threshold, scratch);
        return Draw.Choose(candidates[..kept], maximum, _parameters.Temperature, _random.NextDouble(), scratch.Weights);
    }

    private int KeepOfTopK(ReadOnlySpan<float> logits, float maximum, float threshold, SamplerScratch scratch)
    {
        var candidates = scratch.Candidates.AsSpan();
        var kept = TopK.Select(logits, _parameters.TopK, candidates);
        if (_parameters.TopP < 1)
        {
            var total = 0.0;
            foreach (var candidate in candidates[..kept])
            {
                total += MathF.Exp(Candidate.Logit(candidate) - maximum);
            }

            kept = TopP.Keep(candidates[..kept], maximum, total, _parameters.TopP);
        }

        return MinP.Keep(candidates[..kept], threshold);
    }

    /// <summary>Without top-k, min-p goes first: both keep a head of the same order, so theirs commute, and min-p needs no sorting.</summary>
    private int KeepOfAll(ReadOnlySpan<float> logits, float maximum, float threshold, SamplerScratch scratch)
    {
        var candidates = scratch.Candidates.AsSpan();
        var kept = MinP.Gather(logits, threshold, candidates);
        return _parameters.TopP < 1
            ? TopP.Keep(candidates[..kept], maximum, Logits.Total(logits, maximum, scratch.Weights), _parameters.TopP)
            : kept;
    }
}

/// <summary>Work space of the samplers of one thread; grows to the vocabulary once.</summary>
internal sealed class SamplerScratch
{
    public ulong[] Candidates { get; private set; } = [];

    public float[] Weights { get; private set; } = [];

    public void EnsureCapacity(int vocabularySize)
    {
        if (Candidates.Length < vocabularySize)
        {
            Candidates = new ulong[vocabularySize];
            Weights = new float[vocabularySize];
        }
    }
}
