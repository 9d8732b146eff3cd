namespace Hearth.Ember.Data;

/// <summary>
/// Makes up tools whose name, description and requests say the same thing in different words: a class of actions with
/// its synonyms, any noun, and arguments that may stand anywhere in a sentence. What ties a request to its tool is the
/// noun and the kind of action, and what ends a value is the sense of the words behind it.
/// </summary>
public static class ComposedTools
{
    // {n} is the noun, {s} its plural; # stands where the arguments are said.
    private sealed record Action(string[] Verbs, string[] Descriptions, string[] Requests);

    private static readonly Action[] Actions =
    [
        new(["create", "add", "make", "new", "register", "open", "set_up", "generate"],
            ["Create a {n}", "Adds a new {n}", "Make a new {n}", "Sets up a {n}", "Create new {s}", "Registers a {n} and returns its number"],
            ["create a {n} #", "I need a new {n} #", "make a {n} #", "add a {n} #", "set up a {n} #", "we need another {n} #", "let's have a {n} #", "new {n} #", "could we get a new {n} #",
             "there should be a {n} #", "# we want a new {n}", "register a {n} #", "a new {n} # would be good", "start a new {n} #", "put a {n} into the system #"]),
        new(["delete", "remove", "erase", "drop", "discard", "clear"],
            ["Delete a {n}", "Removes the {n}", "Delete {s} for good", "Erases a {n}", "Remove a {n} from the system"],
            ["delete the {n} #", "remove the {n} #", "get rid of the {n} #", "I don't need the {n} # any longer", "throw away the {n} #", "the {n} # can go", "erase the {n} #", "drop the {n} #",
             "we have no use for the {n} #", "take the {n} # out of the system", "nobody uses the {n} # now, remove it", "clear the {n} #"]),
        new(["get", "fetch", "read", "show", "lookup", "info", "check", "find", "query", "status_of"],
            ["Get the {n}", "Details of a {n}", "Returns the {n}", "Looks up a {n}", "{n} status", "Current {n}", "Information about the {n}", "Fetches {n} data", "Tells the {n}"],
            ["what is the {n} #?", "how is the {n} #?", "show me the {n} #", "is there a {n} #?", "tell me about the {n} #", "which {n} do we have #?", "I'd like to know the {n} #", "do we have a {n} #?",
             "what about the {n} #?", "what does the {n} # look like?", "what's the {n} # right now?", "{n} #?", "{n} #", "# what is the {n}?", "how good is the {n} #?", "is the {n} # fine?", "can you check the {n} #?",
             "give me the {n} #", "any news about the {n} #?", "where is the {n} #?", "look up the {n} #", "I have a question about the {n} #", "let me see the {n} #", "how much {n} is there #?", "check the {n} #", "is the {n} # ready?"]),
        new(["list", "list_all", "get_all", "show_all", "browse", "enumerate"],
            ["List all {s}", "Lists {s}", "All {s}", "Returns every {n}", "Show the {s} that exist"],
            ["list all {s} #", "which {s} are there #?", "show all {s} #", "what {s} do we have #?", "give me every {n} #", "I want to see all the {s} #", "list {s} #", "how many {s} are there #?", "all {s} # please", "show me our {s} #"]),
        new(["update", "change", "modify", "edit", "set", "adjust"],
            ["Update a {n}", "Changes the {n}", "Modify a {n}", "Set the {n}", "Edit an existing {n}", "Adjusts the {n}"],
            ["update the {n} #", "change the {n} #", "set the {n} #", "the {n} has to be changed #", "modify the {n} #", "edit the {n} #", "I want the {n} to be different: #", "adjust the {n} #", "make the {n} different #", "{n} update #"]),
        new(["start", "launch", "begin", "activate", "turn_on", "enable", "switch_on"],
            ["Start the {n}", "Launches a {n}", "Turn on the {n}", "Activates the {n}", "Switches the {n} on"],
            ["start the {n} #", "launch the {n} #", "turn on the {n} #", "turn the {n} on #", "the {n} should run #", "get the {n} going #", "activate the {n} #", "switch on the {n} #", "begin with the {n} #", "{n} on #", "power up the {n} #"]),
        new(["stop", "end", "halt", "turn_off", "shut_down", "disable", "pause"],
            ["Stop the {n}", "Shuts down a {n}", "Turn off the {n}", "Halts the {n}", "Switches the {n} off"],
            ["stop the {n} #", "shut down the {n} #", "turn off the {n} #", "turn the {n} off #", "the {n} must not run #", "end the {n} #", "switch off the {n} #", "{n} off #", "halt the {n} #", "that's enough, stop the {n} #"]),
        new(["send", "deliver", "forward", "share", "ship", "dispatch"],
            ["Send a {n}", "Delivers a {n}", "Share a {n} with someone", "Forwards the {n}", "Ship a {n}"],
            ["send the {n} #", "send a {n} #", "deliver the {n} #", "forward the {n} #", "share the {n} #", "ship the {n} #", "the {n} has to go out #", "can you send the {n} #?", "get the {n} delivered #"]),
        new(["book", "reserve", "schedule", "plan", "arrange"],
            ["Book a {n}", "Reserves a {n}", "Schedule a {n}", "Plans a {n}", "Arrange a {n}"],
            ["book a {n} #", "reserve the {n} #", "schedule a {n} #", "plan a {n} #", "arrange a {n} #", "I'd like to have the {n} #", "is a {n} free #? Then book it", "# I need the {n}", "put me down for a {n} #"]),
        new(["buy", "order", "purchase", "get_me"],
            ["Buy a {n}", "Orders a {n}", "Purchase {s}"],
            ["buy a {n} #", "order a {n} #", "purchase a {n} #", "I want to buy a {n} #", "get me a {n} #", "we are out of {s}, order some #", "I'd take a {n} #"]),
        new(["repair", "fix", "mend", "service"], ["Repair a {n}", "Has the {n} fixed", "Order the repair of a {n}"],
            ["repair the {n} #", "fix the {n} #", "the {n} # is broken", "the {n} is broken #", "my {n} does not work #, have it repaired", "mend the {n} #", "something is wrong with the {n} #, fix it"]),
        new(["clean", "wash", "sweep"], ["Clean the {n}", "Washes the {n}", "Have a {n} cleaned"],
            ["clean the {n} #", "wash the {n} #", "the {n} is dirty #", "the {n} # needs cleaning", "the {n} should be clean #"]),
        new(["approve", "accept", "confirm", "sign"], ["Approve a {n}", "Confirms the {n}", "Accept a {n}", "Signs a {n}"],
            ["approve the {n} #", "accept the {n} #", "confirm the {n} #", "the {n} # is fine, approve it", "sign the {n} #", "I agree with the {n} #"]),
        new(["reject", "decline", "deny", "refuse"], ["Reject a {n}", "Declines the {n}", "Refuse a {n}"],
            ["reject the {n} #", "decline the {n} #", "refuse the {n} #", "no, we do not want the {n} #, reject it", "deny the {n} #"]),
        new(["print", "output"], ["Print a {n}", "Prints the {n} on paper"], ["print the {n} #", "I need the {n} # on paper", "put the {n} # on paper", "print a {n} #", "send the {n} to the printer #"]),
        new(["measure", "compute", "calculate", "estimate", "count"], ["Compute the {n}", "Calculates the {n}", "Estimate the {n}", "Measures the {n}"],
            ["compute the {n} #", "what will the {n} be #?", "calculate the {n} #", "how much is the {n} #?", "estimate the {n} #", "work out the {n} #", "how high is the {n} #?", "# how much is the {n}?", "{n} #"]),
        new(["sell", "offer"], ["Sell a {n}", "Puts the {n} up for sale"], ["sell the {n} #", "offer the {n} #", "I want to sell my {n} #", "the {n} is for sale #", "someone should buy our {n} #"]),
        new(["assign", "give", "hand_over", "allocate"], ["Assign a {n}", "Gives the {n} to somebody", "Hand over a {n}"],
            ["assign the {n} #", "give the {n} #", "hand over the {n} #", "the {n} goes #", "allocate the {n} #", "let someone have the {n} #"]),
        new(["move", "transfer", "relocate"], ["Move a {n}", "Transfers the {n}", "Bring the {n} to another place"],
            ["move the {n} #", "transfer the {n} #", "bring the {n} #", "the {n} must move #", "take the {n} #", "the {n} belongs elsewhere: #"]),
        new(["lock", "close", "seal"], ["Close the {n}", "Locks the {n}"], ["lock the {n} #", "close the {n} #", "shut the {n} #", "the {n} should be closed #", "make sure that the {n} is locked #"]),
        new(["rate", "review", "score"], ["Rate a {n}", "Leaves a review of the {n}"], ["rate the {n} #", "review the {n} #", "I want to rate the {n} #", "score the {n} #", "my opinion of the {n}: #"]),
        new(["report", "announce", "log", "record"], ["Report a {n}", "Logs a {n}", "Record a {n}"],
            ["report a {n} #", "log a {n} #", "record the {n} #", "we had a {n} #", "there was a {n} #", "note a {n} #", "write down the {n} #"]),
    ];

