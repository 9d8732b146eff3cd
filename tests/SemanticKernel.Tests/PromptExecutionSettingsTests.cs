using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel.Tests;

public sealed class PromptExecutionSettingsTests
{
    [Fact]
    public void Generic_settings_are_read_by_their_JSON()
    {
        var generic = JsonSerializer.Deserialize<PromptExecutionSettings>("""
            {"model_id": "m", "service_id": "s", "temperature": 0.5, "top_p": "0.25", "top_k": 3, "min_p": 0.125, "max_tokens": 9, "seed": -2, "stop": "end",
             "frequency_penalty": 1, "presence_penalty": -1, "repetition_penalty": 1.25, "penalty_window": 16, "beams": 4, "length_penalty": 0.5, "token_selection_biases": {"5": -3}, "custom": 1}
            """)!;
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(generic);

        Assert.Equal(("m", "s"), (settings.ModelId, settings.ServiceId));
        Assert.Equal((0.5f, 0.25f, 3, 0.125f, 9), (settings.Temperature, settings.TopP, settings.TopK, settings.MinP, settings.MaxTokens));
        Assert.Equal(ulong.MaxValue - 1, settings.Seed);
        Assert.Equal(["end"], settings.StopSequences!);
        Assert.Equal((1f, -1f, 1.25f, 16), (settings.FrequencyPenalty, settings.PresencePenalty, settings.RepetitionPenalty, settings.PenaltyWindow));
        Assert.Equal((4, 0.5f), (settings.Beams, settings.LengthPenalty));
        Assert.Equal(-3, settings.LogitBias![5]);
        Assert.True(settings.ExtensionData!.ContainsKey("custom"));
    }

    [Fact]
    public void Extension_data_set_in_code_is_read()
    {
        var generic = new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { ["temperature"] = 0.75, ["stop_sequences"] = new[] { "a", "b" } } };
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(generic);

        Assert.Equal(0.75f, settings.Temperature);
        Assert.Equal(["a", "b"], settings.StopSequences!);
    }

    [Fact]
    public void Another_connectors_settings_are_read_by_their_names()
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(new OtherSettings { Temperature = 0.5, MaxTokens = 7, StopSequences = ["x"], User = "me" });
        Assert.Equal((0.5f, 7), (settings.Temperature, settings.MaxTokens));
        Assert.Equal(["x"], settings.StopSequences!);
    }

    [Theory]
    [InlineData("tool_call_behavior", "{}")]
    [InlineData("structured_outputs", "{\"regex\": \"a\"}")]
    [InlineData("chat_system_prompt", "\"be brief\"")]
    [InlineData("modalities", "[\"audio\"]")]
    public void What_Hearth_does_not_do_is_refused_by_name(string name, string value)
    {
        var generic = JsonSerializer.Deserialize<PromptExecutionSettings>($$"""{"{{name}}": {{value}}}""")!;
        var error = Assert.Throws<NotSupportedException>(() => HearthPromptExecutionSettings.FromExecutionSettings(generic));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("response_format", "null")]
    [InlineData("response_format", "\"text\"")]
    [InlineData("logprobs", "false")]
    [InlineData("modalities", "[\"text\"]")]
    public void What_asks_for_nothing_is_accepted(string name, string value)
        => Assert.NotNull(HearthPromptExecutionSettings.FromExecutionSettings(JsonSerializer.Deserialize<PromptExecutionSettings>($$"""{"{{name}}": {{value}}}""")));

    [Theory]
    [InlineData("""{"temperature": "hot"}""")]
    [InlineData("""{"seed": 1.5}""")]
    [InlineData("""{"stop_sequences": 5}""")]
    [InlineData("""{"logit_bias": {"a": 1}}""")]
    public void A_value_of_the_wrong_type_is_an_argument_error(string json)
        => Assert.Throws<ArgumentException>(() => HearthPromptExecutionSettings.FromExecutionSettings(JsonSerializer.Deserialize<PromptExecutionSettings>(json)));

    [Fact]
    public async Task A_value_out_of_range_is_an_argument_error()
    {
        var service = new HearthTextGenerationService(new FakeLanguageModel());
        var error = await Assert.ThrowsAsync<ArgumentException>(() => service.GetTextContentsAsync("a", new HearthPromptExecutionSettings { TopP = 1.5f }));
        Assert.Equal("'top_p' must be between 0 and 1, found 1.5", error.Message);
    }

    [Fact]
    public void Minus_one_asks_for_a_fresh_seed()
        => Assert.Null(HearthPromptExecutionSettings.FromExecutionSettings(JsonSerializer.Deserialize<PromptExecutionSettings>("""{"seed": -1}""")).Seed);

    [Fact]
    public void Null_gives_every_default()
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(null);
        Assert.Equal(GenerationOptions.Default with { StopSequences = [] }, settings.ToGenerationOptions() with { StopSequences = GenerationOptions.Default.StopSequences });
    }

    [Fact]
    public void Settings_survive_their_JSON()
    {
        var settings = Full();
        var copy = JsonSerializer.Deserialize<HearthPromptExecutionSettings>(JsonSerializer.Serialize(settings))!;
        Assert.Equal(JsonSerializer.Serialize(settings), JsonSerializer.Serialize(copy));
        Assert.Equal(float.NegativeInfinity, copy.LogitBias![5]);
    }

    [Fact]
    public void A_clone_is_equal_and_not_frozen()
    {
        var settings = Full();
        settings.Freeze();
        var clone = (HearthPromptExecutionSettings)settings.Clone();

        Assert.Equal(JsonSerializer.Serialize(settings), JsonSerializer.Serialize(clone));
        clone.MaxTokens = 1;
        Assert.Equal(9, settings.MaxTokens);
    }

    [Fact]
    public void Frozen_settings_refuse_every_change()
    {
        var settings = Full();
        settings.Freeze();
        foreach (var property in typeof(HearthPromptExecutionSettings).GetProperties().Where(property => property.CanWrite && property.DeclaringType == typeof(HearthPromptExecutionSettings)))
        {
            var error = Assert.Throws<System.Reflection.TargetInvocationException>(() => property.SetValue(settings, null));
            Assert.IsType<InvalidOperationException>(error.InnerException);
        }
    }

    private static HearthPromptExecutionSettings Full() => new()
    {
        ModelId = "m",
        MaxTokens = 9,
        Temperature = 0.5f,
        TopK = 3,
        TopP = 0.25f,
        MinP = 0.125f,
        RepetitionPenalty = 1.25f,
        PresencePenalty = -1,
        FrequencyPenalty = 1,
        PenaltyWindow = 16,
        Seed = ulong.MaxValue,
        StopSequences = ["a", "b"],
        LogitBias = new Dictionary<int, float> { [5] = float.NegativeInfinity },
        TemplateVariables = new JsonObject { ["enable_thinking"] = false },
    };

    private sealed class OtherSettings : PromptExecutionSettings
    {
        [JsonPropertyName("temperature")]
        public double? Temperature { get; init; }

        [JsonPropertyName("max_tokens")]
        public int? MaxTokens { get; init; }

        [JsonPropertyName("stop_sequences")]
        public IList<string>? StopSequences { get; init; }

        [JsonPropertyName("user")]
        public string? User { get; init; }
    }
}
