namespace Hearth.Runtime.Sampling;

/// <summary>Chooses the next token of one request: logit bias, penalties, what is forbidden here, top-k, top-p, min-p, temperature, draw.</summary>
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
    /// <param name="limits">What is forbidden here.</param>
    /// <exception cref="HearthException">Every logit is NaN or negative infinity.</exception>
    /// <exception cref="InvalidRequestException">What the request forbids leaves no token.</exception>
    public int Sample(Span<float> logits, SamplerScratch scratch, TokenLimits limits = default)
    {
        foreach (var (token, bias) in _parameters.Bias)
        {
            logits[token] += bias;
        }

        _penalties?.Apply(logits);
        limits.Apply(logits);
        if (!Logits.TryMaximum(logits, out var likeliest, out var hadNaN))
        {
            throw NothingLeft(limits, hadNaN);
        }

        var chosen = _parameters.IsGreedy ? likeliest : Choose(logits, logits[likeliest], scratch);
        _penalties?.Accept(chosen);
        return chosen;
    }

    /// <summary>Takes a token that was not chosen into the penalty window.</summary>
    public void Accept(int token) => _penalties?.Accept(token);

    private HearthException NothingLeft(TokenLimits limits, bool hadNaN)
        => hadNaN ? new HearthException("no token can be chosen: the model's logits are no numbers")
            : !limits.Mask.IsEmpty ? new InvalidRequestException(nameof(GenerationOptions.Constraint), "leaves no token to go on with: what it allows here is forbidden otherwise, or the model cannot spell it")
            : !limits.Forbidden.IsEmpty ? new InvalidRequestException(nameof(GenerationOptions.MinTokens), "leaves no token: the model can only end here")
            : Array.Exists(_parameters.Bias, pair => float.IsNegativeInfinity(pair.Value)) ? new InvalidRequestException(nameof(GenerationOptions.LogitBias), "forbids every token")
            : new HearthException("no token can be chosen: every logit is NaN or negative infinity");

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

    /// <summary>A row as the model gave it, for those that tell log-probabilities.</summary>
    public float[] Raw { get; private set; } = [];

    public LogitBuckets Buckets { get; } = new();

    /// <summary>Keeps a row's logits before they are changed.</summary>
    public Span<float> Keep(ReadOnlySpan<float> logits)
    {
        if (Raw.Length < logits.Length)
        {
            Raw = new float[logits.Length];
        }

        logits.CopyTo(Raw);
        return Raw.AsSpan(0, logits.Length);
    }

    public void EnsureCapacity(int vocabularySize)
    {
        if (Candidates.Length < vocabularySize)
        {
            Candidates = new ulong[vocabularySize];
            Weights = new float[vocabularySize];
        }
    }
}