    // Arguments: kinds and names of one or two that are said together, and the ways to say them. {a} and {b} are the values, {p} and {q} the names.
    private sealed record Argument(string[] Kinds, string[][] Names, string[] Phrases, string[] Sentences);

    private static readonly Argument[] Arguments =
    [
        new(["Person"], [["customer", "client", "owner", "person", "assignee", "user", "member", "name", "requester", "employee"]],
            ["for {a}", "of {a}", "by {a}", "for the {p} {a}", "that belongs to {a}", "for our {p} {a}", "as {a} asked"], ["{a} wants it.", "It is for {a}.", "The {p} is {a}.", "{a} asked for it."]),
        new(["Person"], [["recipient", "to", "receiver", "send_to", "target_user"]], ["to {a}", "so that {a} gets it", "and {a} should get it", "over to {a}"], ["{a} should get it.", "It goes to {a}."]),
        new(["City"], [["city", "location", "place", "site", "branch", "town", "where"]],
            ["in {a}", "at {a}", "near {a}", "over in {a}", "for {a}", "around {a}", "at our site in {a}"], ["It is in {a}.", "I am in {a}.", "The {p} is {a}."]),
        new(["City", "City"], [["from", "origin", "source", "departure"], ["to", "destination", "target", "arrival"]],
            ["from {a} to {b}", "to {b} from {a}", "between {a} and {b}", "leaving {a} for {b}", "from {a} over to {b}"], ["It starts in {a} and ends in {b}."]),
        new(["Date"], [["date", "day", "due_date", "deadline", "when", "start_date"]], ["on {a}", "for {a}", "by {a}", "until {a}", "before {a}", "dated {a}", "as of {a}"], ["The {p} is {a}.", "It is for {a}."]),
        new(["Day"], [["day", "when", "date", "weekday"]], ["{a}", "on {a}", "for {a}", "by {a}"], ["It is for {a}."]),
        new(["Time"], [["time", "at", "start_time", "hour"]], ["at {a}", "around {a}", "starting at {a}", "by {a}"], ["The {p} is {a}.", "Do it at {a}."]),
        new(["Date", "Date"], [["start", "from", "begin", "start_date"], ["end", "until", "to", "end_date"]], ["from {a} to {b}", "from {a} until {b}", "between {a} and {b}", "{a} to {b}"], ["It begins on {a} and ends on {b}."]),
        new(["Int 2 500"], [["count", "quantity", "number", "copies", "amount", "size", "limit", "units"]],
            ["{a} times", "with {p} {a}", "{a} pieces", "{p} {a}", "with a {p} of {a}", "{a} of them", "{a} in total"], ["We need {a} of them.", "The {p} is {a}."]),
        new(["Int 2 300"], [["minutes", "duration", "length", "seconds", "hours", "days", "weeks"]], ["for {a} {p}", "{a} {p} long", "in {a} {p}", "within {a} {p}"], ["It takes {a} {p}."]),
        new(["Int 1 100"], [["percent", "level", "percentage", "rate", "share"]], ["to {a} percent", "at {a}%", "with {a} percent", "of {a} percent", "{a}%"], ["It should be {a} percent."]),
        new(["Price"], [["amount", "price", "total", "cost", "value", "budget", "sum"]],
            ["for {a} dollars", "at {a} euros", "with a {p} of {a}", "{p} {a}", "worth {a}", "that costs {a}", "over {a}"], ["The {p} is {a}.", "It costs {a}."]),
        new(["Number", "Number"], [["width", "min", "low", "old", "first", "rows", "x"], ["height", "max", "high", "new", "second", "columns", "y"]],
            ["from {a} to {b}", "with {a} and {b}", "{a} by {b}", "{p} {a} and {q} {b}", "{a} x {b}", "between {a} and {b}"], ["{p} is {a} and {q} is {b}."]),
        new(["Number"], [["id", "number", "index", "version", "record", "account"]], ["{a}", "number {a}", "no. {a}", "with {p} {a}", "with the number {a}"], ["Its number is {a}."]),
        new(["Code"], [["id", "code", "reference", "key", "serial", "ticket", "order"]], ["{a}", "with {p} {a}", "number {a}", "code {a}", "under {a}", "({a})"], ["The {p} is {a}."]),
        new(["Title"], [["title", "name", "label", "subject", "event", "heading"]],
            ["called {a}", "named {a}", "\"{a}\"", "with the title {a}", "titled \"{a}\"", "under the name {a}", "{a}"], ["It is called {a}.", "The {p} should be \"{a}\"."]),
        new(["Made", "Made"], [["old", "from", "old_name", "current"], ["new", "to", "new_name", "replacement"]],
            ["from {a} to {b}", "{a} to {b}", "so that {a} becomes {b}", "and replace {a} by {b}", "with {b} instead of {a}"], ["Use {b} instead of {a}."]),
        new(["Made"], [["brand", "model", "type", "group", "team", "company", "vendor", "name"]], ["of type {a}", "from {a}", "for team {a}", "by {a}", "made by {a}", "{a}"], ["The {p} is {a}."]),
        new(["Item"], [["item", "product", "material", "object", "article", "thing"]], ["with a {a}", "for the {a}", "and use the {a}", "with {a}", "about the {a}"], ["The {p} is a {a}."]),
        new(["File"], [["file", "path", "filename", "document", "target", "source"]], ["from {a}", "as {a}", "in {a}", "from the file {a}", "using {a}"], ["The {p} is {a}."]),
        new(["File", "File"], [["source", "from", "input", "old_file"], ["target", "to", "output", "new_file"]], ["from {a} to {b}", "{a} to {b}", "from {a} into {b}", "out of {a} as {b}"], ["{a} becomes {b}."]),
        new(["Email"], [["email", "contact", "mail_to", "address", "mail"]], ["for {a}", "and mail it to {a}", "with the {p} {a}", "via {a}", "({a})", "with mail {a}"], ["The {p} is {a}.", "You can reach me at {a}."]),
        new(["Phone"], [["phone", "number", "telephone", "mobile"]], ["under {a}", "with the number {a}", "at {a}", "for {a}"], ["My number is {a}."]),
        new(["Room"], [["room", "location", "where", "area", "place"]], ["in the {a}", "for the {a}", "over in the {a}", "of the {a}"], ["It is in the {a}.", "The {a} needs it."]),
        new(["Currency"], [["currency", "unit", "money"]], ["in {a}", "paid in {a}", "in the currency {a}"], ["The {p} is {a}."]),
        new(["Language"], [["language", "lang", "target_language"]], ["in {a}", "written in {a}", "into {a}"], ["It should be in {a}."]),
        new(["Food"], [["dish", "food", "meal"]], ["with {a}", "for {a}", "of {a}"], ["I like {a}."]),
        new(["Topic"], [["topic", "query", "about", "keywords", "subject"]], ["about {a}", "on {a}", "regarding {a}", "concerning \"{a}\""], ["The {p} is {a}."]),
        new(["Text"], [["note", "comment", "message", "reason", "text", "description", "body", "content"]],
            ["with the note \"{a}\"", "saying \"{a}\"", "with {p} \"{a}\"", "\"{a}\""], ["The {p}: {a}", "Write \"{a}\".", "{p}: {a}"]),
        new(["Bool"], [["urgent", "public", "express", "private", "encrypted", "verbose", "force", "notify", "recursive", "draft", "silent", "permanent"]],
            ["and make it {p}|true", "{p}|true", "{p}: yes|true", "not {p}|false", "{p}: no|false", "with {p} on|true", "with {p} off|false"], ["It should be {p}.|true", "It should not be {p}.|false"]),
    ];

