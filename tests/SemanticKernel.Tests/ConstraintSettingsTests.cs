using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Constraints, choices and log-probabilities as settings.</summary>
public sealed class ConstraintSettingsTests
{
    private const string Schema = """{"type":"object","properties":{"a":{"type":"integer"}}}""";

    public sealed record Weather(string City, int Degrees, bool? Rain);

    private static Constraint? Of(HearthPromptExecutionSettings settings) => settings.ToGenerationOptions().Constraint;

    [Fact]
    public void A_format_is_a_word_a_schema_or_a_type()
    {
        Assert.Null(Of(new() { ResponseFormat = "text" }));
        Assert.Equal(Constraint.JsonObject, Of(new() { ResponseFormat = "json_object" }));
        Assert.Equal(Constraint.JsonSchema(Schema), Of(new() { ResponseFormat = JsonElement.Parse(Schema) }));
        Assert.Equal(Constraint.JsonSchema(Schema), Of(new() { ResponseFormat = JsonNode.Parse(Schema) }));
        Assert.Equal(Constraint.JsonSchema(Schema), Of(new() { ResponseFormat = JsonNode.Parse($$$"""{"type": "json_schema", "json_schema": {"name": "x", "schema": {{{Schema}}}}}""") }));
        Assert.Equal(Constraint.FromType<Weather>(), Of(new() { ResponseFormat = typeof(Weather) }));
    }

    [Fact]
    public void A_types_schema_asks_for_every_property_and_no_other()
    {
        var schema = JsonNode.Parse(Constraint.FromType<Weather>().Source)!;
        Assert.Equal(["city", "degrees", "rain"], schema["required"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.Equal(["city", "degrees", "rain"], schema["properties"]!.AsObject().Select(property => property.Key));
        Assert.False(schema["additionalProperties"]!.GetValue<bool>());
        Assert.Equal("object", schema["type"]!.GetValue<string>());
        Assert.Equal("string", schema["properties"]!["city"]!["type"]!.GetValue<string>());
        Assert.Equal("integer", schema["properties"]!["degrees"]!["type"]!.GetValue<string>());
        Assert.Equal(int.MaxValue, schema["properties"]!["degrees"]!["maximum"]!.GetValue<int>());
        var type = typeof(Weather);
        Assert.Equal(Constraint.FromType<Weather>(), Constraint.FromType(type));
    }

    [Fact]
    public void Grammars_expressions_and_choices_are_settings_of_their_own()
    {
        Assert.Equal(Constraint.Grammar("root ::= [a]"), Of(new() { Grammar = "root ::= [a]" }));
        Assert.Equal(Constraint.Regex("a+"), Of(new() { Regex = "a+" }));
        Assert.Equal(Constraint.Choices(["a", "b"]), Of(new() { Choices = ["a", "b"] }));
        var error = Assert.Throws<ArgumentException>(() => Of(new() { Regex = "a+", ResponseFormat = "json_object" }));
        Assert.Contains("'response_format' and 'regex'", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Of(new() { ResponseFormat = "yaml" }));
        Assert.Throws<ArgumentException>(() => Of(new() { Choices = [] }));
    }

    [Theory]
    [InlineData("""{"response_format": "json_object"}""", ConstraintKind.JsonSchema, """{"type":"object"}""")]
    [InlineData("""{"response_format": {"type": "json_object"}}""", ConstraintKind.JsonSchema, """{"type":"object"}""")]
    [InlineData("""{"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}}""", ConstraintKind.JsonSchema, """{"type":"array"}""")]
    [InlineData("""{"response_format": {"type": "array"}}""", ConstraintKind.JsonSchema, """{"type":"array"}""")]
    [InlineData("""{"guided_json": {"type": "array"}}""", ConstraintKind.JsonSchema, """{"type":"array"}""")]
    [InlineData("""{"grammar": "root ::= [a]"}""", ConstraintKind.Grammar, "root ::= [a]")]
    [InlineData("""{"guided_regex": "a+"}""", ConstraintKind.Regex, "a+")]
    [InlineData("""{"choices": ["a", "b"]}""", ConstraintKind.Choices, """["a","b"]""")]
    public void Settings_as_JSON_are_read(string json, ConstraintKind kind, string source)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(JsonSerializer.Deserialize<PromptExecutionSettings>(json));
        Assert.Equal((kind, source), (Of(settings)!.Kind, Of(settings)!.Source));
        var copy = JsonSerializer.Deserialize<HearthPromptExecutionSettings>(JsonSerializer.Serialize(settings))!;
        Assert.Equal(Of(settings), Of(copy));
        Assert.Equal(Of(settings), Of((HearthPromptExecutionSettings)settings.Clone()));
    }

    [Theory]
    [InlineData("""{"logprobs": true}""", 0)]
    [InlineData("""{"logprobs": true, "top_logprobs": 3}""", 3)]
    [InlineData("""{"logprobs": false, "top_logprobs": 0}""", null)]
    [InlineData("""{"logprobs": false}""", null)]
    public void Log_probabilities_are_one_setting(string json, int? expected)
        => Assert.Equal(expected, HearthPromptExecutionSettings.FromExecutionSettings(JsonSerializer.Deserialize<PromptExecutionSettings>(json)).LogProbabilities);

    [Fact]
    public async Task As_many_texts_come_as_are_asked_for()
    {
        var service = new HearthChatCompletionService(new FakeLanguageModel());
        var settings = new HearthPromptExecutionSettings { ChoiceCount = 3, LogProbabilities = 2 };
        var messages = await service.GetChatMessageContentsAsync(new("a b"), settings);

        Assert.Equal(["a b", "a b", "a b"], messages.Select(message => message.Content));
        var told = Assert.IsAssignableFrom<IReadOnlyList<TokenLogProbabilities>>(messages[2].Metadata!["LogProbabilities"]);
        Assert.Equal(2, told.Count);
        Assert.Equal(2, told[0].Likeliest.Count);

        var indices = new HashSet<int>();
        await foreach (var update in service.GetStreamingChatMessageContentsAsync(new("a b"), settings))
            indices.Add(update.ChoiceIndex);
        Assert.Equal([0, 1, 2], indices.Order());
    }
}
