using Hearth.LLamaSharp.Native;
using Hearth.Runtime;
using Hearth.Runtime.Graphs;

namespace Hearth.LLamaSharp.Steps;

/// <summary>Computes the scheduler's steps with llama.cpp: each step is one call to its decoder, and one more where something has to be read again.</summary>
/// <remarks>A step loop's steps and those of beam searches wait for each other.</remarks>
internal sealed class LlamaStepRunner : IStepRunner, ISlotMemory, IDisposable
{
    private readonly Lock _turn = new();
    private readonly LlamaContext _context;
    private readonly TokenSlots _slots;
    private long _readAgain;

    /// <summary>Takes a context over.</summary>
    public LlamaStepRunner(LlamaContext context)
    {
        _context = context;
        _slots = new TokenSlots(context.MaxSequences, wholeOnly: !context.CanCut(), this);
    }

    /// <inheritdoc/>
    public int VocabularySize => _context.VocabularySize;

    /// <inheritdoc/>
    public int MaxRows => _context.MaxRows;

    /// <inheritdoc/>
    public int MaxOutputRows => Math.Min(_context.MaxSequences, _context.MaxRows);

    /// <summary>Whether the model keeps states, so that a text is gone on with from its end only.</summary>
    public bool KeepsStates => _slots.WholeOnly;

    /// <summary>Tokens that had been computed, had to make room, and were computed again.</summary>
    public long TokensReadAgain => Volatile.Read(ref _readAgain);

    /// <summary>How many of the first tokens of a prompt need not be computed.</summary>
    public int Held(ReadOnlySpan<int> tokens) => _slots.Held(tokens);

    /// <inheritdoc/>
    public void Run(StepBatch batch, Span<float> logits)
    {
        if (logits.Length != (long)batch.OutputCount * VocabularySize)
            throw new ArgumentException($"{batch.OutputCount} rows of {VocabularySize} logits are wanted, found room for {logits.Length} values", nameof(logits));
        lock (_turn)
        {
            var placed = _slots.Place(Texts(batch));
            try
            {
                for (var i = 0; i < placed.Length; i++)
                    ReadAgain(placed[i], batch.Written[i]);
                RunRows(batch, placed);
                _context.CopyLogits(logits);
            }
            catch
            {
                // What a failed step leaves behind nobody knows.
                _slots.Forget(placed);
                throw;
            }

            for (var i = 0; i < placed.Length; i++)
                _slots.Commit(placed[i], RowsOf(batch, batch.Sequences[i]));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_turn)
            _context.Dispose();
    }

    void ISlotMemory.CopySequence(int source, int destination, int length) => _context.CopySequence(source, destination, length);

    void ISlotMemory.RemoveFrom(int sequence, int position) => _context.RemoveFrom(sequence, position);

    private static IReadOnlyList<IReadOnlyList<int>?> Texts(StepBatch batch)
    {
        for (var i = 0; i < batch.Sequences.Count; i++)
        {
            if ((batch.Written[i]?.Count ?? 0) != batch.Sequences[i].Past)
                throw new InvalidOperationException($"a sequence has {batch.Sequences[i].Past} positions, but {batch.Written[i]?.Count ?? 0} of its tokens are told");
        }

        return batch.Written;
    }

    private static ReadOnlySpan<int> RowsOf(StepBatch batch, StepSequence sequence) => batch.TokenSpan.Slice(sequence.RowBegin, sequence.RowCount);

    private void ReadAgain(TokenSlots.Slot slot, IReadOnlyList<int>? text)
    {
        var past = text?.Count ?? 0;
        while (slot.Length < past)
        {
            var begin = slot.Length;
            var count = Math.Min(past - begin, MaxRows);
            var tokens = new int[count];
            _context.Clear();
            for (var i = 0; i < count; i++)
            {
                tokens[i] = text![begin + i];
                _context.Add(tokens[i], begin + i, slot.Id, wantsOutput: false);
            }

            Decode();
            _slots.Commit(slot, tokens);
            Interlocked.Add(ref _readAgain, count);
        }
    }

    private void RunRows(StepBatch batch, TokenSlots.Slot[] placed)
    {
        _context.Clear();
        var output = 0;
        for (var i = 0; i < placed.Length; i++)
        {
            var sequence = batch.Sequences[i];
            for (var row = sequence.RowBegin; row < sequence.RowBegin + sequence.RowCount; row++)
            {
                var wanted = output < batch.OutputCount && batch.OutputRows[output] == row;
                _context.Add(batch.Tokens[row], batch.Positions[row], placed[i].Id, wanted);
                output += wanted ? 1 : 0;
            }
        }

        Decode();
    }

    // What nobody needs at the moment makes room for what somebody does.
    private void Decode()
    {
        while (!_context.TryRun())
        {
            if (!_slots.DropIdle())
                throw new OutOfModelMemoryException($"llama.cpp's cache has no room for a step of {_context.RowCount} rows");
        }
    }
}
