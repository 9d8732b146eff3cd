using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Models;

/// <summary>A trained BART from spelling to sound, from its safetensors to phonemes, against an independent float64 computation.</summary>
public sealed class MisakiTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_word_has_the_reference_ids_logits_and_phonemes()
    {
        var golden = Golden();
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        foreach (var (word, expected) in golden)
        {
            var ids = model.Tokenize(word);
            Assert.Equal<IEnumerable<int>>(Ids(expected!["ids"]!), ids);
            var output = Ids(expected["output_ids"]!);
            var first = new float[model.Information.VocabularySize];
            model.ComputeLogits(output.AsSpan(0, 1), (_, logits) => logits.CopyTo(first), source: [.. ids]);
            var wanted = expected["first_logits"]!.AsArray().Select(value => value!.GetValue<float>()).ToArray();
            Assert.InRange(ReferenceLogitsTests.Error(first, wanted), 0, 1e-6);
            Assert.All(first.Zip(wanted), pair => Assert.Equal(pair.Second, pair.First, 1e-5f + (1e-6f * MathF.Abs(pair.Second))));

            var result = await Generate(model, new GenerationRequest { Prompt = ids });
            Assert.Equal(output, (int[])[output[0], .. result.TokenIds, .. result.FinishReason == FinishReason.Stop ? new[] { 2 } : []]);
            Assert.Equal(expected["phonemes"]!.GetValue<string>(), result.Text);
        }
    }

    [Fact]
    public async Task A_source_is_read_once_for_requests_and_beams()
    {
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        var request = new GenerationRequest { Prompt = model.Tokenize("hello") };
        Assert.Equal(0, (await Generate(model, request)).Usage.CachedPromptTokens);
        Assert.Equal(7, (await Generate(model, request)).Usage.CachedPromptTokens);
        Assert.Equal(7, (await Generate(model, request with { Options = new GenerationOptions { Beams = 4 } })).Usage.CachedPromptTokens);
    }

    [Fact]
    public async Task The_lens_shows_spelling_and_sound_each_by_its_own_vocabulary()
    {
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        var expected = Golden()["hello"]!;
        var maps = AttentionProbe.Run(model, Ids(expected["output_ids"]!), source: [.. model.Tokenize("hello")], cancellationToken: Token);
        Assert.Equal("hello", string.Concat(maps.SourceTokens.Skip(1).SkipLast(1).Select(token => token.Text)));
        Assert.Equal(expected["phonemes"]!.GetValue<string>(), string.Concat(maps.Tokens.Skip(2).SkipLast(1).Select(token => token.Text)));
        Assert.Equal(Enum.GetValues<AttentionKind>(), maps.Layers.Select(layer => layer.Kind).Distinct());
        foreach (var layer in maps.Layers)
        {
            for (var row = 0; row < layer.Rows; row++)
                Assert.Equal(1, layer.Row(0, row).ToArray().Sum(weight => (double)weight), 1e-5);
        }
    }

    [Fact]
    public async Task An_output_that_never_ends_fills_the_positions()
    {
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        var result = await Generate(model, new GenerationRequest { Prompt = model.Tokenize("hello"), Options = new GenerationOptions { IgnoreEndOfText = true } });
        Assert.Equal(63, result.TokenIds.Count);
        Assert.Equal(FinishReason.Length, result.FinishReason);
    }

    [Fact]
    public async Task A_longer_word_than_there_are_positions_is_refused()
    {
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        var error = Assert.Throws<ContextLengthExceededException>(() => model.GenerateAsync(new GenerationRequest { Prompt = model.Tokenize(new string('a', 63)) }));
        Assert.Equal((65, 64), (error.TokensAsked, error.TokensPossible));
    }

    [Fact]
    public async Task An_empty_word_is_refused()
    {
        await using var model = await LanguageModel.LoadAsync(Convert(), cancellationToken: Token);
        var error = Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = model.Tokenize("") }));
        Assert.Contains("Prompt is empty", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_vocabularies_are_characters()
    {
        using var file = GgufFile.Open(Convert());
        var source = Tokenizer.FromMetadata(file.Metadata);
        var target = Tokenizer.ForDecoder(file.Metadata)!;

        Assert.Equal("characters", source.Model);
        Assert.Equal<IEnumerable<int>>([1, 3, 3, 52, 2], source.Encode("_\u4E2De"));
        Assert.Equal<IEnumerable<int>>([52], source.Encode("e", addSpecial: false));
        Assert.Equal("hˈɛlO", target.Decode([1, 1, 12, 45, 32, 16, 6, 2]));
        Assert.Equal("hello", source.Decode([1, 12, 52, 16, 16, 54, 2]));
        Assert.True(target.IsEndOfGeneration(2));
    }

    public void Dispose() => _folder.Dispose();

    internal static async Task<GenerationResult> Generate(LanguageModel model, GenerationRequest request)
    {
        var (text, ids) = ("", new List<int>());
        GenerationUpdate? last = null;
        await foreach (var update in model.GenerateAsync(request, Token))
        {
            text += update.Text;
            ids.AddRange(update.TokenIds);
            last = update;
        }

        return new GenerationResult(text, ids, last!.FinishReason!.Value, last.Usage!.Value);
    }

    private string Convert()
    {
        var output = _folder.File("misaki.gguf");
        var result = ModelConverter.Convert(SharedFolder.Require("assets", "misaki-bart"), output, cancellationToken: Token);
        Assert.Equal(("encoder-decoder", "characters"), (result.Architecture, result.Tokenizer));
        return output;
    }

    private static JsonObject Golden() => JsonNode.Parse(File.ReadAllText(SharedFolder.Require("reference", "bart", "golden.json")))!.AsObject();

    private static int[] Ids(JsonNode node) => [.. node.AsArray().Select(value => value!.GetValue<int>())];
}
