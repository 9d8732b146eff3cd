using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

/// <summary>How far loading has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="BytesDone">Bytes of weights done.</param>
/// <param name="BytesTotal">Bytes of weights in all.</param>
public readonly record struct LoadProgress(string Stage, long BytesDone, long BytesTotal);

/// <summary>Memory of a compiled program, in bytes.</summary>
/// <param name="Weights">Packed weights.</param>
/// <param name="Scratch">Values and work space of a step.</param>
internal readonly record struct ProgramMemory(long Weights, long Scratch);

/// <summary>A program with its weights in the engine, ready to run.</summary>
/// <remarks>Steps of one engine run one after another; callers of several threads wait for each other.</remarks>
internal sealed unsafe class CompiledProgram : IDisposable
{
    // HEARTH_PART_ROWS: of whose multiples a weight's parts are made.
    private const int PartRows = 64;

    private const int PartBytes = 8 << 20;

    private CompiledProgram(Engine engine, ModelProgram program, ModelHandle handle)
    {
        Engine = engine;
        Program = program;
        Handle = handle;
    }

    /// <summary>The engine that runs it.</summary>
    public Engine Engine { get; }

    /// <summary>What it computes.</summary>
    public ModelProgram Program { get; }

    internal ModelHandle Handle { get; }

    /// <summary>Checks a program, plans its memory and loads its weights.</summary>
    /// <param name="engine">Runs it.</param>
    /// <param name="program">What to compute; its file must be open.</param>
    /// <param name="progress">Told after each weight.</param>
    /// <param name="sharesWith">A program of the same engine and file: weights that both use are in memory once.</param>
    /// <param name="cancellationToken">Looked at before each weight.</param>
    /// <exception cref="OutOfModelMemoryException">Memory cannot be had.</exception>
    /// <exception cref="OperationCanceledException">Loading was cancelled.</exception>
    public static CompiledProgram Compile(
        Engine engine, ModelProgram program, IProgress<LoadProgress>? progress = null, CompiledProgram? sharesWith = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(program);
        var compiled = new CompiledProgram(engine, program, Create(engine, program));
        try
        {
            compiled.LoadWeights(progress, sharesWith, cancellationToken);
            return compiled;
        }
        catch
        {
            compiled.Dispose();
            throw;
        }
    }

    /// <summary>Measures the memory held now.</summary>
    public ProgramMemory Measure()
    {
        NativeModelMemory memory;
        NativeStatus.Check(NativeMethods.hearth_model_measure(Handle, &memory, (nuint)sizeof(NativeModelMemory)));
        return new ProgramMemory((long)memory.WeightBytes, (long)memory.ScratchBytes);
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    private static ModelHandle Create(Engine engine, ModelProgram program)
    {
        var weights = program.Weights.Select(w => new NativeWeight
        {
            Type = (int)(w.IsVector ? GgmlType.F32 : w.Type),
            Stack = w.Stack,
            Columns = w.EngineColumns,
            Rows = w.Rows,
        }).ToArray();
        fixed (NativeOperation* operations = program.Operations)
        fixed (int* widths = program.ValueWidths)
        fixed (NativeWeight* weightShapes = weights)
        {
            var native = new NativeProgram
            {
                Operations = operations,
                ValueWidths = widths,
                Weights = weightShapes,
                OperationCount = program.Operations.Length,
                ValueCount = program.ValueWidths.Length,
                WeightCount = weights.Length,
                Result = program.Result,
                MaxRows = program.Limits.MaxRows,
                MaxOutputRows = program.Limits.MaxOutputRows,
            };
            return ModelHandle.Create(engine.Handle, &native);
        }
    }

    // The largest first, and none stays in memory twice for longer than its packing takes: the most that is ever resident is
    // little more than the packed weights.
    private void LoadWeights(IProgress<LoadProgress>? progress, CompiledProgram? sharesWith, CancellationToken cancellationToken)
    {
        var shared = sharesWith?.Program.Weights.ToDictionary(Place) ?? [];
        var total = Program.Weights.Sum(Bytes);
        long done = 0;
        progress?.Report(new LoadProgress("weights", 0, total));
        foreach (var weight in Program.Weights.OrderByDescending(Bytes))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var bytes = Bytes(weight);
            if (shared.TryGetValue(Place(weight), out var same))
                NativeStatus.Check(NativeMethods.hearth_model_share_weight(Handle, weight.Number, sharesWith!.Handle, same.Number));
            else if (weight.Compute is not null)
                Load(weight, weight.Compute());
            else if (weight.IsVector)
                LoadVector(weight, weight.Tensor!);
            else if (weight.Stack == 1 && done + (2 * bytes) > total + Math.Max(total / 16, PartBytes))
                LoadInParts(weight, weight.Tensor!, cancellationToken);
            else
                LoadMatrix(weight, weight.Tensor!);
            weight.Tensor?.ReleasePages(FirstByte(weight), bytes);
            done += bytes;
            progress?.Report(new LoadProgress("weights", done, total));
        }
    }

    // What makes two weights the same.
    private static (string Name, long First, long Columns, long Rows, int Stack, bool IsVector) Place(Weight weight)
        => (weight.Name, weight.First, weight.Columns, weight.Rows, weight.Stack, weight.IsVector);

    private static long Bytes(Weight weight) => GgmlTypes.ByteSize(weight.Type, weight.Count);

    private static long FirstByte(Weight weight) => GgmlTypes.ByteSize(weight.Type, weight.First);

    private void LoadMatrix(Weight weight, GgufTensor tensor)
    {
        using var data = tensor.Acquire();
        NativeStatus.Check(NativeMethods.hearth_model_load_weight(Handle, weight.Number, (void*)(data.Address + (nint)FirstByte(weight)), (nuint)Bytes(weight)));
    }

    // A matrix that is most of what is still to come, as the tables of a large vocabulary are.
    private void LoadInParts(Weight weight, GgufTensor tensor, CancellationToken cancellationToken)
    {
        using var data = tensor.Acquire();
        var rowBytes = GgmlTypes.ByteSize(weight.Type, weight.Columns);
        var partRows = Math.Max(1, PartBytes / rowBytes / PartRows) * PartRows;
        for (long row = 0; row < weight.Rows; row += partRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(partRows, weight.Rows - row);
            var at = FirstByte(weight) + (row * rowBytes);
            NativeStatus.Check(NativeMethods.hearth_model_load_rows(Handle, weight.Number, row, rows, (void*)(data.Address + (nint)at), (nuint)(rows * rowBytes)));
            tensor.ReleasePages(at, rows * rowBytes);
        }
    }

    private void LoadVector(Weight weight, GgufTensor tensor)
    {
        var values = new float[weight.Columns];
        TensorValues.Read(tensor, weight.First, values);
        Load(weight, weight.Form!.Apply(values));
    }

    private void Load(Weight weight, float[] values)
    {
        fixed (float* data = values)
            NativeStatus.Check(NativeMethods.hearth_model_load_weight(Handle, weight.Number, data, (nuint)values.Length * sizeof(float)));
    }
}
