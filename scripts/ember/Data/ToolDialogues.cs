namespace Hearth.Ember.Data;

/// <summary>Dialogues in which tools are offered: called, called twice, asked back about, or left alone.</summary>
public sealed class ToolDialogues(Draw draw, ChatDialogues chat, bool lookUps = true)
{
    private static readonly HashSet<string> Lowered = ["City", "Person", "First", "Item", "Title", "Text", "Topic", "Made", "Word", "Food", "Room"];

    private static readonly string[] NoTool =
    [
        "I have no tool for that.", "Sorry, none of my tools can do that.", "I cannot do that with the tools I have.",
        "There is no tool for that here, sorry.", "That is not something my tools can do.",
    ];

    private static readonly string[] Leads =
    [
        "Sorry to bother you.", "I have a request.", "One more thing:", "Listen,", "By the way,", "Now", "Also,", "First,", "Finally,", "And then:", "I forgot:", "Good morning!", "Dear Ember,", "Could you help me?",
        "It is urgent!", "Not sure if you can do this:", "Look,", "Right,", "Alright,", "My boss asked me:", "We have guests.", "I am in a hurry.", "Good evening.", "I was wondering:", "Let me ask you something.", "Ember,",
    ];

    private static readonly string[] Errors =
    [
        "not found", "timeout", "permission denied", "no connection", "service unavailable", "invalid input", "not allowed", "no such entry",
    ];

    private static readonly string[] ErrorSentences =
    [
        "Sorry, that did not work: {e}.", "The tool reported an error: {e}.", "That failed: {e}.", "I could not do it. The tool says: {e}.",
    ];

    private static IReadOnlyList<ToolFamily> Known(Side side) => _known[(int)side];
    private static readonly IReadOnlyList<ToolFamily>[] _known =
        [[.. ToolFile.Families.Where(f => !f.HeldOut)], [.. ToolFile.Families]];

    /// <summary>One request in this many, by its text, is never used in training.</summary>
    public static bool IsHeldOutWording(ToolFamily family, Request request) =>
        family.Kin is null && family.Requests.Count >= 4 && Draw.IsHeldOut(family.Names[0] + ":" + request.Text);

    /// <summary>Whether a made-up tool happens to bear the name of one that training must not know.</summary>
    public static bool IsHeldOutName(ToolFamily family) => family.Names.Any(HeldOutNames.Contains);
    private static readonly HashSet<string> HeldOutNames = [.. ToolFile.Families.Where(f => f.HeldOut).Concat(ToolFile.Others).SelectMany(f => f.Names)];

    public Dialogue Build()
    {
        var dialogue = new Dialogue();
        if (chat.SystemText(withTools: true) is { } system) dialogue.Turns.Add(new("system", system, []));
        // A few long dialogues with many tools teach distances that the short ones never reach.
        bool isLong = draw.Chance(0.04);
        var tools = Offer(draw.Chance(0.45) ? Invented() : draw.One(Known(Side.Training)), isLong ? draw.Int(5, 9) : null);
        dialogue.Tools.AddRange(tools.Select(t => t.Schema));
        for (int i = isLong ? draw.Int(2, 7) : draw.Either(1, 2, 2, 3, 3, 4); i > 0; i--)
        {
            double kind = Fraction();
            if (kind < 0.10) chat.AddExchange(dialogue);
            else if (kind < 0.15) AddUnmatched(dialogue, tools);
            else if (kind < 0.20) AddDouble(dialogue, tools);
            else if (kind < 0.26) AddVague(dialogue, tools);
            else AddCall(dialogue, i == 1 && draw.Chance(0.15), tools);
        }
        return dialogue;
    }

    private double Fraction() => draw.Int(0, 9999) / 10000.0;

    /// <summary>The target among up to five others, some of them easily confused with it, in random order.</summary>
    public List<OfferedTool> Offer(ToolFamily target, int? others = null)
    {
        var tools = new List<OfferedTool> { new(draw, target) };
        for (int i = others ?? draw.Either(0, 0, 0, 1, 1, 1, 2, 2, 3, 4); i > 0; i--)
        {
            ToolFamily other;
            string[] words = target.Names[0].Split('_', 2);
            if (draw.Chance(0.3) && words.Length == 2) other = draw.Chance(0.5) ? InventedTools.Make(draw, noun: words[1]) : InventedTools.Make(draw, verb: words[0]);
            else other = draw.Chance(0.35) ? Invented() : draw.One(Known(Side.Training));
            if (IsHeldOutName(other) || tools.Any(t => t.Family.Names.Intersect(other.Names).Any())) continue;
            var offered = new OfferedTool(draw, other);
            if (tools.All(t => t.Name != offered.Name)) tools.Add(offered);
        }
        var target0 = tools[0];
        draw.Shuffle(tools);
        Target = target0;
        return tools;
    }

