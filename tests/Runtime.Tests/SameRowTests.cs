using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests;

/// <summary>The same row, the same number: how a text was cut into steps, what was cached of it and who else was in the batch changes no bit.</summary>
public sealed class SameRowTests
{
    private const int Length = 150;

    // Models that embed, fill texts in or read a source first.
    private static readonly string[] s_others = ["bert", "t5", "quant", "llada", "dream", "embed", "rank", "rnd1"];

    public static TheoryData<string> Decoders
        => [.. ReferenceModels.Names.Where(name => !s_others.Any(other => name.Contains(other, StringComparison.Ordinal)))];

    [Theory]
    [MemberData(nameof(Decoders))]
    public async Task Steps_caches_and_neighbours_change_no_bit(string name)
    {
        // The reference's random weights give logits that lie close together: another order of a sum shows soon.
        var random = new Random(name.Length);
        var file = ReferenceModels.File(name);
        await using var whole = await Load(file, stepTokens: 512, prefixes: false);
        var limit = Math.Min(Length, whole.Information.ContextLength - 12);
        int[] prompt = [.. Enumerable.Range(0, limit).Select(_ => random.Next(whole.Information.VocabularySize))];
        var expected = await Score(whole, prompt);

        await using var single = await Load(file, stepTokens: 1, prefixes: false);
        Assert.Equal(expected, await Score(single, prompt));

        await using var warm = await Load(file, stepTokens: 24, prefixes: true);
        foreach (var begun in new[] { 5, 17, limit / 2, limit - 1 })
        {
            await Score(warm, prompt[..begun]);
            var neighbours = Enumerable.Range(0, 3).Select(i => Score(warm, [.. prompt.Reverse().Skip(i).Take(limit / (i + 2))])).ToArray();
            Assert.Equal(expected, await Score(warm, prompt));
            await Task.WhenAll(neighbours);
        }
    }

    [Fact]
    public async Task Ember_too()
    {
        var file = Path.Combine(SharedFolder.Repository, "models", "ember.gguf");
        await using var whole = await Load(file, stepTokens: 512, prefixes: false);
        int[] prompt = [.. Enumerable.Range(0, Length).Select(i => (i * 37) % whole.Information.VocabularySize)];
        var expected = await Score(whole, prompt);
        foreach (var rows in new[] { 1, 2, 5, 9, 24 })
        {
            await using var few = await Load(file, rows, prefixes: false);
            Assert.Equal(expected, await Score(few, prompt));
        }
    }

    [Theory]
    [InlineData(CacheType.Q8_0)]
    [InlineData(CacheType.Q4_0)]
    [InlineData(CacheType.BF16)]
    public async Task Whatever_the_cache_holds_them_as(CacheType type)
    {
        var file = ReferenceModels.Quantized("Q4_K_M");
        await using var whole = await Load(file, stepTokens: 512, prefixes: false, type);
        await using var single = await Load(file, stepTokens: 1, prefixes: false, type);
        int[] prompt = [.. Enumerable.Range(0, Length).Select(i => (i * 37) % whole.Information.VocabularySize)];
        Assert.Equal(await Score(whole, prompt), await Score(single, prompt));
    }

    private static Task<LanguageModel> Load(string file, int stepTokens, bool prefixes, CacheType type = CacheType.F16)
        => LanguageModel.LoadAsync(file, new ModelOptions { StepTokens = stepTokens, PrefixCaching = prefixes, CacheTokens = 2048, KeyType = type, ValueType = type });

    // The likeliest tokens and their probabilities, to the last bit.
    private static async Task<List<(int Token, double LogProbability)>> Score(LanguageModel model, int[] prompt)
    {
        var scores = new List<(int, double)>();
        var options = new GenerationOptions { Temperature = 0, MaxTokens = 8, LogProbabilities = 4, IgnoreEndOfText = true };
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = options }))
            scores.AddRange(update.LogProbabilities.SelectMany(place => place.Likeliest).Select(likely => (likely.TokenId, likely.LogProbability)));
        return scores;
    }
}
