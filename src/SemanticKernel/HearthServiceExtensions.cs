using Hearth.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Hearth.SemanticKernel;

/// <summary>Registers Hearth's services with Semantic Kernel or any service collection.</summary>
public static class HearthServiceExtensions
{
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
        var backend = BackendRegistration.Register(services, options);
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
        var backend = BackendRegistration.Register(services, options);
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
        ArgumentNullException.ThrowIfNull(options);
        services.AddHearthEmbeddingGenerator(options, options.ServiceId);
        return services;
    }
}
