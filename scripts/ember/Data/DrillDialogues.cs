using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

/// <summary>
/// Dense tool use: up to seven tools, some easily confused, and a request for one of them in nearly every turn. Most
/// tokens of other dialogues are schemas that one or two choices read; here many choices read the same schemas.
/// </summary>
public sealed class DrillDialogues(Draw draw, ChatDialogues chat, ToolDialogues source)
{
    private static readonly IReadOnlyList<ToolFamily> Written = [.. ToolFile.Families.Where(f => !f.HeldOut)];

    public Dialogue Build()
    {
        var dialogue = new Dialogue();
        if (draw.Chance(0.4) && chat.SystemText(withTools: true) is { } system) dialogue.Turns.Add(new("system", system, []));
        bool isTerse = draw.Chance(0.6);
        var tools = Offer(isTerse);
        dialogue.Tools.AddRange(tools.Select(t => t.Schema));
        source.Target = draw.One(tools);
        // Each tool in turn, so that most choices cannot lean on an earlier one of the same tool; then a few more.
        var order = new List<OfferedTool>(tools);
        draw.Shuffle(order);
        for (int i = draw.Int(1, 3); i > 0; i--) order.Add(draw.One(tools));
        foreach (var tool in order)
        {
            if (draw.Chance(0.08)) chat.AddExchange(dialogue);
            if (draw.Chance(0.06)) source.AddUnmatched(dialogue, tools);
            AddCall(dialogue, tool, isTerse);
        }
        return dialogue;
    }

    private List<OfferedTool> Offer(bool isTerse)
    {
        var tools = new List<OfferedTool>();
        int count = draw.Either(1, 2, 3, 3, 4, 4, 5, 5, 6, 7);
        while (tools.Count < count)
        {
            var last = tools.Count > 0 ? tools[^1].Family : null;
            ToolFamily family;
            if (last?.Kin is not null && draw.Chance(0.45)) family = ComposedTools.Sibling(draw, last);
            else
            {
                double kind = draw.Int(0, 99) / 100.0;
                family = kind < 0.40 ? draw.One(Written) : kind < 0.78 ? ComposedTools.Make(draw) : kind < 0.9 ? InventedTools.Make(draw) : InventedTools.MakeLookUp(draw);
            }
            if (ToolDialogues.IsHeldOutName(family) || tools.Any(t => t.Family.Names.Intersect(family.Names).Any() || t.Family.Kin is not null && t.Family.Kin == family.Kin)) continue;
            var offered = new OfferedTool(draw, family, isTerse);
            if (tools.All(t => t.Name != offered.Name)) tools.Add(offered);
        }
        draw.Shuffle(tools);
        return tools;
    }

    private void AddCall(Dialogue dialogue, OfferedTool tool, bool isTerse)
    {
        var values = draw.Chance(0.06) && tool.Family.Parameters.Count > 0 ? SayByName(dialogue, tool) : source.Say(dialogue, tool, Fresh(tool));
        dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(values))));
        if (!isTerse)
        {
            source.Finish(dialogue, tool, values);
            return;
        }
        dialogue.Turns.Add(Turn.Tool("ok"));
        dialogue.Turns.Add(Turn.Assistant("Done."));
    }

    private readonly HashSet<Request> _said = [];

    // A request that this dialogue has not seen, if there is one.
    private Request Fresh(OfferedTool tool)
    {
        var request = source.PickRequest(tool.Family);
        for (int i = 0; i < 4 && !_said.Add(request); i++) request = source.PickRequest(tool.Family);
        return request;
    }

    // As developers try a tool: by its name, its arguments by theirs.
    private Dictionary<string, string> SayByName(Dialogue dialogue, OfferedTool tool)
    {
        var values = tool.Family.Parameters.Where(p => p.Required || draw.Chance(0.4)).ToDictionary(p => p.Name, p => p.Kind == "Bool" ? draw.Either("true", "false") : Entities.Value(draw, p.Kind));
        string link = draw.Either(" ", " = ", ": ", " is ");
        string list = string.Join(draw.Either(", ", " and ", "; "), values.Select(v => $"{tool.NameOf(v.Key)}{link}{v.Value}"));
        string name = draw.Chance(0.5) ? tool.Name : tool.Family.Names[0].Replace('_', ' ');
        string text = values.Count == 0 ? draw.Either($"Call {name}.", $"Use {name}") : draw.Either($"Call {name} with {list}.", $"Use {name}: {list}", $"{name} {list}", $"Run {name} with {list}");
        dialogue.Turns.Add(Turn.User(text));
        return values;
    }
}
