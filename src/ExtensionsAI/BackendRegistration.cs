using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Hearth.Extensions.AI;

/// <summary>Finds the backends of options, for constructors and for containers.</summary>
internal static class BackendRegistration
{
    /// <summary>Without a time limit of its own: a long prompt may take minutes before its first token, and callers can cancel.</summary>
    private static readonly Lazy<HttpClient> s_client = new(() => new HttpClient(
        new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = TimeSpan.FromSeconds(15) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    });

    public static IHearthBackend Of(ILanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LocalBackend(new OwnedModel<ILanguageModel>(model), model.Information.Id);
    }

    /// <exception cref="ArgumentException">The address is unusable.</exception>
    public static IHearthBackend Of(HttpClient httpClient, Uri endpoint, string? modelId)
    {
        CheckEndpoint(httpClient, endpoint);
        return new HttpBackend(httpClient, endpoint, modelId);
    }

    /// <param name="options">Where the model is.</param>
    /// <param name="lease">Keeps a file's model loaded until it is disposed; null for a service.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public static IHearthBackend Of(HearthClientOptions options, out IDisposable? lease)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        lease = null;
        if (options.Endpoint is { } endpoint)
            return new HttpBackend(options.HttpClient ?? s_client.Value, endpoint, options.ModelId);
        var path = Path.GetFullPath(options.ModelPath!);
        var leased = ModelPool.Shared.Lease<ILanguageModel>(path, options.LoadOptions, pooling: null, options.KeepAlive);
        lease = leased;
        return new LocalBackend(leased, LocalId(options, path));
    }

    public static IEmbeddingBackend Of(IEmbeddingModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LocalEmbeddingBackend(new OwnedModel<IEmbeddingModel>(model), model.Information.Id);
    }

    /// <exception cref="ArgumentException">The address is unusable.</exception>
    public static IEmbeddingBackend ForEmbedding(HttpClient httpClient, Uri endpoint, string? modelId)
    {
        CheckEndpoint(httpClient, endpoint);
        return new HttpEmbeddingBackend(httpClient, endpoint, modelId);
    }

    /// <param name="options">Where the model is.</param>
    /// <param name="lease">Keeps a file's model loaded until it is disposed; null for a service.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public static IEmbeddingBackend ForEmbedding(HearthClientOptions options, out IDisposable? lease)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check(embeds: true);
        lease = null;
        if (options.Endpoint is { } endpoint)
            return new HttpEmbeddingBackend(options.HttpClient ?? s_client.Value, endpoint, options.ModelId);
        var path = Path.GetFullPath(options.ModelPath!);
        var leased = ModelPool.Shared.Lease<IEmbeddingModel>(path, options.Model, options.Pooling, options.KeepAlive);
        lease = leased;
        return new LocalEmbeddingBackend(leased, LocalId(options, path));
    }

    /// <summary>Registers what a language model's clients share in a container.</summary>
    /// <returns>Finds the backend in the container.</returns>
    /// <exception cref="ArgumentException">The options name neither or both sources, hold an unusable value, or contradict those of a service that names the same file.</exception>
    public static Func<IServiceProvider, IHearthBackend> Register(IServiceCollection services, HearthClientOptions options)
    {
        Check(services, options, embeds: false);
        if (options.Endpoint is { } endpoint)
            return provider => new HttpBackend(Client(provider, options), endpoint, options.ModelId);
        var path = Share<ILanguageModel>(services, options);
        return provider => new LocalBackend(provider.GetRequiredKeyedService<ModelLease<ILanguageModel>>(path), LocalId(options, path));
    }

    /// <summary>Registers what all share in a container that use a file's language model.</summary>
    /// <returns>Finds the model in the container.</returns>
    /// <exception cref="ArgumentException">As of <see cref="Register"/>.</exception>
    public static Func<IServiceProvider, IModelSource<ILanguageModel>> RegisterLocal(IServiceCollection services, HearthClientOptions options)
    {
        Check(services, options, embeds: false);
        var path = Share<ILanguageModel>(services, options);
        return provider => provider.GetRequiredKeyedService<ModelLease<ILanguageModel>>(path);
    }

    /// <summary>Registers what an embedding model's clients share in a container.</summary>
    /// <inheritdoc cref="Register"/>
    public static Func<IServiceProvider, IEmbeddingBackend> RegisterEmbedding(IServiceCollection services, HearthClientOptions options)
    {
        Check(services, options, embeds: true);
        if (options.Endpoint is { } endpoint)
            return provider => new HttpEmbeddingBackend(Client(provider, options), endpoint, options.ModelId);
        var path = Share<IEmbeddingModel>(services, options);
        return provider => new LocalEmbeddingBackend(provider.GetRequiredKeyedService<ModelLease<IEmbeddingModel>>(path), LocalId(options, path));
    }

    private static void Check(IServiceCollection services, HearthClientOptions options, bool embeds)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        options.Check(embeds);
    }

    private static void CheckEndpoint(HttpClient httpClient, Uri endpoint)
    {
        ArgumentNullException.ThrowIfNull(httpClient);
        ArgumentNullException.ThrowIfNull(endpoint);
        new HearthClientOptions { Endpoint = endpoint }.Check();
    }

    private static HttpClient Client(IServiceProvider provider, HearthClientOptions options)
        => options.HttpClient ?? provider.GetService<HttpClient>() ?? s_client.Value;

    private static string LocalId(HearthClientOptions options, string path) => options.ModelId ?? options.Model?.Id ?? Path.GetFileNameWithoutExtension(path);

    /// <summary>Registers the container's lease of a file's model for a use.</summary>
    /// <returns>The file's full path, under which the lease is registered.</returns>
    private static string Share<T>(IServiceCollection services, HearthClientOptions options)
        where T : class, IModel
    {
        services.TryAddSingleton(ModelPool.Shared);
        var path = Path.GetFullPath(options.ModelPath!);
        var settings = new LeaseSettings<T>(options.LoadOptions, options.Pooling, options.KeepAlive);
        var known = services.FirstOrDefault(service => service.IsKeyedService && service.ServiceType == typeof(LeaseSettings<T>) && path.Equals(service.ServiceKey));
        if (known is null)
        {
            services.AddKeyedSingleton(path, settings);
            services.AddKeyedSingleton(path, (provider, _) => provider.GetRequiredService<ModelPool>().Lease<T>(path, settings.Model, settings.Pooling, settings.KeepAlive));
        }
        else if (!settings.Equals(known.KeyedImplementationInstance))
        {
            throw new ArgumentException($"'{path}' is registered already with other model options; services that share a model must agree on them");
        }

        return path;
    }

    /// <summary>How the model of a file is to be loaded and kept; every service of a container that names the file for the same use must agree on it.</summary>
    private sealed record LeaseSettings<T>(ModelOptions? Model, Hearth.Runtime.Graphs.PoolingKind? Pooling, TimeSpan? KeepAlive);
}
