using System.Text.Json.Nodes;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Tests.Conversion;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Evaluation;

/// <summary>Perplexity beside a plain computation, chunk by chunk, and beside llama.cpp's numbers.</summary>
public sealed class PerplexityTests : IDisposable
{
    private readonly CheckpointFolder _folder = Letters();

    private static string Text { get; } = string.Concat(Enumerable.Range(0, 1500).Select(i => (char)('a' + (i * i / 7 % 26))));

    // Contexts below, at and above what one step takes; several chunks a step, and chunks that go through in pieces.
    [Theory]
    [InlineData(8, 0, null)]
    [InlineData(9, 0, null)]
    [InlineData(33, 0, null)]
    [InlineData(128, 0, 48)]
    [InlineData(40, 0, 1)]
    [InlineData(32, 10, null)]
    [InlineData(64, 32, 20)]
    [InlineData(16, 1, null)]
    public async Task Perplexity_equals_the_plain_computation(int context, int stride, int? stepTokens)
    {
        await using var model = await LanguageModel.LoadAsync(_folder.Output, new ModelOptions { StepTokens = stepTokens, ContextLength = 256, MaxSequences = 1 });
        var estimates = new List<PerplexityEstimate>();
        var result = model.MeasurePerplexity(Text, new PerplexityOptions { Context = context, Stride = stride, Chunks = 11, CacheType = CacheType.F32 }, estimates.Add);

        var losses = Plain(model, context, stride, chunks: 11);
        var mean = losses.Average();
        Assert.Equal((11, 11, losses.Count), (result.Chunks, result.ChunksTotal, result.TokensScored));
        Assert.Equal(Math.Exp(mean), result.Perplexity, Math.Exp(mean) * 1e-5);
        var deviation = Math.Sqrt(losses.Sum(loss => Math.Pow(loss - mean, 2)) / losses.Count / (losses.Count - 1));
        Assert.Equal(Math.Exp(mean) * deviation, result.Error, result.Error * 1e-4);
        Assert.Equal(Enumerable.Range(1, 11), estimates.Select(estimate => estimate.Chunks));
        Assert.Equal(Math.Exp(losses.Take(losses.Count / 11 * 4).Average()), estimates[3].Perplexity, estimates[3].Perplexity * 1e-5);
        Assert.Equal(result, estimates[^1]);
    }

    [Fact]
    public async Task All_of_the_text_is_measured_where_no_number_of_chunks_is_given()
    {
        await using var model = await LanguageModel.LoadAsync(_folder.Output, new ModelOptions { ContextLength = 64, MaxSequences = 1 });
        var tokens = model.Tokenize(Text).Count;
        Assert.Equal(tokens / 50, model.MeasurePerplexity(Text, new PerplexityOptions { Context = 50 }).Chunks);
        Assert.Equal((tokens - 60 + 19) / 20, model.MeasurePerplexity(Text, new PerplexityOptions { Context = 50, Stride = 20 }).Chunks);
    }

    // Measured with libllama (August 2026, F32 cache, no flash attention) by the definition of its perplexity tool.
    [Theory]
    [InlineData(128, 0, 40, 54.288023, 3.656293)]
    [InlineData(128, 64, 40, 50.435870, 3.259708)]
    [InlineData(512, 0, 10, 48.528256, 3.197765)]
    [InlineData(1024, 0, 5, 50.088466, 3.316386)]
    public async Task A_trained_model_has_the_perplexity_that_the_reference_measures(int context, int stride, int chunks, double perplexity, double error)
    {
        var text = await File.ReadAllTextAsync(SharedFolder.Require("assets", "texts", "war-and-peace.txt"));
        await using var model = await LanguageModel.LoadAsync(SharedFolder.Require("assets", "stories260K", "stories260K.gguf"), new ModelOptions { ContextLength = 1024, MaxSequences = 1 });
        var result = model.MeasurePerplexity(text[..300_000], new PerplexityOptions { Context = context, Stride = stride, Chunks = chunks, CacheType = CacheType.F32 });

        Assert.Equal(perplexity, result.Perplexity, perplexity * 1e-6);
        Assert.Equal(error, result.Error, error * 1e-5);
    }

    [Fact]
    public async Task What_cannot_be_measured_is_refused()
    {
        await using var model = await LanguageModel.LoadAsync(_folder.Output, new ModelOptions { ContextLength = 64, MaxSequences = 1 });
        Assert.Contains("at least 100", Assert.Throws<HearthException>(() => model.MeasurePerplexity("tooshort", new PerplexityOptions { Context = 50 })).Message, StringComparison.Ordinal);
        Assert.Throws<ContextLengthExceededException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 65 }));
        Assert.Throws<ContextLengthExceededException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 60, Stride = 10 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 3 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 50, Stride = 49 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 50, Chunks = 0 }));
        Assert.Throws<OperationCanceledException>(() => model.MeasurePerplexity(Text, new PerplexityOptions { Context = 50 }, cancellationToken: new CancellationToken(canceled: true)));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A small model in float32 over letters, which wants a begin token.</summary>
    private static CheckpointFolder Letters()
    {
        var vocabulary = new JsonObject { ["<s>"] = 26 };
        for (var letter = 'a'; letter <= 'z'; letter++)
            vocabulary[$"{letter}"] = letter - 'a';
        var folder = ModelConverterTests.Tiny(context: 256).Save()
            .Write("tokenizer_config.json", """{"bos_token":"<s>","add_bos_token":true}""")
            .Write("tokenizer.json", new JsonObject
            {
                ["added_tokens"] = JsonNode.Parse("""[{"id":26,"content":"<s>","special":true}]"""),
                ["pre_tokenizer"] = JsonNode.Parse("""{"type":"ByteLevel"}"""),
                ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
            });
        ModelConverter.Convert(folder.Path, folder.Output);
        return folder;
    }

    private static List<double> Plain(LanguageModel model, int context, int stride, int chunks)
    {
        int[] tokens = [.. model.Tokenize(Text)];
        var length = context + (stride / 2);
        var losses = new List<double>();
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            var part = tokens.AsSpan(chunk * (stride > 0 ? stride : length), length).ToArray();
            var read = (int[])part.Clone();
            if (stride == 0)
                read[0] = 26;
            var first = stride > 0 ? length - stride - 1 : length / 2;
            model.ComputeLogits(read, (position, logits) =>
            {
                var width = model.Information.VocabularySize;
                for (var row = 0; row < logits.Length / width; row++)
                {
                    if (position + row >= first && position + row < length - 1)
                        losses.Add(-LogProbability(logits.Slice(row * width, width), part[position + row + 1]));
                }
            });
        }

        return losses;
    }

    private static double LogProbability(ReadOnlySpan<float> logits, int token)
    {
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit);
        return logits[token] - Math.Log(sum);
    }
}
