using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Loading;

namespace Hearth.Runtime.Probing;

/// <summary>One probing of a text: what is asked of which operation, then the steps that answer it.</summary>
internal sealed class ProbeRun
{
    private readonly AttentionProbeOptions _options;
    private readonly CancellationToken _cancellationToken;
    private readonly List<Probed> _probed = [];

    public ProbeRun(AttentionProbeOptions options, CancellationToken cancellationToken)
    {
        _options = options;
        _cancellationToken = cancellationToken;
        ModelLoader.Checked(options.MostWeights ?? 1, 1, AttentionProbe.MostWeights, nameof(AttentionProbeOptions.MostWeights));
    }

    // Weights [heads, rows, keys] of the layer, filled row by row.
    private sealed record Probed(ModelProgram Program, int Operation, AttentionLayer Layer)
    {
        public float[] Weights { get; set; } = [];

        public long Size => (long)Layer.HeadCount * Layer.Rows * Layer.Keys;
    }

    /// <summary>Finds the operations of a program that are asked for.</summary>
    /// <param name="program">The program.</param>
    /// <param name="self">What its attention among its own rows is called.</param>
    /// <param name="rows">Tokens of its text.</param>
    /// <param name="memory">Tokens of the encoder's text that it attends to, or 0.</param>
    /// <exception cref="HearthException">It has no such layer or head, or one that attends to chosen positions.</exception>
    public void Plan(ModelProgram program, AttentionKind self, int rows, int memory)
    {
        var operations = Enumerable.Range(0, program.Operations.Length).Where(i => ProgramBuilder.IsAttention(program.Operations[i])).ToArray();
        Plan(program, [.. operations.Where(i => !ProgramBuilder.IsOverMemory(program.Operations[i]))], self, rows, rows);
        Plan(program, [.. operations.Where(i => ProgramBuilder.IsOverMemory(program.Operations[i]))], AttentionKind.Cross, rows, memory);
    }

    private unsafe void Plan(ModelProgram program, int[] operations, AttentionKind kind, int rows, int keys)
    {
        if (operations.Length == 0)
            return;
        var layers = Within(_options.Layers, operations.Length, "layers", "the model");
        for (var layer = layers.First; layer <= layers.Last; layer++)
        {
            var operation = program.Operations[operations[layer]];
            if (ProgramBuilder.IsToChosenKeys(operation))
                throw new HearthException($"layer {layer} attends to positions that an indexer chooses, which is not probed");
            var heads = Within(_options.Heads, operation.Parameters.Attention.Heads, "heads", $"layer {layer}");
            _probed.Add(new Probed(program, operations[layer], new AttentionLayer(kind, layer, heads, rows, keys, operation.Weight[0] >= 0)));
        }
    }

    private static ProbeRange Within(ProbeRange? asked, int count, string what, string owner)
    {
        var range = asked ?? new ProbeRange(0, count - 1);
        if (range.First < 0 || range.Last < range.First || range.Last >= count)
            throw new HearthException($"{what} {range.First}-{range.Last} were asked for; {owner} has {what} 0-{count - 1}");
        return range;
    }

    /// <summary>Makes room, once all is planned and before anything runs.</summary>
    /// <exception cref="AttentionProbeSizeException">It is too much.</exception>
    public void Allocate()
    {
        long most = _options.MostWeights ?? AttentionProbe.MostWeights;
        var total = _probed.Sum(p => p.Size);
        if (total > most)
            throw new AttentionProbeSizeException(total, most, Advice(most));
        foreach (var probed in _probed)
        {
            probed.Weights = new float[probed.Size];
            probed.Layer.Weights = probed.Weights;
        }
    }

