using System.CommandLine;
using System.Text;
using System.Text.Json;
using Hearth.Host.Service;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth constrain MODEL --cases FILE-OR-FOLDER</c>: walks texts through the masks of constraints, on one thread.</summary>
internal static class ConstrainVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new Argument<string>("MODEL") { Description = "A GGUF file with a vocabulary (weights are not needed), or the name of one in a model folder." };
        var cases = new Option<string?>("--cases") { Description = "JSON files of schemas with instances: {\"schema\": ..., \"tests\": [{\"valid\": true, \"data\": ...}]}, or arrays of these.", HelpName = "FILE-OR-FOLDER" };
        var input = new Option<string?>("--input") { Description = "Texts for --schema, --grammar or --regex: a line each, or ended by NUL.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "A line of JSON for each case, and one for all." };
        var constraint = new ConstraintArguments();
        var command = new Command("constrain", "Check which texts a constraint allows, and what its masks cost.") { model, cases, input, json };
        constraint.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var single = await constraint.ReadAsync(parsed, cancellationToken);
            var folder = parsed.GetValue(cases);
            if ((single is null) == (folder is null))
            {
                throw new UsageException("constrain needs --cases, or one of --schema, --grammar and --regex");
            }

            if (folder is not null && parsed.GetValue(input) is not null)
            {
                throw new UsageException("--input is for --schema, --grammar and --regex; --cases have texts of their own");
            }

            Tokenizer tokenizer;
            using (var file = GgufFile.Open(ModelLocator.Find(parsed.GetRequiredValue(model))))
            {
                tokenizer = Tokenizer.FromMetadata(file.Metadata);
            }

            var runner = new ConstraintRunner(tokenizer);
            runner.WarmUp();
            var report = new ConstraintReport(environment.Output, parsed.GetValue(json));
            if (single is not null)
            {
                var texts = Split(await environment.ReadAllAsync(parsed.GetValue(input), cancellationToken));
                report.Add(runner.Run("input", () => single, texts.Select(text => (Valid: (bool?)null, Text: text))));
            }
            else
            {
                foreach (var path in FilesOf(folder!))
                {
                    foreach (var one in ReadCases(path))
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        report.Add(runner.Run(one.Name, one.Constraint, one.Tests));
                    }
                }
            }

            report.Finish(runner);
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> FilesOf(string path)
        => Directory.Exists(path) ? Directory.GetFiles(path, "*.json").Order(StringComparer.Ordinal)
            : File.Exists(path) ? [path]
            : throw new HearthException($"'{path}' is neither a file nor a folder");

    private static List<byte[]> Split(byte[] bytes)
    {
        var separator = Array.IndexOf(bytes, (byte)0) >= 0 ? (byte)0 : (byte)'\n';
        var texts = new List<byte[]>();
        for (var rest = bytes.AsSpan(); !rest.IsEmpty;)
        {
            var end = rest.IndexOf(separator);
            var text = end < 0 ? rest : rest[..end];
            texts.Add(separator == '\n' && text is [.., (byte)'\r'] ? text[..^1].ToArray() : text.ToArray());
            rest = end < 0 ? [] : rest[(end + 1)..];
        }

        return texts;
    }

    private static IEnumerable<(string Name, Func<Constraint> Constraint, List<(bool? Valid, byte[] Text)> Tests)> ReadCases(string path)
    {
        var name = Path.GetFileName(path);
        JsonDocument? document = null;
        string? fault = null;
        try
        {
            document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 4096 });
        }
        catch (JsonException exception)
        {
            fault = exception.Message;
        }

        if (document is null)
        {
            yield return (name, () => throw new ConstraintException($"the file cannot be read as JSON: {fault}"), []);
            yield break;
        }

        using (document)
        {
            foreach (var one in document.RootElement.ValueKind == JsonValueKind.Array ? document.RootElement.EnumerateArray().AsEnumerable() : [document.RootElement])
            {
                var title = document.RootElement.ValueKind == JsonValueKind.Array && one.ValueKind == JsonValueKind.Object && one.TryGetProperty("description", out var description) ? $"{name}/{description}" : name;
                if (one.ValueKind != JsonValueKind.Object || !one.TryGetProperty("schema", out var schema))
                {
                    yield return (title, () => throw new ConstraintException("the case has no \"schema\""), []);
                    continue;
                }

                var source = schema.GetRawText();
                Func<Constraint> constraint = () => Constraint.JsonSchema(source);
                List<(bool? Valid, byte[] Text)> tests = [];
                try
                {
                    tests = ReadTests(one);
                }
                catch (ConstraintException error)
                {
                    constraint = () => throw error;
                }

                yield return (title, constraint, tests);
            }
        }
    }

    private static List<(bool? Valid, byte[] Text)> ReadTests(JsonElement one)
    {
        var tests = new List<(bool?, byte[])>();
        if (one.TryGetProperty("tests", out var list) && list.ValueKind == JsonValueKind.Array)
        {
            foreach (var test in list.EnumerateArray())
            {
                if (test.ValueKind == JsonValueKind.Object && test.TryGetProperty("data", out var data))
                {
                    bool? valid = test.TryGetProperty("valid", out var said) && said.ValueKind is JsonValueKind.True or JsonValueKind.False ? said.ValueKind == JsonValueKind.True : null;
                    var text = new List<byte>();
                    Write(data, text);
                    tests.Add((valid, [.. text]));
                }
            }
        }

        return tests;
    }

    // As it stands, with ", " and ": ": numbers as they are written, strings in their shortest spelling.
    private static void Write(JsonElement value, List<byte> text)
    {
        var first = true;
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Add((byte)'{');
                foreach (var member in value.EnumerateObject())
                {
                    text.AddRange(first ? [] : ", "u8);
                    first = false;
                    text.AddRange(JsonText.Quote(NameOf(member)));
                    text.AddRange(": "u8);
                    Write(member.Value, text);
                }

                text.Add((byte)'}');
                break;
            case JsonValueKind.Array:
                text.Add((byte)'[');
                foreach (var item in value.EnumerateArray())
                {
                    text.AddRange(first ? [] : ", "u8);
                    first = false;
                    Write(item, text);
                }

                text.Add((byte)']');
                break;
            case JsonValueKind.String:
                // Half of a surrogate pair has no UTF-8: such a string goes as it is escaped in the file.
                var raw = value.GetRawText();
                text.AddRange(TryGetString(value, out var content) ? JsonText.Quote(content) : Encoding.UTF8.GetBytes(raw));
                break;
            default:
                text.AddRange(Encoding.UTF8.GetBytes(value.GetRawText()));
                break;
        }
    }

    private static string NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintException("the name of a member holds half of a surrogate pair");
        }
    }

    private static bool TryGetString(JsonElement value, out string content)
    {
        try
        {
            content = value.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            content = "";
            return false;
        }
    }
}
