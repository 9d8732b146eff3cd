using System.Globalization;
using System.Text.Json.Nodes;

namespace Hearth.Host.CommandLine;

/// <summary>What came of one case.</summary>
/// <param name="Name">Its file, and its description where a file has several.</param>
/// <param name="Reason">Why the constraint is not supported; null where it is.</param>
/// <param name="CompileMicroseconds">Until its first mask was there.</param>
/// <param name="Tests">Of each text whether it should be accepted (null: not said), whether it was, and the first byte of the token that was not.</param>
/// <param name="Masks">Masks that were computed.</param>
internal sealed record ConstraintCase(string Name, string? Reason, double CompileMicroseconds, List<(bool? Valid, bool Accepted, int? RefusedAt)> Tests, int Masks);

/// <summary>Prints the cases as they come, and what they cost together.</summary>
internal sealed class ConstraintReport(TextWriter output, bool isJson)
{
    private int _cases;
    private int _supported;
    private int _right;
    private readonly List<double> _compiles = [];

    public void Add(ConstraintCase one)
    {
        _cases++;
        var wrong = one.Tests.Count(static test => test.Valid is { } valid && valid != test.Accepted);
        if (one.Reason is null)
        {
            _supported++;
            _right += wrong == 0 ? 1 : 0;
            _compiles.Add(one.CompileMicroseconds);
        }

        if (isJson)
        {
            output.WriteLine(ToJson(one).ToJsonString(JsonOutput.Compact));
        }
        else if (one.Reason is not null)
        {
            output.WriteLine($"{one.Name}: not supported: {one.Reason}");
        }
        else
        {
            for (var i = 0; i < one.Tests.Count; i++)
            {
                var (valid, accepted, at) = one.Tests[i];
                if (valid is null || valid != accepted)
                {
                    output.WriteLine($"{one.Name}: text {i + 1} is {(accepted ? "accepted" : $"refused at byte {at}")}{(valid is null ? "" : accepted ? ", but is not valid" : ", but is valid")}");
                }
            }
        }
    }

    public void Finish(ConstraintRunner runner)
    {
        var (compile, mask) = (new Distribution(_compiles), new Distribution(runner.MaskMicroseconds));
        if (isJson)
        {
            output.WriteLine(new JsonObject
            {
                ["cases"] = _cases,
                ["compile_us"] = new JsonObject { ["p50"] = Math.Round(compile.At(0.5), 1), ["p99"] = Math.Round(compile.At(0.99), 1), ["max"] = Math.Round(compile.At(1), 1) },
                ["mask_us"] = new JsonObject { ["mean"] = Math.Round(mask.Mean, 1), ["p50"] = Math.Round(mask.At(0.5), 1), ["p99"] = Math.Round(mask.At(0.99), 1), ["max"] = Math.Round(mask.At(1), 1) },
            }.ToJsonString(JsonOutput.Compact));
            return;
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_cases} cases: {_supported} supported, {_right} of them right in every text"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"until the first mask: half within {compile.At(0.5):F0} us, 99 of 100 within {compile.At(0.99):F0}, all within {compile.At(1):F0}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{runner.MaskMicroseconds.Count} masks: {mask.Mean:F1} us in the mean, half within {mask.At(0.5):F1}, 99 of 100 within {mask.At(0.99):F0}, all within {mask.At(1):F0}"));
    }

    private static JsonObject ToJson(ConstraintCase one) => new()
    {
        ["case"] = one.Name,
        ["supported"] = one.Reason is null,
        ["reason"] = one.Reason,
        ["compile_us"] = Math.Round(one.CompileMicroseconds, 1),
        ["tests"] = new JsonArray([.. one.Tests.Select(test => (JsonNode)new JsonObject { ["valid"] = test.Valid, ["accepted"] = test.Accepted, ["refused_at"] = test.RefusedAt })]),
        ["masks"] = one.Masks,
    };

    private sealed class Distribution
    {
        private readonly double[] _sorted;

        public Distribution(List<double> values)
        {
            _sorted = [.. values.Order()];
            Mean = _sorted.Length == 0 ? 0 : _sorted.Average();
        }

        public double Mean { get; }

        public double At(double share) => _sorted.Length == 0 ? 0 : _sorted[Math.Min(_sorted.Length - 1, (int)(share * _sorted.Length))];
    }
}
