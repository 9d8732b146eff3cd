using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>What an embedding model refuses, and how it reads pairs of texts.</summary>
public sealed class EmbeddingModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_text_beyond_the_context_is_named_by_its_place()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"), new ModelOptions { ContextLength = 4 });
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => model.EmbedAsync([[2, 5, 3], [2, 5, 6, 7, 3]]));
        Assert.Equal((5, 4, 1), ((int)error.TokensAsked, (int)error.TokensPossible, error.TextIndex!.Value));
    }

    [Fact]
    public async Task Values_that_are_not_finite_are_an_error()
    {
        var edited = EditedModel.Of("bert-mean");
        edited.Tensor("token_embd.weight").AsSpan(9 * 128, 128).Fill(float.NaN);
        await using var model = await EmbeddingModel.LoadAsync(edited.Save(_folder));
        Assert.Contains("text 1", (await Assert.ThrowsAsync<HearthException>(() => model.EmbedAsync([[2, 5, 3], [2, 9, 3]]))).Message, StringComparison.Ordinal);
        Assert.Single(await model.EmbedAsync([[2, 5, 3]], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_encoder_decoder_and_an_unknown_pooling_are_refused()
    {
        await Assert.ThrowsAsync<UnsupportedModelException>(() => EmbeddingModel.LoadAsync(ReferenceModels.File("t5-v1.1")));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"), pooling: (PoolingKind)7));
    }

    [Fact]
    public async Task A_pair_of_a_vocabulary_with_end_tokens_and_separator_has_both_between_its_texts()
    {
        string[] tokens = ["<pad>", "</s>", "<unk>", "<s>", .. Enumerable.Range(4, 252).Select(i => $"\u2581w{i}")];
        var path = EditedModel.Of("bert-mean")
            .SetMetadata("tokenizer.ggml.model", "t5")
            .SetMetadata("tokenizer.ggml.tokens", tokens)
            .SetMetadata("tokenizer.ggml.scores", tokens.Select((_, i) => -(float)i / 100).ToArray())
            .SetMetadata("tokenizer.ggml.token_type", tokens.Select((_, i) => i switch { 2 => 2, < 4 => 3, _ => 1 }).ToArray())
            .SetMetadata("tokenizer.ggml.bos_token_id", 3u)
            .SetMetadata("tokenizer.ggml.eos_token_id", 1u)
            .SetMetadata("tokenizer.ggml.unknown_token_id", 2u)
            .SetMetadata("tokenizer.ggml.seperator_token_id", 1u)
            .SetMetadata("tokenizer.ggml.add_bos_token", true)
            .SetMetadata("tokenizer.ggml.add_eos_token", true)
            .SetMetadata("tokenizer.ggml.add_sep_token", true)
            .SetMetadata("tokenizer.ggml.add_space_prefix", true)
            .Save(_folder);
        await using var model = await EmbeddingModel.LoadAsync(path);
        Assert.Equal([3, 7, 8, 1, 1, 9, 1], model.TokenizePair("w7 w8", "w9"));
        Assert.Equal([3, 7, 1], model.Tokenize("w7"));
    }
}
