using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Tests.Sampling;

public sealed class TokenLimitsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    [InlineData(4099)]
    public void A_mask_leaves_the_logits_of_its_bits_and_no_other(int size)
    {
        var random = new Random(size);
        for (var round = 0; round < 20; round++)
        {
            var mask = new ulong[(size + 63) / 64];
            for (var i = 0; i < mask.Length; i++)
                mask[i] = random.Next(4) switch { 0 => 0, 1 => ulong.MaxValue, _ => (ulong)random.NextInt64() };
            float[] logits = [.. Enumerable.Range(0, size).Select(i => i % 13 == 0 ? float.NaN : random.NextSingle())];
            float[] expected = [.. logits.Select((logit, i) => (mask[i / 64] >> (i % 64) & 1) != 0 ? logit : float.NegativeInfinity)];
            TokenLimits.Apply(mask, logits);
            Assert.Equal(expected, logits);
        }
    }

    [Theory]
    [InlineData(0f, 1f, 0)]
    [InlineData(1f, 1f, 0)]
    [InlineData(1f, 0.5f, 3)]
    [InlineData(1f, 1f, 300)]
    public void What_is_masked_is_never_chosen_whatever_its_logit(float temperature, float topP, int topK)
    {
        var random = new Random(1);
        var options = new GenerationOptions { Temperature = temperature, TopP = topP, TopK = topK, MinP = 0, Seed = 5, LogitBias = new Dictionary<int, float> { [3] = 1e30f, [400] = 1e30f } };
        var sampler = new Sampler(SamplingParameters.Resolve(options, 500), [1, 2, 3]);
        for (var round = 0; round < 200; round++)
        {
            var mask = new ulong[8];
            int[] allowed = [.. Enumerable.Range(0, 1 + random.Next(5)).Select(_ => random.Next(500)).Where(token => token is not (3 or 400)), 77];
            foreach (var token in allowed)
                mask[token / 64] |= 1UL << (token % 64);
            float[] logits = [.. Enumerable.Range(0, 500).Select(token => (token % 50) switch { 0 => float.PositiveInfinity, 1 => float.NaN, _ => random.NextSingle() * 10 })];
            foreach (var token in allowed)
                logits[token] = random.NextSingle() - 50;
            Assert.Contains(sampler.Sample(logits, new SamplerScratch(), new TokenLimits([], mask)), allowed);
        }
    }

    [Fact]
    public void What_leaves_nothing_is_told_by_its_name()
    {
        InvalidRequestException Fail(GenerationOptions options, int[] forbidden, ulong mask, float logit = 1)
        {
            var sampler = new Sampler(SamplingParameters.Resolve(options, 4), [0]);
            return Assert.Throws<InvalidRequestException>(() => sampler.Sample(new[] { logit, logit, logit, logit }, new SamplerScratch(), new TokenLimits(forbidden, mask == 0 ? [] : [mask])));
        }

        var bias = new Dictionary<int, float> { [0] = float.NegativeInfinity, [1] = float.NegativeInfinity };
        Assert.Equal("Constraint", Fail(new GenerationOptions { LogitBias = bias }, [], 0b11).Option);
        Assert.Equal("MinTokens", Fail(new GenerationOptions { LogitBias = bias }, [2, 3], 0).Option);

        // A model that gives no numbers is not the caller's fault, whatever else was asked for.
        var broken = new Sampler(SamplingParameters.Resolve(new GenerationOptions { LogitBias = bias }, 4), [0]);
        var error = Assert.ThrowsAny<HearthException>(() => broken.Sample(new[] { float.NaN, float.NaN, float.NaN, float.NaN }, new SamplerScratch(), new TokenLimits([], [0b11UL])));
        Assert.IsNotType<InvalidRequestException>(error);
    }
}
