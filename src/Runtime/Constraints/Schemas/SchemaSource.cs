using System.Globalization;
using System.Text.Json;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>A schema's text: its subschemas by where they stand, and what its references name.</summary>
internal sealed class SchemaSource
{
    /// <summary>Levels of nesting that a schema may have.</summary>
    public const int MostDepth = 500;

    /// <summary>Bytes of the longest schema.</summary>
    public const int MostBytes = 16 << 20;

    private static readonly Uri s_base = new("schema:///");

    // Keywords below which subschemas stand: at once or in a list, and by names.
    private static readonly HashSet<string> s_subschemas = new(StringComparer.Ordinal)
    {
        "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains",
        "additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema", "extends", "disallow", "type",
    };

    private static readonly HashSet<string> s_namedSubschemas = new(StringComparer.Ordinal)
    {
        "$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependencies",
    };

    private readonly Dictionary<string, SchemaNode> _nodes = new(StringComparer.Ordinal);
    private readonly SchemaResource _root;
    private Dictionary<string, (string Pointer, JsonElement Element)>? _addresses;
    private int _made;

    /// <summary>Reads a schema.</summary>
    /// <exception cref="ConstraintException">It is no JSON, too long, nested too deeply, or neither an object nor a boolean.</exception>
    public SchemaSource(string text)
    {
        if (text.Length > MostBytes)
        {
            throw new ConstraintException($"the schema has {text.Length} characters, but at most {MostBytes} are read");
        }

        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MostDepth, AllowDuplicateProperties = false });
            _root = new SchemaResource(document.RootElement.Clone(), "", BaseOf(document.RootElement, s_base));
        }
        catch (JsonException error)
        {
            throw new ConstraintException($"the schema cannot be read as JSON: {error.Message}", error.LineNumber is { } line ? string.Create(CultureInfo.InvariantCulture, $"line {line + 1}, column {error.BytePositionInLine + 1}") : "");
        }

        Draft = DraftOf(_root.Root);
        Root = NodeOf(_root.Root, "", _root);
    }

    /// <summary>The whole schema.</summary>
    public SchemaNode Root { get; }

    /// <summary>The dialect by <c>$schema</c>: 3, 4, 6, 7, 2019 or 2020 (also where it says nothing known).</summary>
    public int Draft { get; }

    /// <summary>A subschema below another.</summary>
    /// <param name="parent">Where to begin.</param>
    /// <param name="element">The subschema.</param>
    /// <param name="path">Keyword, and name or number, below the parent.</param>
    public SchemaNode Child(SchemaNode parent, JsonElement element, params ReadOnlySpan<string> path)
        => NodeOf(element, Append(parent.Pointer, path), parent.Resource);

    /// <summary>A value below a subschema.</summary>
    public SchemaNode Value(SchemaNode parent, JsonElement element, params ReadOnlySpan<string> path)
    {
        var pointer = Append(parent.Pointer, path);
        var key = "=" + pointer;
        if (!_nodes.TryGetValue(key, out var node))
        {
            _nodes.Add(key, node = new SchemaNode(_made++, element, pointer, parent.Resource, isValue: true));
        }

        return node;
    }

    /// <summary>A node for what a term does not allow.</summary>
    public SchemaNode NegationOf(Term term) => new(_made++, default, term.Pointer, _root, negated: term);

    /// <summary>Finds what a reference names.</summary>
    /// <exception cref="ConstraintException">There is no such subschema here.</exception>
    public SchemaNode Resolve(SchemaNode from, string reference, string keyword)
    {
        var hash = reference.IndexOf('#', StringComparison.Ordinal);
        var (address, fragment) = hash < 0 ? (reference, "") : (reference[..hash], reference[(hash + 1)..]);
        try
        {
            fragment = Uri.UnescapeDataString(fragment);
            var resource = from.Resource;
            if (address.Length > 0)
            {
                var absolute = new Uri(resource.Base, address);
                if (!SameAddress(absolute, resource.Base))
                {
                    resource = Addresses().TryGetValue(Key(absolute), out var found)
                        ? new SchemaResource(found.Element, found.Pointer, absolute)
                        : throw new ConstraintException($"'{keyword}' names '{reference}', which is not part of this schema; other documents are not fetched", from.Pointer, keyword);
                }
            }

            if (fragment.Length == 0)
            {
                return NodeOf(resource.Root, resource.Pointer, resource);
            }

            if (fragment[0] == '/')
            {
                return Walk(resource, fragment) ?? throw Unknown();
            }

            return Addresses().TryGetValue(Key(resource.Base) + "#" + fragment, out var anchor) ? NodeOf(anchor.Element, anchor.Pointer, resource) : throw Unknown();
        }
        catch (UriFormatException)
        {
            throw Unknown();
        }

        ConstraintException Unknown() => new($"'{keyword}' names '{reference}', but there is no such subschema", from.Pointer, keyword);
    }

    /// <summary>Whether an anchor of this kind and name stands in the schema more than once.</summary>
    public bool IsDynamic(string name) => CountDynamic(_root.Root, name) > 1;

    private static int CountDynamic(JsonElement element, string name) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().Sum(member => member.NameEquals("$dynamicAnchor") && member.Value.ValueKind == JsonValueKind.String && member.Value.ValueEquals(name) ? 1 : CountDynamic(member.Value, name)),
        JsonValueKind.Array => element.EnumerateArray().Sum(item => CountDynamic(item, name)),
        _ => 0,
    };

    private static string Append(string pointer, ReadOnlySpan<string> path)
    {
        foreach (var step in path)
        {
            pointer += "/" + step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        }

        return pointer;
    }

    private SchemaNode NodeOf(JsonElement element, string pointer, SchemaResource resource)
    {
        if (_nodes.TryGetValue(pointer, out var known))
        {
            return known;
        }

        if (pointer.Length > 0 && IdOf(element) is { } id && Uri.TryCreate(resource.Base, id, out var address) && !SameAddress(address, resource.Base))
        {
            resource = new SchemaResource(element, pointer, address);
        }

        var node = new SchemaNode(_made++, element, pointer, resource);
        _nodes.Add(pointer, node);
        return node;
    }

    private SchemaNode? Walk(SchemaResource resource, string fragment)
    {
        var (element, pointer) = (resource.Root, resource.Pointer);
        foreach (var step in fragment[1..].Split('/'))
        {
            var name = step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member))
            {
                element = member;
            }
            else if (element.ValueKind == JsonValueKind.Array && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < element.GetArrayLength())
            {
                element = element[index];
            }
            else
            {
                return null;
            }

            pointer = Append(pointer, [name]);
            if (IdOf(element) is { } id && Uri.TryCreate(resource.Base, id, out var address) && !SameAddress(address, resource.Base))
            {
                resource = new SchemaResource(element, pointer, address);
            }
        }

        return NodeOf(element, pointer, resource);
    }

    // An "id" that is a fragment alone names a place; it does not begin a resource.
    private string? IdOf(JsonElement element)
        => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(Draft is 3 or 4 ? "id" : "$id", out var id) && id.ValueKind == JsonValueKind.String
            && id.GetString() is { Length: > 0 } text && text[0] != '#' ? text : null;

    private static Uri BaseOf(JsonElement root, Uri fallback)
    {
        foreach (var name in (ReadOnlySpan<string>)["$id", "id"])
        {
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var id) && id.ValueKind == JsonValueKind.String && Uri.TryCreate(fallback, id.GetString(), out var address))
            {
                return address;
            }
        }

        return fallback;
    }

    private Dictionary<string, (string Pointer, JsonElement Element)> Addresses()
    {
        if (_addresses is null)
        {
            _addresses = new(StringComparer.Ordinal);
            Collect(_root.Root, "", _root.Base);
        }

        return _addresses;
    }

    // What other keywords hold are no subschemas, so an address there names nothing.
    private void Collect(JsonElement element, string pointer, Uri address)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            var index = 0;
            foreach (var item in element.EnumerateArray())
            {
                Collect(item, Append(pointer, [index++.ToString(CultureInfo.InvariantCulture)]), address);
            }
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        if (pointer.Length == 0)
        {
            _addresses!.TryAdd(Key(address), (pointer, element));
        }
        else if (IdOf(element) is { } id && Uri.TryCreate(address, id, out var own))
        {
            address = own;
            _addresses!.TryAdd(Key(address), (pointer, element));
        }

        foreach (var member in element.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.String && member.Value.GetString() is { Length: > 0 } text)
            {
                if (member.Name is "$anchor" or "$dynamicAnchor")
                {
                    _addresses!.TryAdd(Key(address) + "#" + text, (pointer, element));
                }
                else if (member.Name is "id" or "$id" && text[0] == '#' && text.Length > 1)
                {
                    _addresses!.TryAdd(Key(address) + text, (pointer, element));
                }
            }
            else if (s_subschemas.Contains(member.Name))
            {
                Collect(member.Value, Append(pointer, [member.Name]), address);
            }
            else if (s_namedSubschemas.Contains(member.Name) && member.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (var named in member.Value.EnumerateObject())
                {
                    Collect(named.Value, Append(pointer, [member.Name, named.Name]), address);
                }
            }
        }
    }

    private static string Key(Uri address) => address.GetComponents(UriComponents.AbsoluteUri & ~UriComponents.Fragment, UriFormat.UriEscaped);

    private static bool SameAddress(Uri a, Uri b) => Key(a) == Key(b);

    private static int DraftOf(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("$schema", out var name) || name.ValueKind != JsonValueKind.String)
        {
            return 2020;
        }

        var text = name.GetString()!;
        foreach (var (part, draft) in (ReadOnlySpan<(string, int)>)[("draft-03", 3), ("draft-04", 4), ("draft-05", 4), ("draft-06", 6), ("draft-07", 7), ("2019-09", 2019)])
        {
            if (text.Contains(part, StringComparison.Ordinal))
            {
                return draft;
            }
        }

        return text.Contains("json-schema.org", StringComparison.Ordinal)
            ? 2020
            : throw new ConstraintException($"'$schema' names '{text}', a dialect that is not known", keyword: "$schema");
    }
}
