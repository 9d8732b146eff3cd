using System.Diagnostics;
using System.Globalization;
using System.Text;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Benchmarking;

/// <summary>What constraints cost a batch, in seconds a step.</summary>
/// <param name="Free">The middle of all measurements with sequences that say anything.</param>
/// <param name="Constrained">The same where half of them each keep to a schema of their own.</param>
/// <param name="Compiling">The same with sequences that say anything while a schema of a mebibyte is made ready.</param>
/// <param name="Compile">Until the first token of that schema's request was there, in seconds.</param>
internal readonly record struct ConstraintCost(double Free, double Constrained, double Compiling, double Compile)
{
    /// <summary>The part by which a step is longer with constraints.</summary>
    public double ConstrainedShare => (Constrained / Free) - 1;

    /// <summary>The part by which a step is longer while a schema is made ready.</summary>
    public double CompilingShare => (Compiling / Free) - 1;
}

/// <summary>Measures steps of a batch with and without constraints, in turn, so that whatever else the machine does meets both.</summary>
internal static class ConstraintBenchmark
{
    // Of the sequence that is watched: until all others have joined it.
    private const int Skipped = 8;

    /// <summary>Runs the measurements.</summary>
    /// <param name="model">Its vocabulary spells JSON; it serves nobody else meanwhile.</param>
    /// <param name="constrained">Sequences that keep to schemas, each to another, beside as many that do not; at least 1.</param>
    /// <param name="tokens">Tokens of each sequence without a schema, which is a step each; at least 16.</param>
    /// <param name="repetitions">Measurements of each kind, after one that is not counted; at least 1.</param>
    /// <param name="cancellationToken">Stops in between.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static async Task<ConstraintCost> RunAsync(ILanguageModel model, int constrained = 8, int tokens = 64, int repetitions = 5, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(constrained, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 2 * Skipped);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        var free = Enumerable.Range(0, constrained).Select(i => Request(model, i, tokens, null)).ToList();
        var more = Enumerable.Range(constrained, constrained).Select(i => Request(model, i, tokens, null)).ToList();

        // What is forced is taken beside a step, so that these would end before the others did.
        var kept = Enumerable.Range(constrained, constrained).Select(i => Request(model, i, 8 * tokens, Constraint.JsonSchema(EndlessSchema(i)))).ToList();
        var (steps, constrainedSteps, compilingSteps, compiles) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i <= repetitions; i++)
        {
            var step = await StepAsync(model, [.. free, .. more], cancellationToken).ConfigureAwait(false);
            var constrainedStep = await StepAsync(model, [.. free, .. kept], cancellationToken).ConfigureAwait(false);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var compile = CompileAsync(model, i, stop.Token);
            var compilingStep = await StepAsync(model, [.. free, .. more], cancellationToken).ConfigureAwait(false);
            var compileSeconds = await compile.ConfigureAwait(false);
            if (i > 0)
            {
                steps.Add(step);
                constrainedSteps.Add(constrainedStep);
                compilingSteps.Add(compilingStep);
                compiles.Add(compileSeconds);
            }
        }

        return new ConstraintCost(Middle(steps), Middle(constrainedSteps), Middle(compilingSteps), Middle(compiles));
    }

    private static GenerationRequest Request(ILanguageModel model, int number, int tokens, Constraint? constraint) => new()
    {
        Prompt = model.Tokenize(string.Create(CultureInfo.InvariantCulture, $"Sequence {number}: ")),
        Options = new GenerationOptions { MaxTokens = tokens, IgnoreEndOfText = constraint is null, Constraint = constraint, Seed = (ulong)number },
    };

    // Records without end, each schema with names and keywords of its own.
    private static string EndlessSchema(int number) => """
        {"type": "array", "minItems": 100000, "items": {"type": "object", "additionalProperties": false, "required": ["nameN", "size", "kind"], "properties": {
          "nameN": {"type": "string", "maxLength": 2N}, "size": {"type": "integer", "minimum": 0, "maximum": N000},
          "kind": {"enum": ["aN", "bc", "d e"]}, "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,1N}$"},
          "when": {"type": "string", "format": "date-time"}, "notes": {"type": "array", "items": {"type": "string"}, "maxItems": 1N}}}}
        """.Replace("N", (number % 9 + 1).ToString(CultureInfo.InvariantCulture) + (number < 9 ? "" : number.ToString(CultureInfo.InvariantCulture)), StringComparison.Ordinal);

    // Of a mebibyte; each another, so that none is known already.
    private static string LargeSchema(int number)
    {
        var schema = new StringBuilder("""{"type": "object", "properties": {""");
        for (var i = 0; schema.Length < 1 << 20; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{number}_{i}");
            schema.Append(i > 0 ? ", " : "").Append("""
                "pN": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^xN[a-z]*$"}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
                """.Replace("N", name, StringComparison.Ordinal));
        }

        return schema.Append("}}").ToString();
    }

    private static async Task<double> CompileAsync(ILanguageModel model, int number, CancellationToken cancellationToken)
    {
        var begin = Stopwatch.GetTimestamp();
        await foreach (var _ in model.GenerateAsync(Request(model, number, 1, Constraint.JsonSchema(LargeSchema(number))), cancellationToken).ConfigureAwait(false))
        {
        }

        return Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    // The seconds of a step while all requests are served: one without a schema has a token each step, and is watched.
    private static async Task<double> StepAsync(ILanguageModel model, List<GenerationRequest> requests, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var others = requests.Skip(1).Select(request => Task.Run(() => DrainAsync(model, request, stop.Token), CancellationToken.None)).ToList();
        var (count, first, last) = (0, 0L, 0L);
        var (from, to) = (0, 0);
        await foreach (var update in model.GenerateAsync(requests[0], cancellationToken).ConfigureAwait(false))
        {
            count += update.TokenIds.Count;
            if (update.TokenIds.Count > 0 && count >= Skipped)
            {
                last = Stopwatch.GetTimestamp();
                to = count;
                (first, from) = first == 0 ? (last, count) : (first, from);
            }
        }

        await stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(others).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(first, last).TotalSeconds / Math.Max(1, to - from);
    }

    private static async Task DrainAsync(ILanguageModel model, GenerationRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var _ in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
            {
            }
        }
        catch (OperationCanceledException)
        {
            // The one that is watched has ended.
        }
    }

    private static double Middle(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
