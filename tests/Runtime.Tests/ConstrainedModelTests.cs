using System.Text.Json;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests;

/// <summary>A model of random weights, which wants to say anything, under constraints, by every way of choosing.</summary>
public sealed class ConstrainedModelTests
{
    private const string Schema = """
        {"type": "object", "required": ["city", "degrees", "sky"], "additionalProperties": false, "properties": {
          "city": {"type": "string", "maxLength": 8}, "degrees": {"type": "integer", "minimum": -50, "maximum": 50}, "sky": {"enum": ["clear", "cloudy"]}}}
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task<LanguageModel> Load(TemporaryFolder folder)
    {
        var path = folder.File("random.gguf");
        ModelSynthesizer.Write(path, SyntheticShape.Parse("64,1,2,1,64,300"), "Q8_0");
        return await LanguageModel.LoadAsync(path, new ModelOptions { ContextLength = 512 }, cancellationToken: Token);
    }

    private static async Task<List<GenerationResult>> Generate(LanguageModel model, GenerationOptions options, string prompt = "The weather:", bool isChat = false)
    {
        var request = new GenerationRequest { Prompt = model.Tokenize(prompt), Options = options, IsChat = isChat };
        var texts = Enumerable.Range(0, options.ChoiceCount ?? 1).Select(_ => (Text: new System.Text.StringBuilder(), Ids: new List<int>())).ToArray();
        var ends = new GenerationUpdate?[texts.Length];
        await foreach (var update in model.GenerateAsync(request, Token))
        {
            texts[update.Choice].Text.Append(update.Text);
            texts[update.Choice].Ids.AddRange(update.TokenIds);
            ends[update.Choice] = update.FinishReason is null ? ends[update.Choice] : update;
        }

        return [.. texts.Zip(ends, (text, end) => new GenerationResult(text.Text.ToString(), text.Ids, end!.FinishReason!.Value, end.Usage!.Value))];
    }

    private static void AssertWeather(GenerationResult result)
    {
        Assert.Equal(FinishReason.Stop, result.FinishReason);
        using var document = JsonDocument.Parse(result.Text);
        Assert.Equal(["city", "degrees", "sky"], document.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.InRange(document.RootElement.GetProperty("city").GetString()!.EnumerateRunes().Count(), 0, 8);
        Assert.InRange(document.RootElement.GetProperty("degrees").GetDouble(), -50, 50);
        Assert.Contains(document.RootElement.GetProperty("sky").GetString(), new[] { "clear", "cloudy" });
    }

    public static TheoryData<string, GenerationOptions> Ways => new()
    {
        { "greedy", new() { Temperature = 0 } },
        { "defaults", new() },
        { "everything", new() { Temperature = 5, TopK = 0, TopP = 1, MinP = 0 } },
        { "top-k 1000", new() { Temperature = 3, TopK = 1000, TopP = 1, MinP = 0 } },
        { "penalties", new() { RepetitionPenalty = 1.5f, FrequencyPenalty = 2, PresencePenalty = 2, PenaltyWindow = -1 } },
        { "biases", new() { LogitBias = new Dictionary<int, float> { [5] = 100, [6] = 100 }, TextBias = new Dictionary<string, float> { ["zz"] = 100 } } },
        { "choices", new() { ChoiceCount = 5, Temperature = 3 } },
        { "log-probabilities", new() { LogProbabilities = 2, Temperature = 3 } },
        { "beams", new() { Beams = 4, ChoiceCount = 3 } },
    };

    [Theory]
    [MemberData(nameof(Ways), DisableDiscoveryEnumeration = true)]
    public async Task Every_way_of_choosing_gives_valid_texts(string way, GenerationOptions options)
    {
        using var folder = new TemporaryFolder();
        await using var model = await Load(folder);
        var draws = way is "greedy" or "beams" ? 1 : 12;
        for (var seed = 0; seed < draws; seed++)
        {
            var drawn = draws == 1 ? options : options with { Seed = (ulong)seed };
            foreach (var result in await Generate(model, drawn with { Constraint = Constraint.JsonSchema(Schema), MaxTokens = 400 }))
                AssertWeather(result);
        }

        Assert.Equal(0, model.Load.UsedPages);
    }

    [Fact]
    public async Task Grammars_expressions_choices_and_types_hold_as_well()
    {
        using var folder = new TemporaryFolder();
        await using var model = await Load(folder);
        var complete = 0;
        for (var seed = 0UL; seed < 10; seed++)
        {
            var options = new GenerationOptions { Seed = seed, Temperature = 3, MaxTokens = 300 };
            Assert.Matches("^(ab|cd){2,4}$", Assert.Single(await Generate(model, options with { Constraint = Constraint.Regex("(ab|cd){2,4}") })).Text);
            Assert.Matches("^(yes|no)!$", Assert.Single(await Generate(model, options with { Constraint = Constraint.Grammar("root ::= (\"yes\" | \"no\") \"!\"") })).Text);
            Assert.Contains(Assert.Single(await Generate(model, options with { Constraint = Constraint.Choices(["größe", "größer", "漢字"]) })).Text, new[] { "größe", "größer", "漢字" });
            var answer = Assert.Single(await Generate(model, options with { Constraint = Constraint.FromType<Verdict>() }));
            if (answer.FinishReason == FinishReason.Stop)
            {
                Assert.NotNull(JsonSerializer.Deserialize<Verdict>(answer.Text, JsonSerializerOptions.Web)!.Marks);
                complete++;
            }
        }

        Assert.NotEqual(0, complete);
    }

    [Fact]
    public async Task What_is_forced_takes_no_steps_and_a_cut_text_is_a_beginning()
    {
        using var folder = new TemporaryFolder();
        await using var model = await Load(folder);
        var constraint = Constraint.Regex("One text that is forced as a whole, whoever would say what (else|other)\\.");
        var whole = Assert.Single(await Generate(model, new GenerationOptions { Constraint = constraint, Seed = 1 }));
        Assert.InRange(whole.Usage.ForcedTokens, whole.Usage.CompletionTokens / 2, whole.Usage.CompletionTokens - 1);

        var cut = Assert.Single(await Generate(model, new GenerationOptions { Constraint = constraint, Seed = 1, MaxTokens = 20 }));
        Assert.Equal((FinishReason.Length, 20), (cut.FinishReason, cut.TokenIds.Count));
        Assert.StartsWith(cut.Text, whole.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_enforced_is_refused_and_harms_nobody()
    {
        using var folder = new TemporaryFolder();
        await using var model = await Load(folder);
        var good = Generate(model, new GenerationOptions { Constraint = Constraint.JsonSchema(Schema), Seed = 1 });
        foreach (var constraint in new[] { Constraint.JsonSchema("{\"type\": \"nothing\"}"), Constraint.JsonSchema("{"), Constraint.Regex("("), Constraint.Grammar("root ::= missing") })
        {
            await Assert.ThrowsAsync<ConstraintException>(() => Generate(model, new GenerationOptions { Constraint = constraint }));
            await Assert.ThrowsAsync<ConstraintException>(() => Generate(model, new GenerationOptions { Constraint = constraint, Beams = 2 }));
        }

        AssertWeather(Assert.Single(await good));
        Assert.Equal((0, 0), (model.Load.RunningRequests, model.Load.WaitingRequests));
    }

    public sealed record Verdict(bool Guilty, IReadOnlyList<int> Marks);
}
