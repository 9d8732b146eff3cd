using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.CommandLine;

/// <summary>Walks texts through the masks of constraints and takes the time of each mask.</summary>
internal sealed class ConstraintRunner
{
    private const int WarmUps = 40;

    // Each keyword takes code of its own.
    private static readonly (string Schema, string Text)[] s_warmUps =
    [
        (
            """{"type": "object", "properties": {"NAME": {"type": "string", "maxLength": 9, "pattern": "^[a-z]+$"}, "b": {"type": "integer", "minimum": 0, "maximum": 1000} }, "required": ["NAME"]}""",
            """{"NAME": "hello", "b": 12, "c": [1, 2.5, null, "d\n"], "e": [{"f": true}]}"""),
        (
            """{"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"NAME": {"enum": ["x", "yes", 1, 2.5, null]}, "at": {"type": "string", "format": "date-time"}, "to": {"format": "email"}, "all": {"type": "array", "items": {"$ref": "#/$defs/t"}, "minItems": 1, "maxItems": 3}, "of": {"anyOf": [{"type": "number", "exclusiveMinimum": 0.5, "multipleOf": 0.25}, {"const": "none"}]}}, "required": ["NAME"], "additionalProperties": false}}}""",
            """{"NAME": "yes", "at": "2024-05-06T07:08:09Z", "to": "a@example.com", "all": [{"NAME": 2.5, "of": 1.75}, {"NAME": null, "of": "none"}]}"""),
        (
            """{"oneOf": [{"type": "object", "properties": {"kind": {"const": "NAME"}, "set": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}}, "required": ["kind"]}, {"type": "object", "properties": {"kind": {"const": "b"}, "n": {"type": "integer"}}, "patternProperties": {"^x-": {"type": "string", "pattern": "[0-9]{2}"}}, "minProperties": 2, "required": ["kind"]}], "not": {"required": ["no"]}}""",
            """{"kind": "b", "n": 3, "x-long": "on 12 of them", "y": {"z": "\u00e9\u4e2d"}}"""),
        (
            """{"type": "object", "properties": {"NAME": {"type": "array", "contains": {"type": "integer"}, "prefixItems": [{"type": "string", "minLength": 2}]}, "b": {"type": "boolean"}, "c": {"type": "string", "format": "uri"}}, "propertyNames": {"maxLength": 20}, "if": {"properties": {"b": {"const": true}}, "required": ["b"]}, "then": {"required": ["c"]}, "dependentRequired": {"NAME": ["b"]}}""",
            """{"NAME": ["ab", 1, "c"], "b": true, "c": "https://example.com/a?b=c#d", "other": "text, and more text"}"""),
    ];

    private readonly Tokenizer _tokenizer;
    private readonly ConstraintCompiler _compiler;
    private readonly ulong[] _mask;

    public ConstraintRunner(Tokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        // Each case is another: what is kept of the earlier ones would only be moved about by the collector.
        _compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize, mostKept: 0);
        _mask = new ulong[(tokenizer.VocabularySize + 63) / 64];
    }

    /// <summary>How long each mask took, and taking the token after it.</summary>
    public List<double> MaskMicroseconds { get; } = [];

    /// <summary>Has the code compiled and what all constraints share made, so that neither counts as a case's.</summary>
    public void WarmUp()
    {
        // Old objects are then collected beside the work, as they are in a service, which waits between steps.
        GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
        for (var i = 0; i < WarmUps; i++)
        {
            foreach (var (schema, text) in s_warmUps)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"a{i}");
                _ = Run("", () => Constraint.JsonSchema(schema.Replace("NAME", name, StringComparison.Ordinal)), [(true, System.Text.Encoding.UTF8.GetBytes(text.Replace("NAME", name, StringComparison.Ordinal)))]);
            }
        }

        MaskMicroseconds.Clear();
    }

    /// <summary>Runs one case.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="constraint">Gives the constraint, or throws where there is none.</param>
    /// <param name="tests">Texts, and whether each should be accepted.</param>
    public ConstraintCase Run(string name, Func<Constraint> constraint, IEnumerable<(bool? Valid, byte[] Text)> tests)
    {
        var begin = Stopwatch.GetTimestamp();
        try
        {
            var compiled = _compiler.Compile(constraint());
            compiled.Start().FillMask(_mask);
            var microseconds = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
            var before = MaskMicroseconds.Count;
            var results = new List<(bool?, bool, int?)>();
            foreach (var (valid, text) in tests)
            {
                var at = Walk(compiled, text);
                results.Add((valid, at is null, at));
            }

            return new ConstraintCase(name, null, microseconds, results, MaskMicroseconds.Count - before);
        }
        catch (ConstraintException exception)
        {
            var place = exception.Location.Length == 0 ? "" : $"{exception.Location}: ";
            return new ConstraintCase(name, $"{place}{exception.Message}", Stopwatch.GetElapsedTime(begin).TotalMicroseconds, [], 0);
        }
    }

    // The first byte of the token that is not allowed, the text's length where it must not end, or null.
    private int? Walk(CompiledConstraint compiled, byte[] text)
    {
        var walk = compiled.Start();
        var at = 0;
        foreach (var token in _tokenizer.EncodeBehindText(text))
        {
            var begin = Stopwatch.GetTimestamp();
            walk.FillMask(_mask);
            var isAllowed = (_mask[token / 64] >> (token % 64) & 1) != 0 && walk.TryAccept(token);
            MaskMicroseconds.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
            if (!isAllowed)
            {
                return at;
            }

            at += _tokenizer.TokenBytes(token).Length;
        }

        return walk.CanEnd ? null : at;
    }
}
