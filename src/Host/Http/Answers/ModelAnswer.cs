using System.Runtime.CompilerServices;
using Hearth.Host.Agents;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>A model that a request was found to be for.</summary>
/// <param name="Id">Its name, as answers give it.</param>
/// <param name="Model">The model; loaded for as long as the request is answered.</param>
/// <param name="Entry">Where it comes from.</param>
internal sealed record FoundModel<T>(string Id, T Model, CatalogEntry Entry)
    where T : IModel;

/// <summary>What the answers of all protocols go through, from a request that was read to the model's updates.</summary>
internal static class ModelAnswer
{
    /// <summary>Finds the model of a chat.</summary>
    /// <exception cref="ApiException">There is none of that name, or it takes no chats.</exception>
    public static async Task<FoundModel<ILanguageModel>> FindChatAsync(HttpContext context, string? id)
    {
        var found = await ModelLookup.FindTextAsync(context, id);
        if (found.Model.Information is { HasChatTemplate: false, ChatTemplateFault: null })
        {
            throw ApiException.BadRequest($"the model '{found.Id}' has no chat template; use /v1/completions", "model");
        }

        return found.Model.Information.ChatTemplateFault is { } fault ? throw ApiException.BadRequest(fault, "model") : found;
    }

    /// <summary>A turn with what the service sets of it: defaults of its model, tools of its preset, its deadline, and whose prefixes it may start from.</summary>
    /// <exception cref="ApiException">A tool server of the preset cannot be reached.</exception>
    public static async Task<ChatTurnRequest> CompleteAsync(HttpContext context, ChatTurnRequest turn)
    {
        if (ModelDefaults.PresetOf(context) is { } preset)
        {
            var tools = turn.Chat.Tools.Count > 0 ? turn.Chat.Tools : [.. preset.Tools.Select(tool => tool.DeepClone().AsObject())];
            if (preset.ToolServers.Count > 0 && turn.ToolChoice.Mode != ToolChoiceMode.None)
            {
                try
                {
                    var run = await context.RequestServices.GetRequiredService<ToolServers>().GetAsync(preset, context.RequestAborted);
                    context.Features.Set(run);
                    tools = [.. tools, .. run.Functions];
                }
                catch (ToolServerException exception)
                {
                    throw new ApiException(StatusCodes.Status503ServiceUnavailable, exception.Message) { Code = "tool_server_unavailable" };
                }
            }

            turn = turn with { Chat = turn.Chat with { Tools = tools } };
        }

        var configuration = context.RequestServices.GetRequiredService<ServiceConfiguration>();
        return turn with
        {
            Chat = ModelDefaults.Apply(context, turn.Chat),
            Options = ModelDefaults.Apply(context, turn.Options),
            Deadline = DeadlineOf(configuration),
            CacheScope = CacheScopes.Of(context, configuration),
            Client = CacheScopes.ClientOf(context),
        };
    }

    /// <summary>A request with what the service sets of it, likewise.</summary>
    public static GenerationRequest Complete(HttpContext context, GenerationRequest request)
    {
        var configuration = context.RequestServices.GetRequiredService<ServiceConfiguration>();
        return request with
        {
            Options = ModelDefaults.Apply(context, request.Options),
            Deadline = DeadlineOf(configuration),
            CacheScope = request.CacheScope ?? CacheScopes.Of(context, configuration),
            Client = CacheScopes.ClientOf(context),
        };
    }

    /// <summary>The model's answer, with a template's failure as the caller's error.</summary>
    public static IAsyncEnumerable<ChatUpdate> ChatAsync(HttpContext context, ILanguageModel model, ChatTurnRequest turn, CancellationToken cancellationToken)
        => ExplainAsync(
            context,
            context.Features.Get<AgentTools>() is { } tools
                ? AgentTurn.AnswerAsync(model, turn, tools, context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(AgentTurn)), cancellationToken)
                : model.ChatAsync(turn, cancellationToken),
            cancellationToken);

    /// <summary>An answer, counted, with a template's failure as the caller's error.</summary>
    public static async IAsyncEnumerable<ChatUpdate> ExplainAsync(HttpContext context, IAsyncEnumerable<ChatUpdate> answer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var updates = answer.GetAsyncEnumerator(cancellationToken);
        while (await Explained(updates.MoveNextAsync))
        {
            var update = updates.Current;
            Count(context, update.TokenIds.Count, update.Usage, update.FinishReason);
            yield return update;
        }
    }

    /// <summary>A text's continuation, in the updates of chats.</summary>
    public static async IAsyncEnumerable<ChatUpdate> TextAsync(HttpContext context, ILanguageModel model, GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            Count(context, update.TokenIds.Count, update.Usage, update.FinishReason);
            yield return new ChatUpdate
            {
                Choice = update.Choice,
                Text = update.Text,
                TokenIds = update.TokenIds,
                LogProbabilities = update.LogProbabilities,
                FinishReason = update.FinishReason,
                Usage = update.Usage,
                StopSequence = update.StopSequence,
                StopTokenId = update.StopTokenId,
            };
        }
    }

    /// <summary>The tokens of a turn's prompt.</summary>
    /// <exception cref="ApiException">The template makes no prompt of the messages.</exception>
    public static ValueTask<int> CountAsync(ILanguageModel model, ChatTurnRequest turn, CancellationToken cancellationToken)
        => Explained(async () => await model.CountPromptAsync(turn, cancellationToken));

    /// <summary>Adds a piece of an answer to the request's account and its model's counters, and with its last piece what its text cost.</summary>
    public static void Count(HttpContext context, int tokens, TokenUsage? usage, FinishReason? finish, int prompt = 0)
    {
        RequestAccount.Of(context).Add(tokens, usage, finish?.ToWire(), prompt);
        ModelDefaults.EntryOf(context)?.Counters.AddStreamed(tokens);
        if (usage is { } cost)
        {
            ModelDefaults.EntryOf(context)?.Counters.Add(cost);
        }
    }

    private static DateTimeOffset DeadlineOf(ServiceConfiguration configuration) => DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds);

    private static async ValueTask<T> Explained<T>(Func<ValueTask<T>> read)
    {
        try
        {
            return await read();
        }
        catch (ChatTemplateFailureException failure)
        {
            // Where the template itself says no, other messages may do; else it is not made for them, or broken.
            throw ApiException.BadRequest(failure.Message, failure.IsRefusal ? "messages" : null);
        }
    }
}

/// <summary>When an answer was asked for, begun, and written.</summary>
internal sealed class AnswerClock
{
    private readonly long _asked = TimeProvider.System.GetTimestamp();
    private long _begun;
    private long _first;

    /// <summary>Its prompt began to be read.</summary>
    public void Begin() => Interlocked.CompareExchange(ref _begun, TimeProvider.System.GetTimestamp(), 0);

    /// <summary>Something of it came.</summary>
    public void Update() => _first = _first == 0 ? TimeProvider.System.GetTimestamp() : _first;

    /// <summary>The times of what was written so far.</summary>
    public WireTimings Timings(TokenUsage usage) => WireTimings.Of(usage, Prompt, Writing);

    /// <summary>Since it was asked for.</summary>
    public TimeSpan Total => TimeProvider.System.GetElapsedTime(_asked);

    /// <summary>What reading the prompt took.</summary>
    public TimeSpan Prompt => TimeProvider.System.GetElapsedTime(_begun == 0 ? _asked : _begun, _first == 0 ? TimeProvider.System.GetTimestamp() : _first);

    /// <summary>What writing took since.</summary>
    public TimeSpan Writing => _first == 0 ? TimeSpan.Zero : TimeProvider.System.GetElapsedTime(_first);
}
