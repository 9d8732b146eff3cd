using Hearth.Runtime.Engines;

namespace Hearth.Host.Service;

/// <content>What is loaded, and what has to go.</content>
internal sealed partial class ModelCatalog
{
    /// <summary>How long the failure of a load is told before it is tried again.</summary>
    private static readonly TimeSpan FailureTime = TimeSpan.FromSeconds(5);

    private long _used;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Bytes of the budget that loaded models take.</summary>
    public long UsedBytes => Interlocked.Read(ref _used);

    /// <summary>A use of a model, which is loaded where it is not.</summary>
    /// <remarks>However many ask, it is loaded once.</remarks>
    /// <exception cref="HearthException">It cannot be loaded.</exception>
    public async Task<ModelLease> AcquireAsync(CatalogEntry entry, CancellationToken cancellationToken)
    {
        Task? loading;
        lock (_lock)
        {
            entry.Users++;
            if (entry.Model is { } ready)
            {
                return new ModelLease(this, entry, ready);
            }

            if (entry is { Loading: null, Failure: { } failure } && TimeProvider.System.GetElapsedTime(entry.LeftAt) < FailureTime)
            {
                entry.Users--;
                throw new HearthException($"the model '{entry.Id}' cannot be loaded: {failure.Message}", failure);
            }

            loading = entry.Loading ??= Task.Run(() => LoadAsync(entry, lifetime.ApplicationStopping), CancellationToken.None);
        }

        try
        {
            await loading.WaitAsync(cancellationToken);
            return new ModelLease(this, entry, entry.Model!);
        }
        catch
        {
            Release(entry);
            throw;
        }
    }

    /// <summary>Says how long a model stays loaded without users, from now on.</summary>
    public void SetKeepAlive(CatalogEntry entry, TimeSpan time)
    {
        lock (_lock)
        {
            entry.KeepAlive = time;
        }
    }

    /// <summary>Frees a model's memory once nobody uses it; the next request loads it again.</summary>
    public async Task UnloadWhenIdleAsync(CatalogEntry entry)
    {
        IModel? model;
        lock (_lock)
        {
            model = entry.Users == 0 ? Take(entry) : null;
        }

        await FreeAsync(entry, model);
    }

    internal void Release(CatalogEntry entry)
    {
        bool goes;
        lock (_lock)
        {
            entry.Users--;
            entry.LeftAt = TimeProvider.System.GetTimestamp();
            goes = entry.Users == 0 && (entry.IsRemoved || entry.KeepAlive == TimeSpan.Zero);
            SignalChange();
        }

        if (goes)
        {
            _ = UnloadWhenIdleAsync(entry);
        }
    }

    private async Task LoadAsync(CatalogEntry entry, CancellationToken cancellationToken)
    {
        long reserved = 0;
        try
        {
            reserved = await ReserveAsync(entry, cancellationToken);
            var model = await ReadAsync(entry, cancellationToken);
            lock (_lock)
            {
                if (MemoryOf(model) is var (weights, scratch, cache))
                {
                    entry.Bytes = weights + scratch + cache;
                    entry.IsMeasured = true;
                }

                _used += entry.Bytes - reserved;
                entry.Model = model;
                entry.Failure = null;
                entry.Loading = null;
                SignalChange();
            }
        }
        catch (Exception exception)
        {
            lock (_lock)
            {
                _used -= reserved;
                entry.Failure = exception is OperationCanceledException ? null : exception;
                entry.Loading = null;
                entry.LeftAt = TimeProvider.System.GetTimestamp();
                SignalChange();
            }

            throw;
        }
        finally
        {
            entry.Progress = 0;
        }

        await TrimAsync();
    }

    /// <summary>Takes a model's part of the budget, for which others that are idle go; waits where none is.</summary>
    private async Task<long> ReserveAsync(CatalogEntry entry, CancellationToken cancellationToken)
    {
        for (; ; )
        {
            CatalogEntry? victim = null;
            IModel? model = null;
            Task change;
            lock (_lock)
            {
                entry.Bytes = entry.IsMeasured ? entry.Bytes : Estimate(entry.Configuration);
                if (Configuration.MemoryBytes is not { } budget || _used + entry.Bytes <= budget)
                {
                    _used += entry.Bytes;
                    return entry.Bytes;
                }

                var pinned = _entries.Where(other => other.IsPinned && other.Model is not null).Sum(other => other.Bytes);
                if (pinned + entry.Bytes > budget)
                {
                    throw new OutOfModelMemoryException(
                        $"the model '{entry.Id}' takes about {MebiBytes(entry.Bytes)} MiB, and the budget (MemoryBytes) is {MebiBytes(budget)} MiB{(pinned > 0 ? $", of which models that stay take {MebiBytes(pinned)} MiB" : "")}; a larger budget, or less CacheTokens, makes room");
                }

                victim = LeastUsed();
                model = victim is null ? null : Take(victim);
                change = _changed.Task;
            }

            if (victim is not null)
            {
                logger.LogInformation("model {Id} makes room for {Other}", victim.Id, entry.Id);
                await FreeAsync(victim, model);
            }
            else
            {
                await change.WaitAsync(cancellationToken);
            }
        }
    }

    // A model that takes more than its file let expect makes others go.
    private async Task TrimAsync()
    {
        for (; ; )
        {
            CatalogEntry? victim;
            IModel? model;
            lock (_lock)
            {
                victim = Configuration.MemoryBytes is { } budget && _used > budget ? LeastUsed() : null;
                model = victim is null ? null : Take(victim);
            }

            if (victim is null)
            {
                return;
            }

            await FreeAsync(victim, model);
        }
    }

    private async Task TidyAsync()
    {
        foreach (var entry in _entries)
        {
            IModel? model = null;
            lock (_lock)
            {
                if (entry is { Users: 0, IsPinned: false, Model: not null } && TimeProvider.System.GetElapsedTime(entry.LeftAt) >= entry.KeepAlive)
                {
                    model = Take(entry);
                }
            }

            await FreeAsync(entry, model);
        }
    }

    private CatalogEntry? LeastUsed()
        => _entries.Where(entry => entry is { Users: 0, IsPinned: false, Model: not null }).MinBy(entry => entry.LeftAt);

    /// <summary>Takes an idle model out of service; its bytes stay counted until it is freed.</summary>
    private static IModel? Take(CatalogEntry entry)
    {
        var model = entry.Model;
        entry.Model = null;
        return model;
    }

    private async Task FreeAsync(CatalogEntry entry, IModel? model)
    {
        if (model is null)
        {
            return;
        }

        try
        {
            await model.DisposeModelAsync();
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "model {Id} could not be freed", entry.Id);
        }

        lock (_lock)
        {
            _used -= entry.Bytes;
            SignalChange();
        }

        logger.LogInformation("model {Id} is unloaded", entry.Id);
    }

    private void SignalChange()
    {
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }

    // Under a budget a cache gets an eighth of it, where nobody says how large it is to be.
    private long? CacheBytesOf(ModelConfiguration model)
        => Configuration.MemoryBytes is { } budget && model.CacheTokens is null && ModelEngines.IsOwn(model.Engine) ? model.CacheBytes ?? Math.Max(1 << 20, budget / 8) : model.CacheBytes;

    private ModelConfiguration Sized(ModelConfiguration model) => model with { CacheBytes = CacheBytesOf(model) };

    private long Estimate(ModelConfiguration model)
    {
        var file = new FileInfo(model.Path);
        return (file.Exists ? file.Length + (file.Length / 8) : 0) + (Configuration.MemoryBytes is null ? 0 : CacheBytesOf(model) ?? 0);
    }
}