    private static readonly (string[] Names, string[] Sets, string[] Phrases)[] Choices =
    [
        (["color", "colour"], ["red/green/blue/black/white", "red/yellow/blue", "brown/grey/pink/white", "green/orange/purple"], ["in {a}", "{p} {a}", "painted {a}", "and {a} please"]),
        (["priority", "level", "severity"], ["low/medium/high/urgent", "low/normal/high", "minor/major/critical"], ["with {a} priority", "{p} {a}", "and mark it {a}", "({a})"]),
        (["size", "format"], ["small/medium/large", "tiny/normal/huge", "S/M/L/XL"], ["in size {a}", "in {a}", "{p} {a}"]),
        (["interval", "frequency", "repeat"], ["daily/weekly/monthly/yearly", "hourly/daily/weekly"], ["{a}", "and repeat it {a}", "on a {a} basis"]),
        (["mode", "method", "type"], ["fast/slow/normal", "manual/automatic", "air/sea/road", "cash/card/transfer", "full/partial"], ["in {a} mode", "{p} {a}", "by {a}", "with {p} {a}"]),
        (["format", "type", "output"], ["pdf/csv/xml", "json/text/html", "png/jpg/svg"], ["as {a}", "in {a} format", "in the format {a}"]),
        (["status", "state", "filter"], ["open/closed", "active/inactive/pending", "new/used/broken"], ["that are {a}", "with {p} {a}", "{p} {a}", "set to {a}"]),
        (["unit", "scale", "system"], ["celsius/fahrenheit", "metric/imperial", "kilometers/miles"], ["in {a}", "using {a}"]),
    ];

