using System.Text.Encodings.Web;
using System.Text.Json;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>The JSON Schema organisation's test suite for 2020-12: each instance is told right, or the schema is refused.</summary>
public sealed class SchemaSuiteTests
{
    private static readonly JsonWriterOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Instances that are told otherwise than the suite says, by file and case, each with its reason.
    private static readonly Dictionary<string, string> s_exceptions = new(StringComparer.Ordinal)
    {
        ["allOf.json | allOf | allOf"] = "members come in the order in which the schema defines them",
        ["allOf.json | allOf with base schema | valid"] = "members come in the order in which the schema defines them",
        ["const.json | const with object | same object with different property order is valid"] = "members come in the order in which the schema defines them",
        ["format.json | "] = "formats are asserted here",
        ["optional/format/ecmascript-regex.json | ECMA 262 named groups and backreferences are valid"] = "expressions with names are not written",
        ["optional/format/hostname.json | validation of A-label (punycode) host names"] = "whether an A-label is valid takes the tables of IDNA, so none is written",
    };

    [Fact]
    public void Each_instance_is_told_right_or_the_schema_is_refused()
    {
        var folder = SharedFolder.Require("assets", "json-schema-test-suite", "draft2020-12");
        var compiler = new ConstraintCompiler(WalkVocabularies.OddBytes, WalkVocabularies.OddBytes.VocabularySize);
        var wrong = new List<string>();
        var (cases, refused, told, met) = (0, 0, 0, new HashSet<string>());
        foreach (var path in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var file = Path.GetRelativePath(folder, path).Replace('\\', '/');
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            foreach (var one in document.RootElement.EnumerateArray())
            {
                cases++;
                CompiledConstraint compiled;
                try
                {
                    compiled = compiler.Compile(Constraint.JsonSchema(one.GetProperty("schema").GetRawText()));
                }
                catch (ConstraintException)
                {
                    refused++;
                    continue;
                }

                foreach (var test in one.GetProperty("tests").EnumerateArray())
                {
                    told++;
                    var name = $"{file} | {one.GetProperty("description").GetString()} | {test.GetProperty("description").GetString()}";
                    var isValid = test.GetProperty("valid").GetBoolean();
                    var text = Write(test.GetProperty("data"));
                    if (RandomWalk.Accepts(compiled, text) == isValid)
                    {
                        continue;
                    }

                    var key = s_exceptions.Keys.FirstOrDefault(prefix => name.StartsWith(prefix, StringComparison.Ordinal));
                    if (key is not null)
                    {
                        met.Add(key);
                    }
                    else
                    {
                        wrong.Add($"{name}: {text} should be {(isValid ? "valid" : "invalid")}");
                    }
                }
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{cases} schemas, {refused} refused; {told} instances");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(s_exceptions.Keys.Order(StringComparer.Ordinal), met.Order(StringComparer.Ordinal));
        Assert.InRange(refused, 0, 126);
    }

    private static string Write(JsonElement element)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, s_plain))
        {
            element.WriteTo(writer);
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
