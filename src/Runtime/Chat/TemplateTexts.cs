using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Chat;

/// <summary>The texts in a template's variables, however deep they lie.</summary>
internal static class TemplateTexts
{
    /// <summary>A value with other texts in it; what is no text, list or object stays as it is.</summary>
    /// <param name="value">A text, JSON, or lists and dictionaries of such.</param>
    /// <param name="change">Gives the text that takes another's place; names of properties are texts too.</param>
    public static object? Map(object? value, Func<string, string> change) => value switch
    {
        string text => change(text),
        JsonNode node => Map(node, change),
        IReadOnlyDictionary<string, object?> named => named.ToDictionary(pair => change(pair.Key), pair => Map(pair.Value, change)),
        IEnumerable<object?> list => list.Select(element => Map(element, change)).ToList(),
        _ => value,
    };

    /// <summary>Every text in a value.</summary>
    public static IEnumerable<string> In(object? value)
    {
        var found = new List<string>();
        Map(value, text =>
        {
            found.Add(text);
            return text;
        });
        return found;
    }

    private static JsonNode? Map(JsonNode? node, Func<string, string> change) => node switch
    {
        JsonObject named => new JsonObject(named.Select(pair => KeyValuePair.Create(change(pair.Key), Map(pair.Value, change)))),
        JsonArray list => new JsonArray([.. list.Select(element => Map(element, change))]),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => JsonValue.Create(change(value.GetValue<string>())),
        _ => node?.DeepClone(),
    };
}
