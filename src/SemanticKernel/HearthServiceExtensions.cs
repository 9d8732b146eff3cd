using Hearth.Runtime;
using Hearth.SemanticKernel.Backends;
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

    private static Func<IServiceProvider, IHearthBackend> RegisterBackend(IServiceCollection services, HearthServiceOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        _ = options.Checked();
        if (options.Endpoint is { } endpoint)
        {
            return provider => new HttpBackend(options.HttpClient ?? provider.GetService<HttpClient>() ?? SharedClient.Value, endpoint, options.ModelId);
        }

        var path = Path.GetFullPath(options.ModelPath!);
        ShareSettings(services, path, options.Model);
        services.TryAddSingleton<LoadModel>(async (file, model, cancellationToken) =>
            await LanguageModel.LoadAsync(file, model, cancellationToken: cancellationToken).ConfigureAwait(false));
        services.TryAddKeyedSingleton(path, (provider, _) => new SharedModel(path, options.Model, provider.GetRequiredService<LoadModel>()));
        return provider => new LocalBackend(
            provider.GetRequiredKeyedService<SharedModel>(path).GetAsync, options.ModelId ?? options.Model?.Id ?? Path.GetFileNameWithoutExtension(path));
    }

    private static void ShareSettings(IServiceCollection services, string path, ModelOptions? model)
    {
        var known = services.FirstOrDefault(service => service.IsKeyedService && service.ServiceType == typeof(SharedModelSettings) && path.Equals(service.ServiceKey));
        if (known is null)
        {
            services.AddKeyedSingleton(path, new SharedModelSettings(model));
        }
        else if (((SharedModelSettings)known.KeyedImplementationInstance!).Options != model)
        {
            throw new ArgumentException($"'{path}' is registered already with other model options; services that share a model must agree on them");
        }
    }
}