    private string Advice(long most)
    {
        var perHead = _probed.Max(p => p.Size / p.Layer.HeadCount);
        var heads = _probed.Sum(p => p.Layer.HeadCount);
        var tokens = (long)Math.Sqrt(most / (double)heads);
        return most >= perHead
            ? $"with these texts {most / perHead} of the {heads} heads of {_probed.Count} layers fit, with all of these heads texts of about {tokens} tokens"
            : $"not even one head fits with these texts: one head's texts may have about {(long)Math.Sqrt(most)} tokens";
    }

    /// <summary>Runs an encoder and gives what it read, for a decoder to attend to.</summary>
    public TextRun Encode(CompiledProgram encoder, ReadOnlySpan<int> source)
    {
        var run = Texts(encoder, source.Length);
        try
        {
            run.Append(0, source, outputs: 0);
            Step(encoder, run, [], firstRow: 0);
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Runs a decoder over a text in pieces.</summary>
    public void Decode(CompiledProgram decoder, ReadOnlySpan<int> tokens, TextRun? source)
    {
        // Of a recurrent model, too, every position is kept: keys are then numbered as the text's tokens are.
        using var run = Texts(decoder, tokens.Length, source);
        for (var past = 0; past < tokens.Length; past += run.MaxRows)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            run.Append(0, tokens.Slice(past, Math.Min(run.MaxRows, tokens.Length - past)), outputs: 0);
            Step(decoder, run, [], past);
        }
    }

    /// <summary>Runs a program whose rows see each other, or whose output is one row a text: all in one step.</summary>
    public void ReadWhole(CompiledProgram program, ReadOnlySpan<int> tokens)
    {
        if (tokens.Length > program.Program.Limits.MaxRows)
            throw new ContextLengthExceededException(tokens.Length, program.Program.Limits.MaxRows);
        using var run = Texts(program, tokens.Length);
        run.AppendWhole(tokens, [tokens.Length - 1]);
        _cancellationToken.ThrowIfCancellationRequested();
        Step(program, run, new float[run.Width], firstRow: 0);
    }

    public AttentionMaps Result(ModelInformation model, ProbedToken[] tokens, ProbedToken[] source)
        => new(model.Id, model.Architecture, tokens, source, [.. _probed.Select(p => p.Layer).OrderBy(l => l.Kind).ThenBy(l => l.Layer)]);

    private unsafe void Step(CompiledProgram program, TextRun run, Span<float> output, int firstRow)
    {
        var wanted = _probed.Where(p => p.Program == program.Program).ToArray();
        var rows = run.Rows;
        // Weights of the step, [rows, heads, keys] of each probe; together no more than all that was asked for.
        var buffers = wanted.Select(p => GC.AllocateUninitializedArray<float>(rows * p.Layer.HeadCount * p.Layer.Keys, pinned: true)).ToArray();
        var probes = new NativeProbe[wanted.Length];
        for (var i = 0; i < probes.Length; i++)
        {
            probes[i] = new NativeProbe
            {
                Operation = wanted[i].Operation,
                KeyCount = wanted[i].Layer.Keys,
                HeadBegin = wanted[i].Layer.FirstHead,
                HeadCount = wanted[i].Layer.HeadCount,
                Probabilities = (float*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(buffers[i], 0),
                Size = (nuint)buffers[i].Length,
            };
        }

        run.Run(output, probes);
        for (var i = 0; i < wanted.Length; i++)
            Take(wanted[i], buffers[i], rows, firstRow);
        GC.KeepAlive(buffers);
    }

    private static void Take(Probed probed, float[] step, int rows, int firstRow)
    {
        var (heads, keys) = (probed.Layer.HeadCount, probed.Layer.Keys);
        for (var row = 0; row < rows; row++)
        {
            for (var head = 0; head < heads; head++)
                step.AsSpan(((row * heads) + head) * keys, keys).CopyTo(probed.Weights.AsSpan(((head * probed.Layer.Rows) + firstRow + row) * keys));
        }
    }

    private TextRun Texts(CompiledProgram program, int length, TextRun? source = null)
        => new(program, length, _options.CacheType, _options.CacheType, source: source);
}
