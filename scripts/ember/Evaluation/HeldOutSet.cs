using System.Text.Json.Nodes;
using Hearth.Ember.Data;

namespace Hearth.Ember.Evaluation;

/// <summary>A conversation that the assistant is to continue, and what is right.</summary>
/// <param name="Calls">The expected calls; empty where no tool is to be called.</param>
/// <param name="Contains">Values that the sentence about a tool's result must hold; empty for the other categories.</param>
public sealed record HeldOutCase(string Id, string Category, Dialogue Dialogue, IReadOnlyList<ToolCall> Calls, IReadOnlyList<string> Contains);

/// <summary>
/// The held-out cases: their values, some of their wordings and some of their tools never occur in training. The file is
/// the set: what it holds was drawn once and is kept, whatever becomes of the generator.
/// </summary>
public static class HeldOutSet
{
    private const int Seed = 20_27, CasesEach = 45;

    /// <summary>Draws cases of the category "other tool": tools of a file of their own among others.</summary>
    public static IEnumerable<HeldOutCase> OtherTools()
    {
        var draw = new Draw(Seed, Side.HeldOut);
        var source = new ToolDialogues(draw, new ChatDialogues(draw), lookUps: false);
        for (int i = 0; i < CasesEach; i++)
        {
            var family = ToolFile.Others[i % ToolFile.Others.Count];
            var dialogue = new Dialogue();
            dialogue.Tools.AddRange(source.Offer(family, draw.Int(1, 6)).Select(t => t.Schema));
            var tool = source.Target;
            var values = source.Say(dialogue, tool, family.Requests[i / ToolFile.Others.Count % family.Requests.Count]);
            yield return new($"other-tool-{i + 1:00}", "other tool", dialogue, [new(tool.Name, tool.Arguments(values))], []);
        }
    }

    /// <summary>Expected calls that the syntax does not allow letter by letter; such a case could never be right.</summary>
    public static List<string> Unspeakable(IEnumerable<HeldOutCase> cases) => [.. cases.Where(c => c.Calls.Any(call =>
    {
        string text = CallSyntax.Bytes($"{{\"name\": \"{call.Name}\", \"arguments\": {PythonJson.Write(call.Arguments)}}}");
        var syntax = new CallSyntax(c.Dialogue.Tools);
        return !syntax.IsWhole(text) || Enumerable.Range(0, text.Length).Any(n => !syntax.CanBegin(text[..n]));
    })).Select(c => c.Id)];

    /// <summary>The set as JSON, in the form of chat completion requests.</summary>
    public static JsonArray ToJson(IEnumerable<HeldOutCase> cases) => new([.. cases.Select(c => new JsonObject
    {
        ["id"] = c.Id,
        ["category"] = c.Category,
        ["tools"] = new JsonArray([.. c.Dialogue.Tools.Select(t => t.DeepClone())]),
        ["messages"] = new JsonArray([.. c.Dialogue.Turns.Select(Message)]),
        ["expected_calls"] = new JsonArray([.. c.Calls.Select(CallJson)]),
        ["expected_text"] = new JsonArray([.. c.Contains.Select(v => JsonValue.Create(v))]),
    })]);

    public static List<HeldOutCase> FromJson(string json)
    {
        var cases = new List<HeldOutCase>();
        foreach (var item in JsonNode.Parse(json)!.AsArray())
        {
            var dialogue = new Dialogue();
            dialogue.Tools.AddRange(item!["tools"]!.AsArray().Select(t => t!.DeepClone().AsObject()));
            dialogue.Turns.AddRange(item["messages"]!.AsArray().Select(m => new Turn(
                m!["role"]!.GetValue<string>(), m["content"]!.GetValue<string>(), [.. (m["tool_calls"] as JsonArray ?? []).Select(c => Call(c!["function"]!))])));
            cases.Add(new(item["id"]!.GetValue<string>(), item["category"]!.GetValue<string>(), dialogue,
                [.. item["expected_calls"]!.AsArray().Select(c => Call(c!))], [.. item["expected_text"]!.AsArray().Select(v => v!.GetValue<string>())]));
        }
        return cases;

        static ToolCall Call(JsonNode node) => new(node["name"]!.GetValue<string>(), node["arguments"]!.DeepClone().AsObject());
    }

    private static JsonObject CallJson(ToolCall call) => new() { ["name"] = call.Name, ["arguments"] = call.Arguments.DeepClone() };

    private static JsonObject Message(Turn turn)
    {
        var message = new JsonObject { ["role"] = turn.Role, ["content"] = turn.Content };
        if (turn.Calls.Count > 0) message["tool_calls"] = new JsonArray([.. turn.Calls.Select(c => new JsonObject { ["type"] = "function", ["function"] = CallJson(c) })]);
        return message;
    }
}
