using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hearth.Runtime.Constraints;

namespace Hearth.SemanticKernel;

/// <summary>The constraint that settings ask for.</summary>
internal static class SettingsConstraint
{
    /// <summary>The constraint; null for none.</summary>
    /// <exception cref="ArgumentException">Settings contradict each other, or a format is none.</exception>
    public static Constraint? Find(HearthPromptExecutionSettings settings)
    {
        (string Name, Constraint? Constraint)[] all =
        [
            ("response_format", OfFormat(settings.ResponseFormat)),
            ("grammar", settings.Grammar is { } grammar ? Constraint.Grammar(grammar) : null),
            ("regex", settings.Regex is { } regex ? Constraint.Regex(regex) : null),
            ("choices", settings.Choices is { } choices ? OfChoices(choices) : null),
        ];
        var asked = Array.FindAll(all, one => one.Constraint is not null);
        return asked.Length <= 1 ? asked.FirstOrDefault().Constraint
            : throw new ArgumentException($"'{asked[0].Name}' and '{asked[1].Name}' ask for different things; set one of them");
    }

    private static Constraint OfChoices(IReadOnlyList<string> choices)
        => choices.Count > 0 ? Constraint.Choices(choices) : throw new ArgumentException("'choices' must hold at least one text");

    private static Constraint? OfFormat(object? format) => format switch
    {
        null or "text" => null,
        "json_object" => Constraint.JsonObject,
        Type type => Constraint.FromType(type),
        Constraint constraint => constraint,
        JsonElement { ValueKind: JsonValueKind.String } text => OfFormat(text.GetString()),
        JsonElement { ValueKind: JsonValueKind.Null } => null,
        JsonElement element => OfJson(JsonObject.Create(element) ?? throw NoFormat()),
        JsonObject node => OfJson(node),
        string other => throw new ArgumentException($"'response_format' must be \"text\", \"json_object\", a JSON schema or a type, found \"{other}\""),
        _ => OfOther(format),
    };

    // What other connectors take: an object of their own that is written as JSON.
    private static Constraint? OfOther(object format)
    {
        try
        {
            return JsonSerializer.SerializeToNode(format, format.GetType()) is JsonObject node ? OfJson(node) : throw NoFormat();
        }
        catch (NotSupportedException exception)
        {
            throw new ArgumentException($"'response_format' cannot be read from a {format.GetType().Name}", exception);
        }
    }

    // OpenAI's {"type": "json_schema", "json_schema": {"schema": ...}}, or the schema itself.
    private static Constraint? OfJson(JsonObject format) => (format["type"] as JsonValue)?.ToString() switch
    {
        "text" when format.Count == 1 => null,
        "json_object" => format["schema"] is { } schema ? Constraint.JsonSchema(schema.ToJsonString()) : Constraint.JsonObject,
        "json_schema" => (format["json_schema"]?["schema"] ?? format["schema"]) is { } schema ? Constraint.JsonSchema(schema.ToJsonString()) : throw NoFormat(),
        _ => Constraint.JsonSchema(format.ToJsonString()),
    };

    private static ArgumentException NoFormat() => new("'response_format' must be \"text\", \"json_object\", a JSON schema or a type");
}

/// <summary>A format as settings files write it; a .NET type becomes its schema.</summary>
internal sealed class ResponseFormatConverter : JsonConverter<object?>
{
    public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => reader.TokenType switch
        {
            JsonTokenType.Null => null,
            JsonTokenType.String => reader.GetString(),
            JsonTokenType.StartObject => JsonElement.ParseValue(ref reader),
            _ => throw new JsonException("must be a string or an object"),
        };

    public override void Write(Utf8JsonWriter writer, object? value, JsonSerializerOptions options)
    {
        if (value is Type type)
            writer.WriteRawValue(Constraint.FromType(type).Source);
        else
            JsonSerializer.Serialize(writer, value, value?.GetType() ?? typeof(object), options);
    }
}
