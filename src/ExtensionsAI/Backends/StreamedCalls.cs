using System.Text;
using System.Text.Json;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>Calls of tools as a service streams them: only a call's first piece has its id and name, and the end of one is not told.</summary>
internal sealed class StreamedCalls
{
    private readonly Dictionary<(int Choice, int Call), (string Id, string Name, StringBuilder Arguments)> _begun = [];
    private readonly Dictionary<int, int> _open = [];

    /// <summary>The pieces of a chunk; a call is told as complete where the next begins or the choice ends by its calls.</summary>
    /// <exception cref="HearthServiceException">A piece is of no call that was begun.</exception>
    public IReadOnlyList<ToolCallUpdate> Read(ChatChunkChoice choice)
    {
        var pieces = new List<ToolCallUpdate>();
        foreach (var piece in choice.Delta.ToolCalls ?? [])
        {
            var index = piece.Index ?? 0;
            if (piece is { Id: { } id, Function.Name: { } name } && _begun.TryAdd((choice.Index, index), (id, name, new StringBuilder())))
            {
                Complete(choice.Index, pieces);
                _open[choice.Index] = index;
            }

            if (!_begun.TryGetValue((choice.Index, index), out var call))
                throw new HearthServiceException($"the service sent an event that is not of OpenAI's shape: a piece of call {index} came before its id and name");
            call.Arguments.Append(piece.Function?.Arguments);
            pieces.Add(new ToolCallUpdate(index, call.Id, call.Name, piece.Function?.Arguments ?? "", IsComplete: false));
        }

        // A limit may end the answer within a call, or behind it.
        if (choice.FinishReason is not null && _open.TryGetValue(choice.Index, out var last) && IsObject(_begun[(choice.Index, last)].Arguments.ToString()))
            Complete(choice.Index, pieces);
        return pieces;
    }

    private void Complete(int choice, List<ToolCallUpdate> pieces)
    {
        if (!_open.Remove(choice, out var index))
            return;
        var (id, name, _) = _begun[(choice, index)];
        pieces.Add(new ToolCallUpdate(index, id, name, "", IsComplete: true));
    }

    private static bool IsObject(string json)
    {
        try
        {
            return JsonElement.Parse(json).ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
