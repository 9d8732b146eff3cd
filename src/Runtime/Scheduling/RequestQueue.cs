namespace Hearth.Runtime.Scheduling;

/// <summary>Requests that wait to be admitted, the next one first.</summary>
/// <remarks>Thread-safe: callers put in and take back, the loop takes out.</remarks>
/// <param name="capacity">Requests that may wait at a time.</param>
/// <param name="modelId">The name in metrics.</param>
internal sealed class RequestQueue(int capacity, string modelId)
{
    private readonly object _gate = new();
    private readonly SortedSet<ScheduledRequest> _waiting = new(RequestOrder.Instance);
    private long _arrivals;
    private Func<Exception>? _closedBy;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Puts a new request in.</summary>
    /// <exception cref="QueueFullException">As many as may wait are waiting.</exception>
    /// <exception cref="Exception">The queue is closed: the error that it was closed with.</exception>
    public void Enqueue(ScheduledRequest request) => Enqueue([request]);

    /// <summary>Puts new requests in, all or none.</summary>
    /// <inheritdoc cref="Enqueue(ScheduledRequest)"/>
    public void Enqueue(IReadOnlyList<ScheduledRequest> requests)
    {
        lock (_gate)
        {
            if (_closedBy is not null)
            {
                throw _closedBy();
            }

            if (_waiting.Count > capacity - requests.Count)
            {
                throw new QueueFullException(capacity);
            }

            foreach (var request in requests)
            {
                request.Arrival = _arrivals++;
                _waiting.Add(request);
            }

            Monitor.PulseAll(_gate);
        }

        CountWaiting(requests.Count);
    }

    /// <summary>Puts a preempted request back at its old place; it was let in once, so no capacity holds it off. False when the queue is closed.</summary>
    public bool TryReturn(ScheduledRequest request)
    {
        lock (_gate)
        {
            if (_closedBy is not null)
            {
                return false;
            }

            _waiting.Add(request);
        }

        CountWaiting(1);
        return true;
    }

    /// <summary>The next request that may be admitted, left where it is.</summary>
    public ScheduledRequest? Peek()
    {
        lock (_gate)
        {
            if (_waiting.Min is not { AwaitsLeader: true })
            {
                return _waiting.Min;
            }

            foreach (var request in _waiting)
            {
                if (!request.AwaitsLeader)
                {
                    return request;
                }
            }

            return null;
        }
    }

    /// <summary>Takes a request out; false when it is not in the queue (any more). Whoever takes it out decides its end.</summary>
    public bool TryRemove(ScheduledRequest request)
    {
        lock (_gate)
        {
            if (!_waiting.Remove(request))
            {
                return false;
            }

            Monitor.PulseAll(_gate);
        }

        CountWaiting(-1);
        return true;
    }

    /// <summary>Takes out every request that was cancelled or whose deadline has passed.</summary>
    public IReadOnlyList<ScheduledRequest> RemoveUnwanted(DateTimeOffset now)
    {
        List<ScheduledRequest>? unwanted = null;
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                return [];
            }

            foreach (var request in _waiting)
            {
                if (request.CancelRequested || request.Deadline <= now)
                {
                    (unwanted ??= []).Add(request);
                }
            }

            unwanted?.ForEach(request => _waiting.Remove(request));
        }

        CountWaiting(-(unwanted?.Count ?? 0));
        return unwanted is null ? [] : unwanted;
    }

    /// <summary>Lets nobody in any more and takes everybody out.</summary>
    /// <param name="error">What later callers are told; the first closing decides.</param>
    public IReadOnlyList<ScheduledRequest> Close(Func<Exception> error)
    {
        List<ScheduledRequest> removed;
        lock (_gate)
        {
            _closedBy ??= error;
            Monitor.PulseAll(_gate);
            removed = [.. _waiting];
            _waiting.Clear();
        }

        CountWaiting(-removed.Count);
        return removed;
    }

    /// <summary>Sleeps until there is a request; false once the queue is closed.</summary>
    public bool WaitForWork()
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && _closedBy is null)
            {
                Monitor.Wait(_gate);
            }

            return _closedBy is null;
        }
    }

    /// <summary>Sleeps until a request comes or goes, or the queue is closed; at most so long.</summary>
    public void WaitForChange(TimeSpan most)
    {
        lock (_gate)
        {
            if (_closedBy is null)
            {
                Monitor.Wait(_gate, most);
            }
        }
    }

    // Never under the lock: whoever listens to the metrics runs code of its own here.
    private void CountWaiting(int change)
    {
        if (change != 0)
        {
            HearthMetrics.Waiting.Add(change, HearthMetrics.Model(modelId));
        }
    }
}
