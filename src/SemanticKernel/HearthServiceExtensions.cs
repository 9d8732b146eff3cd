using Hearth.Runtime;
using Hearth.SemanticKernel.Backends;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Hearth.SemanticKernel;

/// <summary>Registers Hearth's services with Semantic Kernel or any service collection.</summary>
public static class HearthServiceExtensions
{
    /// <summary>Without a time limit of its own: a long prompt may take minutes before its first token, and callers can cancel.</summary>
    private static readonly Lazy<HttpClient> SharedClient = new(() => new HttpClient(
        new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), ConnectTimeout = TimeSpan.FromSeconds(15) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    });

    /// <summary>Adds chat completion by a model file or a Hearth service.</summary>
    /// <exception cref="ArgumentException">The options name neither or both, or hold an unusable value.</exception>
    public static IKernelBuilder AddHearthChatCompletion(this IKernelBuilder builder, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddHearthChatCompletion(options);
        return builder;
    }

    /// <inheritdoc cref="AddHearthChatCompletion(IKernelBuilder, HearthServiceOptions)"/>
    public static IServiceCollection AddHearthChatCompletion(this IServiceCollection services, HearthServiceOptions options)
    {
        var backend = RegisterBackend(services, options);
        return services.AddKeyedSingleton<IChatCompletionService>(options.ServiceId, (provider, _) => new HearthChatCompletionService(backend(provider)));
    }

    /// <summary>Adds text generation by a model file or a Hearth service.</summary>
    /// <exception cref="ArgumentException">The options name neither or both, or hold an unusable value.</exception>
    public static IKernelBuilder AddHearthTextGeneration(this IKernelBuilder builder, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddHearthTextGeneration(options);
        return builder;
    }

    /// <inheritdoc cref="AddHearthTextGeneration(IKernelBuilder, HearthServiceOptions)"/>
    public static IServiceCollection AddHearthTextGeneration(this IServiceCollection services, HearthServiceOptions options)
    {
        var backend = RegisterBackend(services, options);
        return services.AddKeyedSingleton<ITextGenerationService>(options.ServiceId, (provider, _) => new HearthTextGenerationService(backend(provider)));
    }

    /// <summary>Adds an embedding generator by a model file or a Hearth service.</summary>
    /// <exception cref="ArgumentException">The options name neither or both, or hold an unusable value.</exception>
    public static IKernelBuilder AddHearthEmbeddingGenerator(this IKernelBuilder builder, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddHearthEmbeddingGenerator(options);
        return builder;
    }

    /// <inheritdoc cref="AddHearthEmbeddingGenerator(IKernelBuilder, HearthServiceOptions)"/>
    public static IServiceCollection AddHearthEmbeddingGenerator(this IServiceCollection services, HearthServiceOptions options)
    {
        var backend = RegisterEmbeddingBackend(services, options);
        return services.AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(options.ServiceId, (provider, _) => new HearthEmbeddingGenerator(backend(provider)));
    }

    private static Func<IServiceProvider, IHearthBackend> RegisterBackend(IServiceCollection services, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        _ = options.Checked();
        if (options.Endpoint is { } endpoint)
        {
            return provider => new HttpBackend(Client(provider, options), endpoint, options.ModelId);
        }

        services.TryAddSingleton<LoadModel>((file, model, cancellationToken) => LoadedAsync<ILanguageModel>(
            file, async () => await LanguageModel.LoadAsync(file, model, cancellationToken: cancellationToken).ConfigureAwait(false)));
        var path = Share<ILanguageModel>(services, options, (provider, file, cancellationToken) =>
            provider.GetRequiredService<LoadModel>()(file, options.Model, cancellationToken));
        return provider => new LocalBackend(provider.GetRequiredKeyedService<SharedModel<ILanguageModel>>(path).GetAsync, LocalId(options, path));
    }

    private static Func<IServiceProvider, IEmbeddingBackend> RegisterEmbeddingBackend(IServiceCollection services, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        _ = options.Checked(embeds: true);
        if (options.Endpoint is { } endpoint)
        {
            return provider => new HttpEmbeddingBackend(Client(provider, options), endpoint, options.ModelId);
        }

        services.TryAddSingleton<LoadEmbeddingModel>((file, model, pooling, cancellationToken) => LoadedAsync<IEmbeddingModel>(
            file, async () => await EmbeddingModel.LoadAsync(file, model, pooling, cancellationToken: cancellationToken).ConfigureAwait(false)));
        var path = Share<IEmbeddingModel>(services, options, (provider, file, cancellationToken) =>
            provider.GetRequiredService<LoadEmbeddingModel>()(file, options.Model, options.Pooling, cancellationToken));
        return provider => new LocalEmbeddingBackend(provider.GetRequiredKeyedService<SharedModel<IEmbeddingModel>>(path).GetAsync, LocalId(options, path));
    }

    /// <summary>Loads a model; a file that cannot be opened, or an option out of its range, is told as every other reason why it cannot be loaded.</summary>
    private static async Task<T> LoadedAsync<T>(string file, Func<Task<T>> load)
    {
        try
        {
            return await load().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new HearthException($"the model '{file}' cannot be loaded: {exception.Message}", exception);
        }
    }

    private static HttpClient Client(IServiceProvider provider, HearthServiceOptions options)
        => options.HttpClient ?? provider.GetService<HttpClient>() ?? SharedClient.Value;

    private static string LocalId(HearthServiceOptions options, string path) => options.ModelId ?? options.Model?.Id ?? Path.GetFileNameWithoutExtension(path);

    /// <summary>Registers the one model of a file and a use.</summary>
    /// <returns>The file's full path, under which the model is registered.</returns>
    private static string Share<T>(IServiceCollection services, HearthServiceOptions options, Func<IServiceProvider, string, CancellationToken, Task<T>> load)
        where T : class, IModel
    {
        var path = Path.GetFullPath(options.ModelPath!);
        var settings = new SharedModelSettings<T>(options.Model, options.Pooling);
        var known = services.FirstOrDefault(service => service.IsKeyedService && service.ServiceType == typeof(SharedModelSettings<T>) && path.Equals(service.ServiceKey));
        if (known is null)
        {
            services.AddKeyedSingleton(path, settings);
            services.AddKeyedSingleton(path, (provider, _) => new SharedModel<T>(cancellationToken => load(provider, path, cancellationToken)));
        }
        else if (!settings.Equals(known.KeyedImplementationInstance))
        {
            throw new ArgumentException($"'{path}' is registered already with other model options; services that share a model must agree on them");
        }

        return path;
    }
}
