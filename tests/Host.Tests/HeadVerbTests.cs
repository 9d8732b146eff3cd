using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Host.Tests;

/// <summary><c>hearth fill</c> and <c>hearth classify</c>.</summary>
public sealed class HeadVerbTests : IDisposable
{
    private const int Word = 137, Continuation = 101;

    private readonly Hearth.Runtime.Tests.Support.TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Fill_prints_the_text_and_the_candidates_of_each_mask()
    {
        var output = await OutputOf(["fill", Filler(), "--text", "The [MASK] was [MASK].", "--top", "2"]);
        Assert.Equal(["The word was word.", "  1  0.7311  word", "  1  0.2689  ##s", "  2  0.7311  word", "  2  0.2689  ##s"], Lines(output));
    }

    [Fact]
    public async Task Fill_as_JSON_tells_ids_places_and_probabilities()
    {
        var result = JsonNode.Parse(await OutputOf(["fill", Filler(), "--json"], "hot [MASK]\n[MASK] of all\n"))!.AsArray();
        Assert.Equal(["hot word", "word of all"], result.Select(text => text!["text"]!.GetValue<string>()));
        Assert.Equal([(0, 4, 2), (1, 5, 1)], result.Select(text => (text!["index"]!.GetValue<int>(), text["tokens"]!.GetValue<int>(), text["masks"]![0]!["position"]!.GetValue<int>())));
        var candidates = result[0]!["masks"]![0]!["candidates"]!.AsArray();
        Assert.Equal(5, candidates.Count);
        Assert.Equal((Word, "word", false), Describe(candidates[0]!));
        Assert.Equal((Continuation, "s", true), Describe(candidates[1]!));
        Assert.Equal(1 / (1 + Math.Exp(-1)), candidates[0]!["probability"]!.GetValue<double>(), 1e-5);

        static (int Id, string Text, bool Continues) Describe(JsonNode candidate)
            => (candidate["id"]!.GetValue<int>(), candidate["text"]!.GetValue<string>(), candidate["continues_word"]!.GetValue<bool>());
    }

    [Theory]
    [InlineData(2, "--top 0 --text [MASK]")]
    [InlineData(2, "--masks 0 --text [MASK]")]
    [InlineData(2, "--masks 65 --text [MASK]")]
    [InlineData(2, "--kv-type f32 --text [MASK]")]
    [InlineData(2, "--text [MASK] --input file")]
    [InlineData(1, "--text mask")]
    [InlineData(1, "--text [MASK][MASK] --masks 1")]
    [InlineData(1, "--text [MASK],[MASK] --context 4")]
    [InlineData(1, "")]
    public async Task What_cannot_be_filled_is_one_line(int exitCode, string arguments) => await Refuses(exitCode, ["fill", Filler(), .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

    [Theory]
    [InlineData("bert-mean", "mlm_dense.weight")]
    [InlineData("llama-gqa-base", "llama")]
    public async Task Fill_says_what_a_model_lacks(string model, string what)
        => Assert.Contains(what, await Refuses(1, ["fill", ReferenceModels.File(model), "--text", "[MASK]"]), StringComparison.Ordinal);

    [Fact]
    public async Task Classify_prints_a_line_for_each_text_the_best_class_first()
    {
        var output = await OutputOf(["classify", Classifier(), "--text", "the word", "--text", "hot"]);
        Assert.All(Lines(output), line => Assert.Equal("good 0.7311\tbad 0.2689", line));
        Assert.Equal(2, Lines(output).Length);
        var json = JsonNode.Parse(await OutputOf(["classify", Classifier(), "--json"], "the word\nhot\n"))!.AsArray();
        Assert.Equal([(0, 4), (1, 3)], json.Select(text => (text!["index"]!.GetValue<int>(), text["tokens"]!.GetValue<int>())));
        Assert.Equal(["good", "bad"], json[1]!["classes"]!.AsArray().Select(found => found!["label"]!.GetValue<string>()));
        Assert.Equal(1 / (1 + Math.Exp(-1)), json[1]!["classes"]![0]!["score"]!.GetValue<double>(), 1e-6);
    }

    [Theory]
    [InlineData("bert-mean", "a")]
    [InlineData("llama-gqa-base", "a")]
    [InlineData("bert-mean", "")]
    public async Task What_cannot_be_classified_is_one_line(string model, string text) => await Refuses(1, ["classify", ReferenceModels.File(model), "--text", text]);

    // A head that answers "word" with a logit of 60 and "##s" with 59 whatever the text.
    private string Filler()
    {
        var bias = new float[256];
        (bias[Word], bias[Continuation]) = (60, 59);
        return EditedModel.Of("bert-mean")
            .SetTensor("mlm_dense.weight", new float[128 * 128], 128, 128)
            .SetTensor("mlm_norm.weight", [.. Enumerable.Repeat(1f, 128)], 128)
            .SetTensor("mlm_norm.bias", new float[128], 128)
            .SetTensor("mlm_output.bias", bias, 256)
            .Save(_folder);
    }

    private string Classifier() => EditedModel.Of("bert-cls").Set("pooling_type", 4u).Set("classifier.output_labels", new[] { "bad", "good" })
        .SetTensor("cls.output.weight", new float[256], 128, 2).SetTensor("cls.output.bias", [1, 2], 2).Save(_folder);

    private static async Task<string> Refuses(int exitCode, string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(exitCode, await RunAsync(output, error, arguments, ""));
        Assert.Empty(output.ToString());
        Assert.StartsWith("hearth: ", error.ToString(), StringComparison.Ordinal);
        return Assert.Single(Lines(error.ToString()));
    }

    private static async Task<string> OutputOf(string[] arguments, string input = "")
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        using var error = new StringWriter();
        Assert.Equal((0, ""), (await RunAsync(output, error, arguments, input), error.ToString()));
        return output.ToString();
    }

    private static async Task<int> RunAsync(StringWriter output, StringWriter error, string[] arguments, string input)
    {
        var environment = new CommandEnvironment
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            Output = output,
            Error = error,
            Load = ModelLoading.LoadAsync,
        };
        return await HearthCommand.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
    }

    private static string[] Lines(string text) => text.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
