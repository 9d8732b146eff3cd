using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel;

/// <summary>How a Hearth model chooses tokens and when it stops. A null member means the default of <see cref="GenerationOptions"/>.</summary>
/// <remarks>JSON names follow OpenAI's. Not thread-safe until frozen.</remarks>
public sealed class HearthPromptExecutionSettings : PromptExecutionSettings
{
    private int? _maxTokens;
    private float? _temperature;
    private int? _topK;
    private float? _topP;
    private float? _minP;
    private float? _repetitionPenalty;
    private float? _presencePenalty;
    private float? _frequencyPenalty;
    private int? _penaltyWindow;
    private int? _beams;
    private float? _lengthPenalty;
    private ulong? _seed;
    private IReadOnlyList<string>? _stopSequences;
    private IReadOnlyDictionary<int, float>? _logitBias;
    private JsonObject? _templateVariables;

    /// <inheritdoc cref="GenerationOptions.MaxTokens"/>
    [JsonPropertyName("max_tokens")]
    public int? MaxTokens { get => _maxTokens; set => Set(ref _maxTokens, value); }

    /// <inheritdoc cref="GenerationOptions.Temperature"/>
    [JsonPropertyName("temperature")]
    public float? Temperature { get => _temperature; set => Set(ref _temperature, value); }

    /// <inheritdoc cref="GenerationOptions.TopK"/>
    [JsonPropertyName("top_k")]
    public int? TopK { get => _topK; set => Set(ref _topK, value); }

    /// <inheritdoc cref="GenerationOptions.TopP"/>
    [JsonPropertyName("top_p")]
    public float? TopP { get => _topP; set => Set(ref _topP, value); }

    /// <inheritdoc cref="GenerationOptions.MinP"/>
    [JsonPropertyName("min_p")]
    public float? MinP { get => _minP; set => Set(ref _minP, value); }

    /// <inheritdoc cref="GenerationOptions.RepetitionPenalty"/>
    [JsonPropertyName("repetition_penalty")]
    public float? RepetitionPenalty { get => _repetitionPenalty; set => Set(ref _repetitionPenalty, value); }

    /// <inheritdoc cref="GenerationOptions.PresencePenalty"/>
    [JsonPropertyName("presence_penalty")]
    public float? PresencePenalty { get => _presencePenalty; set => Set(ref _presencePenalty, value); }

    /// <inheritdoc cref="GenerationOptions.FrequencyPenalty"/>
    [JsonPropertyName("frequency_penalty")]
    public float? FrequencyPenalty { get => _frequencyPenalty; set => Set(ref _frequencyPenalty, value); }

    /// <inheritdoc cref="GenerationOptions.PenaltyWindow"/>
    [JsonPropertyName("penalty_window")]
    public int? PenaltyWindow { get => _penaltyWindow; set => Set(ref _penaltyWindow, value); }

    /// <inheritdoc cref="GenerationOptions.Beams"/>
    [JsonPropertyName("beams")]
    public int? Beams { get => _beams; set => Set(ref _beams, value); }

    /// <inheritdoc cref="GenerationOptions.LengthPenalty"/>
    [JsonPropertyName("length_penalty")]
    public float? LengthPenalty { get => _lengthPenalty; set => Set(ref _lengthPenalty, value); }

    /// <inheritdoc cref="GenerationOptions.Seed"/>
    [JsonPropertyName("seed")]
    [JsonConverter(typeof(SeedConverter))]
    public ulong? Seed { get => _seed; set => Set(ref _seed, value); }

    /// <inheritdoc cref="GenerationOptions.StopSequences"/>
    [JsonPropertyName("stop_sequences")]
    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? StopSequences { get => _stopSequences; set => Set(ref _stopSequences, value); }

    /// <inheritdoc cref="GenerationOptions.LogitBias"/>
    [JsonPropertyName("logit_bias")]
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public IReadOnlyDictionary<int, float>? LogitBias { get => _logitBias; set => Set(ref _logitBias, value); }

    /// <summary>Further variables for the model's chat template, such as enable_thinking; text generation has no template and refuses them.</summary>
    [JsonPropertyName("chat_template_kwargs")]
    public JsonObject? TemplateVariables { get => _templateVariables; set => Set(ref _templateVariables, value); }

    /// <summary>Reads settings of any kind, by their JSON: OpenAI's names and those of this class are understood.</summary>
    /// <param name="settings">Null gives every default; an object of this class is returned as it is.</param>
    /// <exception cref="ArgumentException">A value has the wrong type.</exception>
    /// <exception cref="NotSupportedException">A setting is known, but not supported.</exception>
    public static HearthPromptExecutionSettings FromExecutionSettings(PromptExecutionSettings? settings)
        => SettingsConversion.Convert(settings);

    /// <inheritdoc/>
    public override PromptExecutionSettings Clone() => new HearthPromptExecutionSettings
    {
        ServiceId = ServiceId,
        ModelId = ModelId,
        FunctionChoiceBehavior = FunctionChoiceBehavior,
        ExtensionData = ExtensionData is null ? null : new Dictionary<string, object>(ExtensionData),
        MaxTokens = MaxTokens,
        Temperature = Temperature,
        TopK = TopK,
        TopP = TopP,
        MinP = MinP,
        RepetitionPenalty = RepetitionPenalty,
        PresencePenalty = PresencePenalty,
        FrequencyPenalty = FrequencyPenalty,
        PenaltyWindow = PenaltyWindow,
        Beams = Beams,
        LengthPenalty = LengthPenalty,
        Seed = Seed,
        StopSequences = StopSequences,
        LogitBias = LogitBias,
        TemplateVariables = TemplateVariables?.DeepClone().AsObject(),
    };

    /// <summary>The same as the runtime takes it.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal GenerationOptions ToGenerationOptions()
    {
        var options = new GenerationOptions
        {
            MaxTokens = MaxTokens,
            Temperature = Temperature,
            TopK = TopK,
            TopP = TopP,
            MinP = MinP,
            RepetitionPenalty = RepetitionPenalty,
            PresencePenalty = PresencePenalty,
            FrequencyPenalty = FrequencyPenalty,
            PenaltyWindow = PenaltyWindow,
            Beams = Beams,
            LengthPenalty = LengthPenalty,
            Seed = Seed,
            StopSequences = StopSequences ?? [],
            LogitBias = LogitBias,
        };
        return GenerationOptionsCheck.FindFault(options) is var (_, message) ? throw new ArgumentException(message) : options;
    }

    private void Set<T>(ref T field, T value)
    {
        ThrowIfFrozen();
        field = value;
    }
}
