using System.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth inspect MODEL</c>: what a GGUF file says about itself, and what is odd about it; its weights are not read.</summary>
internal static class InspectVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new Argument<string>("MODEL") { Description = "A GGUF file, or the name of one in a model folder." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var tensors = new Option<bool>("--tensors") { Description = "List every tensor." };
        var command = new Command("inspect", "Show a model file's metadata and tensors.") { model, json, tensors };
        command.SetAction(parsed =>
        {
            using var file = GgufFile.Open(ModelLocator.Find(parsed.GetRequiredValue(model)));
            IReadOnlyList<string> warnings = [.. ModelNotes.Of(file), .. ModelTexts.Inspect(file.Metadata)];
            if (parsed.GetValue(json))
            {
                GgufDescription.WriteJson(file, environment.Output, parsed.GetValue(tensors), warnings);
            }
            else
            {
                GgufDescription.WriteText(file, environment.Output, parsed.GetValue(tensors), warnings);
            }

            return 0;
        });
        return command;
    }
}
