using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>How a protocol writes a stream: its items, its signs of life, its end and a failure within it.</summary>
internal abstract class StreamFraming<T>
{
    public virtual string ContentType => "text/event-stream";

    /// <summary>What is sent while nothing comes; empty where the protocol has no such sign.</summary>
    public virtual byte[] Ping => ": ping\n\n"u8.ToArray();

    /// <summary>What is sent after the last item; empty where the connection's end says it.</summary>
    public virtual byte[] End => [];

    public abstract byte[] Frame(T item);

    /// <summary>A failure behind the status line.</summary>
    /// <param name="error">The body that an ordinary answer would have.</param>
    public abstract byte[] Failure(byte[] error);

    protected static byte[] Join(ReadOnlySpan<byte> before, ReadOnlySpan<byte> text, ReadOnlySpan<byte> after) => [.. before, .. text, .. after];
}

/// <summary>Server-sent events as OpenAI frames them: <c>data: JSON</c> and an empty line each, <c>data: [DONE]</c> last.</summary>
/// <param name="type">Writes an item.</param>
/// <param name="hasEnd">Whether <c>[DONE]</c> ends the stream.</param>
internal sealed class DataEvents<T>(JsonTypeInfo<T> type, bool hasEnd = true) : StreamFraming<T>
{
    public override byte[] End => hasEnd ? "data: [DONE]\n\n"u8.ToArray() : [];

    public override byte[] Frame(T item) => Data(JsonSerializer.SerializeToUtf8Bytes(item, type));

    public override byte[] Failure(byte[] error) => Data(error);

    private static byte[] Data(byte[] json) => Join("data: "u8, json, "\n\n"u8);
}

/// <summary>Server-sent events that are named by their <c>type</c>, as Anthropic's and OpenAI's responses are.</summary>
/// <param name="ping">An event that says that the answer is alive; null: a comment does.</param>
internal sealed class NamedEvents(JsonObject? ping = null) : StreamFraming<JsonObject>
{
    public override byte[] Ping => ping is null ? base.Ping : Frame(ping);

    public override byte[] Frame(JsonObject item)
        => Join(
            System.Text.Encoding.UTF8.GetBytes($"event: {item["type"]!.GetValue<string>()}\ndata: "),
            JsonSerializer.SerializeToUtf8Bytes(item, ProtocolJson.Wire.JsonObject), "\n\n"u8);

    public override byte[] Failure(byte[] error) => Join("event: error\ndata: "u8, error, "\n\n"u8);
}

/// <summary>A line of JSON for each item, as Ollama streams.</summary>
internal sealed class JsonLines : StreamFraming<JsonObject>
{
    public override string ContentType => "application/x-ndjson";

    // A line that is no object would be one too many for its clients.
    public override byte[] Ping => [];

    public override byte[] Frame(JsonObject item) => Join([], JsonSerializer.SerializeToUtf8Bytes(item, ProtocolJson.Wire.JsonObject), "\n"u8);

    public override byte[] Failure(byte[] error) => Join([], error, "\n"u8);
}
