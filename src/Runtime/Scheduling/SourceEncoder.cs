using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Scheduling;

/// <summary>Reads the sources of an encoder–decoder's requests: each text once, however many requests, forks or retries attend to it.</summary>
/// <remarks>
/// An encoder's output is a read-only sequence of a cache of its own. It depends on the whole text, so unlike a prompt's
/// it is only found again for an equal text. Outputs that nobody uses are kept until their pages are needed, the longest
/// unused goes first. Safe for several threads: the step loop and beam searches use it.
/// </remarks>
internal sealed class SourceEncoder
{
    private readonly Lock _gate = new();
    private readonly IStepRunner _runner;
    private readonly bool _keepsOutputs;
    private readonly LinkedList<(KvSequence Output, string? Scope)> _kept = []; // the longest unused first
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
        lock (_gate)
        {
            request.Memory = FindOutput(request.Source!, request.CacheScope) ?? Reserve(request.Source!.Length);
            return request.Memory is not null;
        }
    }

    /// <summary>A source's output, read now unless it is kept.</summary>
    /// <param name="source">Token ids, at most <see cref="LongestSource"/>.</param>
    /// <param name="known">Whether it was kept.</param>
    /// <exception cref="OutOfModelMemoryException">Other requests' outputs take all pages.</exception>
    /// <param name="scope">Whose outputs count; null: everybody's.</param>
    public KvSequence Encode(int[] source, out bool known, string? scope = null)
    {
        KvSequence memory;
        lock (_gate)
        {
            var kept = FindOutput(source, scope);
            known = kept is not null;
            if (kept is not null)
                return kept;
            memory = Reserve(source.Length)
                ?? throw new OutOfModelMemoryException($"the source's {source.Length} tokens need more pages than the sources of running requests leave of {Cache.PageCount}");
        }

        try
        {
            // Not under the lock: the step loop goes on with other requests meanwhile.
            var batch = new StepBatch();
            batch.Add(0, source, memory.Pages, outputs: 0);
            _runner.Run(batch, []);
            Keep(memory, source, scope);
            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>The requests of the last step, also where it failed; for the step loop's thread.</summary>
    public IReadOnlyList<ScheduledRequest> LastRead => _read;

    /// <summary>Reads the sources that wait for it, as many as one step holds; on the step loop's thread.</summary>
    /// <param name="admitted">Requests with a memory, first come first.</param>
    /// <returns>How many sources were read, all at once; where the step fails, they are in <see cref="LastRead"/>.</returns>
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
            Keep(request.Memory!, request.Source!, request.CacheScope);
        return _read.Count;
    }

    private void Keep(KvSequence memory, int[] source, string? scope)
    {
        lock (_gate)
        {
            memory.Commit(source);
            if (_keepsOutputs && Find(source, scope) is null)
                _kept.AddLast((memory.Fork(), scope));
        }
    }

    private KvSequence? FindOutput(int[] source, string? scope)
    {
        if (Find(source, scope) is not { } known)
            return null;
        _kept.Remove(known);
        _kept.AddLast(known);
        return known.Value.Output.Fork();
    }

    // Null where too few pages are left even when every unused output is forgotten.
    private KvSequence? Reserve(int length)
    {
        var memory = Cache.CreateSequence();
        while (!memory.TryReserve(length))
        {
            if (_kept.First is null)
            {
                memory.Dispose();
                return null;
            }

            Forget(_kept.First);
        }

        return memory;
    }

    private LinkedListNode<(KvSequence Output, string? Scope)>? Find(int[] source, string? scope)
    {
        for (var node = _kept.Last; node is not null; node = node.Previous)
        {
            if (node.Value.Scope == scope && node.Value.Output.Tokens.SequenceEqual(source))
                return node;
        }

        return null;
    }

    private void Forget(LinkedListNode<(KvSequence Output, string? Scope)> node)
    {
        _kept.Remove(node);
        node.Value.Output.Dispose();
    }
}
