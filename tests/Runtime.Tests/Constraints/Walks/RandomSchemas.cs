using System.Text.Json.Nodes;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Schemas and instances made of a few names, texts and numbers, so that keywords meet.</summary>
internal sealed class RandomSchemas(Random random)
{
    // As names, enum and const are written: only what must be escaped is.
    private static readonly System.Text.Json.JsonSerializerOptions s_shortest = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly string[] s_names = ["a", "b", "ab", "c", "d", ""];
    private static readonly string[] s_texts = ["", "a", "b", "ab", "abc", "ba", "foo", "1", "c\"", "aab"];
    private static readonly string[] s_patterns = ["^a", "b$", "^[a-c]{2,4}$", "b", "^(foo|ab)*$", "[0-9]", "^a?b?$", "^[^a]*$", "a.*b"];
    private static readonly string[] s_numbers = ["0", "1", "2", "3", "-1", "0.5", "1.0", "10", "2.5", "1e1", "-2", "12", "100"];
    private static readonly string[] s_types = ["null", "boolean", "integer", "number", "string", "array", "object"];

    private int _definitions;
    private int _firstInPlace;

    private bool Often => random.Next(2) == 0;

    private bool Seldom => random.Next(5) == 0;

    /// <summary>A schema of at most so many levels, or of some that refer to one another and to themselves.</summary>
    public JsonNode Root(int depth)
    {
        if (!Often)
        {
            return Schema(depth);
        }

        _definitions = random.Next(1, 4);
        var definitions = new JsonObject();
        for (var i = 0; i < _definitions; i++)
        {
            _firstInPlace = i + 1;
            definitions[$"d{i}"] = Schema(depth - 1);
        }

        _firstInPlace = 0;
        var root = Schema(depth);
        if (root is JsonObject schema)
        {
            schema["$defs"] = definitions;
        }

        return root;
    }

