using System.Text.Json;
using System.Text.Json.Serialization;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Serializers for llama-server's requests.</summary>
/// <remarks>Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server, README.md.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(LlamaCompletionRequest))]
[JsonSerializable(typeof(LlamaTokenizeRequest))]
[JsonSerializable(typeof(LlamaDetokenizeRequest))]
[JsonSerializable(typeof(LlamaEmbeddingRequest))]
internal sealed partial class LlamaJson : JsonSerializerContext;

/// <summary>Of /completion and /infill.</summary>
internal sealed class LlamaCompletionRequest : GenerationFields
{
    /// <summary>A text, token ids, both mixed, an object with <c>prompt_string</c>, or an array of such prompts.</summary>
    public JsonElement? Prompt { get; init; }

    /// <summary>How many of the likeliest tokens are told with each token.</summary>
    public int? NProbs { get; init; }

    /// <summary>Whether a whole answer tells its token ids.</summary>
    public bool? ReturnTokens { get; init; }

    /// <summary>Whether the prompt starts from what the cache has of it; null: yes.</summary>
    public bool? CachePrompt { get; init; }

    /// <summary>The answer's fields that are wanted, a slash between levels; none: all.</summary>
    public IReadOnlyList<string>? ResponseFields { get; init; }

    /// <summary>Whether each piece tells the times so far.</summary>
    public bool? TimingsPerToken { get; init; }

    /// <summary>Another name of <see cref="GenerationFields.N"/>.</summary>
    public int? NCmpl { get => null; set => N = value ?? N; }

    /// <summary>Of /infill: what is before the hole.</summary>
    public string? InputPrefix { get; init; }

    /// <summary>Of /infill: what is behind it.</summary>
    public string? InputSuffix { get; init; }

    /// <summary>Of /infill: other files, each with <c>filename</c> and <c>text</c>.</summary>
    public IReadOnlyList<LlamaFile>? InputExtra { get; init; }
}

internal sealed class LlamaFile
{
    public string? Filename { get; init; }

    public string? Text { get; init; }
}

internal sealed class LlamaTokenizeRequest
{
    public string? Model { get; init; }

    /// <summary>A text, or texts and token ids mixed.</summary>
    public JsonElement? Content { get; init; }

    public bool? AddSpecial { get; init; }

    /// <summary>Null: true.</summary>
    public bool? ParseSpecial { get; init; }

    public bool? WithPieces { get; init; }
}

internal sealed class LlamaDetokenizeRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<int>? Tokens { get; init; }
}

internal sealed class LlamaEmbeddingRequest
{
    public string? Model { get; init; }

    [JsonConverter(typeof(PromptListConverter))]
    public IReadOnlyList<PromptInput>? Content { get; init; }

    [JsonConverter(typeof(PromptListConverter))]
    public IReadOnlyList<PromptInput>? Input { get; init; }
}
