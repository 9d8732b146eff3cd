using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Serializers for Anthropic's requests.</summary>
/// <remarks>Source: https://docs.anthropic.com/en/api/messages.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(AnthropicRequest))]
internal sealed partial class AnthropicJson : JsonSerializerContext;

internal sealed class AnthropicRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<AnthropicMessage>? Messages { get; init; }

    /// <summary>A text or text blocks.</summary>
    [JsonConverter(typeof(TextContentConverter))]
    public string? System { get; init; }

    public int? MaxTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public IReadOnlyList<string>? StopSequences { get; init; }

    /// <inheritdoc cref="GenerationFields.OnFull"/>
    [JsonConverter(typeof(FullContextConverter))]
    public FullContext? OnFull { get; init; }

    public bool? Stream { get; init; }

    public IReadOnlyList<AnthropicTool>? Tools { get; init; }

    public AnthropicToolChoice? ToolChoice { get; init; }

    public AnthropicThinking? Thinking { get; init; }

    public AnthropicOutput? OutputConfig { get; init; }

    /// <summary>The older place of <see cref="AnthropicOutput.Format"/>.</summary>
    public AnthropicFormat? OutputFormat { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class AnthropicMessage
{
    public string? Role { get; init; }

    /// <summary>A text or blocks.</summary>
    public JsonElement? Content { get; init; }
}

internal sealed class AnthropicTool
{
    /// <summary>Null or "custom" for a tool of the caller's; others name tools that run at the provider.</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }

    public string? Description { get; init; }

    public JsonObject? InputSchema { get; init; }
}

internal sealed class AnthropicToolChoice
{
    /// <summary>"auto", "any", "tool" or "none".</summary>
    public string? Type { get; init; }

    public string? Name { get; init; }

    public bool? DisableParallelToolUse { get; init; }
}

internal sealed class AnthropicThinking
{
    /// <summary>"enabled", "adaptive" or "disabled".</summary>
    public string? Type { get; init; }

    public int? BudgetTokens { get; init; }
}

internal sealed class AnthropicOutput
{
    /// <summary>"low" to "max": how much to think.</summary>
    public string? Effort { get; init; }

    public AnthropicFormat? Format { get; init; }
}

internal sealed class AnthropicFormat
{
    /// <summary>"json_schema".</summary>
    public string? Type { get; init; }

    public JsonElement? Schema { get; init; }
}
