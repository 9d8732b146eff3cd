using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>A value of a shape that the field does not take; the message is written for the caller.</summary>
internal sealed class ProtocolException(string message) : JsonException(message);

/// <summary>Null, a string, or an array of text parts, which are joined by line feeds.</summary>
internal sealed class TextContentConverter : JsonConverter<string?>
{
    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.String:
                return reader.GetString();
            case JsonTokenType.StartArray:
                break;
            default:
                throw new ProtocolException("must be a string or an array of text parts");
        }

        var text = new StringBuilder();
        for (var first = true; reader.Read() && reader.TokenType != JsonTokenType.EndArray; first = false)
        {
            using var part = JsonDocument.ParseValue(ref reader);
            text.Append(first ? "" : "\n").Append(PartText(part.RootElement));
        }

        return text.ToString();
    }

    public override void Write(Utf8JsonWriter writer, string? value, JsonSerializerOptions options) => writer.WriteStringValue(value);

    private static string PartText(JsonElement part)
    {
        if (part.ValueKind == JsonValueKind.String)
        {
            return part.GetString()!;
        }

        if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw new ProtocolException("must hold parts of the form {\"type\": \"text\", \"text\": \"...\"}");
        }

        if (type.GetString() is not ("text" or "input_text" or "refusal") and var other)
        {
            throw new ProtocolException($"holds a part of type '{other}'; only text parts are supported");
        }

        return part.TryGetProperty(type.ValueEquals("refusal") ? "refusal" : "text", out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw new ProtocolException("holds a text part without a text");
    }
}

/// <summary>A string as it is, null, or any other JSON as its own text.</summary>
internal sealed class ArgumentsConverter : JsonConverter<string?>
{
    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType is JsonTokenType.Null or JsonTokenType.String)
        {
            return reader.GetString();
        }

        using var value = JsonDocument.ParseValue(ref reader);
        return value.RootElement.GetRawText();
    }

    public override void Write(Utf8JsonWriter writer, string? value, JsonSerializerOptions options) => writer.WriteStringValue(value);
}

/// <summary>One of the names of <see cref="GenerationOptions.OnFullOption"/>.</summary>
internal sealed class FullContextConverter : JsonConverter<FullContext?>
{
    public override FullContext? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return null;
        }

        var text = reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new ProtocolException("must be a string");
        return GenerationOptions.OnFullOption.Names.Contains(text)
            ? GenerationOptions.OnFullOption.With(GenerationOptions.Default, text).OnFull
            : throw new ProtocolException(GenerationOptions.OnFullOption.FaultOf(text));
    }

    public override void Write(Utf8JsonWriter writer, FullContext? value, JsonSerializerOptions options)
        => writer.WriteStringValue(GenerationOptions.OnFullOption.ValueOf(new GenerationOptions { OnFull = value }));
}

/// <summary>A string or an array of strings.</summary>
internal sealed class StringListConverter : JsonConverter<IReadOnlyList<string>>
{
    public override IReadOnlyList<string>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return [reader.GetString()!];
        }

        var list = new List<string>();
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.String)
            {
                list.Add(reader.GetString()!);
            }
        }

        return reader.TokenType == JsonTokenType.EndArray ? list : throw new ProtocolException("must be a string or an array of strings");
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<string> value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var item in value)
        {
            writer.WriteStringValue(item);
        }

        writer.WriteEndArray();
    }
}

/// <summary>A string, an array of strings, an array of token ids, or an array of such arrays.</summary>
internal sealed class PromptListConverter : JsonConverter<IReadOnlyList<PromptInput>>
{
    private const string Shape = "must be a string, an array of strings, an array of token ids or an array of such arrays";

    public override IReadOnlyList<PromptInput>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return [new PromptInput(reader.GetString(), null)];
        }

        if (reader.TokenType != JsonTokenType.StartArray || !reader.Read())
        {
            throw new ProtocolException(Shape);
        }

        if (reader.TokenType == JsonTokenType.Number)
        {
            return [new PromptInput(null, ReadIds(ref reader))];
        }

        var prompts = new List<PromptInput>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
        {
            prompts.Add(reader.TokenType switch
            {
                JsonTokenType.String => new PromptInput(reader.GetString(), null),
                JsonTokenType.StartArray when reader.Read() => new PromptInput(null, ReadIds(ref reader)),
                _ => throw new ProtocolException(Shape),
            });
        }

        return prompts;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<PromptInput> value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var prompt in value)
        {
            if (prompt.TokenIds is not { } ids)
            {
                writer.WriteStringValue(prompt.Text);
                continue;
            }

            writer.WriteStartArray();
            foreach (var id in ids)
            {
                writer.WriteNumberValue(id);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }

    /// <summary>Reads from an array's first element to its end.</summary>
    private static List<int> ReadIds(ref Utf8JsonReader reader)
    {
        var ids = new List<int>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
        {
            ids.Add(reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var id) ? id : throw new ProtocolException(Shape));
        }

        return ids;
    }
}
