using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth classify MODEL</c>: the classes of each text with their scores, by the head that the file has.</summary>
internal static class ClassifyVerb
{
    /// <summary>Texts computed together; results come out after each such group.</summary>
    private const int TextsAtATime = 256;

    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var text = new TextArguments();
        var json = new Option<bool>("--json") { Description = "Print an array of {index, tokens, classes}." };
        var command = new Command("classify", "Tell which class each text is of.") { json };
        text.AddTo(command);
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var texts = await text.ReadAsync(environment, parsed, cancellationToken);
            var loaded = await environment.LoadEmbeddingModelAsync(model.Read(parsed), cancellationToken);
            try
            {
                await WriteAsync(environment.Output, loaded, texts, parsed.GetValue(json), cancellationToken);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, IEmbeddingModel model, string[] texts, bool json, CancellationToken cancellationToken)
    {
        // Everything is checked before the first class goes out.
        var ids = texts.Select((text, i) => TextArguments.Tokenize(model, text, i)).ToList();
        for (var done = 0; done < ids.Count; done += TextsAtATime)
        {
            var group = ids.GetRange(done, Math.Min(TextsAtATime, ids.Count - done));
            var classes = await model.ClassifyAsync(group, cancellationToken);
            for (var i = 0; i < classes.Count; i++)
            {
                if (json)
                {
                    await output.WriteAsync(done + i == 0 ? "[\n" : ",\n");
                    var result = new { index = done + i, tokens = group[i].Count, classes = classes[i].Select(found => new { label = found.Label, score = found.Score }) };
                    await output.WriteAsync(JsonSerializer.Serialize(result, JsonOutput.Compact));
                    continue;
                }

                await output.WriteLineAsync(string.Join('\t', classes[i].Select(found => string.Create(CultureInfo.InvariantCulture, $"{found.Label} {found.Score:0.0000}"))));
            }
        }

        if (json)
        {
            await output.WriteLineAsync("\n]");
        }
    }
}
