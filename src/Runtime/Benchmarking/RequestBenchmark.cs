using System.Diagnostics;

namespace Hearth.Runtime.Benchmarking;

/// <summary>Rates of a model as requests see them, whatever engine computes it.</summary>
/// <param name="Prompt">Tokens a second of a prompt until its first token is there; null where not measured.</param>
/// <param name="Generation">Tokens a second of all sequences together; null where not measured.</param>
public sealed record RequestRates(BenchmarkRate? Prompt, BenchmarkRate? Generation);

/// <summary>Measures requests: scheduling and the choice of the likeliest token included, unlike <see cref="ModelBenchmark"/>.</summary>
public static class RequestBenchmark
{
    /// <summary>Runs the measurements.</summary>
    /// <param name="model">Loaded without prefix caching, with room for the sequences.</param>
    /// <param name="options">What to measure.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    public static async Task<RequestRates> RunAsync(ILanguageModel model, BenchmarkOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        List<double> prompts = [], generations = [];
        for (var repetition = 0; repetition <= options.Repetitions; repetition++)
        {
            if (options.PromptTokens > 0)
            {
                var begin = Stopwatch.GetTimestamp();
                await ReadAsync(model, options.PromptTokens, 1, repetition, onFirst: null, cancellationToken).ConfigureAwait(false);
                prompts.Add(options.PromptTokens / Stopwatch.GetElapsedTime(begin).TotalSeconds);
            }

            if (options.GeneratedTokens > 1)
                generations.Add(await GenerateAsync(model, options, repetition, cancellationToken).ConfigureAwait(false));
        }

        return new RequestRates(Rate(prompts), Rate(generations));
    }

    // From the moment at which every sequence has its first token until the last has its last.
    private static async Task<double> GenerateAsync(ILanguageModel model, BenchmarkOptions options, int repetition, CancellationToken cancellationToken)
    {
        var started = 0;
        long begin = 0;
        await Task.WhenAll(Enumerable.Range(0, options.Sequences).Select(number => ReadAsync(
            model, options.Depth + 1, options.GeneratedTokens, repetition + (31 * number), () =>
            {
                if (Interlocked.Increment(ref started) == options.Sequences)
                    begin = Stopwatch.GetTimestamp();
            },
            cancellationToken))).ConfigureAwait(false);
        return options.Sequences * (options.GeneratedTokens - 1) / Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    private static async Task ReadAsync(ILanguageModel model, int prompt, int tokens, int seed, Action? onFirst, CancellationToken cancellationToken)
    {
        var vocabulary = model.Information.VocabularySize;
        var request = new GenerationRequest
        {
            Prompt = [.. Enumerable.Range(0, prompt).Select(i => (int)((((long)i * 7919) + (seed * 104729L) + 13) % vocabulary))],
            Options = new GenerationOptions { Temperature = 0, MaxTokens = tokens, IgnoreEndOfText = true },
        };
        await foreach (var _ in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            onFirst?.Invoke();
            onFirst = null;
        }
    }

    // The first measurement is not counted.
    private static BenchmarkRate? Rate(List<double> rates)
    {
        if (rates.Count < 2)
            return null;
        var counted = rates.Skip(1).Order().ToArray();
        return new BenchmarkRate((counted[(counted.Length - 1) / 2] + counted[counted.Length / 2]) / 2, counted[0], counted[^1]);
    }
}
