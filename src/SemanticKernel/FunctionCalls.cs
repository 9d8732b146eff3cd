using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>Invokes the functions that a model called and puts their results into the chat.</summary>
internal static class FunctionCalls
{
    /// <summary>Invocations within invocations: a prompt function may ask a model that calls it again.</summary>
    private const int MostNested = 128;

    private static readonly AsyncLocal<int> s_nested = new();

    private static readonly JsonSerializerOptions s_results = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether one may be invoked from here; false deep within invocations.</summary>
    public static bool MayInvoke => s_nested.Value < MostNested;

    /// <summary>Invokes a message's calls, and adds the message and a result for each call to the chat.</summary>
    /// <param name="message">The model's.</param>
    /// <param name="calls">Its calls.</param>
    /// <param name="turn">What it answered.</param>
    /// <param name="cancellationToken">Is handed to the functions.</param>
    /// <returns>The chat's last message where a filter ended the exchange; null where the model is to be asked again.</returns>
    public static async Task<ChatMessageContent?> InvokeAsync(ChatMessageContent message, IReadOnlyList<FunctionCallContent> calls, FunctionTurn turn, CancellationToken cancellationToken)
    {
        turn.History.Add(message);
        var concurrent = turn.Offer.Options.AllowConcurrentInvocation && calls.Count > 1;
        var running = new List<Task<Outcome>>();
        for (var i = 0; i < calls.Count; i++)
        {
            var invocation = InvokeAsync(message, calls, i, turn, cancellationToken);
            running.Add(invocation);
            if (concurrent)
                continue;
            var outcome = await invocation.ConfigureAwait(false);
            AddResult(turn.History, calls[i], outcome);
            if (outcome.Terminates)
                return turn.History[^1];
        }

        if (!concurrent)
            return null;
        var outcomes = await Task.WhenAll(running).ConfigureAwait(false);
        for (var i = 0; i < calls.Count; i++)
            AddResult(turn.History, calls[i], outcomes[i]);
        return outcomes.Any(outcome => outcome.Terminates) ? turn.History[^1] : null;
    }

    /// <summary>A result as the model reads it.</summary>
    public static string ResultText(object? result) => result switch
    {
        null => "",
        string text => text,
        ImageContent => "Error: this model reads no images.",
        KernelContent content => content.ToString() ?? "",
        IEnumerable<ChatMessageContent> messages => string.Join(",", messages.Select(message => message.ToString())),
        _ => JsonSerializer.Serialize(result, s_results),
    };

    private static async Task<Outcome> InvokeAsync(
        ChatMessageContent message, IReadOnlyList<FunctionCallContent> calls, int index, FunctionTurn turn, CancellationToken cancellationToken)
    {
        var (kernel, call) = (turn.Kernel, calls[index]);
        if (call.Exception is { } malformed)
            return new Outcome($"Error: the call could not be read: {malformed.Message}", false);
        if (!turn.Offer.Has(call))
            return new Outcome($"Error: there is no function '{FunctionOffer.FullName(call.PluginName, call.FunctionName)}' among those offered.", false);
        if (!kernel.Plugins.TryGetFunction(call.PluginName, call.FunctionName, out var function))
            return new Outcome($"Error: the function '{FunctionOffer.FullName(call.PluginName, call.FunctionName)}' could not be found.", false);

        // Of this flow only: what is set in an async method ends with it.
        s_nested.Value++;
        var context = new AutoFunctionInvocationContext(kernel, function, new FunctionResult(function) { Culture = kernel.Culture }, turn.History, message)
        {
            Arguments = call.Arguments ?? [],
            RequestSequenceIndex = turn.Round,
            FunctionSequenceIndex = index,
            FunctionCount = calls.Count,
            CancellationToken = cancellationToken,
            IsStreaming = turn.IsStreaming,
            ToolCallId = call.Id,
            ExecutionSettings = turn.Settings,
        };
        try
        {
            await ThroughFiltersAsync(context, 0).ConfigureAwait(false);
            return new Outcome(ResultText(context.Result.GetValue<object>()), context.Terminate);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever a function or a filter throws is told to the model, which may know another way.
            return new Outcome($"Error: the function failed: {exception.Message}", context.Terminate);
        }
    }

    private static Task ThroughFiltersAsync(AutoFunctionInvocationContext context, int index)
    {
        var filters = context.Kernel.AutoFunctionInvocationFilters;
        return index < filters.Count
            ? filters[index].OnAutoFunctionInvocationAsync(context, next => ThroughFiltersAsync(next, index + 1))
            : InvokeAsync(context);
    }

    private static async Task InvokeAsync(AutoFunctionInvocationContext context)
    {
        // The chat's settings are not the function's: with them a prompt function would offer itself.
        if (!context.Terminate)
            context.Result = await context.Function.InvokeAsync(context.Kernel, context.Arguments, cancellationToken: context.CancellationToken).ConfigureAwait(false);
    }

    private static void AddResult(ChatHistory history, FunctionCallContent call, Outcome outcome)
        => history.Add(new ChatMessageContent(AuthorRole.Tool, [new TextContent(outcome.Text), new FunctionResultContent(call.FunctionName, call.PluginName, call.Id, outcome.Text)]));

    private sealed record Outcome(string Text, bool Terminates);
}

/// <summary>What calls are invoked in: one request of an exchange.</summary>
/// <param name="Kernel">Has the functions and filters.</param>
/// <param name="Offer">What the model was offered.</param>
/// <param name="History">The chat, to which results are added.</param>
/// <param name="Settings">The caller's.</param>
/// <param name="Round">Which request it is, from 0.</param>
/// <param name="IsStreaming">Whether the answer is streamed.</param>
internal sealed record FunctionTurn(Kernel Kernel, FunctionOffer Offer, ChatHistory History, PromptExecutionSettings? Settings, int Round, bool IsStreaming);
