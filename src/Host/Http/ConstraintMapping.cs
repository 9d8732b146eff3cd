using System.Text.Json;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>The constraint that a request asks for, in OpenAI's, llama-server's or vLLM's fields.</summary>
internal static class ConstraintMapping
{
    /// <summary>The constraint and the field that brought it; null for none.</summary>
    /// <exception cref="ApiException">A field is malformed or not supported, or two ask for different things.</exception>
    public static (Constraint? Constraint, string? Field) Find(GenerationFields fields)
    {
        var asked = All(fields).Where(pair => pair.Constraint is not null).ToList();
        return asked.Find(other => other.Constraint != asked[0].Constraint) is { Constraint: not null } second
            ? throw ApiException.BadRequest($"'{asked[0].Field}' and '{second.Field}' ask for different things; send one of them", second.Field)
            : asked.FirstOrDefault();
    }

    private static IEnumerable<(Constraint? Constraint, string? Field)> All(GenerationFields fields)
    {
        yield return (fields.ResponseFormat is { } format ? OfResponseFormat(format) : null, "response_format");
        yield return (fields.JsonSchema is { } schema ? OfSchema(schema, "json_schema") : null, "json_schema");
        yield return (OfGrammar(fields.Grammar, "grammar"), "grammar");
        yield return (fields.GuidedJson is { } guided ? OfSchema(guided, "guided_json") : null, "guided_json");
        yield return (fields.GuidedRegex is { } regex ? Constraint.Regex(regex) : null, "guided_regex");
        yield return (fields.GuidedChoice is { } choices ? OfChoices(choices, "guided_choice") : null, "guided_choice");
        yield return (OfGrammar(fields.GuidedGrammar, "guided_grammar"), "guided_grammar");
        yield return (fields.StructuredOutputs is { } structured ? OfStructuredOutputs(structured) : null, "structured_outputs");
    }

    private static Constraint? OfResponseFormat(JsonElement format)
    {
        const string Field = "response_format";
        if (format.ValueKind != JsonValueKind.Object || !format.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw ApiException.BadRequest($"'{Field}' must be an object with a 'type'", Field);
        }

        var schema = Member(format, "schema");
        switch (type.GetString())
        {
            case "text":
                return null;
            case "json_object":
                return schema is { } flat ? OfSchema(flat, Field + ".schema") : Constraint.JsonObject;
            case "json_schema":
                var nested = Member(format, "json_schema") is { ValueKind: JsonValueKind.Object } description ? Member(description, "schema") : null;
                return nested is { } inner ? OfSchema(inner, Field + ".json_schema.schema")
                    : schema is { } beside ? OfSchema(beside, Field + ".schema")
                    : throw ApiException.BadRequest($"'{Field}.json_schema.schema' is missing", Field + ".json_schema.schema");
            case var other:
                throw ApiException.BadRequest(
                    $"'{Field}' of type '{other}' is not supported; there are text, json_object and json_schema", Field, "unsupported_parameter");
        }
    }

    private static Constraint? OfStructuredOutputs(JsonElement structured)
    {
        const string Field = "structured_outputs";
        if (structured.ValueKind != JsonValueKind.Object)
        {
            throw ApiException.BadRequest($"'{Field}' must be an object", Field);
        }

        var asked = new List<(string Name, Constraint Constraint)>();
        foreach (var member in structured.EnumerateObject())
        {
            var name = $"{Field}.{member.Name}";
            Constraint? constraint = (member.Name, member.Value.ValueKind) switch
            {
                (_, JsonValueKind.Null) or ("json_object" or "disable_fallback" or "disable_any_whitespace" or "disable_additional_properties", JsonValueKind.False) => null,
                ("json", _) => OfSchema(member.Value, name),
                ("regex", JsonValueKind.String) => Constraint.Regex(member.Value.GetString()!),
                ("grammar", JsonValueKind.String) => OfGrammar(member.Value.GetString(), name),
                ("choice", JsonValueKind.Array) when member.Value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
                    => OfChoices([.. member.Value.EnumerateArray().Select(item => item.GetString()!)], name),
                ("json_object", JsonValueKind.True) => Constraint.JsonObject,
                ("regex" or "grammar", _) => throw ApiException.BadRequest($"'{name}' must be a string", name),
                ("choice", _) => throw ApiException.BadRequest($"'{name}' must be an array of strings", name),
                ("json_object", _) => throw ApiException.BadRequest($"'{name}' must be true or false", name),
                _ => throw ApiException.BadRequest($"'{name}' is not supported; there are json, regex, choice, grammar and json_object", name, "unsupported_parameter"),
            };
            if (constraint is not null)
            {
                asked.Add((name, constraint));
            }
        }

        return asked.Count <= 1 ? asked.FirstOrDefault().Constraint
            : throw ApiException.BadRequest($"'{asked[0].Name}' and '{asked[1].Name}' ask for different things; send one of them", asked[1].Name);
    }

    private static Constraint OfSchema(JsonElement schema, string field) => schema.ValueKind switch
    {
        JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False => Constraint.JsonSchema(schema.GetRawText()),
        JsonValueKind.String => Constraint.JsonSchema(schema.GetString()!),
        _ => throw ApiException.BadRequest($"'{field}' must be a JSON schema", field),
    };

    private static Constraint? OfGrammar(string? grammar, string field) => grammar switch
    {
        null => null,
        "" => throw ApiException.BadRequest($"'{field}' must not be empty", field),
        _ => Constraint.Grammar(grammar),
    };

    private static Constraint OfChoices(IReadOnlyList<string> choices, string field)
        => choices.Count > 0 && !choices.Contains(null!)
            ? Constraint.Choices(choices)
            : throw ApiException.BadRequest($"'{field}' must hold at least one text", field);

    private static JsonElement? Member(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
