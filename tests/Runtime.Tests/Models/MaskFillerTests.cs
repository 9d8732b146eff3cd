using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>The head for masked words, against BERT in double precision.</summary>
public sealed class MaskFillerTests : IDisposable
{
    private const int Mask = 4, Word = 137, Continuation = 101;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Logits_are_those_of_double_precision(bool isTied)
    {
        int[] tokens = [2, 109, Mask, 110, 33, 77, Mask, 250, 3];
        int[] positions = [0, 2, 6, 8];
        var model = PlainBert.Create(isTied);
        await using var filler = await MaskFiller.LoadAsync(model.Save(_folder));
        var logits = await LogitsAsync(filler, new(tokens, positions));

        Assert.InRange(ReferenceLogitsTests.Error(logits, PlainBert.Logits(model, tokens, positions, isTied)), 0, 1e-8);
    }

    [Fact]
    public async Task Candidates_are_the_most_probable_tokens_in_order()
    {
        const string Text = "The [MASK] of all, and [MASK]";
        var model = PlainBert.Create();
        await using var filler = await MaskFiller.LoadAsync(model.Save(_folder));
        var filled = Assert.Single(await filler.FillAsync([Text], top: 4, cancellationToken: TestContext.Current.CancellationToken));

        int[] tokens = [.. filler.Tokenizer.Encode(Text, parseSpecial: true)];
        int[] positions = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens[i] == Mask)];
        var expected = PlainBert.Logits(model, tokens, positions);
        Assert.Equal(tokens.Length, filled.TokenCount);
        Assert.Equal(positions, filled.Masks.Select(mask => mask.Position));
        for (var i = 0; i < 2; i++)
        {
            var probabilities = PlainBert.Softmax(expected[(i * 256)..((i + 1) * 256)]);
            Assert.Equal(Enumerable.Range(0, 256).OrderByDescending(token => probabilities[token]).Take(4), filled.Masks[i].Candidates.Select(candidate => candidate.Token));
            Assert.All(filled.Masks[i].Candidates, candidate => Assert.Equal(probabilities[candidate.Token], candidate.Probability, 1e-5));
        }
    }

    [Theory]
    [InlineData(Word, "The [MASK] is hot.", "The word is hot.", "word", false)]
    [InlineData(Word, "[MASK]", "word", "word", false)]
    [InlineData(Word, "[MASK], The  [MASK] ", "word, The  word ", "word", false)]
    [InlineData(Continuation, "Word  [MASK] are", "Words are", "s", true)]
    [InlineData(Continuation, "[MASK]!", "s!", "s", true)]
    public async Task The_best_takes_the_masks_place_and_leaves_the_rest_as_it_was(int best, string text, string expected, string spelling, bool continues)
    {
        var model = PlainBert.Create();
        model.Tensor("mlm_output.bias")[best] = 1000;
        await using var filler = await MaskFiller.LoadAsync(model.Save(_folder));
        var filled = Assert.Single(await filler.FillAsync([text], top: 1, cancellationToken: TestContext.Current.CancellationToken));

        Assert.Equal(expected, filled.Text);
        Assert.All(filled.Masks, mask => Assert.Equal(new MaskCandidate(best, spelling, continues, 1), Assert.Single(mask.Candidates)));
    }

    [Fact]
    public async Task Texts_are_filled_beside_others_as_alone()
    {
        // More masks than a step has output rows.
        var texts = Enumerable.Range(1, 50).Select(n => string.Join(" the word ", Enumerable.Repeat("[MASK] ", 1 + (n % 3))) + string.Concat(Enumerable.Repeat("can ", n))).ToArray();
        await using var filler = await MaskFiller.LoadAsync(PlainBert.Create().Save(_folder));
        var together = await Task.WhenAll(filler.FillAsync(texts), filler.FillAsync([.. texts.Reverse()]));

        for (var i = 0; i < texts.Length; i += 7)
        {
            var alone = Assert.Single(await filler.FillAsync([texts[i]], cancellationToken: TestContext.Current.CancellationToken));
            foreach (var beside in new[] { together[0][i], together[1][^(i + 1)] })
            {
                Assert.Equal(alone.Text, beside.Text);
                Assert.Equal(alone.Masks.SelectMany(mask => mask.Candidates), beside.Masks.SelectMany(mask => mask.Candidates));
            }
        }
    }

    [Fact]
    public async Task Other_control_tokens_of_a_text_are_plain_text()
    {
        await using var filler = await MaskFiller.LoadAsync(PlainBert.Create().Save(_folder));
        var ids = filler.Tokenizer.EncodeWith("a [SEP] [MASK] [CLS]", Mask);

        Assert.Equal((2, 3), (ids[0], ids[^1]));
        Assert.Equal([Mask], ids[1..^1].Where(id => id is 2 or 3 or Mask));
    }

    [Fact]
    public async Task Vectors_of_a_file_with_the_head_are_those_without()
    {
        int[] text = [2, 109, Mask, 3];
        await using var plain = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        await using var model = await EmbeddingModel.LoadAsync(PlainBert.Create(isTied: false).Save(_folder));

        Assert.Equal(await plain.EmbedAsync([text]), await model.EmbedAsync([text], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("bert-mean", "mlm_dense.weight")]
    [InlineData("modern-bert", "mlm_dense.weight")]
    [InlineData("llama-gqa-base", "'llama'")]
    [InlineData("t5encoder", "'t5encoder'")]
    [InlineData("gemma-embedding", "'gemma-embedding'")]
    public async Task A_model_without_the_head_is_refused(string name, string what)
        => Assert.Contains(what, (await Assert.ThrowsAsync<UnsupportedModelException>(() => MaskFiller.LoadAsync(ReferenceModels.File(name)))).What, StringComparison.Ordinal);

    [Theory]
    [InlineData("mlm_dense.weight", 128, 64)]
    [InlineData("mlm_dense.bias", 64, 1)]
    [InlineData("mlm_norm.weight", 64, 1)]
    [InlineData("mlm_output.bias", 255, 1)]
    [InlineData("mlm_output.weight", 128, 255)]
    public async Task A_misshapen_head_is_named(string tensor, int columns, int rows)
    {
        var model = PlainBert.Create().SetTensor(tensor, new float[columns * rows], rows == 1 ? [columns] : [columns, rows]);
        Assert.Contains($"'{tensor}'", (await Assert.ThrowsAsync<ModelFormatException>(() => MaskFiller.LoadAsync(model.Save(_folder)))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mlm_norm.weight")]
    [InlineData("mlm_norm.bias")]
    public async Task A_missing_norm_of_the_head_is_named(string tensor)
        => Assert.Contains($"'{tensor}'", (await Assert.ThrowsAsync<ModelFormatException>(() => MaskFiller.LoadAsync(PlainBert.Create().Remove(tensor).Save(_folder)))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Texts_without_masks_with_too_many_or_too_long_are_told_of()
    {
        var token = TestContext.Current.CancellationToken;
        await using var filler = await MaskFiller.LoadAsync(PlainBert.Create().Save(_folder), new ModelOptions { ContextLength = 100 }, cancellationToken: token);
        var none = await Assert.ThrowsAsync<MaskCountException>(() => filler.FillAsync(["a [MASK]", "mask"], cancellationToken: token));
        Assert.Equal((0, 1), (none.Found, none.TextIndex));
        Assert.Contains("'[MASK]'", none.Message, StringComparison.Ordinal);
        var many = await Assert.ThrowsAsync<MaskCountException>(() => filler.FillAsync(["[MASK] [MASK] [MASK]"], masks: 2, cancellationToken: token));
        Assert.Equal((3, 2), (many.Found, many.Possible));
        Assert.Equal(65, (await Assert.ThrowsAsync<MaskCountException>(() => filler.FillAsync([string.Concat(Enumerable.Repeat("[MASK]", 65))], cancellationToken: token))).Found);
        var full = Assert.Single(await filler.FillAsync([string.Concat(Enumerable.Repeat("[MASK]", 64))], cancellationToken: token));
        Assert.Equal(64, full.Masks.Count);
        var length = await Assert.ThrowsAsync<ContextLengthExceededException>(() => filler.FillAsync(["[MASK] " + string.Concat(Enumerable.Repeat("word ", 98))], cancellationToken: token));
        Assert.Equal((101, 100, 0), ((int)length.TokensAsked, (int)length.TokensPossible, length.TextIndex!.Value));
        Assert.Single(await filler.FillAsync(["[MASK] " + string.Concat(Enumerable.Repeat("word ", 97))], cancellationToken: token));

        await Assert.ThrowsAnyAsync<ArgumentException>(() => filler.FillAsync([], cancellationToken: token));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => filler.FillAsync(["[MASK]"], top: 0, cancellationToken: token));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => filler.FillAsync(["[MASK]"], top: 257, cancellationToken: token));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => filler.FillAsync(["[MASK]"], masks: 65, cancellationToken: token));
    }

    [Fact]
    public async Task A_vocabulary_without_a_mask_and_a_file_without_a_vocabulary_are_refused()
    {
        await using var noMask = await MaskFiller.LoadAsync(PlainBert.Create().SetMetadata("tokenizer.ggml.mask_token_id", 5000u).Save(_folder));
        await Assert.ThrowsAnyAsync<HearthException>(() => noMask.FillAsync(["[MASK]"], cancellationToken: TestContext.Current.CancellationToken));
        await using var noWords = await MaskFiller.LoadAsync(PlainBert.Create().SetMetadata("tokenizer.ggml.model", "no_vocab").Save(_folder));
        await Assert.ThrowsAsync<UnsupportedModelException>(() => noWords.FillAsync(["[MASK]"], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Damaged_weights_and_a_disposed_model_are_told_of()
    {
        var model = PlainBert.Create();
        model.Tensor("mlm_output.bias")[7] = float.NaN;
        var filler = await MaskFiller.LoadAsync(model.Save(_folder));
        Assert.Contains("not finite", (await Assert.ThrowsAsync<HearthException>(() => filler.FillAsync(["[MASK]"], cancellationToken: TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
        await filler.DisposeAsync();
        await filler.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => filler.FillAsync(["[MASK]"], cancellationToken: TestContext.Current.CancellationToken));
    }

    internal static async Task<float[]> LogitsAsync(MaskFiller filler, MaskedTokens text)
    {
        float[] logits = [];
        await filler.ComputeAsync([text], (_, rows) => logits = rows.ToArray(), TestContext.Current.CancellationToken);
        return logits;
    }
}