    private static readonly HashSet<string> NotImperative =
        [.. "# {n} {s} the there we I I'd my no no, nobody that's new all a any let's let our it something someone what could can".Split(' ')];

    private static readonly string[] Leads =
    [
        "please {c}", "can you {c}?", "could you {c}?", "I want you to {c}", "I need you to {c}", "{c}", "{c}", "{c}", "{c}", "would you {c}?", "let's {c}", "we have to {c}", "you should {c} now", "go ahead and {c}",
        "it is time to {c}", "help me to {c}", "I would like to {c}", "do me a favor and {c}", "don't forget to {c}", "my boss says I have to {c}", "try to {c}", "next, {c}", "then {c}",
    ];

    /// <summary>What people add behind a request, and what is no part of a value.</summary>
    public static readonly string[] Tails =
    [
        "please", "if you can", "as soon as possible", "when you have a minute", "right away", "for me", "thanks", "would be great", "and tell me when it is done", "before I forget", "once more",
        "needs to be done", "is what I need", "because we need it", "and nothing else", "if that is possible", "that is important", "so that we can go on", "like last time", "is that possible?", "quickly", "again",
        "- can you do that?", "and that's it", "would help us a lot", "should do", "if it is not too late", "or I get into trouble", "comes first", "will do", "sounds right", "works for me",
    ];

