using System.Diagnostics;
using System.Globalization;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.CommandLine;

/// <summary>Walks texts through the masks of constraints and takes the time of each mask.</summary>
internal sealed class ConstraintRunner
{
    private const int WarmUps = 50;

    private readonly Tokenizer _tokenizer;
    private readonly ConstraintCompiler _compiler;
    private readonly ulong[] _mask;

    public ConstraintRunner(Tokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        _compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize);
        _mask = new ulong[(tokenizer.VocabularySize + 63) / 64];
    }

    /// <summary>How long each mask took, and taking the token after it.</summary>
    public List<double> MaskMicroseconds { get; } = [];

    /// <summary>Has the code compiled and what all constraints share made, so that neither counts as a case's.</summary>
    public void WarmUp()
    {
        for (var i = 0; i < WarmUps; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"a{i}");
            var schema = $$"""{"type": "object", "properties": {"{{name}}": {"type": "string", "maxLength": 9, "pattern": "^[a-z]+$"}, "b": {"type": "integer", "minimum": 0, "maximum": 1000} }, "required": ["{{name}}"]}""";
            _ = Run("", () => Constraint.JsonSchema(schema), [(true, System.Text.Encoding.UTF8.GetBytes($$"""{"{{name}}": "hello", "b": 12, "c": [1, 2.5, null, "d\n"], "e": [{"f": true}]}"""))]);
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
