using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>One choice of a chat's answer, gathered from its updates.</summary>
internal sealed class CollectedChat
{
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _reasoning = new();
    private readonly List<TokenLogProbabilities> _logProbabilities = [];
    private readonly List<(ToolCallUpdate Call, StringBuilder Arguments)> _calls = [];
    private FinishReason? _finishReason;
    private JsonValue? _stopReason;

    public string Text => _text.ToString();

    public string Reasoning => _reasoning.ToString();

    public IReadOnlyList<TokenLogProbabilities> LogProbabilities => _logProbabilities;

    public FinishReason? FinishReason => _finishReason;

    /// <summary>The calls that are there whole. Of one that the answer ended within the text tells all there is.</summary>
    public IReadOnlyList<WireToolCall> CompleteCalls
        => [.. _calls.Where(call => call.Call.IsComplete).Select(call => WireToolCalls.Whole(call.Call, call.Arguments.ToString()))];

    public void Add(ChatUpdate update)
    {
        _text.Append(update.Text);
        _reasoning.Append(update.Reasoning);
        _logProbabilities.AddRange(update.LogProbabilities);
        _finishReason ??= update.FinishReason;
        _stopReason ??= update.StopReason();
        foreach (var piece in update.ToolCalls)
        {
            if (piece.Index == _calls.Count)
            {
                _calls.Add((piece, new StringBuilder()));
            }

            _calls[piece.Index].Arguments.Append(piece.Arguments);
            _calls[piece.Index] = (piece, _calls[piece.Index].Arguments);
        }
    }

    public ChatChoice ToWire(int index)
    {
        var calls = CompleteCalls;
        return new ChatChoice
        {
            Index = index,
            Message = new ChatResponseMessage
            {
                Role = "assistant",
                Content = _text.Length == 0 && calls.Count > 0 ? null : _text.ToString(),
                ReasoningContent = _reasoning.Length > 0 ? _reasoning.ToString() : null,
                ToolCalls = calls.Count > 0 ? calls : null,
            },
            Logprobs = ChatLogprobs.Of(_logProbabilities),
            FinishReason = _finishReason?.ToWire(),
            StopReason = _stopReason,
        };
    }
}
