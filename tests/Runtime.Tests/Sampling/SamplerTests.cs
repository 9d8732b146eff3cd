using FsCheck.Xunit;
using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Tests.Sampling;

public sealed class SamplerTests
{
    private static readonly GenerationOptions s_everything = new() { TopK = 0, TopP = 1, MinP = 0, Temperature = 1 };

    private static int Sample(GenerationOptions options, float[] logits, params int[] prompt)
        => Create(options, logits.Length, prompt).Sample((float[])logits.Clone(), new SamplerScratch());

    private static Sampler Create(GenerationOptions options, int vocabulary, params int[] prompt)
        => new(SamplingParameters.Resolve(options, vocabulary), prompt);

    private static float[] RandomLogits(int count, int seed, float scale = 8)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() - 0.5f) * scale)];
    }

    /// <summary>The same policies, written with sorting and LINQ: probability of every token.</summary>
    private static Dictionary<int, double> Reference(float[] logits, int topK, float topP, float minP, float temperature)
    {
        var order = logits.Select((logit, token) => (logit, token)).OrderByDescending(c => c.logit).ThenBy(c => c.token).ToList();
        order = topK > 0 ? order.Take(topK).ToList() : order;
        var total = order.Sum(c => Math.Exp(c.logit));
        var sum = 0.0;
        var nucleus = topP >= 1 ? order : order.TakeWhile(c =>
        {
            var before = sum;
            sum += Math.Exp(c.logit) / total;
            return before == 0 || before < topP;
        }).ToList();
        var kept = nucleus.Where(c => minP == 0 || Math.Exp(c.logit - order[0].logit) >= minP).ToList();
        var weights = kept.ToDictionary(c => c.token, c => Math.Exp((c.logit - order[0].logit) / temperature));
        return weights.ToDictionary(w => w.Key, w => w.Value / weights.Values.Sum());
    }

    [Theory]
    [InlineData(0, 1f, 0f, 1f, 20)]
    [InlineData(0, 1f, 0.1f, 1f, 20)]
    [InlineData(0, 0.7f, 0f, 1.5f, 20)]
    [InlineData(0, 0.9f, 0.05f, 0.7f, 1000)]
    [InlineData(0, 0.9f, 0f, 1.2f, 1200)]
    [InlineData(0, 0.9f, 0.3f, 1.2f, 1200)]
    [InlineData(5, 1f, 0f, 1f, 50)]
    [InlineData(40, 0.95f, 0.05f, 0.8f, 1000)]
    [InlineData(300, 0.99f, 0f, 1f, 1000)]
    [InlineData(7, 0.5f, 0.2f, 2f, 40)]
    public void Draws_follow_the_distribution_of_the_plain_reference(int topK, float topP, float minP, float temperature, int vocabulary)
    {
        const int Draws = 10_000;
        var logits = RandomLogits(vocabulary, seed: vocabulary + topK);
        var expected = Reference(logits, topK, topP, minP, temperature);
        var options = new GenerationOptions { TopK = topK, TopP = topP, MinP = minP, Temperature = temperature, Seed = 42 };
        var sampler = Create(options, vocabulary);
        var scratch = new SamplerScratch();
        var counts = new int[vocabulary];
        for (var i = 0; i < Draws; i++)
        {
            counts[sampler.Sample((float[])logits.Clone(), scratch)]++;
        }

        Assert.All(counts.Select((count, token) => (count, token)).Where(c => c.count > 0), c => Assert.Contains(c.token, expected.Keys));

        // Cells of fewer than five expected draws are joined, as Pearson's test demands.
        var cells = expected.Select(e => (Expected: e.Value * Draws, Observed: (double)counts[e.Key])).OrderBy(c => c.Expected).ToList();
        var rare = cells.TakeWhile(c => c.Expected < 5).ToList();
        cells = [.. cells.Skip(rare.Count), .. rare.Count > 0 ? [(rare.Sum(c => c.Expected), rare.Sum(c => c.Observed))] : Array.Empty<(double, double)>()];
        var statistic = cells.Sum(c => (c.Observed - c.Expected) * (c.Observed - c.Expected) / c.Expected);
        var freedom = cells.Count - 1;

        // Mean + 5 standard deviations of chi-square: the seed is fixed, so a right sampler passes always.
        Assert.True(statistic <= freedom + (5 * Math.Sqrt(2.0 * freedom)), $"chi-square {statistic} at {freedom} degrees of freedom");
    }

    [Property(MaxTest = 200)]
    public void Every_selection_keeps_what_sorting_keeps(int seed, ushort size, ushort k, bool rounded)
    {
        var vocabulary = 1 + (size % 3000);
        var logits = RandomLogits(vocabulary, seed);
        if (rounded)
        {
            // Many equal logits: ties go to the lower id.
            logits = [.. logits.Select(l => MathF.Round(l))];
        }

        var expected = Enumerable.Range(0, vocabulary).OrderByDescending(t => logits[t]).ThenBy(t => t).Take(Math.Max(1, (int)k)).ToArray();
        var candidates = new ulong[vocabulary];
        var count = TopK.Select(logits, logits.Max(), Math.Max(1, (int)k), candidates, new LogitBuckets());
        Assert.Equal(expected, candidates.Take(count).Select(Candidate.Token));
        Assert.Equal(expected.Select(t => logits[t]), candidates.Take(count).Select(Candidate.Logit));
    }

    [Property(MaxTest = 100)]
    public void A_nucleus_is_the_smallest_head_that_reaches_p(int seed, ushort size, byte percent)
    {
        var vocabulary = 1 + (size % 3000);
        var p = percent % 101 / 100f;
        var logits = RandomLogits(vocabulary, seed, scale: 4);
        var expected = Reference(logits, 0, p, 0, 1).Count;
        var candidates = new ulong[vocabulary];
        var maximum = logits.Max();
        var kept = TopP.Keep(candidates.AsSpan(0, MinP.Gather(logits, float.NegativeInfinity, candidates)), maximum, Logits.Total(logits, maximum, new float[vocabulary]), p);

        kept = kept == 0 ? vocabulary : kept;

        // Single and double precision may disagree about the one token at the border.
        Assert.InRange(kept, expected - 1, expected + 1);
        var order = Enumerable.Range(0, vocabulary).OrderByDescending(t => logits[t]).ThenBy(t => t);
        Assert.Equal(order.Take(kept), candidates.Take(kept).Select(Candidate.Token));
    }

    [Property(MaxTest = 100)]
    public void A_nucleus_found_by_buckets_is_the_one_found_by_sorting(int seed, ushort size, byte percent, byte spread, bool rounded)
    {
        var vocabulary = 1 + (size % 3000);
        // Below 1, which asks for no nucleus: there sums end where further weights no longer change them.
        var p = percent % 100 / 100f;
        var logits = RandomLogits(vocabulary, seed, scale: spread / 4f);
        logits = rounded ? [.. logits.Select(l => MathF.Round(l))] : logits;
        var (maximum, weights, sorted) = (logits.Max(), new float[vocabulary], new ulong[vocabulary]);
        var total = Logits.Total(logits, maximum, weights);
        var expected = TopP.Keep(sorted.AsSpan(0, MinP.Gather(logits, float.NegativeInfinity, sorted)), maximum, total, p);
        expected = expected == 0 ? vocabulary : expected;

        var candidates = new ulong[vocabulary];
        var kept = TopP.KeepOfAll(logits, maximum, weights, p * total, float.NegativeInfinity, candidates, new LogitBuckets());

        // Sums in another order may disagree about the token at the border.
        Assert.InRange(kept, expected - 1, expected + 1);
        Assert.Equal(sorted.Take(kept).Order(), candidates.Take(kept).Order());
    }

    [Fact]
    public void A_nucleus_found_by_buckets_stops_at_the_least_logit_of_min_p()
    {
        float[] logits = [0, -1, -2, -3, -4];
        var (weights, candidates) = (new float[5], new ulong[5]);
        var total = Logits.Total(logits, 0, weights);
        Assert.Equal(3, TopP.KeepOfAll(logits, 0, weights, total, -2.5f, candidates, new LogitBuckets()));
        Assert.Equal([0, 1, 2], candidates.Take(3).Select(Candidate.Token).Order());
    }

    [Fact]
    public void Temperature_zero_takes_the_likeliest_and_the_first_of_equal_ones()
    {
        var greedy = new GenerationOptions { Temperature = 0 };
        Assert.Equal(2, Sample(greedy, [1, 2, 5, 3, 5]));
        Assert.Equal(0, Sample(greedy, [-1, -1, -1]));
    }

    [Fact]
    public void The_same_seed_gives_the_same_tokens_and_another_seed_others()
    {
        var logits = RandomLogits(100, 5, scale: 1);
        int[] Draw(ulong seed)
        {
            var sampler = Create(s_everything with { Seed = seed }, 100);
            return [.. Enumerable.Range(0, 50).Select(_ => sampler.Sample((float[])logits.Clone(), new SamplerScratch()))];
        }

        Assert.Equal(Draw(1), Draw(1));
        Assert.NotEqual(Draw(1), Draw(2));
    }

    [Fact]
    public void Without_a_seed_requests_differ()
        => Assert.NotEqual(SamplingParameters.Resolve(GenerationOptions.Default, 10).Seed, SamplingParameters.Resolve(GenerationOptions.Default, 10).Seed);

    [Fact]
    public void Random_numbers_equal_the_reference_implementation()
    {
        // xoshiro256** with SplitMix64 of seed 0: the first state words are the published SplitMix64 outputs for 0.
        var random = new Xoshiro256(0);
        Assert.Equal(0x99EC5F36CB75F2B4UL, random.Next());
        Assert.Equal(0xBF6E1F784956452AUL, random.Next());
        Assert.Equal(0x1A5F849D4933E6E0UL, random.Next());
        var uniform = random.NextDouble();
        Assert.InRange(uniform, 0, 1);
    }

    [Fact]
    public void Penalties_change_logits_by_hand_computed_amounts()
    {
        var options = new GenerationOptions { RepetitionPenalty = 2, PresencePenalty = 0.5f, FrequencyPenalty = 0.25f };
        var penalties = new Penalties(SamplingParameters.Resolve(options, 5), [1, 2, 2]);
        penalties.Accept(4);
        float[] logits = [3, 3, -3, 3, 0];
        penalties.Apply(logits);

        // 1: 3/2 - 0.5 - 0.25; 2: -3*2 - 0.5 - 2*0.25; 4: 0*2 - 0.5 - 0.25.
        Assert.Equal([3, 0.75f, -7, 3, -0.75f], logits);
    }

    [Theory]
    [InlineData(2, new[] { 0f, 0, -1, -1 })]
    [InlineData(3, new[] { 0f, -1, -1, -1 })]
    [InlineData(-1, new[] { -2f, -1, -1, -1 })]
    [InlineData(0, new[] { 0f, 0, 0, 0 })]
    public void Penalties_look_back_as_far_as_their_window(int window, float[] expected)
    {
        var parameters = SamplingParameters.Resolve(new GenerationOptions { FrequencyPenalty = 1, PenaltyWindow = window }, 4);
        var logits = new float[4];
        if (parameters.HasPenalties)
        {
            var penalties = new Penalties(parameters, [0, 0, 1, 2]);
            penalties.Accept(3);
            penalties.Apply(logits);
        }

        Assert.Equal(expected, logits);
    }

    [Fact]
    public void Greedy_choice_comes_after_bias_and_penalties()
    {
        var options = new GenerationOptions { Temperature = 0, LogitBias = new Dictionary<int, float> { [1] = 10, [3] = float.NegativeInfinity } };
        Assert.Equal(1, Sample(options, [1, 0, 5, 100]));
        Assert.Equal(2, Sample(options with { FrequencyPenalty = 2 }, [1, 0, 5, 100], 1, 1, 1, 1));
    }

    [Fact]
    public void A_NaN_logit_is_never_chosen()
    {
        var options = s_everything with { Seed = 1 };
        var sampler = Create(options, 40);
        for (var i = 0; i < 200; i++)
        {
            var logits = Enumerable.Repeat(float.NaN, 40).ToArray();
            logits[7] = logits[39] = -1;
            Assert.Contains(sampler.Sample(logits, new SamplerScratch()), new[] { 7, 39 });
        }

        Assert.Equal(1, Sample(new GenerationOptions { Temperature = 0 }, [float.NaN, 1, float.NaN, 0]));
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    public void An_infinite_logit_is_chosen(float temperature)
        => Assert.Equal(2, Sample(s_everything with { Temperature = temperature }, [1, float.NaN, float.PositiveInfinity, 1000, float.NegativeInfinity]));

    [Theory]
    [InlineData(float.NaN, 0f)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.NaN, 1f)]
    public void Where_no_token_is_possible_an_error_says_so(float logit, float temperature)
        => Assert.Throws<HearthException>(() => Sample(s_everything with { Temperature = temperature }, [logit, logit, logit]));

    [Fact]
    public void Tiny_temperatures_and_extreme_logits_stay_finite()
    {
        Assert.Equal(1, Sample(s_everything with { Temperature = float.Epsilon }, [1, 2, -3e38f]));
        Assert.Equal(0, Sample(s_everything with { Temperature = 1e-10f, MinP = 0.5f }, [3e38f, -3e38f, 0]));
    }

    [Fact]
    public void Sampling_allocates_nothing_once_its_scratch_has_grown()
    {
        var logits = RandomLogits(5000, 1);
        var row = new float[5000];
        var scratch = new SamplerScratch();
        foreach (var options in new[] { GenerationOptions.Default, s_everything, s_everything with { TopP = 0.9f }, GenerationOptions.Default with { TopK = 2000, FrequencyPenalty = 1 } })
        {
            var sampler = Create(options, 5000);
            for (var i = 0; i < 200; i++)
            {
                logits.CopyTo(row, 0);
                sampler.Sample(row, scratch);
            }

            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 20; i++)
            {
                logits.CopyTo(row, 0);
                sampler.Sample(row, scratch);
            }

            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    public static TheoryData<string, GenerationOptions> OutOfRange => new()
    {
        { "MaxTokens", new() { MaxTokens = -2 } },
        { "Temperature", new() { Temperature = -0.1f } },
        { "Temperature", new() { Temperature = float.NaN } },
        { "Temperature", new() { Temperature = float.PositiveInfinity } },
        { "TopK", new() { TopK = -1 } },
        { "TopP", new() { TopP = 1.01f } },
        { "TopP", new() { TopP = float.NaN } },
        { "MinP", new() { MinP = -0.01f } },
        { "RepetitionPenalty", new() { RepetitionPenalty = 0 } },
        { "RepetitionPenalty", new() { RepetitionPenalty = float.PositiveInfinity } },
        { "PresencePenalty", new() { PresencePenalty = 2.1f } },
        { "FrequencyPenalty", new() { FrequencyPenalty = -2.1f } },
        { "PenaltyWindow", new() { PenaltyWindow = -2 } },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [10] = 1 } } },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [-1] = 1 } } },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [1] = float.NaN } } },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [1] = float.PositiveInfinity } } },
        { "StopSequences", new() { StopSequences = ["a", ""] } },
    };

    [Theory]
    [MemberData(nameof(OutOfRange), DisableDiscoveryEnumeration = true)]
    public void An_option_out_of_its_range_is_named(string name, GenerationOptions options)
        => Assert.Equal(name, Assert.Throws<InvalidRequestException>(() => SamplingParameters.Resolve(options, 10)).Option);

    [Fact]
    public void Defaults_are_those_that_the_options_promise()
    {
        var resolved = SamplingParameters.Resolve(GenerationOptions.Default, 10);
        Assert.Equal((0.8f, 40, 0.95f, 0.05f), (resolved.Temperature, resolved.TopK, resolved.TopP, resolved.MinP));
        Assert.Equal((1f, 0f, 0f, 64), (resolved.RepetitionPenalty, resolved.PresencePenalty, resolved.FrequencyPenalty, resolved.PenaltyWindow));
        Assert.False(resolved.HasPenalties);
    }
}
