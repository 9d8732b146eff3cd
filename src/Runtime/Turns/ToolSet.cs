using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Schemas;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Turns;

/// <summary>The tools of one turn, checked: each with the schema that its arguments are held to.</summary>
internal sealed partial class ToolSet
{
    /// <summary>Tools that one turn may offer.</summary>
    public const int MostTools = 1024;

    private const int MostRemembered = 512;

    // Larger ones are checked anew each time: what is remembered must not grow with what callers send.
    private const int LongestRemembered = 16 * 1024;

    // What is too much for the schema engine is taken out of it step by step, at most so often a tool.
    private const int MostLoosened = 64;

    private static readonly Dictionary<(string Schema, bool IsStrict), Checked> s_checked = [];

    private ToolSet(IReadOnlyList<Tool> all, IReadOnlyList<Tool> callable, IReadOnlyList<string> warnings)
    {
        All = all;
        Callable = callable;
        Warnings = warnings;
    }

    /// <summary>Every tool of the chat.</summary>
    public IReadOnlyList<Tool> All { get; }

    /// <summary>Those that may be called in this turn.</summary>
    public IReadOnlyList<Tool> Callable { get; }

    /// <summary>What of their schemas is not enforced.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Reads a turn's tools.</summary>
    /// <exception cref="InvalidRequestException">A tool is malformed, two have one name, no arguments fit a schema, a strict one cannot be enforced, or a choice names none of the tools.</exception>
    public static ToolSet Read(ChatTurnRequest request, CancellationToken cancellationToken)
    {
        var definitions = request.Chat.Tools;
        if (definitions.Count > MostTools)
            throw new InvalidRequestException("Tools", $"must be at most {MostTools}, found {definitions.Count}");
        var tools = new Dictionary<string, Tool>(StringComparer.Ordinal);
        var names = new List<string>();
        for (var i = 0; i < definitions.Count; i++)
        {
            var (name, function) = ReadName(definitions[i], i);
            if (tools.ContainsKey(name))
                throw new InvalidRequestException("Tools", $"hold two tools named '{name}'");
            names.Add(name);
            tools.Add(name, new Tool(name, function));
        }

        if (request.ToolChoice is { Mode: ToolChoiceMode.Required, Allowed: null } && tools.Count == 0)
            throw new InvalidRequestException("ToolChoice", "requires a call, but the chat offers no tools");
        if (request.ToolChoice.Allowed?.FirstOrDefault(name => !tools.ContainsKey(name)) is { } unknown)
            throw new InvalidRequestException("ToolChoice", $"names '{unknown}', which is none of the chat's tools{(names.Count > 0 ? ": " + string.Join(", ", names.Take(20)) : "")}");
        var warnings = new List<string>();
        var callable = new List<Tool>();
        foreach (var name in request.ToolChoice.Allowed?.Distinct() ?? names)
        {
            if (request.ToolChoice.Mode == ToolChoiceMode.None)
                break;
            cancellationToken.ThrowIfCancellationRequested();
            callable.Add(Enforced(tools[name], warnings, cancellationToken));
        }

        return new ToolSet([.. names.Select(name => tools[name])], callable, warnings);
    }

    private static (string Name, JsonObject Function) ReadName(JsonObject? definition, int index)
    {
        if (definition?["type"] is JsonValue type && (type.GetValueKind() != JsonValueKind.String || type.GetValue<string>() != "function"))
            throw new InvalidRequestException($"Tools[{index}]", $"is of type {type.ToJsonString()}; only functions can be called");
        if (definition?["function"] is not JsonObject function || function["name"] is not JsonValue value || value.GetValueKind() != JsonValueKind.String)
            throw new InvalidRequestException($"Tools[{index}]", $"must have the form {{\"type\": \"function\", \"function\": {{\"name\": ...}}}}");
        var name = value.GetValue<string>();
        return NamePattern().IsMatch(name) ? (name, function)
            : throw new InvalidRequestException($"Tools[{index}]", $"is named '{(name.Length > 80 ? name[..80] + "..." : name)}'; a name has 1 to 128 letters, digits, underscores, hyphens, dots, slashes or colons");
    }

