using Hearth.Extensions.AI;
using Hearth.Runtime;
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
        return services.AddKeyedSingleton<IChatCompletionService>(options.ServiceId, (provider, _) => new HearthChatCompletionService(new TracedBackend(backend(provider))));
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
        return services.AddKeyedSingleton<ITextGenerationService>(options.ServiceId, (provider, _) => new HearthTextGenerationService(new TracedBackend(backend(provider))));
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

    /// <summary>Computes what chats of one kind begin with when the host starts, the functions of plugins and a system prompt, and keeps it in the cache.</summary>
    /// <remarks>
    /// It goes on in the background; the health check "hearth-prompts" (tag "ready") is healthy once it is done. A chat begins so if
    /// its first message is the system prompt and <see cref="FunctionChoiceBehavior.Auto"/> offers the same plugins. The model stays
    /// loaded while the container lives.
    /// </remarks>
    /// <param name="services">The services of a host.</param>
    /// <param name="options">Which model's; a file.</param>
    /// <param name="systemPrompt">The first message; null: none.</param>
    /// <param name="plugins">The plugins; null: those that the container has, which a kernel of <c>AddKernel</c> gets.</param>
    /// <exception cref="ArgumentException">The options name no file, or hold an unusable value.</exception>
    public static IServiceCollection AddHearthPinnedPrompt(this IServiceCollection services, HearthServiceOptions options, string? systemPrompt, IEnumerable<KernelPlugin>? plugins = null)
        => PromptPins.Register(services, options, provider =>
        {
            var kernel = new Kernel(provider, new KernelPluginCollection(plugins ?? provider.GetServices<KernelPlugin>()));
            return new ChatPrompt
            {
                Messages = systemPrompt is null ? [] : [new ChatMessage("system", systemPrompt)],
                Tools = FunctionOffer.Of(FunctionChoiceBehavior.Auto(), [], kernel, round: 0, before: null).Tools,
            };
        });
}
