using System.Diagnostics;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;

namespace Hearth.Runtime.Benchmarking;

/// <summary>What to measure.</summary>
public sealed record BenchmarkOptions
{
    /// <summary>Prompt tokens read at once; 0: not measured.</summary>
    public int PromptTokens { get; init; } = 512;

    /// <summary>Tokens generated one by one; 0: not measured.</summary>
    public int GeneratedTokens { get; init; } = 64;

    /// <summary>Tokens that are in the cache before a measurement begins.</summary>
    public int Depth { get; init; }

    /// <summary>Sequences that generate together.</summary>
    public int Sequences { get; init; } = 1;

    /// <summary>Measurements of each kind, after one that is not counted.</summary>
    public int Repetitions { get; init; } = 5;
}

/// <summary>The rates of one kind of work, in tokens a second.</summary>
/// <param name="Median">The middle of all measurements.</param>
/// <param name="Least">The slowest.</param>
/// <param name="Most">The fastest.</param>
public readonly record struct BenchmarkRate(double Median, double Least, double Most);

/// <summary>What was measured.</summary>
public sealed record BenchmarkResult
{
    /// <summary>Tokens a second of reading a prompt; null where not measured.</summary>
    public BenchmarkRate? Prompt { get; init; }

    /// <summary>Tokens a second of all sequences together; null where not measured.</summary>
    public BenchmarkRate? Generation { get; init; }

    /// <summary>Bytes of weights that one step reads, as the file stores them.</summary>
    public required long BytesPerStep { get; init; }

    /// <summary>Bytes of weights in memory.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Bytes of work space.</summary>
    public required long ScratchBytes { get; init; }

    /// <summary>Bytes of keys and values that the measured sequences hold at most.</summary>
    public required long CacheBytes { get; init; }

    /// <summary>The model's files, in bytes.</summary>
    public required long FileBytes { get; init; }

    /// <summary>The most memory that was resident in this process until the model was loaded and all work done once, in bytes; work space and cache as far as they were touched.</summary>
    public required long MostResidentBytes { get; init; }

    /// <summary>Bytes a second that the same threads read from memory, measured in between.</summary>
    public required double ReadBandwidth { get; init; }

    /// <summary>Multiply-adds with weights for each prompt token; the output head is not counted.</summary>
    public required long ProductsPerToken { get; init; }

    /// <summary>Multiply-adds a second of 8-bit codes that the same threads reach on registers alone, measured in between.</summary>
    public required double Int8Peak { get; init; }

    /// <summary>The same of float32.</summary>
    public required double Float32Peak { get; init; }

    /// <summary>What choosing a token from the model's logits takes, the defaults first.</summary>
    public required IReadOnlyList<DrawTime> Draws { get; init; }

    /// <summary>Which part of a step for one token the choosing of that token takes, with the defaults; null where generation was not measured.</summary>
    public double? DrawShare(int sequences) => Generation is { } rate ? Draws[0].Median * rate.Median / sequences : null;

    /// <summary>The share of the 8-bit peak that reading a prompt reaches, counting products with weights only; null where not measured.</summary>
    public double? Int8Share => Prompt is { } rate ? rate.Median * ProductsPerToken / Int8Peak : null;

    /// <summary>The share of the read bandwidth that generation reaches, counting weights only; null where not measured.</summary>
    public double? BandwidthShare(int sequences) => Generation is { } rate ? rate.Median / sequences * BytesPerStep / ReadBandwidth : null;
}

