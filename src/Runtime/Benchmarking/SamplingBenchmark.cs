using System.Diagnostics;
using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Benchmarking;

/// <summary>What one draw of a token takes.</summary>
/// <param name="Name">How it is drawn.</param>
/// <param name="Median">Seconds, the middle of all draws.</param>
/// <param name="Least">Seconds of the fastest.</param>
public readonly record struct DrawTime(string Name, double Median, double Least);

/// <summary>Measures choosing a token from a row of logits, which every sequence of a step does one after another.</summary>
public static class SamplingBenchmark
{
    // A peak of some hundred likely tokens over the rest, as language models have it.
    private const float Deviation = 2.5f;

    private const int History = 4096;

    // Until the runtime has compiled what runs often a second time.
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(200);

    /// <summary>The ways of choosing that are measured; the first is what requests get that say nothing.</summary>
    private static readonly (string Name, GenerationOptions Options)[] Ways =
    [
        ("defaults", new()),
        ("greedy", new() { Temperature = 0 }),
        ("defaults with penalties over all tokens", new() { RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f, PenaltyWindow = -1 }),
        ("top-k 1000", new() { TopK = 1000, TopP = 1, MinP = 0 }),
        ("top-p 0.95 of all tokens", new() { TopK = 0, MinP = 0 }),
        ("min-p 0.05 of all tokens", new() { TopK = 0, TopP = 1 }),
        ("all tokens", new() { TopK = 0, TopP = 1, MinP = 0 }),
        ("top-p 0.95 of all tokens at temperature 2", new() { Temperature = 2, TopK = 0, MinP = 0 }),
    ];

    /// <summary>Measures all ways of choosing.</summary>
    /// <param name="vocabularySize">Logits of a row, at least 1.</param>
    /// <param name="draws">Draws of each way, after some tenths of a second of draws that are not counted; at least 1.</param>
    /// <param name="cancellationToken">Looked at between ways.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static IReadOnlyList<DrawTime> Run(int vocabularySize, int draws = 50, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        var random = new Random(1);
        var rows = Enumerable.Range(0, 4).Select(_ => Logits(random, vocabularySize)).ToArray();
        int[] prompt = [.. Enumerable.Range(0, History).Select(_ => random.Next(vocabularySize))];
        var times = new List<DrawTime>();
        foreach (var (name, options) in Ways)
        {
            cancellationToken.ThrowIfCancellationRequested();
            times.Add(Measure(name, new Sampler(SamplingParameters.Resolve(options with { Seed = 1 }, vocabularySize), prompt), rows, draws));
        }

        return times;
    }

    private static DrawTime Measure(string name, Sampler sampler, float[][] rows, int draws)
    {
        var scratch = new SamplerScratch();
        var logits = new float[rows[0].Length];
        var seconds = new List<double>();
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; seconds.Count < draws; i++)
        {
            // Copied as the engine copies them: a draw finds its row in the caches.
            rows[i % rows.Length].CopyTo(logits, 0);
            var start = Stopwatch.GetTimestamp();
            sampler.Sample(logits, scratch);
            if (Stopwatch.GetElapsedTime(began, start) >= WarmUp)
                seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        seconds.Sort();
        return new DrawTime(name, seconds[seconds.Count / 2], seconds[0]);
    }

    // Normal, by Box and Muller.
    private static float[] Logits(Random random, int count)
    {
        var logits = new float[count];
        foreach (ref var logit in logits.AsSpan())
            logit = Deviation * MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return logits;
    }
}
