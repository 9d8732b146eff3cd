using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests;

public sealed class AttentionProbeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>One of each kind of attention: windows, chunks, caps, biases, latent keys, temperatures, sinks, relative biases.</summary>
    public static TheoryData<string> Decoders =>
    [
        "gpt2", "llama-gqa-base", "gemma2", "gemma3", "gemma3n", "gemma4", "gpt-oss", "deepseek2", "deepseek2-lite", "bloom", "mpt", "llama4", "cohere2", "grok", "talkie",
    ];

    public static TheoryData<string> Encoders => ["bert-mean", "nomic-bert", "jina-bert-v2", "t5encoder", "modern-bert", "eurobert"];

    [Theory]
    [MemberData(nameof(Decoders))]
    public async Task Rows_of_decoders_sum_to_one_and_never_look_ahead(string name)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name));
        var maps = AttentionProbe.Run(model, Text(40));
        Assert.NotEmpty(maps.Layers);
        Assert.All(maps.Layers, layer => Assert.Equal(AttentionKind.DecoderSelf, layer.Kind));
        Assert.All(maps.Layers, RequireWholeRows);
        foreach (var (layer, head, row) in Rows(maps))
            Assert.All(layer.Row(head, row)[(row + 1)..].ToArray(), weight => Assert.Equal(0, weight));
    }

    [Theory]
    [MemberData(nameof(Encoders))]
    public async Task Rows_of_encoders_sum_to_one_and_look_both_ways(string name)
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File(name));
        var maps = AttentionProbe.Run(model, ReferenceModels.Tokens(name));
        Assert.NotEmpty(maps.Layers);
        Assert.All(maps.Layers, layer => Assert.Equal(AttentionKind.EncoderSelf, layer.Kind));
        Assert.All(maps.Layers, RequireWholeRows);
        Assert.All(maps.Layers, layer => Assert.True(layer.Row(0, 0)[1] > 0));
    }

    [Theory]
    [InlineData("t5-v1.0")]
    [InlineData("t5-v1.1")]
    public async Task An_encoder_decoder_shows_both_sides_and_what_lies_between(string name)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name));
        var (source, tokens) = (Text(23), Text(9));
        var maps = AttentionProbe.Run(model, tokens, source: source);
        Assert.All(maps.Layers, RequireWholeRows);
        Assert.Equal((source.Length, tokens.Length), (maps.SourceTokens.Count, maps.Tokens.Count));
        foreach (var (kind, rows, keys) in new[] { (AttentionKind.EncoderSelf, 23, 23), (AttentionKind.DecoderSelf, 9, 9), (AttentionKind.Cross, 9, 23) })
        {
            var layers = maps.Layers.Where(layer => layer.Kind == kind).ToArray();
            Assert.Equal(Enumerable.Range(0, 2), layers.Select(layer => layer.Layer));
            Assert.All(layers, layer => Assert.Equal((rows, keys), (layer.Rows, layer.Keys)));
            Assert.All(layers, layer => Assert.Equal((rows, keys), (maps.RowTokens(layer).Count, maps.KeyTokens(layer).Count)));
        }

        Assert.All(maps.Layers.Where(layer => layer.Kind == AttentionKind.Cross), layer => Assert.All(layer.Weights.ToArray(), weight => Assert.True(weight > 0)));
    }

    [Fact]
    public async Task A_sliding_window_hides_what_is_further_back()
    {
        await using var model = await LanguageModel.LoadAsync(EditedModel.Of("gemma2").Set("attention.sliding_window", 5u).Save(_folder));
        var maps = AttentionProbe.Run(model, Text(30));
        var windowed = maps.Layers.Where(layer => layer.Row(0, 29)[10] == 0).ToArray();
        Assert.InRange(windowed.Length, 1, maps.Layers.Count - 1); // every other layer
        foreach (var layer in windowed)
        {
            for (var row = 0; row < layer.Rows; row++)
            {
                for (var key = 0; key <= row; key++)
                    Assert.Equal(row - key < 5, layer.Row(0, row)[key] > 0);
            }
        }
    }

    [Fact]
    public async Task A_sink_takes_the_rest_of_each_row()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("gpt-oss"));
        var maps = AttentionProbe.Run(model, Text(12));
        Assert.All(maps.Layers, layer => Assert.True(layer.HasSink));
        foreach (var (layer, head, row) in Rows(maps))
            Assert.InRange(layer.SinkShare(head, row), 1e-6, 1 - 1e-6);
    }

    [Fact]
    public async Task A_text_read_in_pieces_has_the_attention_of_the_whole()
    {
        var path = ReferenceModels.File("gemma3");
        await using var whole = await LanguageModel.LoadAsync(path);
        await using var pieces = await LanguageModel.LoadAsync(path, new ModelOptions { StepTokens = 7 });
        RequireEqual(AttentionProbe.Run(whole, Text(40)), AttentionProbe.Run(pieces, Text(40)), 1e-6);
    }

    [Fact]
    public async Task Layers_and_heads_can_be_chosen()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var all = AttentionProbe.Run(model, Text(10));
        var some = AttentionProbe.Run(model, Text(10), new AttentionProbeOptions { Layers = new(1, 1), Heads = new(1, 2) });
        var layer = Assert.Single(some.Layers);
        Assert.Equal((1, 1, 2), (layer.Layer, layer.FirstHead, layer.HeadCount));
        Assert.Equal(all.Layers[1].Weights.Slice(100, 200).ToArray(), layer.Weights.ToArray());
    }

    [Theory]
    [InlineData(CacheType.F16)]
    [InlineData(CacheType.Q8_0)]
    public async Task Rounded_caches_are_probed_as_they_are(CacheType type)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var (exact, rounded) = (AttentionProbe.Run(model, Text(20)), AttentionProbe.Run(model, Text(20), new AttentionProbeOptions { CacheType = type }));
        Assert.All(rounded.Layers, RequireWholeRows);
        RequireEqual(exact, rounded, 0.05);
        Assert.NotEqual(exact.Layers[0].Weights.ToArray(), rounded.Layers[0].Weights.ToArray());
    }

    [Fact]
    public async Task Too_much_is_refused_with_what_is_possible()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var heads = AttentionProbe.Run(model, Text(2)).Layers.Sum(layer => layer.HeadCount);
        var error = Assert.Throws<AttentionProbeSizeException>(() => AttentionProbe.Run(model, Text(100), new AttentionProbeOptions { MostWeights = 50_000 }));
        Assert.Equal((heads * 10_000L, 50_000L), (error.WeightsAsked, error.WeightsPossible));
        Assert.Contains($"5 of the {heads} heads", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<AttentionProbeSizeException>(() => AttentionProbe.Run(model, Text(100), new AttentionProbeOptions { MostWeights = 8_100 }));
        Assert.Contains("about 90 tokens", error.Message, StringComparison.Ordinal);
        Assert.Throws<ContextLengthExceededException>(() => AttentionProbe.Run(model, new int[100_000]));
        Assert.Throws<ArgumentOutOfRangeException>(() => AttentionProbe.Run(model, Text(3), new AttentionProbeOptions { MostWeights = AttentionProbe.MostWeights + 1 }));
    }

    [Fact]
    public async Task What_the_model_lacks_is_named()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var error = Assert.Throws<HearthException>(() => AttentionProbe.Run(model, Text(3), new AttentionProbeOptions { Layers = new(1, 9) }));
        Assert.Contains("layers 1-9", error.Message, StringComparison.Ordinal);
        Assert.Contains("0-1", error.Message, StringComparison.Ordinal);
        Assert.Contains("heads 0-99", Assert.Throws<HearthException>(() => AttentionProbe.Run(model, Text(3), new AttentionProbeOptions { Heads = new(0, 99) })).Message, StringComparison.Ordinal);
        Assert.Throws<HearthException>(() => AttentionProbe.Run(model, Text(3), new AttentionProbeOptions { Layers = new(1, 0) }));
        Assert.Throws<HearthException>(() => AttentionProbe.Run(model, Text(3), new AttentionProbeOptions { Heads = new(-1, 0) }));
        Assert.ThrowsAny<ArgumentException>(() => AttentionProbe.Run(model, []));
        Assert.ThrowsAny<ArgumentException>(() => AttentionProbe.Run(model, [1_000_000]));
        Assert.ThrowsAny<ArgumentException>(() => AttentionProbe.Run(model, Text(3), source: Text(3)));
    }

    public void Dispose() => _folder.Dispose();

    private static int[] Text(int length) => [.. Enumerable.Range(0, length).Select(i => ((i * 37) + 11) % 256)];

    private static IEnumerable<(AttentionLayer Layer, int Head, int Row)> Rows(AttentionMaps maps)
        => from layer in maps.Layers from head in Enumerable.Range(0, layer.HeadCount) from row in Enumerable.Range(0, layer.Rows) select (layer, head, row);

    private static void RequireWholeRows(AttentionLayer layer)
    {
        for (var head = 0; head < layer.HeadCount; head++)
        {
            for (var row = 0; row < layer.Rows; row++)
            {
                var weights = layer.Row(head, row).ToArray();
                Assert.All(weights, weight => Assert.InRange(weight, 0, 1 + 1e-6f));
                Assert.Equal(1, weights.Sum(weight => (double)weight) + (layer.HasSink ? layer.SinkShare(head, row) : 0), 1e-5);
            }
        }
    }

    private static void RequireEqual(AttentionMaps expected, AttentionMaps actual, double tolerance)
    {
        foreach (var (one, other) in expected.Layers.Zip(actual.Layers))
            Assert.All(one.Weights.ToArray().Zip(other.Weights.ToArray()), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }
}
