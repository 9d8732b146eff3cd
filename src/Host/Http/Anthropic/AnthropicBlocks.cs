using System.Text.Json.Nodes;

namespace Hearth.Host.Http;

/// <summary>A message's blocks as they are streamed: each begins, grows and ends before the next.</summary>
internal sealed class AnthropicBlocks
{
    private int _next;
    private string? _open;
    private int _call = -1;

    /// <summary>The events of an update.</summary>
    public IEnumerable<JsonObject> Add(ChatUpdate update)
    {
        if (update.Reasoning.Length > 0)
        {
            foreach (var told in Open("thinking", () => new JsonObject { ["type"] = "thinking", ["thinking"] = "", ["signature"] = "" }))
            {
                yield return told;
            }

            yield return Delta(new JsonObject { ["type"] = "thinking_delta", ["thinking"] = update.Reasoning });
        }

        if (update.Text.Length > 0)
        {
            foreach (var told in Open("text", () => new JsonObject { ["type"] = "text", ["text"] = "" }))
            {
                yield return told;
            }

            yield return Delta(new JsonObject { ["type"] = "text_delta", ["text"] = update.Text });
        }

        foreach (var call in update.ToolCalls)
        {
            if (call.Index != _call)
            {
                _call = call.Index;
                foreach (var told in End().Concat(Open("tool_use", () => new JsonObject { ["type"] = "tool_use", ["id"] = call.Id, ["name"] = call.Name, ["input"] = new JsonObject() })))
                {
                    yield return told;
                }
            }

            if (call.Arguments.Length > 0)
            {
                yield return Delta(new JsonObject { ["type"] = "input_json_delta", ["partial_json"] = call.Arguments });
            }
        }
    }

    /// <summary>Ends the block that is open.</summary>
    public IEnumerable<JsonObject> End()
    {
        if (_open is null)
        {
            yield break;
        }

        if (_open == "thinking")
        {
            // Clients want one before the block ends; nothing is signed here, since nobody else is to read it.
            yield return Delta(new JsonObject { ["type"] = "signature_delta", ["signature"] = "" });
        }

        yield return new JsonObject { ["type"] = "content_block_stop", ["index"] = _next - 1 };
        _open = null;
    }

    private IEnumerable<JsonObject> Open(string type, Func<JsonObject> block)
    {
        if (_open == type)
        {
            yield break;
        }

        foreach (var told in End())
        {
            yield return told;
        }

        _open = type;
        yield return new JsonObject { ["type"] = "content_block_start", ["index"] = _next++, ["content_block"] = block() };
    }

    private JsonObject Delta(JsonObject delta) => new() { ["type"] = "content_block_delta", ["index"] = _next - 1, ["delta"] = delta };
}
