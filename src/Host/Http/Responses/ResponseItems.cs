using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Host.Http;

/// <summary>Items of a response's input and output, and the messages they are to a template.</summary>
internal static class ResponseItems
{
    /// <summary>A message with one text.</summary>
    public static JsonObject Message(string role, string text) => new()
    {
        ["id"] = NewId("msg"),
        ["type"] = "message",
        ["role"] = role,
        ["status"] = "completed",
        ["content"] = new JsonArray(new JsonObject { ["type"] = "input_text", ["text"] = text }),
    };

    public static string NewId(string kind) => $"{kind}_{Guid.NewGuid():N}";

    /// <summary>An item that a caller sent, checked and in full: with an id and a type.</summary>
    /// <exception cref="ApiException">It is of a kind that is not known, or malformed.</exception>
    public static JsonObject Checked(JsonElement item, string at)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            throw ApiException.BadRequest($"'{at}' must be an object", at);
        }

        var type = item.TryGetProperty("type", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "message";
        var copy = JsonObject.Create(item)!;
        copy["type"] = type;
        switch (type)
        {
            case "message":
                CheckMessage(copy, item, at);
                break;
            case "function_call":
                _ = (Required(item, "call_id", at), Required(item, "name", at), Required(item, "arguments", at));
                break;
            case "function_call_output":
                _ = Required(item, "call_id", at);
                copy["output"] = item.TryGetProperty("output", out var output) ? TextOf(output, at + ".output") : throw ApiException.BadRequest($"'{at}.output' is missing", at + ".output");
                break;
            case "reasoning":
                break;
            case "item_reference":
                _ = Required(item, "id", at);
                return copy;
            default:
                throw ApiException.BadRequest($"'{at}' of type '{type}' is not supported; there are message, function_call, function_call_output, reasoning and item_reference", at + ".type", "unsupported_parameter");
        }

        copy["id"] ??= NewId(type switch { "message" => "msg", "function_call" => "fc", "function_call_output" => "fco", _ => "rs" });
        return copy;
    }

    /// <summary>The messages that items are: thoughts and calls go with the assistant's text beside them.</summary>
    public static List<ChatMessage> ToMessages(IReadOnlyList<JsonObject> items)
    {
        var messages = new List<ChatMessage>();
        string? thoughts = null;
        var openTurn = false;
        foreach (var item in items)
        {
            switch (Text(item["type"]))
            {
                case "reasoning":
                    thoughts = ThoughtsOf(item);
                    openTurn = false;
                    break;
                case "function_call":
                    var call = ToCall(item);
                    if (openTurn)
                    {
                        messages[^1] = messages[^1] with { ToolCalls = [.. messages[^1].ToolCalls, call] };
                    }
                    else
                    {
                        messages.Add(new ChatMessage("assistant", null) { ToolCalls = [call], Reasoning = thoughts });
                        (thoughts, openTurn) = (null, true);
                    }

                    break;
                case "function_call_output":
                    messages.Add(new ChatMessage("tool", Text(item["output"])) { ToolCallId = Text(item["call_id"]) });
                    openTurn = false;
                    break;
                default:
                    var role = Text(item["role"]);
                    role = role == "developer" ? "system" : role;
                    messages.Add(new ChatMessage(role, ContentOf(item)) { Reasoning = role == "assistant" ? thoughts : null });
                    (thoughts, openTurn) = (null, role == "assistant");
                    break;
            }
        }

        return messages;
    }

    private static void CheckMessage(JsonObject copy, JsonElement item, string at)
    {
        var role = Required(item, "role", at);
        if (role is not ("user" or "assistant" or "system" or "developer"))
        {
            throw ApiException.BadRequest($"'{at}.role' must be user, assistant, system or developer, found '{role}'", at + ".role");
        }

        var text = item.TryGetProperty("content", out var content) ? TextOf(content, at + ".content") : throw ApiException.BadRequest($"'{at}.content' is missing", at + ".content");
        copy["status"] ??= "completed";
        if (content.ValueKind == JsonValueKind.String)
        {
            copy["content"] = new JsonArray(new JsonObject { ["type"] = role == "assistant" ? "output_text" : "input_text", ["text"] = text });
        }
    }

    private static string TextOf(JsonElement content, string at)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString()!;
        }

        return content.ValueKind == JsonValueKind.Array
            ? string.Join('\n', content.EnumerateArray().Select((part, i) => PartText(part, string.Create(CultureInfo.InvariantCulture, $"{at}[{i}]"))))
            : throw ApiException.BadRequest($"'{at}' must be a string or an array of parts", at);
    }

    private static string PartText(JsonElement part, string at) => Required(part, "type", at) switch
    {
        "input_text" or "output_text" or "text" => Required(part, "text", at),
        "refusal" => Required(part, "refusal", at),
        var other => throw ApiException.BadRequest($"'{at}' of type '{other}' is not supported: models here read text", at + ".type", "unsupported_parameter"),
    };

    private static string Required(JsonElement item, string name, string at)
        => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw ApiException.BadRequest($"'{at}.{name}' must be a string", $"{at}.{name}");

    private static string ContentOf(JsonObject message)
        => string.Join('\n', message["content"]!.AsArray().Select(part => Text(part!["text"]) is { Length: > 0 } text ? text : Text(part["refusal"])));

    private static string? ThoughtsOf(JsonObject item)
    {
        var parts = (item["content"] as JsonArray) is { Count: > 0 } content ? content : item["summary"] as JsonArray;
        return parts is { Count: > 0 } ? string.Join('\n', parts.Select(part => part is JsonObject known ? Text(known["text"]) : "")) : null;
    }

    private static ToolCall ToCall(JsonObject item)
    {
        var text = Text(item["arguments"]) is { Length: > 0 } given ? given : "{}";
        return RequestMapping.ParseObject(text) is { } arguments
            ? new ToolCall(Text(item["call_id"]), Text(item["name"]), arguments)
            : new ToolCall(Text(item["call_id"]), Text(item["name"]), []) { ArgumentsText = text };
    }

    private static string Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
}
