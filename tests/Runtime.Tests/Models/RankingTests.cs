using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Ranking heads against the numbers of an independent implementation, and the classes made of them.</summary>
public sealed class RankingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Rankers => ["bert-rank", "modern-bert-rank", "qwen3-rank"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Rankers))]
    public async Task Ranking_heads_give_the_reference_scores(string name)
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File(name), new ModelOptions { KeyType = CacheType.F32, ValueType = CacheType.F32 });
        var scores = await model.EmbedAsync([ReferenceModels.Tokens(name)], normalize: false, TestContext.Current.CancellationToken);

        Assert.Equal(PoolingKind.Rank, model.Pooling);
        Assert.InRange(ReferenceLogitsTests.Error(scores[0], ReferenceModels.Logits(name)), 0, 1e-9);
    }

    [Theory]
    [MemberData(nameof(Rankers))]
    public async Task A_text_has_the_same_scores_beside_others(string name)
    {
        var texts = Enumerable.Range(1, 20).Select(n => (IReadOnlyList<int>)[.. Enumerable.Range(0, n).Select(i => ((i * 7) + n) % 256)]).ToArray();
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File(name));
        var together = await model.EmbedAsync(texts, normalize: false, TestContext.Current.CancellationToken);
        for (var i = 0; i < texts.Length; i++)
            Assert.Equal(await model.EmbedAsync([texts[i]], normalize: true, TestContext.Current.CancellationToken), [together[i]]);
        Assert.Equal(texts.Length, together.Select(scores => scores[0]).Distinct().Count());
    }

    [Fact]
    public async Task Classes_of_logits_are_their_softmax_the_best_first()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-rank"));
        var classes = Assert.Single(await model.ClassifyAsync([ReferenceModels.Tokens("bert-rank")], TestContext.Current.CancellationToken));
        var expected = PlainBert.Softmax(ReferenceModels.Logits("bert-rank"));

        Assert.Equal(["for", "neither", "against"], classes.Select(found => found.Label));
        Assert.Equal([expected[1], expected[2], expected[0]], classes.Select(found => (double)found.Score), (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public async Task One_class_has_its_sigmoid_and_a_name_that_counts()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("modern-bert-rank"));
        var found = Assert.Single(Assert.Single(await model.ClassifyAsync([ReferenceModels.Tokens("modern-bert-rank")], TestContext.Current.CancellationToken)));

        Assert.Equal("LABEL_0", found.Label);
        Assert.Equal(1 / (1 + Math.Exp(-ReferenceModels.Logits("modern-bert-rank")[0])), found.Score, 1e-6);
    }

    [Fact]
    public async Task A_ranking_decoders_classes_are_its_probabilities()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("qwen3-rank"));
        var classes = Assert.Single(await model.ClassifyAsync([ReferenceModels.Tokens("qwen3-rank")], TestContext.Current.CancellationToken));

        Assert.Equal(["no", "yes"], classes.Select(found => found.Label));
        Assert.Equal(ReferenceModels.Logits("qwen3-rank")[1], classes[0].Score, 1e-3);
        Assert.Equal(1, classes.Sum(found => found.Score), 1e-6);
    }

    [Fact]
    public async Task What_has_no_head_neither_classifies_nor_ranks()
    {
        await using var encoder = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        Assert.Null(encoder.Classifier);
        Assert.Contains("'bert-mean'", (await Assert.ThrowsAsync<UnsupportedModelException>(() => encoder.ClassifyAsync([[2, 3]], TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
        var noHead = await Assert.ThrowsAsync<ModelFormatException>(() => EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"), pooling: PoolingKind.Rank));
        Assert.Contains("'cls.weight'", noHead.Message, StringComparison.Ordinal);
        var decoder = await Assert.ThrowsAsync<UnsupportedModelException>(() => EmbeddingModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), pooling: PoolingKind.Rank));
        Assert.Contains("ranking by the decoder 'llama'", decoder.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Labels_that_are_not_as_many_as_values_are_told_of()
    {
        var path = EditedModel.Of("bert-rank").Set("classifier.output_labels", new[] { "for", "against" }).Save(_folder);
        Assert.Contains("'bert.classifier.output_labels' names 2", (await Assert.ThrowsAsync<ModelFormatException>(() => EmbeddingModel.LoadAsync(path))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_of_the_file_stands_around_query_and_document()
    {
        var path = EditedModel.Of("bert-mean").SetMetadata("tokenizer.chat_template.rerank", "[CLS]the {query}[SEP]all {document}{[MASK]").Save(_folder);
        await using var model = await EmbeddingModel.LoadAsync(path);

        Assert.Equal([2, .. Ids("the hot"), 3, .. Ids("all word {"), 4], model.TokenizePair("hot", "word "));

        // What comes from outside is neither control token nor template.
        Assert.Equal([2, .. Ids("the {document} [sep]"), 3, .. Ids("all [cls]{query}{"), 4], model.TokenizePair("{document} [SEP]", "[CLS]{query}"));

        List<int> Ids(string text) => model.Tokenizer.Encode(text, addSpecial: false);
    }

    [Fact]
    public async Task A_ranking_template_without_place_for_the_document_is_refused()
    {
        var path = EditedModel.Of("bert-cls").Set("pooling_type", 4u).SetTensor("cls.output.weight", new float[128], 128, 1)
            .SetMetadata("tokenizer.chat_template.rerank", "{query} only").Save(_folder);
        Assert.Contains("{document}", (await Assert.ThrowsAsync<ModelFormatException>(() => EmbeddingModel.LoadAsync(path))).Message, StringComparison.Ordinal);
    }
}