    /// <summary>One made-up tool; siblings share its noun (another action) or its action (another noun).</summary>
    public static ToolFamily Make(Draw draw, string? noun = null, int? action = null)
    {
        int chosen = action ?? (draw.Chance(0.3) ? 2 : draw.Int(0, Actions.Length - 1));
        var kind = Actions[chosen];
        noun ??= Noun(draw);
        string plural = noun.EndsWith('s') ? noun : noun + "s";
        var parameters = new List<Parameter>();
        var said = new List<(Argument Argument, string[] Slots, string[] Names)>();
        AddArguments(draw, parameters, said);
        var requests = Enumerable.Range(0, 4).Select(_ => Say(draw, kind, noun, plural, parameters, said)).ToList();
        string verb = draw.One(kind.Verbs), snake = (draw.Chance(0.1) ? plural : noun).Replace(' ', '_');
        string name = draw.Int(0, 19) switch
        {
            < 14 => $"{verb}_{snake}",
            < 16 => $"{snake}_{verb}",
            < 18 => chosen == 2 ? snake : $"{verb}_{snake}",
            _ => draw.Either($"tool_{draw.Int(1, 9)}", $"{Entities.Invented(draw, 2)}", $"fn{draw.Int(1, 99)}", $"{Entities.Invented(draw, 1)}_{verb}"),   // only the description says what it does
        };
        string Describe(string text) => text.Replace("{n}", noun).Replace("{s}", plural);
        string about = Describe(draw.One(kind.Descriptions));
        if (draw.Chance(0.25)) about += draw.Either(" for the user", ". Use it whenever asked", " in the system", " of the company", " by its data", ". Returns the result", " quickly", ", if there is one");
        var (answers, sentences, results) = Outcomes(draw, noun);
        return new(false, [name], [about], parameters, results, requests, [], [], answers, sentences) { Kin = $"{noun}/{chosen}" };
    }

