using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>An item of a response's output while it grows.</summary>
internal abstract class ResponseItemWriter(string idKind)
{
    protected StringBuilder Text { get; } = new();

    protected string Id { get; } = ResponseItems.NewId(idKind);

    /// <summary>Which of the output's items it is.</summary>
    public int Index { get; set; }

    /// <summary>The item as it is now.</summary>
    public abstract JsonObject Item(string status);

    public abstract IEnumerable<JsonObject> Begin();

    public abstract IEnumerable<JsonObject> Write(string piece, IReadOnlyList<TokenLogProbabilities> logProbabilities);

    public abstract IEnumerable<JsonObject> End(string status);

    /// <summary>An event: its type first, then its fields.</summary>
    public static JsonObject Typed(string type, JsonObject fields)
    {
        var told = new JsonObject { ["type"] = type };
        foreach (var (name, value) in fields.ToList())
        {
            fields.Remove(name);
            told[name] = value;
        }

        return told;
    }

    protected JsonObject Event(string type, JsonObject? fields = null, bool hasPart = true)
    {
        var told = new JsonObject { ["item_id"] = Id, ["output_index"] = Index };
        if (hasPart)
        {
            told["content_index"] = 0;
        }

        foreach (var (name, value) in (fields ?? []).ToList())
        {
            fields!.Remove(name);
            told[name] = value;
        }

        return Typed("response." + type, told);
    }

    protected JsonObject ItemEvent(string type, string status) => Typed("response.output_item." + type, new JsonObject { ["output_index"] = Index, ["item"] = Item(status) });
}

/// <summary>The answer's text.</summary>
internal sealed class MessageItemWriter() : ResponseItemWriter("msg")
{
    private readonly List<TokenLogProbabilities> _logProbabilities = [];
    private bool _isBegun;

    public override JsonObject Item(string status) => new()
    {
        ["id"] = Id,
        ["type"] = "message",
        ["status"] = status,
        ["role"] = "assistant",
        ["content"] = _isBegun ? new JsonArray(Part()) : [],
    };

    public override IEnumerable<JsonObject> Begin()
    {
        yield return ItemEvent("added", "in_progress");
        _isBegun = true;
        yield return Event("content_part.added", new JsonObject { ["part"] = Part() });
    }

    public override IEnumerable<JsonObject> Write(string piece, IReadOnlyList<TokenLogProbabilities> logProbabilities)
    {
        Text.Append(piece);
        _logProbabilities.AddRange(logProbabilities);
        yield return Event("output_text.delta", new JsonObject { ["delta"] = piece, ["logprobs"] = Logprobs(logProbabilities) });
    }

    public override IEnumerable<JsonObject> End(string status)
    {
        yield return Event("output_text.done", new JsonObject { ["text"] = Text.ToString(), ["logprobs"] = Logprobs(_logProbabilities) });
        yield return Event("content_part.done", new JsonObject { ["part"] = Part() });
        yield return ItemEvent("done", status);
    }

    private JsonObject Part() => new() { ["type"] = "output_text", ["text"] = Text.ToString(), ["annotations"] = new JsonArray(), ["logprobs"] = Logprobs(_logProbabilities) };

    private static JsonNode Logprobs(IReadOnlyList<TokenLogProbabilities> tokens)
        => tokens.Count == 0 ? new JsonArray() : JsonSerializer.SerializeToNode(ChatLogprobs.Of(tokens)!.Content, ProtocolJson.Wire.IReadOnlyListChatTokenLogprob)!;
}

/// <summary>The model's thoughts.</summary>
internal sealed class ReasoningItemWriter() : ResponseItemWriter("rs")
{
    public override JsonObject Item(string status) => new()
    {
        ["id"] = Id,
        ["type"] = "reasoning",
        ["status"] = status,
        ["summary"] = new JsonArray(),
        ["content"] = Text.Length == 0 ? [] : new JsonArray(new JsonObject { ["type"] = "reasoning_text", ["text"] = Text.ToString() }),
    };

    public override IEnumerable<JsonObject> Begin()
    {
        yield return ItemEvent("added", "in_progress");
    }

    public override IEnumerable<JsonObject> Write(string piece, IReadOnlyList<TokenLogProbabilities> logProbabilities)
    {
        Text.Append(piece);
        yield return Event("reasoning_text.delta", new JsonObject { ["delta"] = piece });
    }

    public override IEnumerable<JsonObject> End(string status)
    {
        yield return Event("reasoning_text.done", new JsonObject { ["text"] = Text.ToString() });
        yield return ItemEvent("done", status);
    }
}

/// <summary>A call of a function.</summary>
internal sealed class CallItemWriter(ToolCallUpdate call) : ResponseItemWriter("fc")
{
    public override JsonObject Item(string status) => new()
    {
        ["id"] = Id,
        ["type"] = "function_call",
        ["status"] = status,
        ["call_id"] = call.Id,
        ["name"] = call.Name,
        ["arguments"] = Text.ToString(),
    };

    public override IEnumerable<JsonObject> Begin()
    {
        yield return ItemEvent("added", "in_progress");
    }

    public override IEnumerable<JsonObject> Write(string piece, IReadOnlyList<TokenLogProbabilities> logProbabilities)
    {
        Text.Append(piece);
        yield return Event("function_call_arguments.delta", new JsonObject { ["delta"] = piece }, hasPart: false);
    }

    public override IEnumerable<JsonObject> End(string status)
    {
        yield return Event("function_call_arguments.done", new JsonObject { ["name"] = call.Name, ["arguments"] = Text.ToString() }, hasPart: false);
        yield return ItemEvent("done", status);
    }
}
