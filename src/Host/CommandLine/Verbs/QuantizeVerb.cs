using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Quantization;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth quantize IN OUT TYPE</c>: a model with its matrices in smaller types.</summary>
internal static class QuantizeVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var mixes = string.Join(", ", QuantizationMix.All.Select(mix => mix.Name));
        var types = string.Join(", ", QuantizationMix.Types.Select(type => GgmlTypes.Of(type).Name));
        var input = new Argument<string>("IN") { Description = "A GGUF file, or the name of one in a model folder; of a split model any part." };
        var output = new Argument<string>("OUT") { Description = "The file to write." };
        var mix = new Argument<string>("TYPE") { Description = $"One of {mixes}." };
        var threads = new Option<int?>("--threads") { Description = "Threads (default: one for each processor that this process may use).", HelpName = "N" };
        threads.AtLeast(1);
        var outputType = new Option<string?>("--output-type") { Description = $"The type of the output matrix (default: by TYPE): {types}.", HelpName = "T" };
        var embeddingType = new Option<string?>("--embedding-type") { Description = "The type of the token embeddings (default: by TYPE).", HelpName = "T" };
        var importance = new Option<string?>("--imatrix") { Description = "A GGUF file that tells how much each column matters.", HelpName = "FILE" };
        var pure = new Option<bool>("--pure") { Description = "Give every matrix the same type, without more bits for some." };
        var requantize = new Option<bool>("--requantize") { Description = "Allow tensors that are quantized already, adding error to error." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("quantize", "Write a model with its matrices in smaller types.")
        {
            input, output, mix, threads, outputType, embeddingType, importance, pure, requantize, json,
        };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () =>
            {
                var options = new QuantizationOptions
                {
                    Mix = Named(() => QuantizationMix.Parse(parsed.GetRequiredValue(mix))),
                    OutputType = parsed.GetValue(outputType) is { } last ? Named(() => QuantizationMix.ParseType(last)) : null,
                    EmbeddingType = parsed.GetValue(embeddingType) is { } first ? Named(() => QuantizationMix.ParseType(first)) : null,
                    Pure = parsed.GetValue(pure),
                    AllowRequantize = parsed.GetValue(requantize),
                    Threads = parsed.GetValue(threads),
                    Importance = parsed.GetValue(importance) is { } file ? ImportanceMatrix.Load(file) : null,
                };
                var from = ModelLocator.Find(parsed.GetRequiredValue(input));
                var to = parsed.GetRequiredValue(output);
                Run(environment, from, to, options, parsed.GetValue(json), cancellationToken);
                return 0;
            },
            CancellationToken.None));
        return command;
    }

    private static void Run(CommandEnvironment environment, string from, string to, QuantizationOptions options, bool json, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var progress = environment.ErrorIsPiped ? null : new ByteProgress(environment.Error, "quantizing");
        QuantizationResult result;
        try
        {
            result = ModelQuantizer.Quantize(from, to, options, progress, cancellationToken);
        }
        finally
        {
            progress?.Clear();
        }

        if (json)
        {
            environment.Output.WriteLine(JsonOutput.Write(ToJson(from, to, options, result, watch.Elapsed)));
        }
        else
        {
            WriteText(to, options, result, environment.Output);
        }
    }

    /// <summary>A wrong name in the command line is wrong usage.</summary>
    private static T Named<T>(Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (UnsupportedModelException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private static void WriteText(string path, QuantizationOptions options, QuantizationResult result, TextWriter output)
    {
        foreach (var group in result.Tensors.GroupBy(tensor => tensor.To).OrderByDescending(group => group.Count()))
        {
            output.WriteLine(Invariant($"{GgmlTypes.Of(group.Key).Name,-8}{group.Count(),6} tensors"));
        }

        var fallbacks = result.Tensors.Count(tensor => tensor.IsFallback);
        if (fallbacks > 0)
        {
            output.WriteLine(Invariant($"{fallbacks} tensors took another type, since their rows are no multiple of the block of {options.Mix.Name}"));
        }

        output.WriteLine(Invariant($"{path}: {result.InputBytes / 1048576.0:0.0} MiB to {result.OutputBytes / 1048576.0:0.0} MiB, {result.BitsPerWeight:0.00} bits a weight"));
    }

    private static JsonObject ToJson(string from, string to, QuantizationOptions options, QuantizationResult result, TimeSpan elapsed) => new()
    {
        ["input"] = from,
        ["output"] = to,
        ["type"] = options.Mix.Name,
        ["file_type"] = options.Mix.FileType,
        ["input_bytes"] = result.InputBytes,
        ["output_bytes"] = result.OutputBytes,
        ["bits_per_weight"] = result.BitsPerWeight,
        ["seconds"] = elapsed.TotalSeconds,
        ["tensors"] = new JsonArray([.. result.Tensors.Select(ToJson)]),
    };

    private static JsonObject ToJson(QuantizedTensor tensor) => new()
    {
        ["name"] = tensor.Name,
        ["shape"] = new JsonArray([.. tensor.Shape.Select(extent => JsonValue.Create(extent))]),
        ["from"] = GgmlTypes.Of(tensor.From).Name,
        ["to"] = GgmlTypes.Of(tensor.To).Name,
        ["fallback"] = tensor.IsFallback,
        ["mean_squared_error"] = tensor.MeanSquaredError,
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
