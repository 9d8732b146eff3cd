namespace Hearth.Host.Service;

/// <summary>The service's models: which there are, how far each is loaded, and the loaded ones.</summary>
/// <remarks>Loads them in the order of the configuration once the host starts. A model that cannot be loaded stops the host.</remarks>
internal sealed class ModelCatalog(
    ServiceConfiguration configuration, LoadModel load, IHostApplicationLifetime lifetime, SystemdState systemd, ILogger<ModelCatalog> logger)
    : BackgroundService, IAsyncDisposable
{
    private readonly CatalogEntry[] _entries = [.. configuration.Models.Select(model => new CatalogEntry(model))];

    public IReadOnlyList<CatalogEntry> Entries => _entries;

    /// <summary>Answers requests that name no model: the first one ready that serves them; models become ready in the order of the configuration.</summary>
    /// <returns>While none is ready, one that is still being loaded, where there is any; else one that does not serve them.</returns>
    public CatalogEntry DefaultFor(Func<IModel, bool> serves)
        => Array.Find(_entries, entry => entry.Model is { } model && serves(model)) ?? Array.Find(_entries, entry => entry.Model is null) ?? _entries[0];

    /// <summary>Why the host was stopped, where a model could not be loaded.</summary>
    public Exception? Failure { get; private set; }

    public CatalogEntry? Find(string id) => Array.Find(_entries, entry => entry.Id == id);

    public async ValueTask DisposeAsync()
    {
        foreach (var entry in _entries)
        {
            if (entry.Model is IAsyncDisposable model)
            {
                await model.DisposeAsync();
            }
        }

        Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await StartedAsync(stoppingToken);

        // The host tells its services one after the other to stop; a load that nobody wants need not wait for its turn.
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        foreach (var entry in _entries)
        {
            try
            {
                await LoadAsync(entry, stopping.Token);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                entry.Fail(exception);
                logger.LogCritical("model {Id} cannot be loaded: {Message}", entry.Id, exception.Message);
                systemd.Failed($"model {entry.Id} cannot be loaded: {exception.Message}");
                Failure = exception;
                lifetime.StopApplication();
                return;
            }
        }

        systemd.Ready(_entries.Length);
    }

    /// <summary>Loading begins once the service listens: /health can then tell how far it is, and a failure stops a host that runs.</summary>
    private async Task StartedAsync(CancellationToken cancellationToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(cancellationToken);
    }

    private async Task LoadAsync(CatalogEntry entry, CancellationToken cancellationToken)
    {
        logger.LogInformation("loading model {Id} from {Path}", entry.Id, entry.Configuration.Path);
        var began = TimeProvider.System.GetTimestamp();
        var logged = 0.0;
        systemd.Loading(entry.Id, 0);
        var progress = new DirectProgress(value =>
        {
            entry.Progress = value;
            systemd.Loading(entry.Id, value);

            // A line each quarter is enough for a log.
            if (value >= logged + 0.25 && value < 1)
            {
                logged = value;
                logger.LogInformation("loading model {Id}: {Percent:0} %", entry.Id, value * 100);
            }
        });
        var model = await load(entry.Configuration, progress, cancellationToken);
        entry.Complete(model);
        logger.LogInformation(
            "model {Id} is ready after {Seconds:0.0} s: {Architecture}, {Parameters:0.0} M parameters, context {Context}", entry.Id,
            TimeProvider.System.GetElapsedTime(began).TotalSeconds, model.Information.Architecture, model.Information.ParameterCount / 1e6, model.Information.ContextLength);
        foreach (var warning in model.Information.Warnings)
        {
            logger.LogWarning("model {Id}: {Warning}", entry.Id, warning);
        }

        if (MemoryOf(model) is var (weights, scratch, cache))
        {
            logger.LogInformation(
                "model {Id} takes {Weights} MiB for weights, {Scratch} MiB for work space and up to {Cache} MiB for its cache", entry.Id,
                MebiBytes(weights), MebiBytes(scratch), MebiBytes(cache));
        }
    }

    // Null for a model that is not in this process.
    private static (long Weights, long Scratch, long Cache)? MemoryOf(IModel model) => model switch
    {
        LanguageModel text => text.Memory,
        EmbeddingModel embedding => embedding.Memory,
        _ => null,
    };

    private static long MebiBytes(long bytes) => (bytes + (1 << 19)) >> 20;
}

/// <summary>A model of the service on its way from file to ready.</summary>
internal sealed class CatalogEntry(ModelConfiguration configuration)
{
    private volatile IModel? _model;
    private volatile Exception? _failure;
    private double _progress;

    public string Id { get; } = configuration.EffectiveId;

    public ModelConfiguration Configuration => configuration;

    /// <summary>0 to 1 while loading.</summary>
    public double Progress
    {
        get => Volatile.Read(ref _progress);
        set => Volatile.Write(ref _progress, value);
    }

    /// <summary>Null until it is loaded.</summary>
    public IModel? Model => _model;

    public Exception? Failure => _failure;

    public void Complete(IModel model) => _model = model;

    public void Fail(Exception failure) => _failure = failure;
}

/// <summary>Reports on the caller's thread, so that reports neither overtake each other nor outlive the work.</summary>
internal sealed class DirectProgress(Action<double> report) : IProgress<double>
{
    public void Report(double value) => report(value);
}
