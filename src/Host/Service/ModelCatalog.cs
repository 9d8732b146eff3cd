using System.Collections.Immutable;

namespace Hearth.Host.Service;

/// <summary>The service's models: which there are, and which are loaded.</summary>
/// <remarks>
/// Those that the configuration lists are loaded in its order once the host starts and stay; those found in folders are loaded by the first
/// request for them and go when nobody asked for a while, or when another needs their memory. A load is of one model: who asks
/// for another, loaded one does not wait for it. A model that cannot be loaded is an error for its askers; where none of
/// those that start can be, the host stops.
/// </remarks>
internal sealed partial class ModelCatalog(
    LiveConfiguration live, LoadModel load, IHostApplicationLifetime lifetime, SystemdState systemd, ILogger<ModelCatalog> logger)
    : BackgroundService, IAsyncDisposable
{
    /// <summary>How often it is looked whether a model's time is over.</summary>
    private static readonly TimeSpan TidyInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private ImmutableArray<CatalogEntry> _entries =
    [
        .. ModelsOf(live.Current).Select(model => new CatalogEntry(model, isStarting: !model.OnDemand) { KeepAlive = KeepAliveOf(model, live.Current) }),
    ];

    private ImmutableArray<PresetConfiguration> _presets = [.. live.Current.Presets];

    private ServiceConfiguration Configuration => live.Current;

    public IReadOnlyList<CatalogEntry> Entries => _entries;

    /// <summary>Whether a name that no model has stands for the default one.</summary>
    public bool AnswersUnknownNames => Configuration.AnswerUnknownModels ?? _entries.Length == 1;

    /// <summary>Answers requests that name no model: the first one ready that serves them; models become ready in the order of the configuration.</summary>
    /// <returns>While none is ready, one that is not loaded, where there is any; else one that does not serve them.</returns>
    public CatalogEntry DefaultFor(Func<IModel, bool> serves) => DefaultFor(serves, _ => true)!;

    /// <inheritdoc cref="DefaultFor(Func{IModel, bool})"/>
    /// <param name="serves">Which models serve them.</param>
    /// <param name="opens">Which the caller may use; null is returned where that is none.</param>
    public CatalogEntry? DefaultFor(Func<IModel, bool> serves, Func<CatalogEntry, bool> opens)
    {
        List<CatalogEntry> entries = [.. _entries.Where(opens)];
        return entries.Find(entry => entry.Model is { } model && serves(model))
            ?? entries.Find(entry => entry.Model is null && entry.Failure is null) ?? entries.FirstOrDefault();
    }

    /// <summary>Why the host was stopped, where no model could be loaded.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>The model of a name: its id, an alias, or either in another case or with a tag <c>:latest</c>, which some clients add.</summary>
    public CatalogEntry? Find(string id)
    {
        const string Tag = ":latest";
        return Exactly(id) ?? (id.EndsWith(Tag, StringComparison.OrdinalIgnoreCase) ? Exactly(id[..^Tag.Length]) : Exactly(id + Tag));

        CatalogEntry? Exactly(string name) => Named(name, StringComparison.Ordinal) ?? Named(name, StringComparison.OrdinalIgnoreCase);

        CatalogEntry? Named(string name, StringComparison comparison)
            => _entries.FirstOrDefault(entry => entry.Id.Equals(name, comparison))
                ?? _entries.FirstOrDefault(entry => entry.Configuration.Aliases.Any(alias => alias.Equals(name, comparison)));
    }

    /// <summary>Names of their own for models with a system prompt and options.</summary>
    public IReadOnlyList<PresetConfiguration> Presets => _presets;

    /// <summary>The preset of a name; null where there is none.</summary>
    public PresetConfiguration? FindPreset(string id)
        => _presets.FirstOrDefault(preset => preset.Id == id) ?? _presets.FirstOrDefault(preset => id.Equals(preset.Id + ":latest", StringComparison.OrdinalIgnoreCase) || id.Equals(preset.Id, StringComparison.OrdinalIgnoreCase));

    /// <summary>Adds a preset, or puts it in the place of the one of its name.</summary>
    public void Add(PresetConfiguration preset)
    {
        lock (_lock)
        {
            _presets = [.. _presets.Where(other => other.Id != preset.Id), preset];
        }
    }

    /// <summary>Takes a preset off the list.</summary>
    public void Remove(PresetConfiguration preset)
    {
        lock (_lock)
        {
            _presets = _presets.Remove(preset);
        }
    }

    /// <summary>Adds a model, which is loaded when it is asked for.</summary>
    /// <returns>False where one has that id already.</returns>
    public bool Add(ModelConfiguration model)
    {
        lock (_lock)
        {
            if (_entries.Any(entry => entry.Id == model.EffectiveId))
            {
                return false;
            }

            _entries = _entries.Add(new CatalogEntry(model, isStarting: false) { KeepAlive = KeepAliveOf(model, Configuration) });
            return true;
        }
    }

    /// <summary>Takes a model off the list; who uses it goes on.</summary>
    public void Remove(CatalogEntry entry)
    {
        lock (_lock)
        {
            _entries = _entries.Remove(entry);
            entry.IsRemoved = true;
        }

        _ = UnloadWhenIdleAsync(entry);
    }

    /// <summary>Says why the service is to end.</summary>
    public void Fail(Exception failure) => Failure = failure;

    public async ValueTask DisposeAsync()
    {
        foreach (var entry in _entries)
        {
            if (entry.Model is { } model)
            {
                await model.DisposeModelAsync();
            }
        }

        Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await StartedAsync(stoppingToken);
        live.Changed += Apply;

        // The host tells its services one after the other to stop; a load that nobody wants need not wait for its turn.
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        var starting = _entries.Where(entry => entry.IsStarting).ToList();
        foreach (var entry in starting)
        {
            try
            {
                (await AcquireAsync(entry, stopping.Token)).Dispose();
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                logger.LogCritical("model {Id} cannot be loaded: {Message}", entry.Id, exception.Message);
                systemd.Failed($"model {entry.Id} cannot be loaded: {exception.Message}");
                Failure ??= exception;
            }
            finally
            {
                entry.IsStarting = false;
            }
        }

        if (Failure is not null && _entries.All(entry => entry.Failure is not null))
        {
            lifetime.StopApplication();
            return;
        }

        Failure = null;
        _isReady = true;
        systemd.Ready(_entries.Length);
        using var timer = new PeriodicTimer(TidyInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping.Token))
            {
                await TidyAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The service ends; whoever disposes the catalog frees the models.
        }
    }

    private static TimeSpan KeepAliveOf(ModelConfiguration model, ServiceConfiguration configuration)
        => (model.KeepAliveSeconds ?? (model.OnDemand ? configuration.KeepAliveSeconds : -1)) is var seconds && seconds < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(seconds);

    /// <summary>Loading begins once the service listens: /health can then tell how far it is, and a failure stops a host that runs.</summary>
    private async Task StartedAsync(CancellationToken cancellationToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(cancellationToken);
    }

    private async Task<IModel> ReadAsync(CatalogEntry entry, CancellationToken cancellationToken)
    {
        logger.LogInformation("loading model {Id} from {Path}", entry.Id, entry.Configuration.Path);
        var began = TimeProvider.System.GetTimestamp();
        var logged = 0.0;
        Tell(0);
        var progress = new DirectProgress(value =>
        {
            entry.Progress = value;
            Tell(value);

            // A line each quarter is enough for a log.
            if (value >= logged + 0.25 && value < 1)
            {
                logged = value;
                logger.LogInformation("loading model {Id}: {Percent:0} %", entry.Id, value * 100);
            }
        });
        var model = await load(Sized(entry.Configuration), progress, cancellationToken);
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

        return model;

        void Tell(double value)
        {
            if (entry.IsStarting)
            {
                systemd.Loading(entry.Id, value);
            }
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
