using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>Calls of tools as a service streams them: only a call's first piece has its id and name, and the end of one is not told.</summary>
internal sealed class StreamedCalls
{
    private readonly Dictionary<(int Choice, int Call), (string Id, string Name)> _begun = [];
    private readonly Dictionary<int, int> _open = [];

    /// <summary>The pieces of a chunk; a call is told as complete where the next begins or the choice ends by its calls.</summary>
    /// <exception cref="HearthServiceException">A piece is of no call that was begun.</exception>
    public IReadOnlyList<ToolCallUpdate> Read(ChatChunkChoice choice)
    {
        var pieces = new List<ToolCallUpdate>();
        foreach (var piece in choice.Delta.ToolCalls ?? [])
        {
            var index = piece.Index ?? 0;
            if (piece is { Id: { } id, Function.Name: { } name } && _begun.TryAdd((choice.Index, index), (id, name)))
            {
                Complete(choice.Index, pieces);
                _open[choice.Index] = index;
            }

            if (!_begun.TryGetValue((choice.Index, index), out var call))
                throw new HearthServiceException($"the service sent an event that is not of OpenAI's shape: a piece of call {index} came before its id and name");
            pieces.Add(new ToolCallUpdate(index, call.Id, call.Name, piece.Function?.Arguments ?? "", IsComplete: false));
        }

        if (WireNames.ToFinishReason(choice.FinishReason) == FinishReason.ToolCalls)
            Complete(choice.Index, pieces);
        return pieces;
    }

    private void Complete(int choice, List<ToolCallUpdate> pieces)
    {
        if (!_open.Remove(choice, out var index))
            return;
        var (id, name) = _begun[(choice, index)];
        pieces.Add(new ToolCallUpdate(index, id, name, "", IsComplete: true));
    }
}
