using System.Globalization;
using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

/// <summary>A tool as one dialogue offers it: the family with names, wording and schema chosen.</summary>
public sealed class OfferedTool
{
    public ToolFamily Family { get; }
    public string Name { get; }
    public JsonObject Schema { get; }

    private readonly Dictionary<string, string> _names = [];
    private readonly Dictionary<string, string> _types = [];

    /// <param name="draw">Chooses names, styles and what the schema says.</param>
    /// <param name="family">What the tool is.</param>
    /// <param name="isTerse">Whether the schema says no more than it must.</param>
    public OfferedTool(Draw draw, ToolFamily family, bool isTerse = false)
    {
        Family = family;
        Name = Style(draw, draw.One(family.Names));
        bool camel = draw.Chance(0.15);
        var taken = new HashSet<string>();
        foreach (var p in family.Parameters)
        {
            string name = draw.One(p.Names);
            if (!taken.Add(name)) name = p.Name;
            taken.Add(name);
            _names[p.Name] = camel ? Camel(name, false) : name;
            _types[p.Name] = p.JsonType(draw);
        }
        Schema = BuildSchema(draw, isTerse);
    }

    /// <summary>What this schema calls a parameter of the family.</summary>
    public string NameOf(string parameter) => _names[parameter];

    /// <summary>The arguments object for slot values, in the order of the schema.</summary>
    public JsonObject Arguments(IReadOnlyDictionary<string, string> values)
    {
        var arguments = new JsonObject();
        foreach (var p in Family.Parameters)
        {
            if (!values.TryGetValue(p.Name, out string? text)) continue;
            arguments[_names[p.Name]] = _types[p.Name] switch
            {
                "boolean" => JsonValue.Create(text == "true"),
                "integer" or "number" => JsonValue.Create(decimal.Parse(text, CultureInfo.InvariantCulture)),
                _ => JsonValue.Create(text),
            };
        }
        return arguments;
    }

    private JsonObject BuildSchema(Draw draw, bool isTerse)
    {
        bool explain = !isTerse && draw.Chance(0.5), typeFirst = draw.Chance(0.7);
        var properties = new JsonObject();
        foreach (var p in Family.Parameters)
        {
            var property = new JsonObject();
            var description = explain ? JsonValue.Create(draw.One(p.Descriptions)) : null;
            if (!typeFirst && description is not null) property["description"] = description;
            property["type"] = _types[p.Name];
            if (typeFirst && description is not null) property["description"] = description;
            if (p.Kind.StartsWith("enum")) property["enum"] = new JsonArray([.. p.Kind[5..].Split('/').Select(v => JsonValue.Create(v))]);
            properties[_names[p.Name]] = property;
        }
        var required = new JsonArray([.. Family.Parameters.Where(p => p.Required).Select(p => JsonValue.Create(_names[p.Name]))]);
        var parameters = new JsonObject { ["type"] = "object" };
        bool requiredFirst = draw.Chance(0.15);
        if (requiredFirst && required.Count > 0) parameters["required"] = required;
        parameters["properties"] = properties;
        if (!requiredFirst && (required.Count > 0 || draw.Chance(0.3))) parameters["required"] = required;
        if (draw.Chance(0.1)) parameters["additionalProperties"] = false;

        string about = draw.One(Family.Descriptions) + (draw.Chance(0.2) ? "." : "");
        var function = new JsonObject();
        bool descriptionFirst = draw.Chance(0.1);
        if (descriptionFirst) function["description"] = about;
        function["name"] = Name;
        if (!descriptionFirst && draw.Chance(0.95)) function["description"] = about;
        function["parameters"] = parameters;
        if (draw.Chance(0.03)) function["strict"] = true;
        return new JsonObject { ["type"] = "function", ["function"] = function };
    }

    // get_weather, getWeather, GetWeather, get-weather, or with a plug-in's name as Semantic Kernel sends it.
    private static string Style(Draw draw, string snake)
    {
        int style = draw.Int(0, 19);
        string pascal = Camel(snake, true);
        if (style < 10) return snake;
        if (style < 12) return Camel(snake, false);
        if (style < 13) return snake.Replace('_', '-');
        if (style < 15) return pascal;
        string plugin = draw.Either(Entities.Capital(snake.Split('_')[^1]), Entities.Capital(draw.One(Words.Nouns)), Entities.Capital(Entities.Invented(draw, 2)), "Home", "Tools");
        if (draw.Chance(0.4)) plugin += "Plugin";
        return plugin + "-" + (draw.Chance(0.5) ? pascal : snake);
    }

    private static string Camel(string snake, bool first)
    {
        var parts = snake.Split('_', StringSplitOptions.RemoveEmptyEntries);
        return string.Concat(parts.Select((p, i) => i > 0 || first ? Entities.Capital(p) : p));
    }
}
