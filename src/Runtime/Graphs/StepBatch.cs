namespace Hearth.Runtime.Graphs;

/// <summary>The rows of one engine step: any mix of prompt pieces and single tokens of any number of sequences.</summary>
/// <remarks>Reused from step to step; not thread-safe.</remarks>
internal sealed class StepBatch
{
    private readonly List<int> _tokens = [];
    private readonly List<int> _positions = [];
    private readonly List<int> _pages = [];
    private readonly List<int> _outputRows = [];
    private readonly List<StepSequence> _sequences = [];
    private readonly List<StateCheckpoint> _checkpoints = [];
    private readonly List<IReadOnlyList<int>?> _written = [];

    /// <summary>Rows so far.</summary>
    public int RowCount => _tokens.Count;

    /// <summary>Rows so far whose logits are wanted.</summary>
    public int OutputCount => _outputRows.Count;

    /// <summary>Token ids, a row each.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Positions in their sequences, a row each.</summary>
    public IReadOnlyList<int> Positions => _positions;

    /// <summary>Page tables of all sequences, one after another.</summary>
    public IReadOnlyList<int> Pages => _pages;

    /// <summary>Rows whose logits are wanted, rising.</summary>
    public IReadOnlyList<int> OutputRows => _outputRows;

    /// <summary>The sequences.</summary>
    public IReadOnlyList<StepSequence> Sequences => _sequences;

    /// <summary>States that are kept on the way, sequence by sequence.</summary>
    public IReadOnlyList<StateCheckpoint> Checkpoints => _checkpoints;

    /// <summary>The tokens of each sequence's positions before this step, for a runner that keeps no pages; null where whoever made the step did not say. Valid until the sequences change.</summary>
    public IReadOnlyList<IReadOnlyList<int>?> Written => _written;

    /// <summary>Empties the step.</summary>
    public void Clear()
    {
        _tokens.Clear();
        _positions.Clear();
        _pages.Clear();
        _outputRows.Clear();
        _sequences.Clear();
        _checkpoints.Clear();
        _written.Clear();
    }

    /// <summary>Adds the next rows of a sequence.</summary>
    /// <param name="past">Positions of the sequence that are in its pages already.</param>
    /// <param name="tokens">The tokens that follow; at least one.</param>
    /// <param name="pages">The sequence's page table, covering <c>past + tokens.Length</c> positions.</param>
    /// <param name="outputs">How many of the last rows' logits are wanted, 0 to tokens.Length.</param>
    /// <param name="memoryPages">The page table of the encoder's output that the sequence attends to; empty for a decoder alone.</param>
    /// <param name="memoryLength">Positions of the encoder's output.</param>
    /// <param name="states">Where the sequence's state is; default for a model that keeps none.</param>
    /// <param name="written">The tokens of the positions in its pages, see <see cref="Written"/>.</param>
    public void Add(
        int past, ReadOnlySpan<int> tokens, ReadOnlySpan<int> pages, int outputs, ReadOnlySpan<int> memoryPages = default, int memoryLength = 0, StateMove states = default,
        IReadOnlyList<int>? written = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(outputs);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(outputs, tokens.Length);
        for (var row = RowCount + tokens.Length - outputs; row < RowCount + tokens.Length; row++)
            _outputRows.Add(row);
        AddRows(past, tokens, pages, memoryPages, memoryLength, states, written);
    }

    /// <summary>Adds a whole text of which some rows are wanted.</summary>
    /// <param name="tokens">The text; at least one token.</param>
    /// <param name="pages">Pages for its positions; empty for a program without a cache.</param>
    /// <param name="outputRows">The wanted rows, rising, each 0 to tokens.Length - 1; at least one.</param>
    /// <param name="states">Where the sequence's state is; default for a model that keeps none.</param>
    public void AddText(ReadOnlySpan<int> tokens, ReadOnlySpan<int> pages, ReadOnlySpan<int> outputRows, StateMove states = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(outputRows.Length);
        var last = -1;
        foreach (var row in outputRows)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(row, last, nameof(outputRows));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, tokens.Length, nameof(outputRows));
            last = row;
        }

        foreach (var row in outputRows)
            _outputRows.Add(RowCount + row);
        AddRows(past: 0, tokens, pages, memoryPages: default, memoryLength: 0, states, written: null);
    }

    private void AddRows(int past, ReadOnlySpan<int> tokens, ReadOnlySpan<int> pages, ReadOnlySpan<int> memoryPages, int memoryLength, StateMove states, IReadOnlyList<int>? written)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(past);
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        var memoryBegin = memoryPages.IsEmpty ? 0 : _pages.Count + pages.Length;
        _sequences.Add(new StepSequence(RowCount, tokens.Length, past, _pages.Count, pages.Length, memoryBegin, memoryPages.Length, memoryLength, states.From, states.To, states.Checkpoints.IsEmpty ? 0 : _checkpoints.Count, states.Checkpoints.Length));
        _checkpoints.AddRange(states.Checkpoints.Span);
        _written.Add(written);
        for (var i = 0; i < tokens.Length; i++)
        {
            _tokens.Add(tokens[i]);
            _positions.Add(past + i);
        }

        _pages.AddRange(pages);
        _pages.AddRange(memoryPages);
    }

    internal ReadOnlySpan<int> TokenSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens);

    internal ReadOnlySpan<int> PositionSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_positions);

    internal ReadOnlySpan<int> PageSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pages);

    internal ReadOnlySpan<int> OutputRowSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_outputRows);

    internal ReadOnlySpan<StateCheckpoint> CheckpointSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_checkpoints);

    internal ReadOnlySpan<StepSequence> SequenceSpan => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_sequences);
}

/// <summary>One sequence's share of a step; laid out as hearth_sequence.</summary>
/// <param name="RowBegin">Its first row.</param>
/// <param name="RowCount">Its rows.</param>
/// <param name="Past">Positions in its pages before this step.</param>
/// <param name="PageBegin">Its first entry in the step's pages.</param>
/// <param name="PageCount">Its entries.</param>
/// <param name="MemoryBegin">Its first entry of the encoder output's pages in the step's pages.</param>
/// <param name="MemoryCount">Its entries of them.</param>
/// <param name="MemoryLength">Positions of the encoder's output; 0 for a decoder alone.</param>
/// <param name="StateFrom">The state that it goes on from, -1 at the beginning; 0 for a model that keeps none.</param>
/// <param name="State">The state that it has after this step; likewise.</param>
/// <param name="CheckpointBegin">Its first entry in the step's checkpoints.</param>
/// <param name="CheckpointCount">Its entries.</param>
internal readonly record struct StepSequence(
    int RowBegin,
    int RowCount,
    int Past,
    int PageBegin,
    int PageCount,
    int MemoryBegin = 0,
    int MemoryCount = 0,
    int MemoryLength = 0,
    int StateFrom = 0,
    int State = 0,
    int CheckpointBegin = 0,
    int CheckpointCount = 0);

/// <summary>Runs steps of one loaded model.</summary>
/// <remarks>One step runs at a time: a step loop's and its beam searches' wait for each other.</remarks>
internal interface IStepRunner
{
    /// <summary>Floats of one output row.</summary>
    int VocabularySize { get; }

    /// <summary>The most rows of one step.</summary>
    int MaxRows { get; }

    /// <summary>The most output rows of one step.</summary>
    int MaxOutputRows { get; }

    /// <summary>Runs a step.</summary>
    /// <param name="batch">At least one row.</param>
    /// <param name="logits">[batch.OutputCount, VocabularySize], filled.</param>
    void Run(StepBatch batch, Span<float> logits);
}