    /// <summary>A tool that is easily confused with another: the same noun with another action, or the reverse.</summary>
    public static ToolFamily Sibling(Draw draw, ToolFamily family)
    {
        var kin = family.Kin!.Split('/');
        int action = int.Parse(kin[1]);
        return draw.Chance(0.6) ? Make(draw, kin[0], (action + draw.Int(1, Actions.Length - 1)) % Actions.Length) : Make(draw, null, action);
    }

    private static string Noun(Draw draw) => draw.Int(0, 9) switch
    {
        < 5 => InventedTools.Noun(draw),
        < 7 => draw.Owned(() => draw.One(MoreNouns)),
        < 9 => draw.Owned(() => $"{draw.One(draw.Chance(0.5) ? MoreNouns : Words.Nouns)} {draw.One(MoreNouns)}"),
        _ => $"{Entities.Invented(draw, 2)} {InventedTools.Noun(draw)}",
    };

    private static readonly string[] MoreNouns =
        """
        traffic pollen tide rainfall humidity pressure sunrise noise pollution radiation snow wind storm flood earthquake fire smoke
        salary bonus tax fee fine rent mortgage discount refund payment donation profit revenue expense bill receipt debt pension insurance
        team department manager visitor employee driver nurse teacher student doctor lawyer farmer pilot chef neighbor guest crew family tenant
        meeting event conference workshop training interview party wedding concert festival holiday vacation trip tour flight train bus ferry taxi ride
        room hall office building floor elevator gate garage shelter roof wall kitchen garden pool sauna court stadium gym library museum school hospital
        program script module package library test build deployment cluster container queue topic stream schema index cache token session log alert metric dashboard
        message letter note memo draft chapter article book story poem song film series episode channel podcast magazine newspaper
        dog cat horse cow sheep chicken fish bird plant tree flower vegetable fruit harvest field tractor fence barn
        heart blood pulse weight height sleep diet calorie exercise medicine vaccine allergy symptom dose appointment
        ship boat truck van motorcycle engine brake battery charger fuel tank tire road bridge tunnel port
        password profile avatar badge role permission group friend follower like hashtag reaction setting theme
        score goal season league tournament champion trophy ranking level quest character weapon armor spell
        """.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static void AddArguments(Draw draw, List<Parameter> parameters, List<(Argument, string[], string[])> said)
    {
        var names = new HashSet<string>();
        var kinds = new HashSet<string>();
        for (int i = draw.Either(0, 1, 1, 1, 1, 2, 2, 3); i > 0 && parameters.Count < 4; i--)
        {
            Argument argument;
            if (draw.Chance(0.15))
            {
                var (choice, sets, phrases) = draw.One(Choices);
                argument = new(["enum " + draw.One(sets)], [choice], phrases, []);
            }
            else argument = draw.One(Arguments);
            if (argument.Kinds.Any(k => !kinds.Add(k.Split(' ')[0]) && argument.Kinds.Length == 1)) continue;
            bool isRequired = draw.Chance(0.72);
            int same = draw.Int(0, argument.Names.Min(n => n.Length) - 1);
            var chosen = argument.Names.Select(n => argument.Names.Length > 1 ? n[same] : draw.One(n)).ToArray();
            // A name that nothing but the schema explains is the way to say it.
            bool isMade = argument.Kinds.Length == 1 && argument.Kinds[0] != "Bool" && draw.Chance(0.1);
            if (isMade)
            {
                chosen[0] = draw.Chance(0.5) ? Entities.Invented(draw, 2) : draw.One(Words.Nouns);
                argument = argument with { Phrases = ["with {p} {a}", "{p} {a}", "{p}: {a}", "with {p} = {a}", "and the {p} is {a}"], Sentences = ["The {p} is {a}."] };
            }
            if (chosen.Any(names.Contains) || chosen.Distinct().Count() < chosen.Length) continue;
            var slots = new string[chosen.Length];
            for (int k = 0; k < chosen.Length; k++)
            {
                names.Add(chosen[k]);
                slots[k] = "abcdefgh"[parameters.Count].ToString();
                string spoken = chosen[k].Replace('_', ' ');
                parameters.Add(new(slots[k], argument.Kinds[k], isRequired, [chosen[k]], [draw.Either($"the {spoken}", spoken, $"{spoken} to use", $"which {spoken}", $"{Entities.Capital(spoken)}.")]));
            }
            said.Add((argument, slots, chosen));
        }
    }

