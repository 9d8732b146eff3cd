namespace Hearth.Ember.Data;

/// <summary>
/// Makes up tools: any verb with any noun and arguments with any name. They teach the model to read the schema
/// instead of remembering tools.
/// </summary>
public static class InventedTools
{
    private static readonly string[] Verbs =
    [
        "create", "get", "update", "delete", "start", "stop", "open", "close", "assign", "approve", "print", "scan", "rent", "repair",
        "ship", "archive", "publish", "measure", "check", "cancel", "book", "buy", "sell", "rate", "review", "sign", "share", "export",
        "import", "count", "compare", "test", "install", "reset", "move", "copy", "fill", "clean", "paint", "register", "schedule",
        "activate", "upgrade", "inspect", "load", "save", "sort", "merge", "label", "track", "report", "lend", "return", "wrap", "weigh",
    ];

    private static readonly string[] BusinessNouns =
    [
        "invoice", "ticket", "project", "contract", "report", "order", "account", "server", "database", "backup", "branch", "release",
        "budget", "license", "parcel", "course", "exam", "lesson", "match", "player", "recipe", "playlist", "album", "photo", "video",
        "survey", "vote", "comment", "post", "blog", "coupon", "subscription", "device", "sensor", "robot", "drone", "machine", "vehicle",
        "parking", "membership", "patient", "prescription", "policy", "claim", "loan", "invitation", "certificate", "warehouse", "shipment",
    ];

    // Kind of value, argument names, and ways to say it after "<verb> the <noun>".
    private static readonly (string Kind, string[] Names, string[] Phrases)[] Arguments =
    [
        ("Person", ["customer", "client", "owner", "person", "assignee", "user", "member", "for_person"], ["for {x}", "for the customer {x}", "by {x}", "of {x}"]),
        ("Price", ["amount", "price", "total", "cost", "value"], ["with amount {x}", "for {x} dollars", "amount {x}", "at a price of {x}"]),
        ("Date", ["date", "day", "due_date", "deadline", "start_date"], ["on {x}", "for {x}", "by {x}", "date {x}"]),
        ("Time", ["time", "start_time", "hour"], ["at {x}", "starting at {x}"]),
        ("City", ["city", "location", "place", "destination", "site"], ["in {x}", "at {x}", "near {x}"]),
        ("Int 2 500", ["count", "quantity", "number", "copies", "size", "limit"], ["{x} times", "count {x}", "with size {x}", "quantity {x}"]),
        ("Text", ["note", "comment", "message", "reason", "text", "description"], ["with the note \"{x}\"", "saying {x}", "because: {x}", "with comment \"{x}\""]),
        ("Email", ["email", "contact", "mail_to", "address"], ["for {x}", "and mail it to {x}", "with contact {x}"]),
        ("Code", ["id", "code", "reference", "key", "serial"], ["{x}", "with id {x}", "number {x}", "code {x}"]),
        ("Number", ["id", "number", "index", "version"], ["{x}", "number {x}", "no. {x}", "with id {x}"]),
        ("Title", ["title", "name", "label", "subject"], ["called {x}", "named {x}", "\"{x}\"", "with the title {x}"]),
        ("Made", ["name", "brand", "model", "type", "group", "team"], ["called {x}", "of type {x}", "from {x}", "for team {x}"]),
        ("Item", ["item", "product", "material", "object"], ["with {x}", "for the {x}", "and use {x}"]),
        ("File", ["file", "path", "source", "target"], ["from {x}", "as {x}", "to {x}"]),
        ("enum red/green/blue/black/white", ["color", "colour"], ["in {x}", "color {x}"]),
        ("enum low/medium/high/urgent", ["priority", "level"], ["with {x} priority", "priority {x}"]),
        ("enum small/medium/large", ["size", "format"], ["in size {x}", "in {x}"]),
        ("Bool", ["urgent", "public", "express", "private", "encrypted", "verbose", "force", "notify"], ["and make it {n}|{s}=true", "{n}|{s}=true", "{n}: yes|{s}=true", "not {n}|{s}=false", "without {n}|{s}=false", "{n}: no|{s}=false"]),
        ("enum daily/weekly/monthly/yearly", ["interval", "frequency", "repeat"], ["{x}", "and repeat it {x}"]),
    ];

