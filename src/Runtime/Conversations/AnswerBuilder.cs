using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Conversations;

/// <summary>An answer gathered from its updates.</summary>
internal sealed class AnswerBuilder
{
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _reasoning = new();
    private readonly List<(ToolCallUpdate Call, StringBuilder Arguments)> _calls = [];
    private readonly List<int> _tokens = [];

    public FinishReason? FinishReason { get; private set; }

    public TokenUsage? Usage { get; private set; }

    public IReadOnlyList<int>? Prompt { get; private set; }

    /// <summary>The tokens of prompt and answer; null where the model does not tell them.</summary>
    public int[]? Tokens => Prompt is null ? null : [.. Prompt, .. _tokens];

    public void Add(ChatUpdate update)
    {
        _text.Append(update.Text);
        _reasoning.Append(update.Reasoning);
        _tokens.AddRange(update.TokenIds);
        Prompt ??= update.Prompt;
        FinishReason ??= update.FinishReason;
        Usage ??= update.Usage;
        foreach (var piece in update.ToolCalls)
        {
            if (piece.Index == _calls.Count)
                _calls.Add((piece, new StringBuilder()));
            var arguments = _calls[piece.Index].Arguments.Append(piece.Arguments);
            _calls[piece.Index] = (piece, arguments);
        }
    }

    public ChatMessage ToMessage()
    {
        // Of a call that the answer ended within the text tells all there is.
        var calls = _calls.Where(call => call.Call.IsComplete).Select(call => ToCall(call.Call, call.Arguments.ToString())).ToList();
        return new ChatMessage("assistant", _text.Length == 0 && calls.Count > 0 ? null : _text.ToString())
        {
            Reasoning = _reasoning.Length > 0 ? _reasoning.ToString() : null,
            ToolCalls = calls,
        };
    }

    private static ToolCall ToCall(ToolCallUpdate call, string arguments)
    {
        try
        {
            if (JsonNode.Parse(arguments) is JsonObject parsed)
                return new ToolCall(call.Id, call.Name, parsed);
        }
        catch (JsonException)
        {
            // Told as it was written.
        }

        return new ToolCall(call.Id, call.Name, []) { ArgumentsText = arguments };
    }
}