    /// <summary>The tool that the latest <see cref="Offer"/> was about.</summary>
    public OfferedTool Target { get; set; } = null!;

    private ToolFamily Invented()
    {
        ToolFamily family;
        do family = lookUps && draw.Chance(0.35) ? InventedTools.MakeLookUp(draw) : InventedTools.Make(draw);
        while (IsHeldOutName(family));
        return family;
    }

    private OfferedTool Pick(List<OfferedTool> tools) => draw.Chance(0.6) ? Target : draw.One(tools);

    /// <summary>One of a family's requests that training may use.</summary>
    public Request PickRequest(ToolFamily family) => draw.One([.. family.Requests.Where(r => !IsHeldOutWording(family, r))]);

    private void AddCall(Dialogue dialogue, bool endsWithCall, List<OfferedTool> tools)
    {
        var tool = Pick(tools);
        var values = Say(dialogue, tool, PickRequest(tool.Family));
        dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(values))));
        if (endsWithCall) return;
        Finish(dialogue, tool, values);
        if (tool.Family.FollowUps.Count == 0 || !draw.Chance(0.35)) return;
        var followUp = draw.One(tool.Family.FollowUps);
        values = Say(dialogue, tool, followUp);
        dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(values))));
        Finish(dialogue, tool, values);
    }

    /// <summary>Adds the user's words for a request and returns the argument values in them.</summary>
    public Dictionary<string, string> Say(Dialogue dialogue, OfferedTool tool, Request request)
    {
        bool lower = draw.Chance(0.12);
        var values = Values(tool.Family, request, lower);
        string text = request.Text;
        if (draw.Chance(0.12) && MayGoOn(tool.Family, text)) text = text.TrimEnd('.') + draw.Either(" ", ", ", " ") + draw.One(ComposedTools.Tails);
        dialogue.Turns.Add(Turn.User(Dress(Fill(text, values), lower)));
        return values;
    }

    // Behind a free text nobody could tell what belongs to it.
    private static bool MayGoOn(ToolFamily family, string text)
    {
        if (text.EndsWith('?')) return false;
        string last = text.TrimEnd('.');
        if (!last.EndsWith('}')) return true;
        string kind = family.Parameter(ToolFile.Slots(last).Last()).Kind.Split(' ')[0];
        return kind is not ("Text" or "Topic" or "Title" or "Expression");
    }

    private Dictionary<string, string> Values(ToolFamily family, Request request, bool lower)
    {
        var values = new Dictionary<string, string>(request.Fixed);
        foreach (string slot in request.Slots)
        {
            string kind = family.Parameter(slot).Kind;
            string value = Entities.Value(draw, kind);
            values[slot] = lower && Lowered.Contains(kind.Split(' ')[0]) ? value.ToLowerInvariant() : value;
        }
        return values;
    }

    private void AddDouble(Dialogue dialogue, List<OfferedTool> tools)
    {
        var first = Pick(tools);
        var second = draw.Chance(0.4) ? first : draw.One(tools);
        var r1 = PickRequest(first.Family);
        var r2 = second == first && first.Family.FollowUps.Count > 0 && draw.Chance(0.5) ? draw.One(first.Family.FollowUps) : PickRequest(second.Family);
        var v1 = Values(first.Family, r1, false);
        var v2 = Values(second.Family, r2, false);
        string a = Fill(r1.Text, v1), b = Fill(r2.Text, v2);
        string text = draw.Either($"{a} {b}", $"{a} {b}", $"{a.TrimEnd('.', '?')} and {char.ToLowerInvariant(b[0])}{b[1..]}", $"{a} Also: {b}", $"{a}\n{b}");
        dialogue.Turns.Add(Turn.User(text));
        dialogue.Turns.Add(Turn.Call(new ToolCall(first.Name, first.Arguments(v1)), new ToolCall(second.Name, second.Arguments(v2))));
        var (result1, sentence1) = Outcome(first, v1);
        var (result2, sentence2) = Outcome(second, v2);
        dialogue.Turns.Add(Turn.Tool(result1));
        dialogue.Turns.Add(Turn.Tool(result2));
        dialogue.Turns.Add(Turn.Assistant($"{EndSentence(sentence1)} {sentence2}"));
    }

    private static string EndSentence(string text) => ".!?".Contains(text[^1]) ? text : text + ".";

    private void AddVague(Dialogue dialogue, List<OfferedTool> tools)
    {
        var tool = tools.FirstOrDefault(t => t.Family.Vague.Count > 0);
        if (tool is null)
        {
            AddCall(dialogue, false, tools);
            return;
        }
        var vague = draw.One(tool.Family.Vague);
        var values = Say(dialogue, tool, vague.Request);
        dialogue.Turns.Add(Turn.Assistant(vague.Question));
        string kind = tool.Family.Parameter(vague.Missing).Kind;
        string value = Entities.Value(draw, kind);
        values[vague.Missing] = value;
        string answer = draw.Either("{v}", "{v}", "{v}.", "{v} please", kind switch
        {
            "City" => draw.Either("In {v}.", "I am in {v}"),
            "Time" => "At {v}",
            "Room" => "In the {v}",
            _ => "{v}, please.",
        });
        dialogue.Turns.Add(Turn.User(answer.Replace("{v}", value)));
        dialogue.Turns.Add(Turn.Call(new ToolCall(tool.Name, tool.Arguments(values))));
        Finish(dialogue, tool, values);
    }

    /// <summary>A request that none of the offered tools fits, and the answer that says so.</summary>
    public void AddUnmatched(Dialogue dialogue, List<OfferedTool> tools)
    {
        var family = draw.One(Known(Side.Training));
        // Tools of one kind share words, so only a family with no word in common counts as unmatched.
        var offered = tools.SelectMany(t => t.Family.Names).SelectMany(n => n.Split('_')).ToHashSet();
        if (family.Names.SelectMany(n => n.Split('_')).Any(offered.Contains))
        {
            AddCall(dialogue, false, tools);
            return;
        }
        var request = PickRequest(family);
        dialogue.Turns.Add(Turn.User(Fill(request.Text, Values(family, request, false))));
        dialogue.Turns.Add(Turn.Assistant(draw.One(NoTool)));
    }

    /// <summary>Adds the tool's result and the sentence that reports it.</summary>
    public void Finish(Dialogue dialogue, OfferedTool tool, Dictionary<string, string> values)
    {
        var (result, sentence) = Outcome(tool, values);
        dialogue.Turns.Add(Turn.Tool(result));
        dialogue.Turns.Add(Turn.Assistant(sentence));
        if (draw.Chance(0.06)) chat.AddThanks(dialogue);
    }

    private (string Result, string Sentence) Outcome(OfferedTool tool, Dictionary<string, string> values)
    {
        if (draw.Chance(0.04))
        {
            string error = draw.One(Errors);
            string result = draw.Either($"Error: {error}", $"{{\"error\": \"{error}\"}}", $"error: {error}");
            return (result, draw.One(ErrorSentences).Replace("{e}", error));
        }
        var all = new Dictionary<string, string>(values);
        foreach (var (name, kind) in tool.Family.Results) all[name] = Entities.Value(draw, kind);
        string[] Usable(List<string> texts) => [.. texts.Where(t => ToolFile.Slots(t).All(all.ContainsKey))];
        // A sentence may name only results that the chosen answer holds.
        string answer = draw.One(Usable(tool.Family.Answers));
        var known = ToolFile.Slots(answer).Concat(values.Keys).ToHashSet();
        var sentences = Usable(tool.Family.Sentences).Where(s => ToolFile.Slots(s).All(known.Contains)).ToArray();
        string text = sentences.Length > 0 ? draw.One(sentences) : "Done.";
        string plain = Fill(answer, all);
        // Some programs hand a string over as JSON.
        if (plain[0] != '{' && draw.Chance(0.05)) plain = $"\"{plain}\"";
        return (plain, Entities.Capital(Fill(text, all)));
    }

    private static string Fill(string text, IReadOnlyDictionary<string, string> values) =>
        ToolFile.Slot().Replace(text, m => values[m.Groups[1].Value]);

    // Users greet, beg and forget punctuation.
    private string Dress(string text, bool lower)
    {
        if (lower) text = char.ToLowerInvariant(text[0]) + text[1..];
        if (draw.Chance(0.08)) text = text.TrimEnd('.', '?');
        if (draw.Chance(0.12)) text = draw.Either("Please: ", "Hey, ", "Hi! ", "Hello. ", "OK, ", "Hi Ember, ", "So, ", "Quick question: ", "Next: ") + text;
        else if (draw.Chance(0.12)) text = draw.One(Leads) + " " + text;
        if (draw.Chance(0.06)) text += draw.Either(" Thanks!", " please", " Thank you.", "?", " :)");
        return text;
    }
}
