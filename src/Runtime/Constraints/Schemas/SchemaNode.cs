using System.Text.Json;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>A subschema, or a value or term that stands where one would.</summary>
internal sealed class SchemaNode
{
    public SchemaNode(int id, JsonElement element, string pointer, SchemaResource resource, bool isValue = false, Term? negated = null)
    {
        Id = id;
        Element = element;
        Pointer = pointer;
        Resource = resource;
        IsValue = isValue;
        Negated = negated;
    }

    /// <summary>Orders nodes of one schema by age.</summary>
    public int Id { get; }

    public JsonElement Element { get; }

    /// <summary>Where it stands in the schema, as a JSON pointer (RFC 6901).</summary>
    public string Pointer { get; }

    /// <summary>What its references are relative to.</summary>
    public SchemaResource Resource { get; }

    /// <summary>Whether the element is a value that is meant itself, not a schema.</summary>
    public bool IsValue { get; }

    /// <summary>The term whose complement is meant; null for none.</summary>
    public Term? Negated { get; }

    /// <summary>What it allows, once that was found out.</summary>
    public Shape? Shape { get; set; }

    /// <summary>Whether its shape is being found out.</summary>
    public bool IsOpen { get; set; }
}

/// <summary>A schema with a base address of its own, and what its dialect changes.</summary>
/// <param name="Root">The schema.</param>
/// <param name="Pointer">Where it stands in the whole.</param>
/// <param name="Base">Its address.</param>
internal sealed record SchemaResource(JsonElement Root, string Pointer, Uri Base);

/// <summary>All of some subschemas at once; none of them: anything. Equal terms are one object.</summary>
internal sealed class Term
{
    public Term(int id, SchemaNode[] nodes)
    {
        Id = id;
        Nodes = nodes;
    }

    public int Id { get; }

    /// <summary>By their numbers.</summary>
    public SchemaNode[] Nodes { get; }

    /// <summary>Whether anything is allowed.</summary>
    public bool IsAny => Nodes.Length == 0;

    /// <summary>Where it stands, for errors.</summary>
    public string Pointer => Nodes.Length == 0 ? "" : Nodes[^1].Pointer;

    /// <summary>What it allows, once that was found out.</summary>
    public Shape? Shape { get; set; }

    /// <summary>A subschema that must have been read before it can be found out what the term allows; null: none is known.</summary>
    public SchemaNode? Blocking { get; set; }

    /// <summary>Whether any value is valid, once that was found out.</summary>
    public bool IsInhabited { get; set; }
}
