using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

public sealed record ToolCall(string Name, JsonObject Arguments);

/// <summary>One message. Calls is empty unless an assistant calls tools.</summary>
public sealed record Turn(string Role, string Content, IReadOnlyList<ToolCall> Calls)
{
    public static Turn User(string text) => new("user", text, []);
    public static Turn Assistant(string text) => new("assistant", text, []);
    public static Turn Call(params ToolCall[] calls) => new("assistant", "", calls);
    public static Turn Tool(string result) => new("tool", result, []);
}

/// <summary>A conversation and the tools offered in it (OpenAI function form).</summary>
public sealed class Dialogue
{
    public List<JsonObject> Tools { get; } = [];
    public List<Turn> Turns { get; } = [];
}
