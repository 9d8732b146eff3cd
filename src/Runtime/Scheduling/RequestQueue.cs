namespace Hearth.Runtime.Scheduling;

/// <summary>Requests that wait to be admitted, the next one first.</summary>
/// <remarks>Thread-safe: callers put in and take back, the loop takes out.</remarks>
internal sealed class RequestQueue(int capacity)
{
    private readonly object _gate = new();
    private readonly SortedSet<ScheduledRequest> _waiting = new(RequestOrder.Instance);
    private long _arrivals;
    private bool _closed;

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
    /// <exception cref="ObjectDisposedException">The queue is closed.</exception>
    public void Enqueue(ScheduledRequest request)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(StepLoop));
            if (_waiting.Count >= capacity)
            {
                throw new QueueFullException(capacity);
            }

            request.Arrival = _arrivals++;
            _waiting.Add(request);
            HearthMetrics.Waiting.Add(1);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Puts a preempted request back at its old place; it was let in once, so no capacity holds it off. False when the queue is closed.</summary>
    public bool TryReturn(ScheduledRequest request)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            _waiting.Add(request);
            HearthMetrics.Waiting.Add(1);
            return true;
        }
    }

    /// <summary>The next request, left where it is.</summary>
    public ScheduledRequest? Peek()
    {
        lock (_gate)
        {
            return _waiting.Min;
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

            HearthMetrics.Waiting.Add(-1);
            return true;
        }
    }

    /// <summary>Takes out every request that was cancelled or whose deadline has passed.</summary>
    public List<ScheduledRequest> RemoveUnwanted(DateTimeOffset now)
    {
        lock (_gate)
        {
            return RemoveAll(request => request.CancelRequested || request.Deadline <= now);
        }
    }

    /// <summary>Lets nobody in any more and takes everybody out.</summary>
    public List<ScheduledRequest> Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
            return RemoveAll(_ => true);
        }
    }

    /// <summary>Sleeps until there is a request; false once the queue is closed.</summary>
    public bool WaitForWork()
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && !_closed)
            {
                Monitor.Wait(_gate);
            }

            return !_closed;
        }
    }

    private List<ScheduledRequest> RemoveAll(Predicate<ScheduledRequest> condition)
    {
        var removed = new List<ScheduledRequest>();
        foreach (var request in _waiting)
        {
            if (condition(request))
            {
                removed.Add(request);
            }
        }

        removed.ForEach(request => _waiting.Remove(request));
        HearthMetrics.Waiting.Add(-removed.Count);
        return removed;
    }
}
