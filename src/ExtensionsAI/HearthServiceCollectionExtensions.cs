using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Hearth.Extensions.AI;

/// <summary>Registers Hearth's models with a container.</summary>
/// <remarks>
/// A file's model is loaded when the first request needs it, once in the process, and let go some time after the container was
/// disposed. The builders that are returned add what is to stand around the client, such as
/// <c>UseFunctionInvocation</c>, <c>UseOpenTelemetry</c> or <c>UseLogging</c>.
/// </remarks>
public static class HearthServiceCollectionExtensions
{
    /// <summary>Adds an <see cref="IChatClient"/> by a model file or a Hearth service.</summary>
    /// <param name="services">The container's services.</param>
    /// <param name="options">Where the model is.</param>
    /// <param name="serviceKey">The key under which it is found; null: none.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public static ChatClientBuilder AddHearthChatClient(this IServiceCollection services, HearthClientOptions options, object? serviceKey = null)
    {
        var backend = BackendRegistration.Register(services, options);
        return serviceKey is null ? services.AddChatClient(New) : services.AddKeyedChatClient(serviceKey, New);

        IChatClient New(IServiceProvider provider) => new HearthChatClient(backend(provider), provider.GetService<ILoggerFactory>());
    }

    /// <summary>Adds an embedding generator by a model file or a Hearth service.</summary>
    /// <param name="services">The container's services.</param>
    /// <param name="options">Where the model is.</param>
    /// <param name="serviceKey">The key under which it is found; null: none.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public static EmbeddingGeneratorBuilder<string, Embedding<float>> AddHearthEmbeddingGenerator(this IServiceCollection services, HearthClientOptions options, object? serviceKey = null)
    {
        var backend = BackendRegistration.RegisterEmbedding(services, options);
        return serviceKey is null ? services.AddEmbeddingGenerator(New) : services.AddKeyedEmbeddingGenerator(serviceKey, New);

        IEmbeddingGenerator<string, Embedding<float>> New(IServiceProvider provider) => new HearthEmbeddingGenerator(backend(provider));
    }
}
