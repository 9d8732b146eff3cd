using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth fill MODEL</c>: what may stand where a text has a mask, and the text with the best of it.</summary>
internal static class FillVerb
{
    /// <summary>Texts computed together; results come out after each such group.</summary>
    private const int TextsAtATime = 256;

    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true, hasCache: false);
        var text = new TextArguments();
        var top = new Option<int?>("--top") { Description = "Candidates for each mask (default: 5).", HelpName = "N" };
        top.AtLeast(1);
        var masks = new Option<int?>("--masks") { Description = $"The most masks that a text may have, up to {MaskFiller.MostMasks} (default: {MaskFiller.MostMasks}).", HelpName = "N" };
        masks.AtLeast(1);
        var json = new Option<bool>("--json") { Description = "Print an array of {index, tokens, text, masks}." };
        var command = new Command("fill", "Fill the masks of texts, as \"The [MASK] sat\".") { top, masks, json };
        text.AddTo(command);
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var most = parsed.GetValue(masks) ?? MaskFiller.MostMasks;
            if (most > MaskFiller.MostMasks)
            {
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--masks must be at most {MaskFiller.MostMasks}"));
            }

            var texts = await text.ReadAsync(environment, parsed, cancellationToken);
            var configuration = model.Read(parsed);
            await using var filler = await ModelLoading.Naming(configuration, () => environment.WithProgressAsync(
                configuration.EffectiveId, progress => MaskFiller.LoadAsync(configuration.Path, configuration.ToOptions(), ModelLoading.Adapt(progress), cancellationToken)));
            var count = Math.Min(parsed.GetValue(top) ?? 5, filler.Tokenizer.VocabularySize);
            await WriteAsync(environment.Output, filler, texts, count, most, parsed.GetValue(json), cancellationToken);
            return 0;
        });
        return command;
    }

    private static async Task WriteAsync(TextWriter output, MaskFiller filler, string[] texts, int top, int masks, bool json, CancellationToken cancellationToken)
    {
        for (var done = 0; done < texts.Length; done += TextsAtATime)
        {
            var filled = await filler.FillAsync(texts[done..Math.Min(texts.Length, done + TextsAtATime)], top, masks, cancellationToken);
            for (var i = 0; i < filled.Count; i++)
            {
                if (json)
                {
                    await output.WriteAsync(done + i == 0 ? "[\n" : ",\n");
                    await output.WriteAsync(JsonSerializer.Serialize(ToJson(filled[i], done + i), JsonOutput.Compact));
                    continue;
                }

                await WriteTextAsync(output, filled[i]);
            }
        }

        if (json)
        {
            await output.WriteLineAsync("\n]");
        }
    }

    private static object ToJson(FilledText filled, int index) => new
    {
        index,
        tokens = filled.TokenCount,
        text = filled.Text,
        masks = filled.Masks.Select(mask => new
        {
            position = mask.Position,
            candidates = mask.Candidates.Select(candidate => new { id = candidate.Token, text = candidate.Text, continues_word = candidate.ContinuesWord, probability = candidate.Probability }),
        }),
    };

    private static async Task WriteTextAsync(TextWriter output, FilledText filled)
    {
        await output.WriteLineAsync(filled.Text);
        for (var i = 0; i < filled.Masks.Count; i++)
        {
            foreach (var candidate in filled.Masks[i].Candidates)
            {
                await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"  {i + 1}  {candidate.Probability:0.0000}  {(candidate.ContinuesWord ? "##" : "")}{candidate.Text}"));
            }
        }
    }
}
