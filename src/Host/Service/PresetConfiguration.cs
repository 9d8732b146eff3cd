using System.Text.Json.Nodes;

namespace Hearth.Host.Service;

/// <summary>A name of its own for a model with a system prompt and options: an agent, as far as it is known by what it is told.</summary>
internal sealed record PresetConfiguration
{
    /// <summary>The name by which requests address it.</summary>
    public string Id { get; init; } = "";

    /// <summary>The model that answers.</summary>
    public string Model { get; init; } = "";

    /// <summary>The system prompt of chats that bring none.</summary>
    public string? System { get; init; }

    /// <summary>Options where a request says nothing; those of the model come after.</summary>
    public SamplingConfiguration? Sampling { get; init; }

    /// <summary>A JSON file with the tools (OpenAI's form, an array) of chats that bring none; what the model calls of them goes to whoever asked.</summary>
    public string? ToolsFile { get; init; }

    /// <summary>Ids of tool servers whose tools the service offers and runs itself.</summary>
    public IReadOnlyList<string> ToolServers { get; init; } = [];

    /// <summary>How often an answer may have tools run before it must do without.</summary>
    public int MostToolRounds { get; init; } = 8;

    /// <summary>What <see cref="ToolsFile"/> holds.</summary>
    internal IReadOnlyList<JsonObject> Tools { get; init; } = [];
}

/// <summary>Options of <see cref="GenerationOptions"/> where a request says nothing.</summary>
internal sealed record SamplingConfiguration
{
    public float? Temperature { get; init; }

    public int? TopK { get; init; }

    public float? TopP { get; init; }

    public float? MinP { get; init; }

    public float? RepetitionPenalty { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public int? PenaltyWindow { get; init; }

    public int? MaxTokens { get; init; }

    public long? Seed { get; init; }

    public FullContext? OnFull { get; init; }

    public int? KeptTokens { get; init; }

    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Options with these where they are null. A beam search draws nothing, so it takes none but the limit.</summary>
    public GenerationOptions Complete(GenerationOptions options)
    {
        options = options with
        {
            MaxTokens = options.MaxTokens ?? MaxTokens,
            StopSequences = options.StopSequences.Count > 0 ? options.StopSequences : Stop,
        };
        return options.SearchesBeams ? options : options with
        {
            Temperature = options.Temperature ?? Temperature,
            TopK = options.TopK ?? TopK,
            TopP = options.TopP ?? TopP,
            MinP = options.MinP ?? MinP,
            RepetitionPenalty = options.RepetitionPenalty ?? RepetitionPenalty,
            PresencePenalty = options.PresencePenalty ?? PresencePenalty,
            FrequencyPenalty = options.FrequencyPenalty ?? FrequencyPenalty,
            PenaltyWindow = options.PenaltyWindow ?? PenaltyWindow,
            OnFull = options.OnFull ?? OnFull,
            KeptTokens = options.KeptTokens ?? KeptTokens,
            Seed = options.Seed ?? (Seed is { } seed ? unchecked((ulong)seed) : null),
        };
    }
}
