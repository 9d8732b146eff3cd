using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>One model of a <see cref="ModelPool"/>: its users, its loading and its end.</summary>
/// <param name="gate">The pool's lock, under which all state changes.</param>
/// <param name="load">Loads the model.</param>
/// <param name="forget">Takes it out of the pool; called under the lock, when it has no user and no model.</param>
internal sealed class PooledModel(Lock gate, Func<CancellationToken, Task<IModel>> load, Action forget)
{
    private int _users;
    private int _waiters;
    private TimeSpan _keepAlive;
    private IModel? _model;
    private Task<IModel>? _loading;
    private Action? _giveUp;
    private Task _closing = Task.CompletedTask;
    private int _closings;
    private Timer? _timer;

    public IModel? Loaded => Volatile.Read(ref _model);

    /// <summary>Counts a lease; called under the lock.</summary>
    public void AddLease(TimeSpan keepAlive)
    {
        // Of infinite time -1 ms is the sign.
        _keepAlive = _users == 0 ? keepAlive
            : _keepAlive == Timeout.InfiniteTimeSpan || keepAlive == Timeout.InfiniteTimeSpan ? Timeout.InfiniteTimeSpan
            : _keepAlive > keepAlive ? _keepAlive : keepAlive;
        AddUser();
    }

    /// <summary>The model, and one use more of it.</summary>
    public async Task<IModel> UseAsync(CancellationToken cancellationToken)
    {
        for (; ; )
        {
            Task<IModel> loading;
            lock (gate)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (_model is { Fault: not null })
                    Retire();
                if (_model is { } ready)
                {
                    AddUser();
                    return ready;
                }

                loading = _loading ??= BeginLoad();
                _waiters++;
            }

            try
            {
                await loading.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // A load that all who had waited for gave up, just before this caller came: it is begun anew.
            }
            finally
            {
                EndWait();
            }
        }
    }

    /// <summary>One use less.</summary>
    public void EndUse() => _ = EndLeaseAsync();

    /// <summary>One user less; done when the model is freed, where that is to happen at once.</summary>
    public Task EndLeaseAsync()
    {
        lock (gate)
        {
            _users--;
            LetGoIfUnused();
            return _closing;
        }
    }

    private void AddUser()
    {
        _users++;
        _timer?.Dispose();
        _timer = null;
    }

    private Task<IModel> BeginLoad()
    {
        var cancellation = new CancellationTokenSource();
        _giveUp = cancellation.Cancel;
        var loading = LoadAsync(_closing, cancellation);

        // Where all who waited are gone, nobody looks at its failure.
        _ = loading.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return loading;
    }

    private async Task<IModel> LoadAsync(Task closing, CancellationTokenSource cancellation)
    {
        // Never under the lock, and never beside a model that is still being freed.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        IModel? loaded = null;
        try
        {
            await closing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return loaded = await load(cancellation.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (gate)
            {
                _model = loaded;
                _loading = null;
                _giveUp = null;
                LetGoIfUnused();
            }

            cancellation.Dispose();
        }
    }

    // A load that nobody waits for any more is given up.
    private void EndWait()
    {
        Action? giveUp = null;
        lock (gate)
        {
            if (--_waiters == 0)
            {
                giveUp = _giveUp;
                LetGoIfUnused();
            }
        }

        try
        {
            giveUp?.Invoke();
        }
        catch (ObjectDisposedException)
        {
            // The load has just ended.
        }
    }

    private void LetGoIfUnused()
    {
        if (_users > 0 || _waiters > 0 || _loading is not null)
            return;
        if (_model is null)
            ForgetIfClosed();
        else if (_keepAlive == TimeSpan.Zero)
            Retire();
        else if (_keepAlive != Timeout.InfiniteTimeSpan)
            _timer ??= new Timer(static state => ((PooledModel)state!).TimeIsUp(), this, _keepAlive, Timeout.InfiniteTimeSpan);
    }

    private void TimeIsUp()
    {
        lock (gate)
        {
            _timer?.Dispose();
            _timer = null;
            if (_users == 0 && _waiters == 0 && _loading is null && _model is not null)
                Retire();
        }
    }

    // Frees the model; whoever wants it meanwhile loads it anew afterwards.
    private void Retire()
    {
        var model = _model!;
        _model = null;
        _closings++;
        _closing = CloseAsync(_closing, model);
    }

    private async Task CloseAsync(Task before, IModel model)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (model is IAsyncDisposable disposable)
                await disposable.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            lock (gate)
            {
                _closings--;
                LetGoIfUnused();
            }
        }
    }

    private void ForgetIfClosed()
    {
        if (_closings == 0)
            forget();
    }
}
