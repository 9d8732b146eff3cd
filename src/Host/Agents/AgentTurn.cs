using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Agents;

/// <summary>Answers a chat with tools that the service runs itself: what the model calls of them is run and told to it, until it answers.</summary>
internal static class AgentTurn
{
    /// <summary>Answers, as one answer: texts and thoughts of all the model's turns, none of the calls that were run, and what all of it cost.</summary>
    /// <param name="model">Answers.</param>
    /// <param name="turn">The chat; <paramref name="tools"/> are among its tools.</param>
    /// <param name="tools">Those that are run.</param>
    /// <param name="log">Told of each run, without its contents.</param>
    /// <param name="cancellationToken">Ends the answer, and the calls that run.</param>
    public static async IAsyncEnumerable<ChatUpdate> AnswerAsync(ILanguageModel model, ChatTurnRequest turn, AgentTools tools, ILogger log, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (turn.Options.ChoiceCount is > 1)
        {
            throw new InvalidRequestException(nameof(GenerationOptions.ChoiceCount), $"must be 1 with the preset '{tools.Preset.Id}', whose tools the service runs");
        }

        // A call of the caller's ends the answer: there is no telling it beside calls that were run.
        var isMixed = turn.Chat.Tools.Any(tool => !tools.Runs(NameOf(tool)));
        turn = isMixed ? turn with { ParallelToolCalls = false } : turn;
        TokenUsage? spent = null;
        var hasText = false;
        for (var rounds = 0; ; rounds++)
        {
            var said = new Said();
            var isFirst = true;
            await foreach (var update in model.ChatAsync(turn, cancellationToken))
            {
                said.Add(update);
                var shown = update with { ToolCalls = [.. update.ToolCalls.Where(call => !tools.Runs(call.Name))] };
                if (isFirst && hasText && shown.Text.Length > 0)
                {
                    shown = shown with { Text = "\n\n" + shown.Text };
                }

                isFirst &= shown.Text.Length == 0;
                if (update.FinishReason is null)
                {
                    yield return shown;
                    continue;
                }

                spent = update.Usage is { } usage ? Sum(spent, usage) : spent;
                if (update.FinishReason != FinishReason.ToolCalls || !said.Calls.Any(call => tools.Runs(call.Name)))
                {
                    yield return shown with { Usage = spent };
                    yield break;
                }

                yield return shown with { FinishReason = null, Usage = null, StopSequence = null, StopTokenId = null };
            }

            hasText |= said.Text.Length > 0;
            var calls = said.Calls;
            var results = await Task.WhenAll(calls.Select(call => RunAsync(tools, call, log, cancellationToken)));
            turn = Behind(turn, said, calls, results);
            if (rounds + 1 >= tools.Preset.MostToolRounds)
            {
                yield return new ChatUpdate { Warnings = [$"the preset '{tools.Preset.Id}' runs tools {tools.Preset.MostToolRounds} times an answer at most (MostToolRounds); the model had to answer without more"] };
                turn = turn with { ToolChoice = ToolChoice.None };
            }
        }
    }

    private static string NameOf(JsonObject tool) => tool["function"]?["name"] is JsonValue name && name.TryGetValue<string>(out var text) ? text : "";

    private static async Task<string> RunAsync(AgentTools tools, ToolCall call, ILogger log, CancellationToken cancellationToken)
    {
        var begin = TimeProvider.System.GetTimestamp();
        var result = await tools.CallAsync(call.Name, call.Arguments, cancellationToken);
        if (log.IsEnabled(LogLevel.Information))
        {
            log.LogInformation("preset {Preset}: ran {Tool} in {Milliseconds:f0} ms, {Characters} characters came back", tools.Preset.Id, call.Name, TimeProvider.System.GetElapsedTime(begin).TotalMilliseconds, result.Length);
        }

        return result;
    }

    // The chat behind a round: what the model said, and the results. A call that was asked for has been made; the rest is the model's choice.
    private static ChatTurnRequest Behind(ChatTurnRequest turn, Said said, IReadOnlyList<ToolCall> calls, string[] results)
    {
        var messages = turn.Chat.Messages.ToList();
        var text = said.Text.ToString();
        if (turn.ContinuesFinalMessage)
        {
            text = messages[^1].Content + text;
            messages.RemoveAt(messages.Count - 1);
        }

        messages.Add(new ChatMessage("assistant", text.Length > 0 ? text : null) { ToolCalls = calls, Reasoning = said.Reasoning.Length > 0 ? said.Reasoning.ToString() : null });
        messages.AddRange(calls.Zip(results, (call, result) => new ChatMessage("tool", result) { ToolCallId = call.Id, Name = call.Name }));
        var choice = turn.ToolChoice;
        return turn with
        {
            Chat = turn.Chat with { Messages = messages },
            ContinuesFinalMessage = false,
            ToolChoice = choice.Mode != ToolChoiceMode.Required ? choice : choice.Allowed is { } allowed ? ToolChoice.AllowedOnly(allowed) : ToolChoice.Auto,
        };
    }

    private static TokenUsage Sum(TokenUsage? before, TokenUsage usage) => before is not { } first ? usage : first with
    {
        PromptTokens = first.PromptTokens + usage.PromptTokens,
        CompletionTokens = first.CompletionTokens + usage.CompletionTokens,
        CachedPromptTokens = first.CachedPromptTokens + usage.CachedPromptTokens,
        DraftedTokens = first.DraftedTokens + usage.DraftedTokens,
        AcceptedTokens = first.AcceptedTokens + usage.AcceptedTokens,
        ReasoningTokens = first.ReasoningTokens + usage.ReasoningTokens,
    };

    /// <summary>What the model said in a round.</summary>
    private sealed class Said
    {
        private readonly List<(ToolCallUpdate Call, StringBuilder Arguments)> _calls = [];

        public StringBuilder Text { get; } = new();

        public StringBuilder Reasoning { get; } = new();

        public IReadOnlyList<ToolCall> Calls => [.. _calls.Select(call => new ToolCall(call.Call.Id, call.Call.Name, (JsonObject)JsonNode.Parse(call.Arguments.ToString())!))];

        public void Add(ChatUpdate update)
        {
            Text.Append(update.Text);
            Reasoning.Append(update.Reasoning);
            foreach (var piece in update.ToolCalls)
            {
                if (piece.Index == _calls.Count)
                {
                    _calls.Add((piece, new StringBuilder()));
                }

                _calls[piece.Index].Arguments.Append(piece.Arguments);
            }
        }
    }
}