    private static Request Say(Draw draw, Action action, string noun, string plural, List<Parameter> parameters, List<(Argument Argument, string[] Slots, string[] Names)> said)
    {
        var fixedValues = new Dictionary<string, string>();
        var phrases = new List<string>();
        var sentences = new List<string>();
        foreach (var (argument, slots, names) in said)
        {
            bool isRequired = parameters.First(p => p.Name == slots[0]).Required;
            if (!isRequired && !draw.Chance(0.55)) continue;
            bool apart = argument.Sentences.Length > 0 && draw.Chance(0.12);
            string text = draw.One(apart ? argument.Sentences : argument.Phrases);
            if (text.Contains('|'))
            {
                fixedValues[slots[0]] = text.Split('|')[1];
                text = text.Split('|')[0];
            }
            text = text.Replace("{a}", $"<{slots[0]}>").Replace("{p}", names[0].Replace('_', ' '));
            if (slots.Length > 1) text = text.Replace("{b}", $"<{slots[1]}>").Replace("{q}", names[1].Replace('_', ' '));
            (apart ? sentences : phrases).Add(text);
        }
        if (draw.Chance(0.35)) draw.Shuffle(phrases);
        string pattern = draw.One(action.Requests);
        // One phrase may open the sentence.
        string front = "";
        if (phrases.Count > 0 && !pattern.StartsWith('#') && draw.Chance(0.12))
        {
            front = Entities.Capital(phrases[^1]) + draw.Either(", ", " ", ": ");
            phrases.RemoveAt(phrases.Count - 1);
        }
        string core = pattern.Replace("#", string.Join(draw.Chance(0.15) ? ", " : draw.Chance(0.2) ? " and " : " ", phrases)).Replace("{n}", noun).Replace("{s}", plural);
        if (draw.Chance(0.15)) core = core.Replace("the " + noun, draw.Either("my", "our", "this", "that") + " " + noun);
        core = System.Text.RegularExpressions.Regex.Replace(core, " +", " ").Replace(" ,", ",").Replace(" ?", "?").Trim();
        bool asks = core.EndsWith('?');
        string whole = front + (asks || NotImperative.Contains(pattern.Split(' ')[0]) ? core : draw.One(Leads).Replace("{c}", core));
        if (!asks && !whole.EndsWith('?') && draw.Chance(0.3)) whole += draw.Either(" ", " ", ", ") + draw.One(Tails);
        else if (!whole.EndsWith('?') && draw.Chance(0.55)) whole += ".";
        if (draw.Chance(0.75)) whole = Entities.Capital(whole);
        if (sentences.Count > 0)
        {
            string more = string.Join(' ', sentences);
            if (!".?!".Contains(whole[^1])) whole += ".";
            whole = draw.Chance(0.75) ? $"{whole} {more}" : $"{more} {whole}";
        }
        return new(whole.Replace("<", "{").Replace(">", "}"), fixedValues);
    }

    private static (List<string>, List<string>, List<(string, string)>) Outcomes(Draw draw, string noun) => draw.Int(0, 5) switch
    {
        0 => (["{v}"], ["The " + noun + " is {v}.", "It is {v}."], [("v", "Number")]),
        1 => (["{v}", "{\"name\": \"{v}\"}"], ["The " + noun + " is {v}."], [("v", draw.Either("Person", "City", "Made", "Code", "Date"))]),
        _ => (["ok", "done", "success"], ["Done.", "That is done.", "Done: the " + noun + " is taken care of."], []),
    };
}
