using System.Text;
using System.Text.Json;
using Hearth.Runtime.Constraints;
using Json.Schema;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Random schemas in both directions, judged by JsonSchema.Net: what is written is valid, and what is valid can be written.</summary>
public sealed class RandomSchemaTests
{
    private static readonly int s_count = int.TryParse(Environment.GetEnvironmentVariable("HEARTH_TEST_SCHEMAS"), out var count) ? count : 1500;

    [Fact]
    public void What_is_written_is_valid_and_what_is_valid_can_be_written()
    {
        var tokenizer = WalkVocabularies.OddBytes;
        var compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize);
        var (compiled, written, valid) = (0, 0, 0);
        var faults = new List<string>();
        for (var seed = 0; seed < s_count; seed++)
        {
            var random = new Random(seed);
            var schemas = new RandomSchemas(random);
            var schema = schemas.Root(3);
            var source = schema.ToJsonString();
            var validator = JsonSchema.FromText(source, new BuildOptions { SchemaRegistry = new SchemaRegistry() });
            CompiledConstraint constraint;
            try
            {
                constraint = compiler.Compile(Constraint.JsonSchema(source) with { Layout = WalkConstraints.Layouts[seed % 2] }, TestContext.Current.CancellationToken);
            }
            catch (ConstraintException error)
            {
                // What contradicts itself must have no valid instance.
                if (error.Message.Contains("no value is valid", StringComparison.Ordinal))
                {
                    for (var i = 0; i < 60; i++)
                    {
                        var instance = schemas.Instance(2);
                        if (IsValid(validator, instance?.ToJsonString() ?? "null"))
                        {
                            faults.Add($"seed {seed}: {source} is refused as contradictory, but {instance?.ToJsonString() ?? "null"} is valid");
                            break;
                        }
                    }
                }

                continue;
            }

            compiled++;
            for (var i = 0; i < 6; i++)
            {
                if (Generate(constraint, random, source) is not { } bytes)
                {
                    continue;
                }

                var text = Encoding.UTF8.GetString(bytes);
                using var document = Parse(text, source);
                if (document is null)
                {
                    faults.Add($"seed {seed}: {source} let through {text}, which is no JSON");
                }
                else if (!SchemaVerdict.IsOdd(source, document.RootElement))
                {
                    written++;
                    if (!IsValid(validator, text))
                    {
                        faults.Add($"seed {seed}: {source} let through {text}");
                        break;
                    }
                }
            }

            for (var i = 0; i < 30; i++)
            {
                var instance = schemas.Instance(2);
                var isValid = IsValid(validator, instance?.ToJsonString() ?? "null");
                valid += isValid ? 1 : 0;
                var isAccepted = RandomSchemas.Orders(instance, 200).Any(text => RandomWalk.Accepts(constraint, text));
                if (isValid != isAccepted)
                {
                    faults.Add($"seed {seed}: {source} {(isValid ? "refuses" : "accepts")} {instance?.ToJsonString() ?? "null"}");
                    break;
                }
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{compiled} schemas of {s_count}, {written} texts written, {valid} valid instances");
        Assert.True(faults.Count == 0, $"{faults.Count} faults\n" + string.Join('\n', faults.OrderBy(fault => fault.Length).Take(25)));
        Assert.True(compiled > s_count / 2 && written > s_count && valid > s_count, $"{compiled} schemas, {written} texts, {valid} instances");
    }

    private static byte[]? Generate(CompiledConstraint constraint, Random random, string source)
    {
        try
        {
            return RandomWalk.Generate(constraint, random, 300);
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{source}: {error.Message}", error);
        }
    }

    private static JsonDocument? Parse(string text, string source)
    {
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 400 });
        }
        catch (JsonException error)
        {
            Assert.False(error.Message.Contains("depth", StringComparison.OrdinalIgnoreCase), source);
            return null;
        }
    }

    private static bool IsValid(JsonSchema validator, string text)
    {
        using var document = JsonDocument.Parse(text);
        return validator.Evaluate(document.RootElement, new EvaluationOptions { OutputFormat = OutputFormat.Flag }).IsValid;
    }
}
