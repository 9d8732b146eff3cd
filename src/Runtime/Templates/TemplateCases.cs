using System.Text;
using System.Text.Json;

namespace Hearth.Runtime.Templates;

/// <summary>Renders one template for many sets of variables: what <c>hearth template</c> prints.</summary>
public static class TemplateCases
{
    /// <summary>Levels of nesting that the cases may have.</summary>
    private const int MaxDepth = 512;

    /// <summary>Renders each case and reports texts and refusals as JSON.</summary>
    /// <param name="template">The template's text.</param>
    /// <param name="casesJson">An object of cases; each is an object of variables.</param>
    /// <param name="clock">What <c>strftime_now</c> reads, in its local time zone.</param>
    /// <returns><c>{case: {"text": ...}}</c>, or <c>{"error": kind}</c> with <see cref="TemplateException.Kind"/>; indented by one
    /// space, not escaped to ASCII, without a newline at the end.</returns>
    /// <exception cref="JsonException">The cases are no JSON object of objects.</exception>
    public static string RenderJson(string template, string casesJson, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(casesJson);
        using var cases = JsonDocument.Parse(casesJson, new JsonDocumentOptions { MaxDepth = MaxDepth });
        if (cases.RootElement.ValueKind != JsonValueKind.Object)
            throw new JsonException("the cases are not a JSON object");
        var parsed = Parse(template, out var refusal);
        var outcomes = new Dictionary<string, (string Key, string Value)>();
        foreach (var property in cases.RootElement.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Object)
                throw new JsonException("a case is not a JSON object of variables");
            outcomes[Name(property)] = parsed is null ? ("error", refusal) : Outcome(parsed, property.Value, clock);
        }

        return Write(outcomes);
    }

    private static ChatTemplate? Parse(string template, out string refusal)
    {
        refusal = "";
        try
        {
            return ChatTemplate.Parse(template);
        }
        catch (TemplateException e)
        {
            refusal = e.Kind;
            return null;
        }
    }

    private static string Name(JsonProperty property)
    {
        try
        {
            return JsonText.Name(property);
        }
        catch (TemplateException e)
        {
            throw new JsonException(e.Detail, e);
        }
    }

    private static (string Key, string Value) Outcome(ChatTemplate template, JsonElement variables, TimeProvider clock)
    {
        try
        {
            return ("text", template.Render(variables, clock));
        }
        catch (TemplateException e)
        {
            return ("error", e.Kind);
        }
    }

    private static string Write(Dictionary<string, (string Key, string Value)> outcomes)
    {
        if (outcomes.Count == 0)
            return "{}";
        var json = new StringBuilder("{");
        foreach (var (name, (key, value)) in outcomes)
        {
            json.Append(json.Length == 1 ? "\n " : ",\n ");
            JsonText.AppendString(json, name, ascii: false);
            json.Append(": {\n  ");
            JsonText.AppendString(json, key, ascii: false);
            json.Append(": ");
            JsonText.AppendString(json, value, ascii: false);
            json.Append("\n }");
        }

        return json.Append("\n}").ToString();
    }
}
