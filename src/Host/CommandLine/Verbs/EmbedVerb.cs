using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth embed MODEL</c>: a vector for each text, a line each or as JSON.</summary>
internal static class EmbedVerb
{
    /// <summary>Texts computed together; results come out after each such group.</summary>
    private const int TextsAtATime = 256;

    private static readonly string[] PoolingNames = [.. Enum.GetNames<PoolingName>().Select(name => name.ToLowerInvariant())];

    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var text = new TextArguments();
        var pooling = new Option<string?>("--pooling") { Description = $"How tokens become one vector: {string.Join(", ", PoolingNames)} (default: as the file says).", HelpName = "KIND" };
        pooling.OneOf(PoolingNames);
        var raw = new Option<bool>("--no-normalize") { Description = "Leave vectors as the model computes them; otherwise they have length 1." };
        var json = new Option<bool>("--json") { Description = "Print an array of {index, tokens, embedding}." };
        var command = new Command("embed", "Turn texts into vectors.") { pooling, raw, json };
        text.AddTo(command);
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var texts = await text.ReadAsync(environment, parsed, cancellationToken);
            var configuration = model.Read(parsed) with { Pooling = parsed.GetValue(pooling) is { } name ? Enum.Parse<PoolingName>(name, ignoreCase: true) : null };
            var loaded = await environment.LoadEmbeddingModelAsync(configuration, cancellationToken);
            try
            {
                await WriteAsync(environment.Output, loaded, texts, !parsed.GetValue(raw), parsed.GetValue(json), cancellationToken);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, IEmbeddingModel model, string[] texts, bool normalize, bool json, CancellationToken cancellationToken)
    {
        // Everything is checked before the first vector goes out.
        var ids = texts.Select((text, i) => TextArguments.Tokenize(model, text, i)).ToList();
        var isFirst = true;
        for (var done = 0; done < ids.Count; done += TextsAtATime)
        {
            var group = ids.GetRange(done, Math.Min(TextsAtATime, ids.Count - done));
            var vectors = await model.EmbedAsync(group, normalize, cancellationToken);
            for (var i = 0; i < vectors.Count; i++)
            {
                if (!json)
                {
                    await output.WriteLineAsync(string.Join(' ', vectors[i].Select(value => value.ToString("R", CultureInfo.InvariantCulture))));
                    continue;
                }

                await output.WriteAsync(isFirst ? "[\n" : ",\n");
                await output.WriteAsync(JsonSerializer.Serialize(new { index = done + i, tokens = group[i].Count, embedding = vectors[i] }));
                isFirst = false;
            }
        }

        if (json)
        {
            await output.WriteLineAsync("\n]");
        }
    }
}
