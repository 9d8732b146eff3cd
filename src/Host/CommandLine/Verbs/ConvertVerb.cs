using System.CommandLine;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth convert DIR OUT</c>: the folder of a Hugging Face model becomes a GGUF file.</summary>
internal static class ConvertVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var types = ModelConverter.Types.Select(type => GgmlTypes.Of(type).Name).ToArray();
        var folder = new Argument<string>("DIR") { Description = "A folder with config.json, safetensors and tokenizer files." };
        var output = new Argument<string>("OUT") { Description = "The GGUF file to write." };
        var type = new Option<string?>("--type") { Description = $"How matrices are stored: {string.Join(", ", types)} (default: as the folder's are).", HelpName = "TYPE" };
        type.OneOf(types);
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("convert", "Turn a Hugging Face model into GGUF.") { folder, output, type, json };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () =>
            {
                GgmlType? chosen = GgmlTypes.TryParse(parsed.GetValue(type), out var info) ? info.Type : null;
                var progress = environment.ErrorIsPiped ? null : new ByteProgress(environment.Error, "converting");
                try
                {
                    var result = ModelConverter.Convert(parsed.GetRequiredValue(folder), parsed.GetRequiredValue(output), chosen, progress, cancellationToken);
                    progress?.Clear();
                    Report(result, parsed.GetRequiredValue(output), parsed.GetValue(json), environment);
                }
                catch
                {
                    progress?.Clear();
                    throw;
                }

                return 0;
            },
            CancellationToken.None));
        return command;
    }

    private static void Report(ConversionResult result, string output, bool json, CommandEnvironment environment)
    {
        if (json)
        {
            environment.Output.WriteLine(JsonOutput.Write(new JsonObject
            {
                ["output"] = output,
                ["architecture"] = result.Architecture,
                ["type"] = GgmlTypes.Of(result.Type).Name,
                ["tensors"] = result.Tensors,
                ["bytes"] = result.Bytes,
                ["tokenizer"] = result.Tokenizer,
                ["notes"] = new JsonArray([.. result.Notes.Select(note => (JsonNode)note)]),
            }));
            return;
        }

        foreach (var note in result.Notes)
        {
            environment.Error.WriteLine($"hearth: note: {note}");
        }

        environment.Output.WriteLine(FormattableString.Invariant($"{output}: {result.Architecture}, {result.Tensors} tensors, {GgmlTypes.Of(result.Type).Name}, tokenizer {result.Tokenizer}, {result.Bytes / 1048576.0:0.0} MiB"));
    }
}
