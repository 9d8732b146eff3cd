using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

/// <summary>Runs steps of a compiled program over one cache: each step is one call into the engine.</summary>
internal sealed unsafe class StepRunner(CompiledProgram program, CacheHandle? cache, CacheHandle? memory = null) : IStepRunner
{
    public int VocabularySize => program.Program.OutputWidth;

    public int MaxRows => program.Program.Limits.MaxRows;

    public int MaxOutputRows => program.Program.Limits.MaxOutputRows;

    /// <inheritdoc cref="ModelProgram.StateInPlace"/>
    public StateMove StateInPlace(int state, int past) => program.Program.StateInPlace(state, past);

    public void Run(StepBatch batch, Span<float> logits) => Run(batch, logits, []);

    /// <summary>Runs a step and fills probes of its attention operations.</summary>
    /// <param name="batch">At least one row.</param>
    /// <param name="logits">[batch.OutputCount, VocabularySize], filled.</param>
    /// <param name="probes">Their memory stays where it is meanwhile.</param>
    public void Run(StepBatch batch, Span<float> logits, ReadOnlySpan<NativeProbe> probes)
    {
        bool cacheHeld = false, memoryHeld = false;
        try
        {
            cache?.DangerousAddRef(ref cacheHeld);
            memory?.DangerousAddRef(ref memoryHeld);
            Run(batch, logits, probes, cache?.DangerousGetHandle() ?? 0, memory?.DangerousGetHandle() ?? 0);
        }
        finally
        {
            if (memoryHeld)
                memory!.DangerousRelease();
            if (cacheHeld)
                cache!.DangerousRelease();
        }
    }

    private void Run(StepBatch batch, Span<float> logits, ReadOnlySpan<NativeProbe> probes, nint cacheHandle, nint memoryHandle)
    {
        fixed (int* tokens = batch.TokenSpan, positions = batch.PositionSpan, pages = batch.PageSpan, outputRows = batch.OutputRowSpan)
        fixed (StepSequence* sequences = batch.SequenceSpan)
        fixed (StateCheckpoint* checkpoints = batch.CheckpointSpan)
        fixed (float* output = logits)
        fixed (NativeProbe* asked = probes)
        {
            var step = new NativeStep
            {
                Tokens = tokens,
                Positions = positions,
                Sequences = sequences,
                Pages = pages,
                OutputRows = outputRows,
                Output = output,
                OutputSize = (nuint)logits.Length,
                RowCount = batch.RowCount,
                SequenceCount = batch.Sequences.Count,
                PageCount = batch.Pages.Count,
                OutputCount = batch.OutputCount,
                Checkpoints = checkpoints,
                CheckpointCount = batch.Checkpoints.Count,
            };
            NativeStatus.Check(probes.IsEmpty
                ? NativeMethods.hearth_model_run(program.Handle, cacheHandle, memoryHandle, &step, (nuint)sizeof(NativeStep))
                : NativeMethods.hearth_model_probe(program.Handle, cacheHandle, memoryHandle, &step, (nuint)sizeof(NativeStep), asked, probes.Length));
        }
    }
}