    private static readonly string[] Questions =
    [
        "What is the {n} {t}?", "How is the {n} {t}?", "{n} {t}", "Tell me the {n} {t}.", "I need the {n} {t}", "Show me the {n} {t}.",
        "Do you know the {n} {t}?", "Check the {n} {t}", "Is there any {n} {t}?", "What about the {n} {t}?", "Can I see the {n} {t}?",
        "Give me the {n} {t} please", "How much {n} is there {t}?", "Which {n} do we have {t}?", "{n} {t} please", "Is the {n} good {t}?",
    ];

    private static readonly string[] LookUps = ["get_{n}", "{n}", "{n}_lookup", "find_{n}", "check_{n}", "{n}_info", "show_{n}", "fetch_{n}"];

    /// <summary>A tool that is asked for by its thing alone: only the noun ties the question to its name.</summary>
    public static ToolFamily MakeLookUp(Draw draw)
    {
        string noun = draw.Chance(0.4) ? $"{Noun(draw)} {Noun(draw)}" : Noun(draw);
        string snake = noun.Replace(' ', '_');
        var parameters = new List<Parameter>();
        var phrases = new List<string>();
        var used = new HashSet<string>();
        for (int i = draw.Int(0, 2); i > 0; i--) AddArgument(draw, parameters, phrases, used);
        var requests = Enumerable.Range(0, 3).Select(_ =>
        {
            var (fixedValues, texts) = Chosen(draw, parameters, phrases);
            string text = draw.One(Questions).Replace("{n}", noun).Replace("{t}", string.Join(' ', texts));
            return new Request(Entities.Capital(text).Replace(" ?", "?").Replace(" .", ".").Replace("  ", " ").Trim(), fixedValues);
        }).ToList();
        var (answers, sentences, results) = Outcome(draw, "look up", noun);
        string about = draw.Either($"Get the {noun}", $"{noun} lookup", $"Returns the {noun}", $"Look up {noun}", $"{Entities.Capital(noun)} of a place or thing");
        return new(false, [draw.One(LookUps).Replace("{n}", snake)], [about], parameters, results, requests, [], [], answers, sentences);
    }

    public static ToolFamily Make(Draw draw, string? verb = null, string? noun = null)
    {
        verb ??= draw.Chance(0.85) ? draw.One(Verbs) : Entities.Invented(draw, 2);
        noun ??= Noun(draw);
        var parameters = new List<Parameter>();
        var phrases = new List<string>();
        var used = new HashSet<string>();
        for (int i = draw.Int(0, 3); i > 0; i--) AddArgument(draw, parameters, phrases, used);

        var requests = new List<Request>();
        for (int i = 0; i < 3; i++)
        {
            var (fixedValues, texts) = Chosen(draw, parameters, phrases);
            requests.Add(new(Wording(draw, verb, noun, texts), fixedValues));
        }

        var (answers, sentences, results) = Outcome(draw, verb, noun);
        return new(false, [$"{verb}_{noun}"], Descriptions(draw, verb, noun), parameters, results, requests, [], [], answers, sentences);
    }

    public static string Noun(Draw draw) => draw.Owned(() => draw.Int(0, 9) switch
    {
        < 4 => draw.One(BusinessNouns),
        < 7 => draw.One(Words.Nouns),
        _ => Entities.Invented(draw, 2),
    });

    public static string Verb(Draw draw) => draw.One(Verbs);