    private static Tool Enforced(Tool tool, List<string> warnings, CancellationToken cancellationToken)
    {
        var parameters = tool.Function["parameters"];
        if (parameters is not (null or JsonObject) && !(parameters is JsonValue value && value.GetValueKind() is JsonValueKind.True))
            throw new InvalidRequestException("Tools", $"hold '{tool.Name}', whose parameters must be a JSON schema of an object");
        var isStrict = tool.Function["strict"] is JsonValue strict && strict.GetValueKind() == JsonValueKind.True;
        var found = Check(tool.Name, Closed(parameters as JsonObject), isStrict, cancellationToken);
        warnings.AddRange(found.Warnings.Select(warning => $"the arguments of the tool '{tool.Name}': {warning}"));
        return tool with { Schema = found.Schema, Parameters = found.Parameters };
    }

    // An object of the properties that are named: a function is called with its parameters, unless its schema says that there are others.
    private static string Closed(JsonObject? parameters)
    {
        var schema = (JsonObject?)parameters?.DeepClone() ?? [];
        schema["type"] = "object";
        Close(schema, isRoot: true);
        return schema.ToJsonString();
    }

    private static void Close(JsonNode? node, bool isRoot = false)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        if (node is not JsonObject schema)
            return;
        var isObject = schema["properties"] is JsonObject || (isRoot && !schema.ContainsKey("properties"));
        if (isObject && !Array.Exists(s_opening, schema.ContainsKey))
            schema["additionalProperties"] = false;
        foreach (var group in new[] { "properties", "$defs", "definitions" })
        {
            foreach (var (_, value) in schema[group] as JsonObject ?? [])
                Close(value);
        }

        Close(schema["items"]);
    }

    private static Checked Check(string name, string schema, bool isStrict, CancellationToken cancellationToken)
    {
        if (schema.Length > LongestRemembered)
            return Loosen(name, schema, isStrict, cancellationToken);
        lock (s_checked)
        {
            if (s_checked.TryGetValue((schema, isStrict), out var known))
                return known;
        }

        var result = Loosen(name, schema, isStrict, cancellationToken);
        lock (s_checked)
        {
            if (s_checked.Count >= MostRemembered)
                s_checked.Clear();
            s_checked[(schema, isStrict)] = result;
        }

        return result;
    }

    private static Checked Loosen(string name, string schema, bool isStrict, CancellationToken cancellationToken)
    {
        var warnings = new List<string>();
        for (; ; )
        {
            try
            {
                SchemaCompiler.Compile(schema, JsonLayout.Spaced, ConstraintVocabulary.None, cancellationToken);
                return new Checked(schema, [.. warnings], SchemaCompiler.KindsOfMembers(schema));
            }
            catch (ConstraintException fault)
            {
                if (isStrict || fault.Keyword is not { } keyword || warnings.Count >= MostLoosened || Without(schema, fault.Location, keyword) is not { } looser)
                    throw new InvalidRequestException("Tools", $"hold '{name}', whose parameters cannot be enforced: {fault.Describe()}");
                warnings.Add($"'{keyword}' at '{(fault.Location.Length == 0 ? "/" : fault.Location)}' is not enforced: {fault.Message}");
                schema = looser;
            }
        }
    }

    // The schema without a keyword; null where it is not there.
    private static string? Without(string schema, string location, string keyword)
    {
        var root = JsonNode.Parse(schema);
        var node = root;
        foreach (var part in location.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(part => Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
        {
            var next = node switch
            {
                JsonObject members when part == keyword && members[part] is not JsonObject => members,
                JsonObject members => members[part],
                JsonArray items when int.TryParse(part, System.Globalization.CultureInfo.InvariantCulture, out var index) && index < items.Count => items[index],
                _ => null,
            };
            node = next;
        }

        return node is JsonObject owner && owner.Remove(keyword) ? root!.ToJsonString() : null;
    }

    private sealed record Checked(string Schema, string[] Warnings, IReadOnlyDictionary<string, (bool Strings, bool Others)> Parameters);

    private static readonly string[] s_opening =
        ["additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames", "allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef", "dependentSchemas", "dependencies", "minProperties"];

    [GeneratedRegex(@"^[A-Za-z0-9_.:/-]{1,128}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Function">Its definition as OpenAI's API has it: name, description, parameters.</param>
internal sealed record Tool(string Name, JsonObject Function)
{
    /// <summary>The schema that its arguments are held to.</summary>
    public string Schema { get; init; } = "";

    /// <summary>Of each parameter the kinds of value that its schema allows: strings, others.</summary>
    public IReadOnlyDictionary<string, (bool Strings, bool Others)> Parameters { get; init; } = new Dictionary<string, (bool, bool)>();
}
