using System.Numerics.Tensors;
using System.Runtime.InteropServices;
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
public readonly record struct ProgramMemory(long Weights, long Scratch);

/// <summary>A program with its weights in the engine, ready to run.</summary>
/// <remarks>Steps of one engine run one after another; callers of several threads wait for each other.</remarks>
public sealed unsafe class CompiledProgram : IDisposable
{
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

    private void LoadWeights(IProgress<LoadProgress>? progress, CompiledProgram? sharesWith, CancellationToken cancellationToken)
    {
        var shared = sharesWith?.Program.Weights.ToDictionary(Place) ?? [];
        var total = Program.Weights.Sum(Bytes);
        long done = 0;
        progress?.Report(new LoadProgress("weights", 0, total));
        foreach (var weight in Program.Weights)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (shared.TryGetValue(Place(weight), out var same))
                NativeStatus.Check(NativeMethods.hearth_model_share_weight(Handle, weight.Number, sharesWith!.Handle, same.Number));
            else if (weight.Compute is not null)
                Load(weight, weight.Compute());
            else if (weight.IsVector)
                LoadVector(weight, weight.Tensor!);
            else
                LoadMatrix(weight, weight.Tensor!);
            done += Bytes(weight);
            progress?.Report(new LoadProgress("weights", done, total));
        }
    }

    // What makes two weights the same.
    private static (string Name, long First, long Columns, long Rows, int Stack, bool IsVector) Place(Weight weight)
        => (weight.Name, weight.First, weight.Columns, weight.Rows, weight.Stack, weight.IsVector);

    private static long Bytes(Weight weight) => GgmlTypes.ByteSize(weight.Type, weight.Count);

    private void LoadMatrix(Weight weight, GgufTensor tensor)
    {
        using var data = tensor.Acquire();
        var address = data.Address + (nint)GgmlTypes.ByteSize(tensor.Type, weight.First);
        NativeStatus.Check(NativeMethods.hearth_model_load_weight(Handle, weight.Number, (void*)address, (nuint)Bytes(weight)));
    }

    private void LoadVector(Weight weight, GgufTensor tensor)
    {
        var values = new float[weight.Columns];
        var bytes = tensor.Bytes(GgmlTypes.ByteSize(tensor.Type, weight.First), (int)Bytes(weight));
        switch (tensor.Type)
        {
            case GgmlType.F32:
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
                break;
            case GgmlType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values);
                break;
            case GgmlType.BF16:
                var halves = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++)
                    values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
                break;
            default:
                throw new UnsupportedModelException($"type {GgmlTypes.Of(tensor.Type).Name} of the vector '{tensor.Name}'", ["F32", "F16", "BF16"]);
        }

        Load(weight, weight.Form!.Apply(values));
    }

    private void Load(Weight weight, float[] values)
    {
        fixed (float* data = values)
            NativeStatus.Check(NativeMethods.hearth_model_load_weight(Handle, weight.Number, data, (nuint)values.Length * sizeof(float)));
    }
}
