using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Scheduling;

/// <summary>Reads the sources of an encoder–decoder's requests: each text once, however many requests, forks or retries attend to it.</summary>
/// <remarks>
/// An encoder's output is a read-only sequence of a cache of its own. It depends on the whole text, so unlike a prompt's
/// it is only found again for an equal text. Outputs that nobody uses are kept until their pages are needed, the longest
/// unused goes first. Not thread-safe: the step loop's thread uses it.
/// </remarks>
internal sealed class SourceEncoder
{
    private readonly IStepRunner _runner;
    private readonly bool _keepsOutputs;
    private readonly LinkedList<KvSequence> _kept = []; // the longest unused first
    private readonly StepBatch _batch = new();
    private readonly List<ScheduledRequest> _read = [];

    /// <summary>Takes over an encoder and the cache that it writes.</summary>
    /// <param name="runner">Runs the encoder's program on the cache's pages.</param>
    /// <param name="cache">The memory of the decoder's program.</param>
    /// <param name="keepsOutputs">Whether an equal text later finds the output again.</param>
    public SourceEncoder(IStepRunner runner, KvCache cache, bool keepsOutputs)
    {
        _runner = runner;
        Cache = cache;
        _keepsOutputs = keepsOutputs;
    }

    /// <summary>Where outputs live.</summary>
    public KvCache Cache { get; }

    /// <summary>Tokens that a source may have: all are read in one step.</summary>
    public int LongestSource => (int)Math.Min(_runner.MaxRows, Cache.Capacity);

    /// <summary>Gives a request its source's output where it is kept, else pages to write it to.</summary>
    /// <returns>False where too few pages are left even when every unused output is forgotten.</returns>
    public bool TryAdmit(ScheduledRequest request)
    {
        if (Find(request.Source!) is { } known)
        {
            _kept.Remove(known);
            _kept.AddLast(known);
            request.Memory = known.Value.Fork();
            return true;
        }

        var memory = Cache.CreateSequence();
        while (!memory.TryReserve(request.Source!.Length))
        {
            if (_kept.First is null)
            {
                memory.Dispose();
                return false;
            }

            Forget(_kept.First);
        }

        request.Memory = memory;
        return true;
    }

    /// <summary>Reads the sources that wait for it, as many as one step holds.</summary>
    /// <param name="admitted">Requests with a memory, first come first.</param>
    /// <returns>Those whose sources were read, all at once; where the step fails, they are in <see cref="LastRead"/>.</returns>
    public int Read(IReadOnlyList<ScheduledRequest> admitted)
    {
        _batch.Clear();
        _read.Clear();
        foreach (var request in admitted)
        {
            if (!request.AwaitsSource || _batch.RowCount + request.Source!.Length > _runner.MaxRows)
                continue;
            _batch.Add(0, request.Source, request.Memory!.Pages, outputs: 0);
            _read.Add(request);
        }

        if (_read.Count == 0)
            return 0;
        _runner.Run(_batch, []);
        foreach (var request in _read)
        {
            request.Memory!.Commit(request.Source!);
            if (_keepsOutputs && Find(request.Source!) is null)
                _kept.AddLast(request.Memory.Fork());
        }

        return _read.Count;
    }

    /// <summary>The requests of the last step, also where it failed.</summary>
    public IReadOnlyList<ScheduledRequest> LastRead => _read;

    private LinkedListNode<KvSequence>? Find(int[] source)
    {
        for (var node = _kept.Last; node is not null; node = node.Previous)
        {
            if (node.Value.Tokens.SequenceEqual(source))
                return node;
        }

        return null;
    }

    private void Forget(LinkedListNode<KvSequence> node)
    {
        _kept.Remove(node);
        node.Value.Dispose();
    }
}