    /// <summary>A schema of at most so many levels.</summary>
    public JsonNode Schema(int depth)
    {
        if (_firstInPlace < _definitions && random.Next(4) == 0)
        {
            // In place a definition refers to later ones only: it would refer to itself without end otherwise.
            var reference = new JsonObject { ["$ref"] = $"#/$defs/d{random.Next(_firstInPlace, _definitions)}" };
            if (Seldom)
            {
                Fill(reference, One(s_types), depth);
            }

            return reference;
        }

        if (random.Next(12) == 0)
        {
            return random.Next(4) > 0;
        }

        var schema = new JsonObject();
        if (depth > 0 && random.Next(3) == 0)
        {
            Combine(schema, depth);
            if (Often)
            {
                return schema;
            }
        }

        var type = One(s_types);
        if (random.Next(4) > 0)
        {
            schema["type"] = Seldom ? new JsonArray(type, "null") : type;
        }

        if (Seldom)
        {
            schema["enum"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => Instance(2))]);
        }
        else if (Seldom && Seldom)
        {
            schema["const"] = Instance(2);
        }

        Fill(schema, type, depth);
        if (Seldom)
        {
            Fill(schema, One(s_types), depth);
        }

        return schema;
    }

    private void Combine(JsonObject schema, int depth)
    {
        switch (random.Next(7))
        {
            case 0:
                schema["anyOf"] = Schemas(depth);
                break;
            case 1:
                schema["oneOf"] = Schemas(depth);
                break;
            case 2:
                schema["allOf"] = Schemas(depth);
                break;
            case 3:
                schema["not"] = Schema(depth - 1);
                break;
            case 4:
                schema["if"] = Schema(depth - 1);
                schema["then"] = Schema(depth - 1);
                schema["else"] = Schema(depth - 1);
                break;
            case 5:
                schema["dependentRequired"] = new JsonObject { [One(s_names)] = new JsonArray(One(s_names)) };
                break;
            default:
                schema["dependentSchemas"] = new JsonObject { [One(s_names)] = Schema(depth - 1) };
                break;
        }
    }

    private void Fill(JsonObject schema, string type, int depth)
    {
        var inPlace = _firstInPlace;
        _firstInPlace = 0;
        FillOf(schema, type, depth);
        _firstInPlace = inPlace;
    }

    private void FillOf(JsonObject schema, string type, int depth)
    {
        switch (type)
        {
            case "integer" or "number":
                Maybe("minimum", Number);
                Maybe("maximum", Number);
                Seldomly("exclusiveMinimum", Number);
                Seldomly("exclusiveMaximum", Number);
                Seldomly("multipleOf", () => JsonNode.Parse(One(["2", "3", "0.5", "1.5", "0.01"]))!);
                break;
            case "string":
                Seldomly("minLength", () => random.Next(4));
                Maybe("maxLength", () => random.Next(6));
                Maybe("pattern", () => One(s_patterns));
                break;
            case "array" when depth > 0:
                Maybe("items", () => Schema(depth - 1));
                Seldomly("prefixItems", () => Schemas(depth));
                Seldomly("minItems", () => random.Next(3));
                Maybe("maxItems", () => random.Next(4));
                Seldomly("uniqueItems", () => true);
                Seldomly("contains", () => Schema(depth - 1));
                if (schema.ContainsKey("contains"))
                {
                    Seldomly("minContains", () => random.Next(3));
                    Seldomly("maxContains", () => random.Next(3));
                }

                break;
            case "object" when depth > 0:
                Maybe("properties", () => Members(() => One(s_names), depth));
                Seldomly("patternProperties", () => Members(() => One(s_patterns), depth));
                Maybe("additionalProperties", () => Often ? false : Schema(depth - 1));
                Maybe("required", () => new JsonArray([.. s_names.Where(_ => random.Next(5) == 0).Select(name => (JsonNode)name)]));
                Seldomly("propertyNames", () => Seldom ? Schema(1) : new JsonObject { ["pattern"] = One(s_patterns) });
                Seldomly("minProperties", () => random.Next(3));
                Seldomly("maxProperties", () => random.Next(4));
                break;
        }

        void Maybe(string keyword, Func<JsonNode> make)
        {
            if (Often && !schema.ContainsKey(keyword))
            {
                schema[keyword] = make();
            }
        }

        void Seldomly(string keyword, Func<JsonNode> make)
        {
            if (Seldom && !schema.ContainsKey(keyword))
            {
                schema[keyword] = make();
            }
        }
    }

    /// <summary>A value of at most so many levels.</summary>
    public JsonNode? Instance(int depth) => random.Next(depth > 0 ? 9 : 6) switch
    {
        0 => null,
        1 => Often,
        2 or 3 => Number(),
        4 or 5 => One(s_texts),
        6 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Instance(depth - 1))]),
        _ => new JsonObject(s_names.Where(_ => random.Next(3) == 0).Take(3).Select(name => KeyValuePair.Create(name, Instance(depth - 1)))),
    };

    private JsonNode Number() => JsonNode.Parse(One(s_numbers))!;

    private JsonArray Schemas(int depth) => new([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Schema(depth - 1))]);

    private JsonObject Members(Func<string> name, int depth)
    {
        var members = new JsonObject();
        for (var i = random.Next(4); i > 0; i--)
        {
            members[name()] = Schema(depth - 1);
        }

        return members;
    }

    private string One(string[] all) => all[random.Next(all.Length)];

    /// <summary>The texts of a value with its members in every order, without white space; at most so many.</summary>
    public static IEnumerable<string> Orders(JsonNode? value, int most) => Orders(value).Take(most);

    private static IEnumerable<string> Orders(JsonNode? value)
    {
        switch (value)
        {
            case JsonArray array:
                return Product([.. array.Select(item => Orders(item).Take(24).ToList())]).Select(parts => $"[{string.Join(',', parts)}]");
            case JsonObject members:
                return Permutations([.. members])
                    .SelectMany(order => Product([.. order.Select(member => Orders(member.Value).Take(6).Select(text => $"{JsonValue.Create(member.Key)!.ToJsonString(s_shortest)}:{text}").ToList())]))
                    .Select(parts => $"{{{string.Join(',', parts)}}}");
            default:
                return [value?.ToJsonString(s_shortest) ?? "null"];
        }
    }

    private static IEnumerable<IEnumerable<string>> Product(List<string>[] parts)
        => parts.Aggregate((IEnumerable<IEnumerable<string>>)[[]], (all, part) => all.SelectMany(one => part.Select(text => one.Append(text))));

    private static IEnumerable<IEnumerable<T>> Permutations<T>(T[] items)
        => items.Length == 0 ? [[]] : Enumerable.Range(0, items.Length).SelectMany(i => Permutations([.. items[..i], .. items[(i + 1)..]]).Select(rest => rest.Prepend(items[i])));
}
