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
    private GenerationOptions _options = GenerationOptions.Default;
    private object? _responseFormat;
    private string? _grammar;
    private string? _regex;
    private IReadOnlyList<string>? _choices;
    private JsonObject? _templateVariables;
    private string? _reasoningEffort;
    private int? _thinkingBudget;
    private bool? _thinks;
    private bool? _parallelToolCalls;
    private bool? _continuesFinalMessage;

    /// <inheritdoc cref="GenerationOptions.MaxTokens"/>
    [JsonPropertyName("max_tokens")]
    public int? MaxTokens { get => _options.MaxTokens; set => Set(_options with { MaxTokens = value }); }

    /// <inheritdoc cref="GenerationOptions.Temperature"/>
    [JsonPropertyName("temperature")]
    public float? Temperature { get => _options.Temperature; set => Set(_options with { Temperature = value }); }

    /// <inheritdoc cref="GenerationOptions.TopK"/>
    [JsonPropertyName("top_k")]
    public int? TopK { get => _options.TopK; set => Set(_options with { TopK = value }); }

    /// <inheritdoc cref="GenerationOptions.TopP"/>
    [JsonPropertyName("top_p")]
    public float? TopP { get => _options.TopP; set => Set(_options with { TopP = value }); }

    /// <inheritdoc cref="GenerationOptions.MinP"/>
    [JsonPropertyName("min_p")]
    public float? MinP { get => _options.MinP; set => Set(_options with { MinP = value }); }

    /// <inheritdoc cref="GenerationOptions.RepetitionPenalty"/>
    [JsonPropertyName("repetition_penalty")]
    public float? RepetitionPenalty { get => _options.RepetitionPenalty; set => Set(_options with { RepetitionPenalty = value }); }

    /// <inheritdoc cref="GenerationOptions.PresencePenalty"/>
    [JsonPropertyName("presence_penalty")]
    public float? PresencePenalty { get => _options.PresencePenalty; set => Set(_options with { PresencePenalty = value }); }

    /// <inheritdoc cref="GenerationOptions.FrequencyPenalty"/>
    [JsonPropertyName("frequency_penalty")]
    public float? FrequencyPenalty { get => _options.FrequencyPenalty; set => Set(_options with { FrequencyPenalty = value }); }

    /// <inheritdoc cref="GenerationOptions.PenaltyWindow"/>
    [JsonPropertyName("penalty_window")]
    public int? PenaltyWindow { get => _options.PenaltyWindow; set => Set(_options with { PenaltyWindow = value }); }

    /// <inheritdoc cref="GenerationOptions.Beams"/>
    [JsonPropertyName("beams")]
    public int? Beams { get => _options.Beams; set => Set(_options with { Beams = value }); }

    /// <inheritdoc cref="GenerationOptions.LengthPenalty"/>
    [JsonPropertyName("length_penalty")]
    public float? LengthPenalty { get => _options.LengthPenalty; set => Set(_options with { LengthPenalty = value }); }

    /// <inheritdoc cref="GenerationOptions.Seed"/>
    [JsonPropertyName("seed")]
    [JsonConverter(typeof(SeedConverter))]
    public ulong? Seed { get => _options.Seed; set => Set(_options with { Seed = value }); }

    /// <inheritdoc cref="GenerationOptions.StopSequences"/>
    [JsonPropertyName("stop_sequences")]
    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? StopSequences { get => _options.StopSequences is { Count: > 0 } stops ? stops : null; set => Set(_options with { StopSequences = value ?? [] }); }

    /// <inheritdoc cref="GenerationOptions.LogitBias"/>
    [JsonPropertyName("logit_bias")]
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public IReadOnlyDictionary<int, float>? LogitBias { get => _options.LogitBias; set => Set(_options with { LogitBias = value }); }

    /// <inheritdoc cref="GenerationOptions.TextBias"/>
    [JsonPropertyName("text_bias")]
    [JsonNumberHandling(JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals)]
    public IReadOnlyDictionary<string, float>? TextBias { get => _options.TextBias; set => Set(_options with { TextBias = value }); }

    /// <inheritdoc cref="GenerationOptions.ChoiceCount"/>
    [JsonPropertyName("n")]
    public int? ChoiceCount { get => _options.ChoiceCount; set => Set(_options with { ChoiceCount = value }); }

    /// <inheritdoc cref="GenerationOptions.LogProbabilities"/>
    [JsonPropertyName("top_logprobs")]
    public int? LogProbabilities { get => _options.LogProbabilities; set => Set(_options with { LogProbabilities = value }); }

    /// <inheritdoc cref="GenerationOptions.DraftTokens"/>
    [JsonPropertyName("draft_tokens")]
    public int? DraftTokens { get => _options.DraftTokens; set => Set(_options with { DraftTokens = value }); }

    /// <summary>What happens where prompt and text fill the context: "stop", "shift" or "error" (<see cref="GenerationOptions.OnFull"/>). Null: "stop".</summary>
    [JsonPropertyName("on_full")]
    [JsonConverter(typeof(FullContextConverter))]
    public FullContext? OnFull { get => _options.OnFull; set => Set(_options with { OnFull = value }); }

    /// <inheritdoc cref="GenerationOptions.KeptTokens"/>
    [JsonPropertyName("n_keep")]
    public int? KeptTokens { get => _options.KeptTokens; set => Set(_options with { KeptTokens = value }); }

    /// <inheritdoc cref="GenerationOptions.MinTokens"/>
    [JsonPropertyName("min_tokens")]
    public int? MinTokens { get => _options.MinTokens; set => Set(_options with { MinTokens = value }); }

    /// <inheritdoc cref="GenerationOptions.StopTokenIds"/>
    [JsonPropertyName("stop_token_ids")]
    public IReadOnlyList<int>? StopTokenIds { get => _options.StopTokenIds is { Count: > 0 } ids ? ids : null; set => Set(_options with { StopTokenIds = value ?? [] }); }

    /// <summary>
    /// What JSON the answer is: "text" (any text), "json_object", a JSON schema (as an element, a node or OpenAI's object of
    /// type json_schema) or a .NET type, which the answer then deserializes to.
    /// </summary>
    [JsonPropertyName("response_format")]
    [JsonConverter(typeof(ResponseFormatConverter))]
    public object? ResponseFormat { get => _responseFormat; set => Set(ref _responseFormat, value); }

    /// <summary>A grammar in llama.cpp's GBNF that the answer is a text of.</summary>
    [JsonPropertyName("grammar")]
    public string? Grammar { get => _grammar; set => Set(ref _grammar, value); }

    /// <summary>An ECMA 262 regular expression that the answer matches as a whole.</summary>
    [JsonPropertyName("regex")]
    public string? Regex { get => _regex; set => Set(ref _regex, value); }

    /// <summary>Texts of which the answer is one.</summary>
    [JsonPropertyName("choices")]
    public IReadOnlyList<string>? Choices { get => _choices; set => Set(ref _choices, value); }

    /// <summary>Further variables for the model's chat template, such as enable_thinking; text generation has no template and refuses them.</summary>
    [JsonPropertyName("chat_template_kwargs")]
    public JsonObject? TemplateVariables { get => _templateVariables; set => Set(ref _templateVariables, value); }

    /// <inheritdoc cref="GenerationOptions.IgnoreEndOfText"/>
    [JsonPropertyName("ignore_eos")]
    public bool? IgnoreEndOfText { get => _options.IgnoreEndOfText ? true : null; set => Set(_options with { IgnoreEndOfText = value ?? false }); }

    /// <summary>How much the model shall think: "none", "low", "medium", "high" or what its template knows; null: as the template has it. Of chats only.</summary>
    [JsonPropertyName("reasoning_effort")]
    public string? ReasoningEffort { get => _reasoningEffort; set => Set(ref _reasoningEffort, value); }

    /// <summary>Tokens of thoughts, at least 0; then they are ended and the answer begins. Null: as many as the model likes. Of chats only.</summary>
    [JsonPropertyName("thinking_budget")]
    public int? ThinkingBudget { get => _thinkingBudget; set => Set(ref _thinkingBudget, value); }

    /// <summary>Whether the model shall think before it answers, where its template knows that choice; null: as the template has it. Of chats only.</summary>
    [JsonPropertyName("enable_thinking")]
    public bool? Thinks { get => _thinks; set => Set(ref _thinks, value); }

    /// <summary>Whether an answer may hold several calls of functions, where the <see cref="PromptExecutionSettings.FunctionChoiceBehavior"/> does not say; null: it may. Of chats only.</summary>
    [JsonPropertyName("parallel_tool_calls")]
    public bool? ParallelToolCalls { get => _parallelToolCalls; set => Set(ref _parallelToolCalls, value); }

    /// <summary>Whether the last message, an assistant's, is the beginning of the answer, from whose last character the model goes on; null: no. Of chats only.</summary>
    [JsonPropertyName("continue_final_message")]
    public bool? ContinuesFinalMessage { get => _continuesFinalMessage; set => Set(ref _continuesFinalMessage, value); }

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
        _options = _options,
        ResponseFormat = ResponseFormat,
        Grammar = Grammar,
        Regex = Regex,
        Choices = Choices,
        TemplateVariables = TemplateVariables?.DeepClone().AsObject(),
        ReasoningEffort = ReasoningEffort,
        ThinkingBudget = ThinkingBudget,
        Thinks = Thinks,
        ParallelToolCalls = ParallelToolCalls,
        ContinuesFinalMessage = ContinuesFinalMessage,
    };

    /// <summary>The same as the runtime takes it.</summary>
    /// <exception cref="ArgumentException">A value is out of its range, or settings contradict each other.</exception>
    internal GenerationOptions ToGenerationOptions()
    {
        var options = _options with { Constraint = SettingsConstraint.Find(this) };
        return options.FindFault() is { } fault ? throw new ArgumentException($"'{GenerationOption.WireNameOf(fault.Option)}' {fault.Reason}", fault) : options;
    }

    /// <summary>The turn of a chat that is asked for.</summary>
    /// <param name="chat">The messages.</param>
    /// <param name="offer">The functions.</param>
    /// <exception cref="ArgumentException">A value is out of its range, or settings contradict each other.</exception>
    internal ChatTurnRequest ToTurn(ChatPrompt chat, FunctionOffer offer)
    {
        var thinksNot = ReasoningEffort == "none";
        return new ChatTurnRequest
        {
            Chat = chat with { Tools = offer.Tools },
            Options = ToGenerationOptions(),
            ToolChoice = offer.Choice,
            ParallelToolCalls = offer.Options.AllowParallelCalls ?? ParallelToolCalls ?? true,
            ThinkingBudget = ThinkingBudget is >= 0 or null ? ThinkingBudget : throw new ArgumentException($"'thinking_budget' must be at least 0, found {ThinkingBudget}"),
            Thinks = thinksNot ? Thinks ?? false : Thinks,
            ReasoningEffort = thinksNot ? null : ReasoningEffort,
            ContinuesFinalMessage = ContinuesFinalMessage ?? false,
        };
    }

    /// <summary>The first setting that has a meaning for chats only; null for none.</summary>
    internal string? FirstOfChats()
        => FunctionChoiceBehavior is not null ? "function_choice_behavior"
            : TemplateVariables is not null ? "chat_template_kwargs"
            : ReasoningEffort is not null ? "reasoning_effort"
            : ThinkingBudget is not null ? "thinking_budget"
            : Thinks is not null ? "enable_thinking"
            : ParallelToolCalls is not null ? "parallel_tool_calls"
            : ContinuesFinalMessage is not null ? "continue_final_message" : null;

    private void Set(GenerationOptions options) => Set(ref _options, options);

    private void Set<T>(ref T field, T value)
    {
        ThrowIfFrozen();
        field = value;
    }
}
