using Hearth.Runtime;
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

    /// <summary>Computes what chats of one kind begin with when the host starts, and keeps it in the cache, so that their first answer waits for their own words alone.</summary>
    /// <remarks>
    /// It goes on in the background; the health check "hearth-prompts" (tag "ready") is healthy once all prompts of the container
    /// are pinned, and says what failed where one could not be. A chat begins so if it has the same instructions as its
    /// <see cref="ChatOptions.Instructions"/> or first message and the same tools in the same order. The model stays loaded
    /// while the container lives.
    /// </remarks>
    /// <param name="services">The services of a host.</param>
    /// <param name="options">Which model's; a file, since a service pins prompts of its own configuration.</param>
    /// <param name="instructions">The system prompt; null: none.</param>
    /// <param name="tools">The functions that such chats offer; null: none.</param>
    /// <exception cref="ArgumentException">The options name no file or hold an unusable value, or there is neither a prompt nor a tool.</exception>
    /// <exception cref="NotSupportedException">A tool is no function.</exception>
    public static IServiceCollection AddHearthPinnedPrompt(this IServiceCollection services, HearthClientOptions options, string? instructions, IEnumerable<AITool>? tools = null)
    {
        var definitions = (tools ?? []).Select(TurnMapping.Definition).ToArray();
        if (instructions is null && definitions.Length == 0)
            throw new ArgumentException("a pinned prompt needs instructions or tools");
        return PromptPins.Register(services, options, _ => new ChatPrompt
        {
            Messages = instructions is null ? [] : [new Hearth.Runtime.ChatMessage("system", instructions)],
            Tools = definitions,
        });
    }
}
