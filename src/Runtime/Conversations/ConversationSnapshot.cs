using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Conversations;

/// <summary>A conversation with all its branches at one moment. Immutable.</summary>
public sealed class ConversationSnapshot
{
    private const string Format = "hearth-conversation";
    private const int Version = 1;

    internal ConversationSnapshot(string id, string model, IReadOnlyList<ConversationMessage> messages, ConversationMessage? last)
    {
        Id = id;
        Model = model;
        Messages = messages;
        Last = last;
    }

    /// <summary>The conversation's name.</summary>
    public string Id { get; }

    /// <summary>The name of the model that answered.</summary>
    public string Model { get; }

    /// <summary>The messages of all branches, each behind the one before it.</summary>
    public IReadOnlyList<ConversationMessage> Messages { get; }

    /// <summary>The message from which the conversation goes on; null for none.</summary>
    public ConversationMessage? Last { get; }

    /// <summary>Writes the snapshot as a JSON object: format, version, id, model, last, and messages with id, parent, what was said and the tokens it was written in.</summary>
    /// <param name="stream">Receives UTF-8.</param>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var writer = new Utf8JsonWriter(stream);
        writer.WriteStartObject();
        writer.WriteString("format", Format);
        writer.WriteNumber("version", Version);
        writer.WriteString("id", Id);
        writer.WriteString("model", Model);
        writer.WriteString("last", Last?.Id);
        writer.WriteStartArray("messages");
        foreach (var message in Messages)
            Write(writer, message);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>Reads what <see cref="Save"/> wrote. Nothing in the stream is trusted.</summary>
    /// <param name="stream">UTF-8.</param>
    /// <param name="mostBytes">The most that is read, at least 1.</param>
    /// <exception cref="ConversationFormatException">It is no snapshot, longer than allowed, or contradicts itself.</exception>
    public static ConversationSnapshot Load(Stream stream, int mostBytes = 256 << 20)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(mostBytes);
        try
        {
            using var document = JsonDocument.Parse(ReadAll(stream, mostBytes), new JsonDocumentOptions { MaxDepth = 64 });
            return Read(document.RootElement);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new ConversationFormatException($"the saved conversation cannot be read: {error.Message}", error);
        }
    }

    private static ReadOnlyMemory<byte> ReadAll(Stream stream, int mostBytes)
    {
        using var read = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (stream.Read(buffer) is > 0 and var count)
        {
            if (read.Length + count > mostBytes)
                throw new ConversationFormatException($"the saved conversation is longer than the {mostBytes} bytes that are allowed");
            read.Write(buffer, 0, count);
        }

        return read.GetBuffer().AsMemory(0, (int)read.Length);
    }

    private static void Write(Utf8JsonWriter writer, ConversationMessage message)
    {
        var said = message.Message;
        writer.WriteStartObject();
        writer.WriteString("id", message.Id);
        writer.WriteString("parent", message.Parent?.Id);
        writer.WriteString("role", said.Role);
        writer.WriteString("content", said.Content);
        writer.WriteString("name", said.Name);
        writer.WriteString("reasoning", said.Reasoning);
        writer.WriteString("tool_call_id", said.ToolCallId);
        if (said.ToolCalls.Count > 0)
        {
            writer.WriteStartArray("tool_calls");
            foreach (var call in said.ToolCalls)
            {
                writer.WriteStartObject();
                writer.WriteString("id", call.Id);
                writer.WriteString("name", call.Name);
                writer.WritePropertyName("arguments");
                call.Arguments.WriteTo(writer);
                writer.WriteString("arguments_text", call.ArgumentsText);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        if (message.FinishReason is { } reason)
            writer.WriteString("finish_reason", reason.ToString());
        if (message.Usage is { } usage)
        {
            writer.WriteStartArray("usage");
            foreach (var number in new[] { usage.PromptTokens, usage.CompletionTokens, usage.CachedPromptTokens, (int)usage.CacheMiss, usage.FirstDifferentToken, usage.ForcedTokens, usage.ReasoningTokens })
                writer.WriteNumberValue(number);
            writer.WriteEndArray();
        }

        if (message.Departure is { } departure)
        {
            writer.WriteStartObject("departure");
            writer.WriteNumber("token", departure.Token);
            writer.WriteString("message", departure.MessageId);
            writer.WriteString("reason", departure.Reason);
            writer.WriteEndObject();
        }

        if (message.Written is { } written)
        {
            // Those shared with the answer before on the branch are told once.
            var before = WrittenBefore(message);
            var tokens = written.ToArray();
            var shared = before is null ? 0 : before.ToArray().AsSpan().CommonPrefixLength(tokens);
            writer.WriteNumber("shared_tokens", shared);
            writer.WriteStartArray("tokens");
            foreach (var token in tokens.AsSpan(shared))
                writer.WriteNumberValue(token);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static WrittenTokens? WrittenBefore(ConversationMessage message)
    {
        for (var at = message.Parent; at is not null; at = at.Parent)
        {
            if (at.Written is not null)
                return at.Written;
        }

        return null;
    }

    private static ConversationSnapshot Read(JsonElement root)
    {
        Expect(root.GetProperty("format").GetString() == Format, $"the format '{Format}'");
        Expect(root.GetProperty("version").GetInt32() == Version, $"version {Version}");
        var id = Text(root, "id");
        Expect(id is { Length: > 0 and <= 200 }, "an id of at most 200 characters");
        var known = new Dictionary<string, ConversationMessage>(StringComparer.Ordinal);
        var messages = new List<ConversationMessage>();
        foreach (var element in root.GetProperty("messages").EnumerateArray())
        {
            var message = ReadMessage(element, known);
            Expect(known.TryAdd(message.Id, message), "names that no two messages share");
            messages.Add(message);
        }

        var last = Text(root, "last");
        Expect(last is null || known.ContainsKey(last), "a last message that is there");
        return new ConversationSnapshot(id!, Text(root, "model") ?? "", messages, last is null ? null : known[last]);
    }

    private static ConversationMessage ReadMessage(JsonElement element, Dictionary<string, ConversationMessage> known)
    {
        var id = Text(element, "id");
        Expect(id is { Length: > 0 and <= 200 }, "messages with ids of at most 200 characters");
        var parent = Text(element, "parent");
        Expect(parent is null || known.ContainsKey(parent), "each message behind the one before it");
        var role = Text(element, "role");
        Expect(role is not null, "messages with roles");
        var said = new ChatMessage(role!, Text(element, "content"))
        {
            Name = Text(element, "name"),
            Reasoning = Text(element, "reasoning"),
            ToolCallId = Text(element, "tool_call_id"),
            ToolCalls = element.TryGetProperty("tool_calls", out var calls) ? [.. calls.EnumerateArray().Select(ReadCall)] : [],
        };
        var message = new ConversationMessage(id!, parent is null ? null : known[parent], said)
        {
            FinishReason = Text(element, "finish_reason") is { } reason ? Enum.Parse<FinishReason>(reason) : null,
            Usage = element.TryGetProperty("usage", out var usage) ? ReadUsage([.. usage.EnumerateArray().Select(number => number.GetInt32())]) : null,
            Departure = element.TryGetProperty("departure", out var departure)
                ? new HistoryDeparture(departure.GetProperty("token").GetInt32(), Text(departure, "message"), Text(departure, "reason") ?? "") : null,
        };
        return element.TryGetProperty("tokens", out var tokens) ? WithTokens(message, element.GetProperty("shared_tokens").GetInt32(), [.. tokens.EnumerateArray().Select(token => token.GetInt32())]) : message;
    }

    private static ConversationMessage WithTokens(ConversationMessage message, int shared, int[] tokens)
    {
        var before = WrittenBefore(message);
        Expect(shared >= 0 && shared <= (before?.Count ?? 0), "shared tokens that the answer before has");
        Expect(tokens.All(token => token >= 0), "token ids of at least 0");
        return new ConversationMessage(message.Id, message.Parent, message.Message)
        {
            FinishReason = message.FinishReason,
            Usage = message.Usage,
            Departure = message.Departure,
            Written = new WrittenTokens(shared > 0 ? before : null, shared, tokens),
        };
    }

    private static ToolCall ReadCall(JsonElement element)
    {
        Expect(Text(element, "id") is not null && Text(element, "name") is not null, "calls with ids and names");
        var arguments = JsonNode.Parse(element.GetProperty("arguments").GetRawText()) as JsonObject;
        Expect(arguments is not null, "arguments that are objects");
        return new ToolCall(Text(element, "id")!, Text(element, "name")!, arguments!) { ArgumentsText = Text(element, "arguments_text") };
    }

    private static TokenUsage ReadUsage(int[] numbers)
    {
        Expect(numbers.Length == 7, "seven numbers of usage");
        return new TokenUsage(numbers[0], numbers[1], numbers[2], (CacheMissReason)numbers[3], numbers[4]) { ForcedTokens = numbers[5], ReasoningTokens = numbers[6] };
    }

    private static string? Text(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.GetString() : null;

    private static void Expect(bool holds, string what)
    {
        if (!holds)
            throw new ConversationFormatException($"the saved conversation: expected {what}");
    }
}

/// <summary>A saved conversation is none, is damaged, or contradicts itself.</summary>
/// <param name="message">What was expected.</param>
/// <param name="innerException">What caused it.</param>
public sealed class ConversationFormatException(string message, Exception? innerException = null) : HearthException(message, innerException);
