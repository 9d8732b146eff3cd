using Hearth.Runtime;
using Hearth.Runtime.Graphs;

namespace Hearth.Extensions.AI.Backends;

/// <summary>The models of files that this process has loaded: one for each file, use and options, however many containers and kernels name it.</summary>
/// <remarks>
/// A model is loaded when the first request needs it and let go some time after its last user. Users are leases, of which each
/// container has one, and requests that run. Safe to use from several threads at once.
/// </remarks>
internal sealed class ModelPool(IModelLoader loader)
{
    /// <summary>How long a model stays after its last user where nobody says otherwise.</summary>
    public static readonly TimeSpan DefaultKeepAlive = TimeSpan.FromSeconds(60);

    /// <summary>The longest time that a timer counts.</summary>
    public static readonly TimeSpan LongestKeepAlive = TimeSpan.FromDays(49);

    private readonly Lock _lock = new();
    private readonly Dictionary<Key, PooledModel> _models = [];

    /// <summary>The pool of this process.</summary>
    public static ModelPool Shared { get; } = new(new EngineLoader());

    /// <summary>Files of which a model is loaded, being loaded or has a user.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _models.Count;
        }
    }

    /// <summary>Becomes a user of a file's model, which is not loaded by that.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is loaded; null: every default.</param>
    /// <param name="pooling">Of an embedding model; null: as the file says.</param>
    /// <param name="keepAlive">How long the model stays after its last user; of several users the longest counts. Null: <see cref="DefaultKeepAlive"/>.</param>
    public ModelLease<T> Lease<T>(string path, ModelOptions? options = null, PoolingKind? pooling = null, TimeSpan? keepAlive = null)
        where T : class, IModel
    {
        var file = Path.GetFullPath(path);
        var key = new Key(typeof(T), OperatingSystem.IsWindows() ? file.ToUpperInvariant() : file, options ?? ModelOptions.Default, pooling);
        lock (_lock)
        {
            if (!_models.TryGetValue(key, out var model))
            {
                model = new PooledModel(_lock, cancellationToken => loader.LoadAsync<T>(file, key.Options, pooling, cancellationToken), () => _models.Remove(key));
                _models.Add(key, model);
            }

            model.AddLease(keepAlive ?? DefaultKeepAlive);
            return new ModelLease<T>(model);
        }
    }

    private sealed record Key(Type Use, string Path, ModelOptions Options, PoolingKind? Pooling);
}