    private static void AddArgument(Draw draw, List<Parameter> parameters, List<string> phrases, HashSet<string> used)
    {
        var (kind, names, ways) = draw.One(Arguments);
        string name = draw.One(names), phrase = draw.One(ways);
        if (kind != "Bool" && draw.Chance(0.3))
        {
            // An argument that only the schema explains: its own name is the way to say it.
            name = draw.Chance(0.5) ? Entities.Invented(draw, 2) : draw.One(Words.Nouns);
            phrase = draw.Either("with {n} {x}", "{n} {x}", "{n}: {x}", "with {n} = {x}", "and {n} {x}");
        }
        phrase = phrase.Replace("{n}", name);
        if (!used.Add(name) || !used.Add(phrase.Split(' ')[0])) return;
        string slot = "abc"[parameters.Count].ToString();
        parameters.Add(new(slot, kind, draw.Chance(0.7), [name], [draw.Either($"the {name}", name, $"{name} to use")]));
        phrases.Add(phrase.Replace("{x}", $"{{{slot}}}").Replace("{s}", slot));
    }

    // What one request mentions: the texts with slots, and the values that a phrase decides by itself ("text|slot=value").
    private static (Dictionary<string, string> Fixed, List<string> Texts) Chosen(Draw draw, List<Parameter> parameters, List<string> phrases)
    {
        var subset = Subset(draw, parameters, phrases).Select(p => p.Split('|')).ToList();
        return (subset.Where(p => p.Length > 1).Select(p => p[1].Split('=')).ToDictionary(p => p[0], p => p[1]), [.. subset.Select(p => p[0])]);
    }

    private static List<string> Subset(Draw draw, List<Parameter> parameters, List<string> phrases) =>
        [.. phrases.Where((_, i) => parameters[i].Required || draw.Chance(0.6))];

    private static string Wording(Draw draw, string verb, string noun, List<string> phrases)
    {
        if (draw.Chance(0.3)) draw.Shuffle(phrases);
        string tail = string.Join(draw.Chance(0.2) ? ", " : " ", phrases);
        string article = draw.Either("the", "a", "my", "this", "");
        string core = $"{verb} {(article.Length > 0 ? article + " " : "")}{noun} {tail}".TrimEnd();
        return draw.Int(0, 7) switch
        {
            0 => $"I want to {core}",
            1 => $"Can you {core}?",
            2 => $"Please {core}.",
            3 => $"{core}",
            4 => $"I need you to {core}.",
            5 => $"{Entities.Capital(noun)} {verb}: {tail}".TrimEnd(' ', ':'),
            _ => $"{Entities.Capital(core)}.",
        };
    }

    private static List<string> Descriptions(Draw draw, string verb, string noun) =>
        [draw.Either($"{Entities.Capital(verb)} a {noun}", $"{Entities.Capital(verb)} the {noun}", $"{Entities.Capital(verb)}s {noun}s", $"Use this to {verb} a {noun}.", $"{noun} {verb}")];

    private static (List<string>, List<string>, List<(string, string)>) Outcome(Draw draw, string verb, string noun)
    {
        switch (draw.Int(0, 4))
        {
            case 0: return (["{v}", "{\"" + noun + "\": {v}}"], ["The result is {v}.", "The " + noun + ": {v}.", "It is {v}."], [("v", "Number")]);
            case 1: return (["{v}", "{\"id\": \"{v}\"}"], ["Done. The " + noun + " has the number {v}.", "The " + noun + " is {v}."], [("v", "Code")]);
            case 2: return (["{v}", "{\"name\": \"{v}\"}", noun + ": {v}"], ["The " + noun + " is {v}.", "It is {v}."], [("v", draw.Either("Person", "City", "Made", "Title", "Date", "Time"))]);
            case 3: return (["{\"status\": \"{v}\"}", "status: {v}", "{v}"], ["The status is {v}.", "The " + noun + " is {v}."], [("v", "enum open/closed/pending/active/failed/ready/running")]);
            default: return (["ok", "done", "{\"ok\": true}", "success", "{\"status\": \"done\"}"], ["Done.", $"Done. I called {verb} for the {noun}.", "That is done.", "It worked: the " + noun + " is taken care of."], []);
        }
    }
}
