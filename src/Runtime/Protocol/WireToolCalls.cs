namespace Hearth.Runtime.Protocol;

/// <summary>Calls of tools as OpenAI writes them, whole and piece by piece.</summary>
internal static class WireToolCalls
{
    /// <summary>A call that is complete.</summary>
    public static WireToolCall Whole(ToolCallUpdate call, string arguments) => new()
    {
        Id = call.Id,
        Type = "function",
        Function = new WireFunctionCall { Name = call.Name, Arguments = arguments },
    };

    /// <summary>A piece of one: the first has the id and the name, all others their characters only.</summary>
    public static WireToolCall Piece(ToolCallUpdate call, bool isFirst) => isFirst
        ? new WireToolCall { Index = call.Index, Id = call.Id, Type = "function", Function = new WireFunctionCall { Name = call.Name, Arguments = call.Arguments } }
        : new WireToolCall { Index = call.Index, Function = new WireFunctionCall { Arguments = call.Arguments } };
}
