using System.Text;
using System.Text.Json;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.Extensions.AI;

namespace Hearth.Extensions.AI;

/// <summary>Makes one answer's updates of the model's.</summary>
internal sealed class AnswerReader(MappedTurn turn, AnswerWarnings log)
{
    private readonly Dictionary<string, StringBuilder> _arguments = [];
    private readonly List<string> _warnings = [.. turn.Warnings];
    private readonly List<TokenLogProbabilities> _logProbabilities = [];
    private bool _hasBegun;

    /// <summary>Whether the answer's end was announced.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>The next update; null where there is nothing to tell yet.</summary>
    public ChatResponseUpdate? Read(ResponseIdentity identity, ChatUpdate update)
    {
        var contents = new List<AIContent>();
        if (update.Reasoning.Length > 0 && turn.ShowsReasoning)
            contents.Add(new TextReasoningContent(update.Reasoning));
        if (update.Text.Length > 0)
            contents.Add(new TextContent(update.Text));
        foreach (var piece in update.ToolCalls)
        {
            if (Read(piece) is { } call)
                contents.Add(call);
        }

        if (update.Usage is { } usage)
            contents.Add(new UsageContent(ToDetails(usage)));
        var properties = Properties(identity, update);
        HasEnded |= update.FinishReason is not null;
        return contents.Count == 0 && update.FinishReason is null && properties is null ? null : new ChatResponseUpdate(ChatRole.Assistant, contents)
        {
            ResponseId = identity.Id,
            MessageId = identity.Id,
            ModelId = identity.ModelId,
            CreatedAt = identity.CreatedAt,
            FinishReason = ToFinishReason(update.FinishReason),
            RawRepresentation = update,
            AdditionalProperties = properties,
        };
    }

    // A call that never ends comes as text too, so its pieces may be let go.
    private FunctionCallContent? Read(ToolCallUpdate piece)
    {
        if (!_arguments.TryGetValue(piece.Id, out var arguments))
            _arguments.Add(piece.Id, arguments = new StringBuilder());
        arguments.Append(piece.Arguments);
        return piece.IsComplete && _arguments.Remove(piece.Id) ? FunctionCallContent.CreateFromParsedArguments(arguments.ToString(), piece.Id, piece.Name, ParseArguments) : null;
    }

    private static Dictionary<string, object?> ParseArguments(string json)
        => JsonElement.Parse(json).EnumerateObject().ToDictionary(member => member.Name, member => (object?)member.Value, StringComparer.Ordinal);

    // Joined updates keep the last value of a property, so each list holds all that came before.
    private AdditionalPropertiesDictionary? Properties(ResponseIdentity identity, ChatUpdate update)
    {
        var isNew = update.Warnings.Count > 0 || (!_hasBegun && _warnings.Count > 0);
        _hasBegun = true;
        _warnings.AddRange(update.Warnings);
        _logProbabilities.AddRange(update.LogProbabilities);
        AdditionalPropertiesDictionary? properties = null;
        if (isNew)
        {
            log.Tell(identity.ModelId, _warnings);
            (properties ??= [])["warnings"] = _warnings.ToArray();
        }

        if (update.FinishReason is not null && _logProbabilities.Count > 0)
            (properties ??= [])["logprobs"] = _logProbabilities.ToArray();
        if (update.StopSequence is { } stop)
            (properties ??= [])["stop_reason"] = stop;
        else if (update.StopTokenId is { } id)
            (properties ??= [])["stop_reason"] = id;
        return properties;
    }

    private static ChatFinishReason? ToFinishReason(FinishReason? reason) => reason switch
    {
        null => null,
        FinishReason.Stop => ChatFinishReason.Stop,
        FinishReason.ToolCalls => ChatFinishReason.ToolCalls,
        FinishReason.DeadlineExceeded => new ChatFinishReason("deadline_exceeded"),
        _ => ChatFinishReason.Length,
    };

    private static UsageDetails ToDetails(TokenUsage usage) => new()
    {
        InputTokenCount = usage.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.TotalTokens,
        CachedInputTokenCount = usage.CachedPromptTokens,
        ReasoningTokenCount = usage.ReasoningTokens,
        AdditionalCounts = usage.ForcedTokens > 0 ? new() { ["ForcedTokenCount"] = usage.ForcedTokens } : null,
    };
}
