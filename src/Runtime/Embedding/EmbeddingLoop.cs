using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Embedding;

/// <summary>One embedding model's loop: a thread of its own that puts as many waiting texts into a step as it holds.</summary>
/// <remarks>Safe to use from several threads. A text's vector does not depend on the texts beside it.</remarks>
internal sealed class EmbeddingLoop : IAsyncDisposable
{
    private readonly IStepRunner _runner;
    private readonly PoolingKind _pooling;
    private readonly int _pageTokens;
    private readonly int[] _pages;
    private readonly bool _keepsStates;
    private readonly int _capacity;
    private readonly ILogger _logger;
    private readonly object _lock = new();
    private readonly LinkedList<EmbeddingJob> _jobs = []; // with texts that no step has taken yet
    private readonly List<(EmbeddingJob Job, int Text)> _step = [];
    private readonly StepBatch _batch = new();
    private readonly float[] _vectors;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running; // requests of the step, under the lock
    private bool _closed;
    private volatile Exception? _fault;

    /// <summary>Starts the loop.</summary>
    /// <param name="runner">Computes steps; called on the loop's thread only.</param>
    /// <param name="pooling">Which row of a text its vector comes of.</param>
    /// <param name="store">Pages for the texts of a step where the program caches; else null.</param>
    /// <param name="capacity">Requests that may wait.</param>
    /// <param name="logger">Told of failures, never of contents.</param>
    public EmbeddingLoop(IStepRunner runner, PoolingKind pooling, IPageStore? store, int capacity, ILogger logger)
    {
        _runner = runner;
        _pooling = pooling;
        _pageTokens = store?.PageTokens ?? 0;
        _pages = store is null ? [] : [.. Enumerable.Range(0, store.PageCount)];
        _keepsStates = store?.StateCount > 0;
        _capacity = capacity;
        _logger = logger;
        _vectors = new float[(long)runner.MaxOutputRows * runner.VocabularySize];
        new Thread(Run) { IsBackground = true, Name = "hearth-embeddings" }.Start();
    }

    /// <summary>Requests with texts in the step that runs, and those of which no step has taken a text.</summary>
    public ModelLoad Load
    {
        get
        {
            lock (_lock)
            {
                return new ModelLoad(_running, _jobs.Count(job => !job.IsStarted), 0, 0, 0);
            }
        }
    }

    /// <summary>What ended the loop other than its disposal; null while it serves.</summary>
    public Exception? Fault => _fault;

    /// <summary>Queues a request's texts.</summary>
    /// <param name="texts">Token ids, checked; at least one text.</param>
    /// <param name="cancellationToken">Takes the texts back that no step has taken.</param>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public Task<float[][]> SubmitAsync(int[][] texts, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var job = new EmbeddingJob(texts);
        lock (_lock)
        {
            if (_closed)
                throw Ended();
            if (_jobs.Count >= _capacity)
                throw new QueueFullException(_capacity);
            _jobs.AddLast(job);
            Monitor.Pulse(_lock);
        }

        job.CancelWith(
            () =>
            {
                lock (_lock)
                {
                    _jobs.Remove(job);
                }
            },
            cancellationToken);
        return job.Task;
    }

    /// <summary>Waits for the step in progress, then ends every request with an <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _closed = true;
            Monitor.Pulse(_lock);
        }

        return new ValueTask(_ended.Task);
    }

    private void Run()
    {
        try
        {
            while (TakeStep())
            {
                try
                {
                    RunStep();
                }
                catch (Exception error)
                {
                    _logger.LogError(error, "A step of {Texts} texts failed", _step.Count);
                    FailStep(error);
                }
            }
        }
        catch (Exception fault)
        {
            _logger.LogCritical(fault, "The embedding loop ended by a fault of its own");
            _fault = fault;
        }

        lock (_lock)
        {
            _closed = true;
            foreach (var job in _step.Select(entry => entry.Job).Concat(_jobs))
                job.Fail(Ended());
            _jobs.Clear();
            _running = 0;
        }

        _ended.SetResult();
    }

    private Exception Ended() => _fault is { } fault ? new HearthException("the model's embedding loop ended by a fault of its own", fault) : StepLoop.Unloaded();

    // A failed request's other texts are of no use to anybody.
    private void FailStep(Exception error)
    {
        lock (_lock)
        {
            foreach (var job in _step.Select(entry => entry.Job).Distinct())
            {
                job.Fail(SharedFault.ForOne(error));
                _jobs.Remove(job);
            }
        }
    }

    // Sleeps until there are texts; takes them in order as long as they fit. False once the loop is disposed.
    private bool TakeStep()
    {
        lock (_lock)
        {
            _running = 0;
            while (!_closed && _jobs.Count == 0)
                Monitor.Wait(_lock);
            if (_closed)
                return false;
            _step.Clear();
            _batch.Clear();
            var firstPage = 0;
            while (_jobs.First is { } first && _step.Count < _runner.MaxOutputRows)
            {
                var tokens = first.Value.NextText;
                if (_batch.RowCount + tokens.Length > _runner.MaxRows)
                    break;
                var pages = _pageTokens == 0 ? 0 : (tokens.Length + _pageTokens - 1) / _pageTokens;
                _batch.AddText(tokens, _pages.AsSpan(firstPage, pages), [_pooling is PoolingKind.First or PoolingKind.Rank ? 0 : tokens.Length - 1], _keepsStates ? StateMove.InPlace(_step.Count, past: 0) : default);
                firstPage += pages;
                if (_step.Count == 0 || _step[^1].Job != first.Value)
                    _running++;
                _step.Add((first.Value, first.Value.Take()));
                if (first.Value.IsTaken)
                    _jobs.RemoveFirst();
            }

            return true;
        }
    }

    private void RunStep()
    {
        var width = _runner.VocabularySize;
        _runner.Run(_batch, _vectors.AsSpan(0, _step.Count * width));
        for (var i = 0; i < _step.Count; i++)
            _step[i].Job.Complete(_step[i].Text, _vectors.AsSpan(i * width, width).ToArray());
    }
}

/// <summary>The texts of one embedding request.</summary>
internal sealed class EmbeddingJob(int[][] texts)
{
    private readonly TaskCompletionSource<float[][]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[][] _vectors = new float[texts.Length][];
    private CancellationTokenRegistration _registration;
    private int _taken;
    private int _done;

    public Task<float[][]> Task => _completion.Task;

    /// <summary>The first text that no step has taken.</summary>
    public ReadOnlySpan<int> NextText => texts[_taken];

    public bool IsStarted => _taken > 0;

    public bool IsTaken => _taken == texts.Length;

    /// <summary>Counts the next text as taken.</summary>
    /// <returns>Its number.</returns>
    public int Take() => _taken++;

    public void Complete(int text, float[] vector)
    {
        _vectors[text] = vector;
        if (++_done < texts.Length)
            return;
        _completion.TrySetResult(_vectors);
        _registration.Unregister();
    }

    public void Fail(Exception error)
    {
        _completion.TrySetException(error);
        _registration.Unregister();
    }

    public void CancelWith(Action takeBack, CancellationToken cancellationToken)
    {
        _registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                takeBack();
                _completion.TrySetCanceled(cancellationToken);
            },
            null);

        // It may have ended before it was registered.
        if (_completion.Task.IsCompleted)
            _registration.Unregister();
    }
}
