using System.Collections;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Templates;

/// <summary>A model's chat template: Jinja2 as Hugging Face transformers sets it up, in an immutable sandbox.</summary>
/// <remarks>Parsing happens once; rendering is thread-safe and shares nothing between calls. A template reaches nothing but the
/// variables it is given and the clock. Source of the language: Jinja2 3.1, Template Designer Documentation.</remarks>
public sealed class ChatTemplate
{
    private readonly TemplateNode _root;

    private ChatTemplate(string source, TemplateNode root)
    {
        Source = source;
        _root = root;
    }

    /// <summary>The template's text, as it was given.</summary>
    public string Source { get; }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The text, for instance of the GGUF key <c>tokenizer.chat_template</c>.</param>
    /// <param name="limits">Bounds the length of the source here; null: <see cref="TemplateLimits.Default"/>.</param>
    /// <exception cref="TemplateException">The template is malformed, names an unknown filter or test, or is nested too deeply.</exception>
    public static ChatTemplate Parse(string source, TemplateLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        var maximum = (limits ?? TemplateLimits.Default).MaxSourceLength;
        if (source.Length > maximum)
            throw Raise.Limit($"the template has {source.Length} characters; at most {maximum} are possible");
        var root = Parser.Parse(source);
        ScopeAnalyzer.Analyze(root);
        return new ChatTemplate(source, root);
    }

    /// <summary>Renders the template.</summary>
    /// <param name="variables">What the template sees, usually <c>messages</c>, <c>tools</c>, <c>add_generation_prompt</c>,
    /// <c>bos_token</c>, <c>eos_token</c>. Values: null, bool, string, integers, floats, <see cref="JsonNode"/>,
    /// <see cref="JsonElement"/>, and lists and string-keyed dictionaries of these. They are copied, never changed.</param>
    /// <param name="clock">What <c>strftime_now</c> reads, in its local time zone; null: the system's clock.</param>
    /// <param name="limits">What the rendering may take; null: <see cref="TemplateLimits.Default"/>.</param>
    /// <param name="cancellation">Stops the rendering between two steps.</param>
    /// <returns>The prompt's text.</returns>
    /// <exception cref="TemplateException">The template refused (<c>raise_exception</c>), failed, or went beyond a limit.</exception>
    /// <exception cref="ArgumentException">A variable is of a type that templates do not know.</exception>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    public string Render(
        IReadOnlyDictionary<string, object?> variables,
        TimeProvider? clock = null,
        TemplateLimits? limits = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(variables);
        var context = variables.ToDictionary(v => v.Key, v => Convert(v.Value, v.Key));
        return Render(context, clock, limits, cancellation);
    }

    /// <summary>Renders the template with the properties of a JSON object as its variables.</summary>
    /// <remarks>Order of properties is kept, and whether a number was written as an integer or a float.</remarks>
    /// <inheritdoc cref="Render(IReadOnlyDictionary{string, object?}, TimeProvider?, TemplateLimits?, CancellationToken)"/>
    public string Render(JsonElement variables, TimeProvider? clock = null, TemplateLimits? limits = null, CancellationToken cancellation = default)
    {
        if (variables.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"a template's variables are a JSON object, not {variables.ValueKind}", nameof(variables));
        var context = new Dictionary<string, object?>();
        foreach (var property in variables.EnumerateObject())
            context[JsonText.Name(property)] = JsonText.FromElement(property.Value);
        return Render(context, clock, limits, cancellation);
    }

    private string Render(Dictionary<string, object?> context, TimeProvider? clock, TemplateLimits? limits, CancellationToken cancellation)
        => new Interpreter(_root, context, clock ?? TimeProvider.System, limits ?? TemplateLimits.Default, cancellation).Render();

    private static object? Convert(object? value, string path)
    {
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion($"the variable '{path}' is nested too deeply");
        switch (value)
        {
            case null or string or bool or long or double: return value;
            case int or short or byte or sbyte or ushort or uint: return System.Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture);
            case ulong u: return Numbers.Normalize(u);
            case System.Numerics.BigInteger big: return Numbers.Normalize(big);
            case float f: return (double)f;
            case decimal m: return (double)m;
            case JsonElement element: return JsonText.FromElement(element);
            case JsonNode node: return JsonText.FromNode(node);
            case IReadOnlyDictionary<string, object?> map: return ConvertMap(map, path);
            case IDictionary map: return ConvertMap(Entries(map, path), path);
            case IEnumerable list: return new ListValue(list.Cast<object?>().Select(i => Convert(i, path)).ToList());
            default: throw new ArgumentException($"the variable '{path}' holds a {value.GetType()}, which templates do not know");
        }
    }

    private static IEnumerable<KeyValuePair<string, object?>> Entries(IDictionary map, string path)
    {
        foreach (DictionaryEntry entry in map)
        {
            if (entry.Key is not string key)
                throw new ArgumentException($"the variable '{path}' has a key that is no string");
            yield return new(key, entry.Value);
        }
    }

    private static MapValue ConvertMap(IEnumerable<KeyValuePair<string, object?>> items, string path)
    {
        var map = new MapValue();
        foreach (var (key, value) in items)
            map.Set(key, Convert(value, path));
        return map;
    }
}
