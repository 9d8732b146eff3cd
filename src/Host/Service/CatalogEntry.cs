namespace Hearth.Host.Service;

/// <summary>A model of the service: where it is, whether it is loaded, and who uses it.</summary>
/// <remarks>What changes is the catalog's to change, under its lock; everybody may read.</remarks>
internal sealed class CatalogEntry(ModelConfiguration configuration, bool isStarting)
{
    private volatile ModelConfiguration _configuration = configuration;
    private volatile IModel? _model;
    private volatile Exception? _failure;
    private double _progress;

    public string Id { get; } = configuration.EffectiveId;

    /// <summary>What it is loaded as; what else is said of it may change while it is.</summary>
    public ModelConfiguration Configuration
    {
        get => _configuration;
        set => _configuration = value;
    }

    /// <summary>Whether it is one of those that the service loads at its start, and has not been yet.</summary>
    public bool IsStarting { get; set; } = isStarting;

    /// <summary>0 to 1 while loading.</summary>
    public double Progress
    {
        get => Volatile.Read(ref _progress);
        set => Volatile.Write(ref _progress, value);
    }

    /// <summary>Null while it is not loaded.</summary>
    public IModel? Model
    {
        get => _model;
        set => _model = value;
    }

    /// <summary>Why the last load failed; null where it did not.</summary>
    public Exception? Failure
    {
        get => _failure;
        set => _failure = value;
    }

    /// <summary>The load that is under way.</summary>
    public Task? Loading { get; set; }

    /// <summary>Requests that use the model, or wait for its load.</summary>
    public int Users { get; set; }

    /// <summary>When the last of them left (<see cref="TimeProvider.GetTimestamp"/>).</summary>
    public long LeftAt { get; set; }

    /// <summary>How long it stays loaded without users; <see cref="Timeout.InfiniteTimeSpan"/>: for good.</summary>
    public TimeSpan KeepAlive { get; set; }

    /// <summary>What it takes of the memory budget: measured once it was loaded, before an estimate by its file.</summary>
    public long Bytes { get; set; }

    /// <summary>Whether <see cref="Bytes"/> was measured.</summary>
    public bool IsMeasured { get; set; }

    /// <summary>Whether it was taken off the list: it goes once nobody uses it.</summary>
    public bool IsRemoved { get; set; }

    /// <summary>What its answers cost since the service began.</summary>
    public ModelCounters Counters { get; } = new();

    public bool IsPinned => KeepAlive == Timeout.InfiniteTimeSpan;
}

/// <summary>What a model's answers cost together. Thread-safe.</summary>
internal sealed class ModelCounters
{
    private long _promptTokens;
    private long _cachedTokens;
    private long _completionTokens;
    private long _texts;
    private long _streamedTokens;

    public long PromptTokens => Interlocked.Read(ref _promptTokens);

    public long CachedTokens => Interlocked.Read(ref _cachedTokens);

    public long CompletionTokens => Interlocked.Read(ref _completionTokens);

    public long Texts => Interlocked.Read(ref _texts);

    /// <summary>Tokens that came so far, those of texts that go on still among them: <see cref="CompletionTokens"/> counts a text at its end.</summary>
    public long StreamedTokens => Interlocked.Read(ref _streamedTokens);

    public void AddStreamed(int tokens) => Interlocked.Add(ref _streamedTokens, tokens);

    public void Add(TokenUsage usage)
    {
        Interlocked.Add(ref _promptTokens, usage.PromptTokens);
        Interlocked.Add(ref _cachedTokens, usage.CachedPromptTokens);
        Interlocked.Add(ref _completionTokens, usage.CompletionTokens);
        Interlocked.Increment(ref _texts);
    }
}

/// <summary>A use of a loaded model: it stays loaded until this is disposed.</summary>
internal sealed class ModelLease(ModelCatalog catalog, CatalogEntry entry, IModel model) : IDisposable
{
    private int _disposed;

    public IModel Model => model;

    public CatalogEntry Entry => entry;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            catalog.Release(entry);
        }
    }
}

/// <summary>Reports on the caller's thread, so that reports neither overtake each other nor outlive the work.</summary>
internal sealed class DirectProgress(Action<double> report) : IProgress<double>
{
    public void Report(double value) => report(value);
}
