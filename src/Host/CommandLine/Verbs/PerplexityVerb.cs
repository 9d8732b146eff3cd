using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Evaluation;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth perplexity MODEL --input F</c>: how well a model predicts a text, by llama-perplexity's definition.</summary>
internal static class PerplexityVerb
{
    private const int DefaultContext = 512;
    private const int LeastContext = 4;

    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var input = new Option<string>("--input") { Description = "The text's file, UTF-8; one line feed at its end does not count.", HelpName = "FILE", Required = true };
        var stride = new Option<int?>("--stride") { Description = "Let chunks overlap: each begins this many tokens after the last, and as many are scored (default: chunks follow one another, the second half of each is scored).", HelpName = "N" };
        var chunks = new Option<int?>("--chunks") { Description = "The most chunks (default: all of the text).", HelpName = "N" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        stride.AtLeast(0);
        chunks.AtLeast(1);
        var command = new Command("perplexity", "Measure how well a model predicts a text.") { input, stride, chunks, json };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var configuration = model.Read(parsed);
            var options = new PerplexityOptions
            {
                Context = configuration.ContextLength ?? DefaultContext,
                Stride = parsed.GetValue(stride) ?? 0,
                Chunks = parsed.GetValue(chunks),
                CacheType = configuration.KeyType ?? CacheType.F16,
            };
            if (options.Context < LeastContext || options.Stride > options.Context - 2)
            {
                throw new UsageException($"--context must be at least {LeastContext}, and --stride at most --context less 2");
            }

            var text = await File.ReadAllTextAsync(parsed.GetRequiredValue(input), new UTF8Encoding(false), cancellationToken);
            // A stride makes chunks longer by half of it.
            var loaded = await environment.LoadOwnModelAsync(configuration with { MaxSequences = 1, ContextLength = options.Context + (options.Stride / 2) }, "perplexity", cancellationToken);
            try
            {
                await Task.Run(() => Measure(loaded, text.EndsWith('\n') ? text[..^1] : text, options, parsed.GetValue(json), environment.Output, cancellationToken), CancellationToken.None);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static void Measure(LanguageModel model, string text, PerplexityOptions options, bool json, TextWriter output, CancellationToken cancellationToken)
    {
        var estimates = new JsonArray();
        var result = model.MeasurePerplexity(
            text,
            options,
            estimate =>
            {
                if (json)
                {
                    estimates.Add((JsonNode)estimate.Perplexity);
                }
                else
                {
                    output.Write(string.Create(CultureInfo.InvariantCulture, $"[{estimate.Chunks}]{estimate.Perplexity:0.0000},"));
                }
            },
            cancellationToken);
        if (!json)
        {
            output.WriteLine();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"PPL = {result.Perplexity:0.0000} +/- {result.Error:0.00000}  ({result.Chunks} chunks of {options.Context}, {result.TokensScored} tokens scored)"));
            return;
        }

        output.WriteLine(JsonOutput.Write(new JsonObject
        {
            ["perplexity"] = result.Perplexity,
            ["error"] = double.IsFinite(result.Error) ? result.Error : null,
            ["context"] = options.Context,
            ["stride"] = options.Stride,
            ["chunks"] = result.Chunks,
            ["tokens_scored"] = result.TokensScored,
            ["estimates"] = estimates,
        }));
    }
}
