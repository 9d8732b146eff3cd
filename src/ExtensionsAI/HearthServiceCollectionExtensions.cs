using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Hearth.Extensions.AI;

/// <summary>Registers Hearth's models with a container.</summary>
public static class HearthServiceCollectionExtensions
{
    /// <summary>Adds an embedding generator by a model file or a Hearth service.</summary>
    /// <param name="services">The container's services.</param>
    /// <param name="options">Where the model is.</param>
    /// <param name="serviceKey">The key under which it is found; null: none.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public static IServiceCollection AddHearthEmbeddingGenerator(this IServiceCollection services, HearthClientOptions options, object? serviceKey = null)
    {
        var backend = BackendRegistration.RegisterEmbedding(services, options);
        return services.AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(serviceKey, (provider, _) => new HearthEmbeddingGenerator(backend(provider)));
    }
}
