using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Host.Tests;

/// <summary>POST /v1/rerank.</summary>
public sealed class RerankTests
{
    private const string Path = "/v1/rerank";

    [Fact]
    public async Task Documents_come_the_best_first_with_the_heads_scores()
    {
        const string Query = "the hot word";
        string[] documents = ["all of it", "the word was hot", "one or other", "we can be what they had"];
        using var folder = new Hearth.Runtime.Tests.Support.TemporaryFolder();
        var weights = ReferenceModels.Logits("bert-mean");
        var path = EditedModel.Of("bert-cls").Set("pooling_type", 4u).SetTensor("cls.output.weight", weights, 128, 1).SetTensor("cls.output.bias", [0.5f], 1).Save(folder);
        await using var server = await TestServer.StartAsync([new ModelConfiguration { Id = "ranker", Path = path }], ModelLoading.LoadAsync);
        var (response, body) = await server.PostAsync(Path, new JsonObject { ["query"] = Query, ["documents"] = new JsonArray([.. documents.Select(text => (JsonNode)text)]) }.ToJsonString());
        Assert.Equal(200, (int)response.StatusCode);

        // The same by hand: the hidden state of [CLS], times the head.
        await using var plain = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-cls"));
        var pairs = documents.Select(document => plain.TokenizePair(Query, document)).ToList();
        var special = plain.Tokenizer.Special;
        Assert.Equal([special.BeginOfText!.Value, .. plain.Tokenizer.Encode(Query, false), special.Separator!.Value, .. plain.Tokenizer.Encode(documents[0], false), special.Separator.Value], pairs[0]);
        var hidden = await plain.EmbedAsync(pairs, normalize: false, TestContext.Current.CancellationToken);
        var scores = hidden.Select(vector => vector.Zip(weights, (x, w) => (double)x * w).Sum() + 0.5).ToArray();

        var results = body["results"]!.AsArray();
        Assert.Equal(Enumerable.Range(0, 4).OrderByDescending(i => scores[i]), results.Select(result => result!["index"]!.GetValue<int>()));
        Assert.All(results, result => Assert.Equal(scores[result!["index"]!.GetValue<int>()], result["relevance_score"]!.GetValue<double>(), 0.01));
        Assert.Equal(pairs.Sum(pair => pair.Count), body["usage"]!["total_tokens"]!.GetValue<int>());
        Assert.Equal("ranker", body["model"]!.GetValue<string>());

        var models = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/ranker"))!;
        Assert.Equal(("ranking", "rank"), (models["kind"]!.GetValue<string>(), models["pooling"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Fewer_results_and_their_texts_come_when_asked_for()
    {
        await using var server = await TestServer.StartAsync(Ranker());
        var (_, all) = await server.PostAsync(Path, """{"query": "q", "documents": ["a", "b", "c"], "top_n": 9}""");
        var (_, best) = await server.PostAsync(Path, """{"query": "q", "documents": ["a", "b", "c"], "top_n": 1, "return_documents": true}""");

        Assert.Equal(3, all["results"]!.AsArray().Count);
        Assert.Null(all["results"]![0]!["document"]);
        var result = Assert.Single(best["results"]!.AsArray())!;
        Assert.Equal(all["results"]![0]!["index"]!.GetValue<int>(), result["index"]!.GetValue<int>());
        Assert.Equal(((char)('a' + result["index"]!.GetValue<int>())).ToString(), result["document"]!["text"]!.GetValue<string>());
    }

    [Fact]
    public async Task Documents_may_be_objects_with_a_text()
    {
        await using var server = await TestServer.StartAsync(Ranker());
        var (_, plain) = await server.PostAsync(Path, """{"query": "q", "documents": ["a", "b"], "return_documents": true}""");
        var (_, mixed) = await server.PostAsync(Path, """{"query": "q", "documents": [{"text": "a"}, "b"], "return_documents": true}""");
        Assert.Equal(plain.ToJsonString(), mixed.ToJsonString());
        Assert.Equal(["a", "b"], mixed["results"]!.AsArray().Select(result => result!["document"]!["text"]!.GetValue<string>()).Order());
    }

    [Fact]
    public async Task A_ranking_decoder_gives_the_probability_of_its_first_class()
    {
        using var folder = new Hearth.Runtime.Tests.Support.TemporaryFolder();
        string[] tokens = ["<pad>", "</s>", "<unk>", .. Enumerable.Range(3, 253).Select(i => $"\u2581w{i}")];
        var path = EditedModel.Of("qwen3-rank")
            .SetMetadata("tokenizer.ggml.model", "t5")
            .SetMetadata("tokenizer.ggml.tokens", tokens)
            .SetMetadata("tokenizer.ggml.scores", tokens.Select((_, i) => -(float)i / 100).ToArray())
            .SetMetadata("tokenizer.ggml.token_type", tokens.Select((_, i) => i switch { 2 => 2, < 3 => 3, _ => 1 }).ToArray())
            .SetMetadata("tokenizer.ggml.unknown_token_id", 2u)
            .SetMetadata("tokenizer.ggml.eos_token_id", 1u)
            .SetMetadata("tokenizer.ggml.add_eos_token", false)
            .SetMetadata("tokenizer.ggml.add_space_prefix", true)
            .SetMetadata("tokenizer.chat_template.rerank", "w9 {query} w10 {document}</s>")
            .Save(folder);
        await using var server = await TestServer.StartAsync([new ModelConfiguration { Id = "ranker", Path = path }], ModelLoading.LoadAsync);
        var (response, body) = await server.PostAsync(Path, """{"query": "w5", "documents": ["w7", "w8 w80"]}""");
        Assert.Equal(200, (int)response.StatusCode);

        await using var model = await EmbeddingModel.LoadAsync(path);
        Assert.Equal([9, 5, 10, 7, 1], model.TokenizePair("w5", "w7"));
        var classes = await model.ClassifyAsync([[9, 5, 10, 7, 1], [9, 5, 10, 8, 80, 1]], TestContext.Current.CancellationToken);
        Assert.Equal(
            classes.Select(found => found.Single(score => score.Label == "yes").Score),
            body["results"]!.AsArray().OrderBy(result => result!["index"]!.GetValue<int>()).Select(result => result!["relevance_score"]!.GetValue<float>()));
    }

    [Theory]
    [InlineData("""{"documents": ["a"]}""", "query")]
    [InlineData("""{"query": "", "documents": ["a"]}""", "query")]
    [InlineData("""{"query": 5, "documents": ["a"]}""", "query")]
    [InlineData("""{"query": "q"}""", "documents")]
    [InlineData("""{"query": "q", "documents": []}""", "documents")]
    [InlineData("""{"query": "q", "documents": "a"}""", "documents")]
    [InlineData("""{"query": "q", "documents": ["a", ""]}""", "documents[1]")]
    [InlineData("""{"query": "q", "documents": ["a", null]}""", "documents[1]")]
    [InlineData("""{"query": "q", "documents": ["a", "0123456789012345678901234567890123456789012345678901234567890123456789"]}""", "documents[1]")]
    [InlineData("""{"query": "q", "documents": ["a"], "top_n": 0}""", "top_n")]
    [InlineData("""{"query": "q", "documents": [{"title": "a"}]}""", "documents[0]")]
    [InlineData("""{"query": "q", "documents": [{"text": "a", "title": "a"}]}""", "documents[0]")]
    [InlineData("""{"query": "q", "documents": ["a", {"text": 5}]}""", "documents[1]")]
    [InlineData("""{"query": "q", "documents": [{"text": ""}]}""", "documents[0]")]
    [InlineData("""{"query": "q", "documents": [5]}""", "documents[0]")]
    public async Task Unusable_requests_name_the_field(string json, string param)
    {
        await using var server = await TestServer.StartAsync(Ranker());
        var (response, body) = await server.PostAsync(Path, json);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
    }

    [Fact]
    public async Task Only_a_ranking_model_ranks_and_it_is_found_without_its_name()
    {
        await using var server = await TestServer.StartAsync(
            [new ModelConfiguration { Id = "vectors", Path = "a.gguf" }, new ModelConfiguration { Id = "ranker", Path = "b.gguf" }],
            (model, _, _) => Task.FromResult<IModel>(model.EffectiveId == "ranker" ? Ranker() : new FakeEmbeddingModel()));
        var (wrong, error) = await server.PostAsync(Path, """{"model": "vectors", "query": "q", "documents": ["a"]}""");
        var (_, ranked) = await server.PostAsync(Path, """{"query": "q", "documents": ["a"]}""");
        var (_, embedded) = await server.PostAsync("/v1/embeddings", """{"input": "a"}""");
        Assert.Equal((400, "wrong_model_kind"), ((int)wrong.StatusCode, error["error"]!["code"]!.GetValue<string>()));
        Assert.Equal(("ranker", "vectors"), (ranked["model"]!.GetValue<string>(), embedded["model"]!.GetValue<string>()));
    }

    private static FakeEmbeddingModel Ranker() => new() { Pooling = PoolingKind.Rank, Dimensions = 1 };
}