/// <summary>Measures the engine on one model: no sampling, no scheduling, no text.</summary>
public static class ModelBenchmark
{
    /// <summary>Runs the measurements.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="model">How to load it; its cache is made to fit.</param>
    /// <param name="options">What to measure.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="cancellationToken">Looked at between steps.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="ContextLengthExceededException">The model has learned positions, and fewer than are asked for.</exception>
    public static BenchmarkResult Run(string path, ModelOptions model, BenchmarkOptions options, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ModelLoader.Checked(options.PromptTokens, 0, 1 << 24, nameof(options.PromptTokens));
        ModelLoader.Checked(options.GeneratedTokens, 0, 1 << 24, nameof(options.GeneratedTokens));
        ModelLoader.Checked(options.Depth, 0, 1 << 24, nameof(options.Depth));
        ModelLoader.Checked(options.Sequences, 1, ModelLoader.MaxOutputRows, nameof(options.Sequences));
        ModelLoader.Checked(options.Repetitions, 1, 1000, nameof(options.Repetitions));
        using var file = GgufFile.Open(path);
        using var loaded = ModelLoader.Load(file, model, embedding: null, progress, cancellationToken);
        if (loaded.Encoder is not null)
            throw new UnsupportedModelException("benchmarking an encoder–decoder", ["decoders"]);
        var program = loaded.Program;
        var perSequence = options.Depth + Math.Max(options.PromptTokens, options.GeneratedTokens) + 1;
        if (program.Program.LearnedPositions is { } learned && perSequence - 1 > learned)
            throw new ContextLengthExceededException(perSequence - 1, learned);
        using var run = new TextRun(program, perSequence, model.KeyType ?? CacheType.F16, model.ValueType ?? CacheType.F16, options.Sequences);
        var work = new Work(run, options, cancellationToken);
        if (options.PromptTokens > 0)
            work.WarmUp(work.ReadPrompt);
        if (options.GeneratedTokens > 0)
            work.WarmUp(work.Generate);

        // Before the limits are measured: that takes memory of its own.
        var mostResident = MostResident();
        var bandwidth = new List<double> { program.Engine.MeasureReadBandwidth() };
        var peaks = new List<(double Int8, double Float32)> { program.Engine.MeasureArithmetic() };
        BenchmarkRate? prompt = options.PromptTokens > 0 ? work.Measure(work.ReadPrompt) : null;
        bandwidth.Add(program.Engine.MeasureReadBandwidth());
        peaks.Add(program.Engine.MeasureArithmetic());
        BenchmarkRate? generation = options.GeneratedTokens > 0 ? work.Measure(work.Generate) : null;
        bandwidth.Add(program.Engine.MeasureReadBandwidth());
        var memory = program.Measure();
        return new BenchmarkResult
        {
            Prompt = prompt,
            Generation = generation,
            BytesPerStep = program.Program.BytesPerStep,
            WeightBytes = memory.Weights,
            ScratchBytes = memory.Scratch,
            CacheBytes = run.CacheBytes,
            FileBytes = file.Length,
            MostResidentBytes = mostResident,
            Draws = SamplingBenchmark.Run(program.Program.OutputWidth, cancellationToken: cancellationToken),
            ReadBandwidth = Middle(bandwidth),
            ProductsPerToken = program.Program.ProductsPerRow,

            // A limit is what the machine can do: neighbours only ever take from it.
            Int8Peak = peaks.Max(peak => peak.Int8),
            Float32Peak = peaks.Max(peak => peak.Float32),
        };
    }

    private static long MostResident()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static double Middle(List<double> values)
    {
        var ordered = values.Order().ToArray();
        var half = ordered.Length / 2;
        return ordered.Length % 2 == 1 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
    }

    /// <summary>The measured work on sequences of made-up tokens.</summary>
    private sealed class Work
    {
        private readonly TextRun _run;
        private readonly BenchmarkOptions _options;
        private readonly CancellationToken _cancellationToken;
        private readonly int[] _tokens;
        private readonly float[] _logits;

        public Work(TextRun run, BenchmarkOptions options, CancellationToken cancellationToken)
        {
            _run = run;
            _options = options;
            _cancellationToken = cancellationToken;
            var random = new Random(1);
            _tokens = [.. Enumerable.Range(0, Math.Max(options.Depth, options.PromptTokens) + 1).Select(_ => random.Next(run.Width))];
            _logits = new float[(long)options.Sequences * run.Width];
        }

        /// <summary>Does the work once, after what must be in the cache before.</summary>
        public void WarmUp(Func<int> work)
        {
            for (var sequence = 0; sequence < _options.Sequences; sequence++)
                Read(sequence, 0, _options.Depth);
            work();
        }

        public BenchmarkRate Measure(Func<int> work)
        {
            var rates = new List<double>();
            for (var i = 0; i < _options.Repetitions; i++)
            {
                var start = Stopwatch.GetTimestamp();
                var tokens = work();
                rates.Add(tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            return new BenchmarkRate(Middle(rates), rates.Min(), rates.Max());
        }

        public int ReadPrompt()
        {
            Read(0, _options.Depth, _options.PromptTokens);
            return _options.PromptTokens;
        }

        public int Generate()
        {
            for (var sequence = 0; sequence < _options.Sequences; sequence++)
                _run.Return(sequence, _options.Depth);
            for (var i = 0; i < _options.GeneratedTokens; i++)
            {
                _cancellationToken.ThrowIfCancellationRequested();
                for (var sequence = 0; sequence < _options.Sequences; sequence++)
                    _run.Append(sequence, _tokens.AsSpan(i % _tokens.Length, 1), outputs: 1);
                _run.Run(_logits);
            }

            return _options.GeneratedTokens * _options.Sequences;
        }

        private void Read(int sequence, int past, int count)
        {
            _run.Return(sequence, past);
            for (var done = 0; done < count; done += _run.MaxRows)
            {
                _cancellationToken.ThrowIfCancellationRequested();
                var rows = Math.Min(_run.MaxRows, count - done);
                var outputs = done + rows == count ? 1 : 0;
                _run.Append(sequence, _tokens.AsSpan(done, rows), outputs);
                _run.Run(_logits.AsSpan(0, outputs * _run.Width));
            }
        }
    }
}
