using System.Numerics;
using System.Text.Json;
using Hearth.Runtime.Constraints.Numbers;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>The types of JSON values.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Number = 8,
    String = 16,
    Array = 32,
    Object = 64,
    All = Null | Boolean | Integer | Number | String | Array | Object,
}

/// <summary>The keywords of one subschema, with what each must hold.</summary>
internal readonly struct Keywords(JsonElement element, SchemaNode node)
{
    private static readonly HashSet<string> s_local = new(StringComparer.Ordinal)
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format",
        "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
        "properties", "patternProperties", "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties",
    };

    /// <summary>Whether any keyword looks at the value itself, <c>type</c> aside.</summary>
    public bool HasLocal
    {
        get
        {
            foreach (var member in element.EnumerateObject())
            {
                if (s_local.Contains(member.Name))
                {
                    return true;
                }
            }

            return false;
        }
    }

    public bool TryGet(string keyword, out JsonElement value) => element.TryGetProperty(keyword, out value);

    /// <summary>The types that <c>type</c> names; all where it is missing.</summary>
    public JsonTypes Types()
    {
        if (!TryGet("type", out var type))
        {
            return JsonTypes.All;
        }

        if (type.ValueKind == JsonValueKind.String)
        {
            return TypeOf(type);
        }

        Expect("type", type, JsonValueKind.Array);
        var types = JsonTypes.None;
        foreach (var one in type.EnumerateArray())
        {
            types |= TypeOf(one);
        }

        return types;
    }

    /// <summary>A count of things, at least 0; one beyond any that can be meant counts as the greatest.</summary>
    public int Count(string keyword, int missing)
    {
        if (!TryGet(keyword, out var value))
        {
            return missing;
        }

        var number = Number(keyword, value);
        return number.Sign < 0 || !number.IsMultipleOf(ExactNumber.One) ? throw Wrong(keyword, "an integer of at least 0", value)
            : number.Exponent > 9 ? int.MaxValue
            : (int)BigInteger.Min(number.Digits * ExactNumber.Power(number.Exponent), int.MaxValue);
    }

    public ExactNumber Number(string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number)
        {
            throw Wrong(keyword, "a number", value);
        }

        try
        {
            return ExactNumber.Parse(value.GetRawText());
        }
        catch (ConstraintException error)
        {
            throw new ConstraintException($"'{keyword}': {error.Message}", node.Pointer, keyword);
        }
    }

    /// <summary>An array of names.</summary>
    public List<string> Names(string keyword, JsonElement value)
    {
        Expect(keyword, value, JsonValueKind.Array);
        var names = new List<string>();
        foreach (var name in value.EnumerateArray())
        {
            names.Add(name.ValueKind == JsonValueKind.String ? name.GetString()! : throw Wrong(keyword, "names", name));
        }

        return names;
    }

    public void Expect(string keyword, JsonElement value, JsonValueKind kind)
    {
        if (value.ValueKind != kind)
        {
            throw Wrong(keyword, kind == JsonValueKind.Array ? "an array" : kind == JsonValueKind.Object ? "an object" : "a string", value);
        }
    }

    public ConstraintException Wrong(string keyword, string expected, JsonElement found)
    {
        var text = found.GetRawText();
        return new ConstraintException($"'{keyword}' must hold {expected}, found {(text.Length > 60 ? text[..60] + "..." : text)}", node.Pointer, keyword);
    }

    private JsonTypes TypeOf(JsonElement name) => name.ValueKind != JsonValueKind.String ? throw Wrong("type", "names of types", name) : name.GetString() switch
    {
        "null" => JsonTypes.Null,
        "boolean" => JsonTypes.Boolean,
        "integer" => JsonTypes.Integer,
        "number" => JsonTypes.Number | JsonTypes.Integer,
        "string" => JsonTypes.String,
        "array" => JsonTypes.Array,
        "object" => JsonTypes.Object,
        "any" => JsonTypes.All,
        _ => throw Wrong("type", "null, boolean, integer, number, string, array or object", name),
    };
}
