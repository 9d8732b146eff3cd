using System.Text.Json.Nodes;
using Hearth.Ember.Data;

namespace Hearth.Ember.Evaluation;

/// <summary>A conversation that the assistant is to continue, and what is right.</summary>
/// <param name="Calls">The expected calls; empty where no tool is to be called.</param>
/// <param name="Contains">Values that the sentence about a tool's result must hold; empty for the other categories.</param>
public sealed record HeldOutCase(string Id, string Category, Dialogue Dialogue, IReadOnlyList<ToolCall> Calls, IReadOnlyList<string> Contains);

/// <summary>The held-out cases: their values, some of their wordings and some of their tools never occur in training.</summary>
public static class HeldOutSet
{
    private const int Seed = 20_26, CasesEach = 45;

    public static List<HeldOutCase> Make()
    {
        var draw = new Draw(Seed, Side.HeldOut);
        var chat = new ChatDialogues(draw);
        var source = new ToolDialogues(draw, chat, lookUps: false);
        var cases = new List<HeldOutCase>();
        var known = ToolFile.Families.Where(f => !f.HeldOut && f.Parameters.Any(p => p.Kind != "Bool")).ToList();
        var worded = known.Where(f => f.Requests.Any(r => ToolDialogues.IsHeldOutWording(f, r))).ToList();
        var unseen = ToolFile.Families.Where(f => f.HeldOut).ToList();
        for (int i = 0; i < CasesEach; i++)
        {
            cases.Add(One(source, "known tool", i, draw.One(known), (f, r) => !ToolDialogues.IsHeldOutWording(f, r)));
            cases.Add(One(source, "new wording", i, draw.One(worded), ToolDialogues.IsHeldOutWording));
            cases.Add(One(source, "new tool", i, unseen[i % unseen.Count], (_, _) => true));
            cases.Add(One(source, "invented tool", i, InventedTools.Make(draw), (_, _) => true));
            cases.Add(Later(source, i, draw.One(known), draw));
            cases.Add(NoCall(source, chat, i, draw.One(known)));
            cases.Add(Result(source, i, draw.One(known), draw));
        }
        return [.. cases.OrderBy(c => c.Category, StringComparer.Ordinal).ThenBy(c => c.Id, StringComparer.Ordinal)];

        HeldOutCase One(ToolDialogues s, string category, int i, ToolFamily family, Func<ToolFamily, Request, bool> use)
        {
            var (dialogue, tool) = Start(s, family);
            var request = draw.One([.. family.Requests.Where(r => use(family, r))]);
            var values = s.Say(dialogue, tool, request);
            return new(Name(category, i), category, dialogue, [new(tool.Name, tool.Arguments(values))], []);
        }
    }

    private static string Name(string category, int i) => $"{category.Replace(' ', '-')}-{i + 1:00}";

    private static (Dialogue, OfferedTool) Start(ToolDialogues source, ToolFamily family)
    {
        var dialogue = new Dialogue();
        var tools = source.Offer(family);
        dialogue.Tools.AddRange(tools.Select(t => t.Schema));
        return (dialogue, source.Target);
    }

    // A second request in a conversation that already holds a call and its result.
    private static HeldOutCase Later(ToolDialogues source, int i, ToolFamily family, Draw draw)
    {
        var (dialogue, tool) = Start(source, family);
        var first = source.Say(dialogue, tool, draw.One(family.Requests));
        dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(first))));
        source.Finish(dialogue, tool, first);
        var values = source.Say(dialogue, tool, draw.One(family.FollowUps.Count > 0 ? family.FollowUps : family.Requests));
        return new(Name("second call", i), "second call", dialogue, [new(tool.Name, tool.Arguments(values))], []);
    }

    private static HeldOutCase NoCall(ToolDialogues source, ChatDialogues chat, int i, ToolFamily family)
    {
        var (dialogue, _) = Start(source, family);
        chat.AddExchange(dialogue);
        while (dialogue.Turns[^1].Role != "user") dialogue.Turns.RemoveAt(dialogue.Turns.Count - 1);
        return new(Name("no call", i), "no call", dialogue, [], []);
    }

    private static HeldOutCase Result(ToolDialogues source, int i, ToolFamily family, Draw draw)
    {
        while (true)
        {
            var (dialogue, tool) = Start(source, family);
            var values = source.Say(dialogue, tool, draw.One(family.Requests));
            dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(values))));
            int at = dialogue.Turns.Count;
            source.Finish(dialogue, tool, values);
            string result = dialogue.Turns[at].Content, sentence = dialogue.Turns[at + 1].Content;
            dialogue.Turns.RemoveRange(at + 1, dialogue.Turns.Count - at - 1);
            // What both the result and the reference sentence hold is what the answer must say.
            var shared = ToolFile.Slots(string.Join(' ', family.Answers)).Count() == 0 ? [] : Values(result).Where(v => Values(sentence).Contains(v)).ToList();
            if (shared.Count > 0 && !result.Contains("rror")) return new(Name("tool result", i), "tool result", dialogue, [], shared);
            family = draw.One(ToolFile.Families);
        }
    }

    private static List<string> Values(string text) =>
        [.. System.Text.RegularExpressions.Regex.Matches(text, @"[0-9][0-9.:\-]*[0-9]|[0-9]|\p{Lu}\p{L}+").Select(m => m.Value).Distinct()];

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
