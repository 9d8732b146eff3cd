using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Host.CommandLine.Chats;

/// <summary>A chat as a file: JSON with the messages as OpenAI's API has them.</summary>
internal static class ChatFile
{
    private const long MostBytes = 64 << 20;

    // Control tokens and quotation marks as they are: the file is for people too.
    private static readonly JsonWriterOptions Written = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Save(string path, string model, IEnumerable<ChatMessage> messages)
    {
        using var file = File.Create(path);
        using var json = new Utf8JsonWriter(file, Written);
        json.WriteStartObject();
        json.WriteString("model", model);
        json.WriteStartArray("messages");
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString("role", message.Role);
            json.WriteString("content", message.Content);
            if (message.Reasoning is not null)
            {
                json.WriteString("reasoning_content", message.Reasoning);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <exception cref="HearthException">It is no such file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static List<ChatMessage> Load(string path)
    {
        if (new FileInfo(path).Length > MostBytes)
        {
            throw new HearthException($"{path} is larger than a chat may be, {MostBytes >> 20} MiB");
        }

        try
        {
            var messages = JsonNode.Parse(File.ReadAllText(path, Encoding.UTF8))?["messages"] as JsonArray
                ?? throw new HearthException($"{path} is no chat: an object with an array 'messages' is expected");
            return [.. messages.Select((message, index) => Read(message, index, path))];
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new HearthException($"{path} is no chat: {failure.Message}", failure);
        }
    }

    private static ChatMessage Read(JsonNode? message, int index, string path)
        => (message as JsonObject)?["role"] is JsonValue role && role.TryGetValue(out string? name) && name is "system" or "user" or "assistant"
            && message["content"] is JsonValue content && content.TryGetValue(out string? text)
            ? new ChatMessage(name, text) { Reasoning = message["reasoning_content"] is JsonValue thoughts && thoughts.TryGetValue(out string? thought) ? thought : null }
            : throw new HearthException($"{path}: message {index} needs a role (system, user or assistant) and a content, a text");
}
