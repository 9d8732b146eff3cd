namespace Hearth.Runtime.Scheduling;

/// <summary>Requests that wait to be admitted, the next one first.</summary>
/// <remarks>Thread-safe: callers put in and take back, the loop takes out.</remarks>
/// <param name="capacity">Requests that may wait at a time.</param>
/// <param name="modelId">The name in metrics.</param>
/// <param name="retryAfter">When a place is likely to be free; null: nobody knows.</param>
internal sealed class RequestQueue(int capacity, string modelId, Func<TimeSpan?>? retryAfter = null)
{
    // Clients of which nothing waits any more are forgotten once there are so many.
    private const int MostClients = 1024;

    private readonly Dictionary<string, double> _finishOf = new(StringComparer.Ordinal);
    private double _now; // the earliest turn of what is served
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
                throw new QueueFullException(capacity, retryAfter?.Invoke());
            }

            foreach (var request in requests)
            {
                request.Arrival = _arrivals++;
                request.Turn = TakeTurn(request.Client, request.Cost);
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

    /// <summary>How many waiting requests would come before a new one.</summary>
    /// <param name="client">Whose it is.</param>
    /// <param name="priority">Its priority.</param>
    public int PlaceOf(string? client, int priority)
    {
        lock (_gate)
        {
            var turn = TurnOf(client);
            return _waiting.Count(other => other.Priority > priority || (other.Priority == priority && other.Turn <= turn));
        }
    }

    /// <summary>Tokens of the prompts of the first so many that wait.</summary>
    public long WaitingRows(int first)
    {
        lock (_gate)
        {
            return _waiting.Take(first).Sum(request => (long)request.PromptTokens);
        }
    }

    /// <summary>Takes note of whose turn it is: whoever comes now does not come before it.</summary>
    /// <param name="turn">The earliest turn of those that are served.</param>
    public void NoteServed(double turn)
    {
        lock (_gate)
        {
            _now = Math.Max(_now, turn);
        }
    }

    // Start-time fair queueing (Goyal, Vin, Cheng 1996): a client's request begins where the one before it ends, in tokens, but
    // not before the earliest of what is being served. So clients take turns by their tokens, however many requests each of them has.
    private double TakeTurn(string? client, int cost)
    {
        var turn = TurnOf(client);
        if (client is not null)
        {
            if (_finishOf.Count >= MostClients)
            {
                foreach (var (other, finish) in _finishOf)
                {
                    if (finish <= _now)
                    {
                        _finishOf.Remove(other);
                    }
                }
            }

            _finishOf[client] = turn + cost;
        }

        return turn;
    }

    private double TurnOf(string? client) => client is not null && _finishOf.TryGetValue(client, out var finish) ? Math.Max(_now, finish) : _now;

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
