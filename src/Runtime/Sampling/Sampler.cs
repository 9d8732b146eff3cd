namespace Hearth.Runtime.Sampling;

/// <summary>Chooses the next token of one request: logit bias, penalties, top-k, top-p, min-p, temperature, draw.</summary>
/// <remarks>
/// Holds the request's random numbers and penalty window, and nothing else: what it chooses depends on the request's
/// own logits and history, never on what else is in the batch. Not thread-safe.
/// </remarks>
internal sealed class Sampler
{
    private const int LikelyNucleus = 256;

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
        var uniform = _random.NextDouble();
        if (_parameters is { TopK: 0, TopP: 1, MinP: 0 })
        {
            return Draw.Choose(logits, maximum, _parameters.Temperature, uniform, scratch.Weights);
        }

        var kept = _parameters.TopK > 0 ? KeepOfTopK(logits, maximum, scratch) : KeepOfAll(logits, maximum, scratch);
        return Draw.Choose(scratch.Candidates.AsSpan(0, kept), maximum, _parameters.Temperature, uniform, scratch.Weights);
    }

    private int KeepOfTopK(ReadOnlySpan<float> logits, float maximum, SamplerScratch scratch)
    {
        var candidates = scratch.Candidates.AsSpan();
        var kept = TopK.Select(logits, maximum, _parameters.TopK, candidates, scratch.Buckets);
        if (_parameters.TopP < 1)
        {
            var total = 0.0;
            foreach (var candidate in candidates[..kept])
            {
                total += MathF.Exp(Candidate.Logit(candidate) - maximum);
            }

            kept = NonZero(TopP.Keep(candidates[..kept], maximum, total, _parameters.TopP), kept);
        }

        return MinP.Keep(candidates[..kept], MinP.Threshold(maximum, _parameters.MinP));
    }

    private int KeepOfAll(ReadOnlySpan<float> logits, float maximum, SamplerScratch scratch)
    {
        var candidates = scratch.Candidates.AsSpan();
        var threshold = MinP.Threshold(maximum, _parameters.MinP);
        if (_parameters.TopP == 1)
        {
            return MinP.Gather(logits, threshold, candidates);
        }

        // The nucleus is nearly always among few tokens; only a flat distribution makes it worth sorting all roughly.
        var total = Logits.Total(logits, maximum, scratch.Weights);
        var kept = TopP.Keep(candidates[..TopK.Select(logits, maximum, LikelyNucleus, candidates, scratch.Buckets)], maximum, total, _parameters.TopP);
        return kept > 0
            ? MinP.Keep(candidates[..kept], threshold)
            : TopP.KeepOfAll(logits, maximum, scratch.Weights.AsSpan(0, logits.Length), _parameters.TopP * total, threshold, candidates, scratch.Buckets);
    }

    private static int NonZero(int kept, int all) => kept == 0 ? all : kept;
}

/// <summary>Work space of the samplers of one thread; grows to the vocabulary once.</summary>
internal sealed class SamplerScratch
{
    public ulong[] Candidates { get; private set; } = [];

    public float[] Weights { get; private set; } = [];

    public LogitBuckets Buckets { get; } = new();

    public void EnsureCapacity(int vocabularySize)
    {
        if (Candidates.Length < vocabularySize)
        {
            Candidates = new ulong[vocabularySize];
            Weights = new float[vocabularySize];
        }
    }
}
