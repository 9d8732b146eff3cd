using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Benchmarking;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Interop;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth bench MODEL</c>: rates of prompt and generation beside the machine's limits, arithmetic and read bandwidth.</summary>
internal static class BenchVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var prompt = Number("--prompt", "Prompt tokens read at once; 0: not measured (default: 512).", 0);
        var generate = Number("--generate", "Tokens generated one by one; 0: not measured (default: 64).", 0);
        var depth = Number("--depth", "Tokens that are in the cache beforehand (default: 0).", 0);
        var sequences = Number("--sequences", "Sequences that generate together (default: 1).", 1);
        var repetitions = Number("--repetitions", "Measurements of each kind, after one that is not counted (default: 5).", 1);
        var constraints = Number("--constraints", "Instead: the steps of a batch of N sequences that each keep to a schema beside N that do not, against 2 N that do not.", 1);
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("bench", "Measure a model's speed.") { prompt, generate, depth, sequences, repetitions, constraints, json };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var defaults = new BenchmarkOptions();
            var options = new BenchmarkOptions
            {
                PromptTokens = parsed.GetValue(prompt) ?? defaults.PromptTokens,
                GeneratedTokens = parsed.GetValue(generate) ?? defaults.GeneratedTokens,
                Depth = parsed.GetValue(depth) ?? defaults.Depth,
                Sequences = parsed.GetValue(sequences) ?? defaults.Sequences,
                Repetitions = parsed.GetValue(repetitions) ?? defaults.Repetitions,
            };
            var configuration = model.Read(parsed);
            if (parsed.GetValue(constraints) is { } constrained)
            {
                if ((parsed.GetValue(prompt) ?? parsed.GetValue(depth) ?? parsed.GetValue(sequences)) is not null || options.GeneratedTokens < 16)
                {
                    throw new UsageException("--constraints has sequences of its own: it goes with --generate of 16 or more and --repetitions, not with --prompt, --depth and --sequences");
                }

                var loaded = await environment.LoadModelAsync(configuration with { MaxSequences = configuration.MaxSequences ?? ((2 * constrained) + 1) }, cancellationToken);
                try
                {
                    var cost = await ConstraintBenchmark.RunAsync(loaded, constrained, options.GeneratedTokens, options.Repetitions, cancellationToken);
                    WriteConstraints(cost, constrained, parsed.GetValue(json), environment.Output);
                    return 0;
                }
                finally
                {
                    await loaded.DisposeModelAsync();
                }
            }

            if (!ModelEngines.IsOwn(configuration.Engine))
            {
                await MeasureOtherAsync(environment, configuration, options, parsed.GetValue(json), cancellationToken);
                return 0;
            }

            var result = await environment.WithProgressAsync(configuration.EffectiveId, progress => ModelLoading.Naming(
                configuration, () => Task.Run(
                    () => ModelBenchmark.Run(configuration.Path, configuration.ToOptions(), options, ModelLoading.Adapt(progress), cancellationToken), CancellationToken.None)));
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(JsonOutput.Write(ToJson(configuration.Path, configuration.Threads, options, result)));
            }
            else
            {
                WriteText(options, result, environment.Output);
            }

            return 0;
        });
        return command;
    }

    // Of another engine only what requests see is known: its rates, not the machine's limits and its memory.
    private static async Task MeasureOtherAsync(CommandEnvironment environment, ModelConfiguration configuration, BenchmarkOptions options, bool asJson, CancellationToken cancellationToken)
    {
        var perSequence = options.Depth + Math.Max(options.PromptTokens, options.GeneratedTokens) + 2;
        var loaded = await environment.LoadModelAsync(
            configuration with
            {
                PrefixCaching = false,
                MaxSequences = configuration.MaxSequences ?? options.Sequences,
                ContextLength = configuration.ContextLength ?? perSequence,
                CacheTokens = configuration.CacheTokens ?? (options.Sequences * (perSequence + 32)),
            },
            cancellationToken);
        try
        {
            var rates = await RequestBenchmark.RunAsync(loaded, options, cancellationToken);
            if (asJson)
            {
                environment.Output.WriteLine(JsonOutput.Write(new JsonObject
                {
                    ["model"] = configuration.Path,
                    ["engine"] = loaded.Information.Engine,
                    ["backend"] = loaded.Information.Backend,
                    ["prompt_tokens"] = options.PromptTokens,
                    ["generated_tokens"] = options.GeneratedTokens,
                    ["depth"] = options.Depth,
                    ["sequences"] = options.Sequences,
                    ["repetitions"] = options.Repetitions,
                    ["prompt"] = Rate(rates.Prompt),
                    ["generation"] = Rate(rates.Generation),
                }));
                return;
            }

            environment.Output.WriteLine($"engine      {loaded.Information.Backend}");
            if (rates.Prompt is { } prompt)
                environment.Output.WriteLine(Invariant($"prompt      {prompt.Median,10:0.00} tok/s  ({prompt.Least:0.00} to {prompt.Most:0.00}; {options.PromptTokens} tokens)"));
            if (rates.Generation is { } generation)
                environment.Output.WriteLine(Invariant($"generation  {generation.Median,10:0.00} tok/s  ({generation.Least:0.00} to {generation.Most:0.00}; {options.Sequences} sequences at depth {options.Depth})"));
        }
        finally
        {
            await loaded.DisposeModelAsync();
        }
    }

    private static void WriteConstraints(ConstraintCost cost, int constrained, bool asJson, TextWriter output)
    {
        if (asJson)
        {
            output.WriteLine(JsonOutput.Write(new JsonObject
            {
                ["sequences"] = 2 * constrained,
                ["step_seconds"] = cost.Free,
                ["constrained_step_seconds"] = cost.Constrained,
                ["constrained_share"] = cost.ConstrainedShare,
                ["compiling_step_seconds"] = cost.Compiling,
                ["compiling_share"] = cost.CompilingShare,
                ["compile_seconds"] = cost.Compile,
            }));
            return;
        }

        output.WriteLine(Invariant($"step        {1000 * cost.Free,10:0.00} ms     ({2 * constrained} sequences that say anything)"));
        output.WriteLine(Invariant($"            {1000 * cost.Constrained,10:0.00} ms     (half of them under schemas: {100 * cost.ConstrainedShare:+0.0;-0.0} %)"));
        output.WriteLine(Invariant($"            {1000 * cost.Compiling,10:0.00} ms     (while a schema of 1 MiB is made ready: {100 * cost.CompilingShare:+0.0;-0.0} %; that takes {1000 * cost.Compile:0} ms)"));
    }

    private static Option<int?> Number(string name, string description, int least)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "N" };
        option.AtLeast(least);
        return option;
    }

    private static void WriteText(BenchmarkOptions options, BenchmarkResult result, TextWriter output)
    {
        if (result.Prompt is { } prompt)
        {
            output.WriteLine(Invariant($"prompt      {prompt.Median,10:0.00} tok/s  ({prompt.Least:0.00} to {prompt.Most:0.00}; {options.PromptTokens} tokens at depth {options.Depth})"));
            output.WriteLine(Invariant($"            {100 * result.Int8Share!.Value,10:0.0} %      of the 8-bit peak, counting products with weights"));
        }

        if (result.Generation is { } generation)
        {
            output.WriteLine(Invariant($"generation  {generation.Median,10:0.00} tok/s  ({generation.Least:0.00} to {generation.Most:0.00}; {options.Sequences} sequences at depth {options.Depth})"));
            output.WriteLine(Invariant($"            {100 * result.BandwidthShare(options.Sequences)!.Value,10:0.0} %      of the read bandwidth, counting weights"));
        }

        foreach (var draw in result.Draws)
            output.WriteLine(Invariant($"draw        {draw.Median * 1e6,10:0.0} µs     (at least {draw.Least * 1e6:0.0}; {draw.Name})"));
        if (result.DrawShare(options.Sequences) is { } share)
            output.WriteLine(Invariant($"            {100 * share,10:0.0} %      of a step for one sequence, with the defaults"));
        output.WriteLine(Invariant($"bandwidth   {result.ReadBandwidth / 1e9,10:0.00} GB/s"));
        output.WriteLine(Invariant($"8-bit peak  {result.Int8Peak / 1e9,10:0.00} G multiply-adds/s"));
        output.WriteLine(Invariant($"f32 peak    {result.Float32Peak / 1e9,10:0.00} G multiply-adds/s"));
        output.WriteLine(Invariant($"file        {result.FileBytes / 1048576.0,10:0.0} MiB"));
        output.WriteLine(Invariant($"weights     {result.WeightBytes / 1048576.0,10:0.0} MiB"));
        output.WriteLine(Invariant($"work space  {result.ScratchBytes / 1048576.0,10:0.0} MiB"));
        output.WriteLine(Invariant($"cache       {result.CacheBytes / 1048576.0,10:0.0} MiB"));
        output.WriteLine(Invariant($"resident    {result.MostResidentBytes / 1048576.0,10:0.0} MiB  at most, before the limits were measured"));
    }

    private static JsonObject ToJson(string path, int? threads, BenchmarkOptions options, BenchmarkResult result)
    {
        var engine = Engine.Probe();
        return new JsonObject
        {
            ["model"] = path,
            ["processor"] = engine.Processor,
            ["threads"] = threads ?? engine.Cores,
            ["prompt_tokens"] = options.PromptTokens,
            ["generated_tokens"] = options.GeneratedTokens,
            ["depth"] = options.Depth,
            ["sequences"] = options.Sequences,
            ["repetitions"] = options.Repetitions,
            ["prompt"] = Rate(result.Prompt),
            ["generation"] = Rate(result.Generation),
            ["bandwidth_share"] = result.BandwidthShare(options.Sequences),
            ["read_bandwidth_bytes_per_second"] = result.ReadBandwidth,
            ["int8_share"] = result.Int8Share,
            ["int8_products_per_second"] = result.Int8Peak,
            ["float32_products_per_second"] = result.Float32Peak,
            ["products_per_token"] = result.ProductsPerToken,
            ["bytes_per_step"] = result.BytesPerStep,
            ["weight_bytes"] = result.WeightBytes,
            ["scratch_bytes"] = result.ScratchBytes,
            ["cache_bytes"] = result.CacheBytes,
            ["file_bytes"] = result.FileBytes,
            ["most_resident_bytes"] = result.MostResidentBytes,
            ["draws"] = new JsonArray([.. result.Draws.Select(draw => (JsonNode)new JsonObject { ["name"] = draw.Name, ["seconds"] = draw.Median, ["least"] = draw.Least })]),
        };
    }

    private static JsonObject? Rate(BenchmarkRate? rate) => rate is not { } value ? null : new JsonObject
    {
        ["tokens_per_second"] = value.Median,
        ["least"] = value.Least,
        ["most"] = value.Most,
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
