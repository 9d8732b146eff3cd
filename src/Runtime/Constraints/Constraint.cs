using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Constraints;

/// <summary>What a generated text must fit: a JSON schema, any JSON, a grammar, a regular expression or one of some choices.</summary>
/// <remarks>
/// A description only: immutable, compared by content, safe to share. It is checked when a request brings it; what cannot
/// be enforced exactly is refused then, with the place (<see cref="ConstraintException"/>).
/// </remarks>
public sealed record Constraint
{
    private Constraint(ConstraintKind kind, string source)
    {
        Kind = kind;
        Source = source;
    }

    /// <summary>Which language <see cref="Source"/> is written in.</summary>
    public ConstraintKind Kind { get; }

    /// <summary>The schema, grammar or expression; the choices as a JSON array of strings; empty for any JSON.</summary>
    public string Source { get; }

    /// <summary>What the text is composed of; null for every other kind. <see cref="Source"/> describes it whole.</summary>
    internal TextForm? Form { get; private init; }

    /// <summary>White space in JSON; of no meaning to the other kinds.</summary>
    public JsonLayout Layout { get; init; } = JsonLayout.Free;

    /// <summary>A JSON value that is valid under a schema (JSON Schema 2020-12 or an earlier draft by its <c>$schema</c>).</summary>
    /// <param name="schema">The schema, as JSON.</param>
    public static Constraint JsonSchema(string schema) => new(ConstraintKind.JsonSchema, NotNull(schema));

    /// <summary>Any JSON object (what OpenAI calls <c>json_object</c>).</summary>
    public static Constraint JsonObject { get; } = new(ConstraintKind.JsonSchema, """{"type":"object"}""");

    /// <summary>Any JSON value.</summary>
    public static Constraint Json { get; } = new(ConstraintKind.JsonSchema, "true");

    /// <summary>A text of a grammar in llama.cpp's GBNF, from its rule <c>root</c>.</summary>
    public static Constraint Grammar(string gbnf) => new(ConstraintKind.Grammar, NotNull(gbnf));

    /// <summary>A text that an ECMA 262 regular expression matches as a whole.</summary>
    public static Constraint Regex(string pattern) => new(ConstraintKind.Regex, NotNull(pattern));

    /// <summary>One of some texts, character by character.</summary>
    /// <exception cref="ArgumentException">There is no choice.</exception>
    public static Constraint Choices(IEnumerable<string> choices)
    {
        ArgumentNullException.ThrowIfNull(choices);
        string[] all = [.. choices];
        return all.Length > 0
            ? new(ConstraintKind.Choices, new JsonArray([.. all.Select(choice => (JsonNode)JsonValue.Create(choice))]).ToJsonString())
            : throw new ArgumentException("a choice needs at least one text", nameof(choices));
    }

    /// <summary>A text composed of several.</summary>
    internal static Constraint Composed(TextForm form) => new(ConstraintKind.Composed, form.Key) { Form = form };

    /// <inheritdoc/>
    public bool Equals(Constraint? other) => other is not null && Kind == other.Kind && Source == other.Source && Layout == other.Layout;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, Source, Layout);

    /// <summary>The choices as bytes.</summary>
    internal IEnumerable<byte[]> ToChoices() => JsonNode.Parse(Source)!.AsArray().Select(choice => System.Text.Encoding.UTF8.GetBytes(choice!.GetValue<string>()));

    private static string NotNull(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text;
    }
}

/// <summary>The language of a <see cref="Constraint"/>.</summary>
public enum ConstraintKind
{
    /// <summary>JSON Schema.</summary>
    JsonSchema,

    /// <summary>llama.cpp's GBNF.</summary>
    Grammar,

    /// <summary>An ECMA 262 regular expression.</summary>
    Regex,

    /// <summary>A list of texts.</summary>
    Choices,

    /// <summary>Several of the others composed, as answers that may call tools are; the runtime makes them.</summary>
    Composed,
}
