using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

/// <summary>
/// The assistant's turns in pieces that are worth learning and pieces that are not: where calls are held to the offered
/// tools, punctuation, the rest of a name and the keys that must come are never chosen.
/// </summary>
public static class CallText
{
    private const float Forced = 0.05f, Text = 1, Opening = 1.5f, ToolChoice = 4, KeyChoice = 2, Value = 1.5f;

    public static IEnumerable<Segment> Segments(Turn turn, IReadOnlyList<JsonObject> tools)
    {
        if (turn.Content.Length > 0) yield return new(turn.Content, Text);
        bool isFirst = turn.Content.Length == 0;
        foreach (var call in turn.Calls)
        {
            yield return new((isFirst ? "" : "\n") + "<tool_call>", Opening);
            isFirst = false;
            yield return new("{\"name\": \"", Forced);
            var names = tools.Select(t => t["function"]!["name"]!.GetValue<string>()).ToList();
            foreach (var segment in Name(call.Name, names)) yield return segment;
            yield return new("\", \"arguments\": ", Forced);
            var schema = tools[names.IndexOf(call.Name)]["function"]!["parameters"]!.AsObject();
            foreach (var segment in Arguments(call.Arguments, schema)) yield return segment;
            yield return new("}", Forced);
            yield return new("</tool_call>", Forced);
        }
        yield return new("<|im_end|>", Text);
    }

    // A character of the name is a choice while another offered name agrees so far.
    private static IEnumerable<Segment> Name(string name, List<string> names)
    {
        for (int i = 0; i < name.Length; i++)
        {
            bool isChoice = names.Any(n => n != name && n.AsSpan().StartsWith(name.AsSpan(0, i)) && (n.Length == i || n[i] != name[i]));
            yield return new(name[i].ToString(), isChoice ? ToolChoice : Forced);
        }
    }

    private static IEnumerable<Segment> Arguments(JsonObject arguments, JsonObject schema)
    {
        var properties = schema["properties"]!.AsObject().Select(p => p.Key).ToList();
        var required = (schema["required"] as JsonArray ?? []).Select(r => r!.GetValue<string>()).ToHashSet();
        yield return new("{", Forced);
        int next = 0;
        string before = "";   // the end of the value, which is decided together with what comes behind it
        foreach (var (key, value) in arguments)
        {
            int index = properties.IndexOf(key);
            // An optional one passed over, or this one being optional, makes the key a choice.
            bool isChoice = !required.Contains(properties[next]);
            if (next > 0) yield return new(before.Length > 0 ? before + ", " : ", ", before.Length > 0 || isChoice ? KeyChoice : Value);
            yield return new("\"", isChoice && next == 0 ? KeyChoice : Forced);
            yield return new(key, isChoice ? KeyChoice : Forced);
            yield return new("\": ", Forced);
            string text = PythonJson.Write(value);
            before = text[0] == '"' ? "\"" : "";
            if (before.Length > 0)
            {
                yield return new("\"", Forced);
                yield return new(text[1..^1], Value);
            }
            else yield return new(text, Value);
            next = index + 1;
        }
        bool mayGoOn = next < properties.Count;
        yield return new(before + "}", before.Length > 0 || mayGoOn ? KeyChoice : Value);
    }
}
