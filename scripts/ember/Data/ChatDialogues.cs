namespace Hearth.Ember.Data;

/// <summary>Small talk, questions about Hearth and its field, things to remember, and questions nobody can answer.</summary>
public sealed class ChatDialogues(Draw draw)
{
    private sealed record Topic(List<string> Questions, List<string> Answers, List<(string Question, string Answer)> FollowUps);

    private static readonly string[] Unknown =
    [
        "I do not know that. I am only a small demo model.", "Sorry, I do not know. I am a very small model.",
        "That is beyond me. I am only a small demo model.", "I am too small to know that. A larger model may help.",
    ];

    private static readonly string[] Systems =
    [
        "You are a helpful assistant.", "You are a helpful assistant.", "You are a helpful assistant.", "You are Ember.",
        "You are a friendly assistant. Answer briefly.", "You are an assistant that helps with everyday tasks.", "Be brief and polite.",
        "You are a helpful AI assistant. Use the tools when needed.", "Help the user.", "You answer questions and use tools.",
        "You are Ember, the demo model of Hearth.", "Answer in one sentence.", "You are a personal assistant.",
        "You are a smart home assistant.", "You are a support agent of a shop.", "You are an expert in office work.",
    ];

    private static readonly IReadOnlyList<Topic> Topics = ReadTopics();

    private static List<Topic> ReadTopics()
    {
        var topics = new List<Topic> { new([], [], []) };
        string? followUp = null;
        foreach (string line in TextFiles.Lines("chat.txt"))
        {
            if (line == "--")
            {
                topics.Add(new([], [], []));
                followUp = null;
                continue;
            }
            string text = line[2..];
            if (line[0] == '?') topics[^1].Questions.Add(text);
            else if (line[0] == '+') followUp = text;
            else if (followUp is null) topics[^1].Answers.Add(text);
            else topics[^1].FollowUps.Add((followUp, text));
        }
        return topics;
    }

    /// <summary>A system message, or null for none.</summary>
    public string? SystemText(bool withTools)
    {
        if (draw.Chance(withTools ? 0.4 : 0.45)) return null;
        if (draw.Chance(0.85)) return draw.One(Systems);
        return $"You are {draw.Either("an assistant", "a bot", "the helper", "an agent")} {draw.Either("of", "for", "at")} {Entities.Capital(Entities.Invented(draw, 2))}. {draw.Either("Be polite.", "Answer briefly.", "Help people with their " + draw.One(Words.Nouns) + "s.", "")}".TrimEnd();
    }

    public Dialogue Build()
    {
        var dialogue = new Dialogue();
        if (SystemText(withTools: false) is { } system) dialogue.Turns.Add(new("system", system, []));
        if (draw.Chance(0.3)) AddMemory(dialogue);
        else for (int i = draw.Int(1, 4); i > 0; i--) AddExchange(dialogue);
        return dialogue;
    }

    public void AddExchange(Dialogue dialogue)
    {
        if (draw.Chance(0.12))
        {
            dialogue.Turns.Add(Turn.User(UnknownQuestion(dialogue.Tools.Count > 0)));
            dialogue.Turns.Add(Turn.Assistant(draw.One(Unknown)));
            return;
        }
        var topic = draw.One(Topics);
        dialogue.Turns.Add(Turn.User(Dress(draw.One(topic.Questions))));
        dialogue.Turns.Add(Turn.Assistant(draw.One(topic.Answers)));
        if (topic.FollowUps.Count == 0 || !draw.Chance(0.4)) return;
        var (question, answer) = draw.One(topic.FollowUps);
        dialogue.Turns.Add(Turn.User(question));
        dialogue.Turns.Add(Turn.Assistant(answer));
    }

    public void AddThanks(Dialogue dialogue)
    {
        dialogue.Turns.Add(Turn.User(draw.Either("Thanks!", "Thank you.", "thanks", "Great, thank you!", "Perfect.")));
        dialogue.Turns.Add(Turn.Assistant(draw.Either("You are welcome!", "You are welcome. Is there anything else?", "Glad I could help.")));
    }

    // What is told, how it is asked for later, and the answers; {x} is the value.
    private static readonly (string Kind, string[] Told, string[] Reply, string[] Asked, string[] Recalled)[] Memories =
    [
        ("First", ["My name is {x}.", "I am {x}.", "I'm {x}", "my name is {x}", "Hi, my name is {x}.", "Hello, I am {x}!", "Call me {x}.", "People call me {x}", "{x} here."],
            ["Nice to meet you, {x}!", "Hello {x}! How can I help?", "Hi {x}, nice to meet you."],
            ["What is my name?", "what's my name", "Do you know my name?", "Who am I?", "Do you remember my name?", "Tell me my name.", "How am I called?"],
            ["Your name is {x}.", "You are {x}."]),
        ("City", ["I live in {x}.", "I am from {x}.", "I come from {x}", "My home is {x}."], ["{x} sounds nice!", "Good to know that you are in {x}.", "I hope you like it in {x}."],
            ["Where do I live?", "Where am I from?", "Which city did I name?", "Do you remember where I live?"], ["You live in {x}.", "You told me {x}."]),
        ("Made", ["My dog is called {x}.", "I have a cat called {x}.", "My pet's name is {x}."], ["{x} is a nice name!", "Say hello to {x} from me."],
            ["What is my pet called?", "What is the name of my pet?", "Do you remember my pet's name?"], ["Your pet is called {x}.", "It is {x}."]),
        ("Number", ["My favorite number is {x}.", "My lucky number is {x}.", "Remember the number {x}."], ["I will remember {x}.", "{x} is a good number."],
            ["What is my number?", "Which number did I tell you?", "What was the number?"], ["Your number is {x}.", "It is {x}."]),
        ("Item", ["I bought a {x}.", "I am looking for a {x}.", "I need a {x}."], ["A {x}, good to know.", "I hope the {x} is useful."],
            ["What did I say I need?", "What thing did I talk about?", "Which thing did I name?"], ["You talked about a {x}.", "A {x}."]),
    ];

    private void AddMemory(Dialogue dialogue)
    {
        // Usually the name alone; sometimes a second fact, so that the right one must be found.
        var facts = new List<(int Index, string Value)>();
        if (draw.Chance(0.75)) facts.Add((0, Entities.Value(draw, "First")));
        if (facts.Count == 0 || draw.Chance(0.3))
        {
            int i = draw.Int(1, Memories.Length - 1);
            facts.Add((i, Entities.Value(draw, Memories[i].Kind)));
        }
        foreach (var (i, x) in facts)
        {
            dialogue.Turns.Add(Turn.User(draw.One(Memories[i].Told).Replace("{x}", x)));
            dialogue.Turns.Add(Turn.Assistant(draw.One(Memories[i].Reply).Replace("{x}", x)));
            if (draw.Chance(0.4)) AddExchange(dialogue);
        }
        draw.Shuffle(facts);
        foreach (var (i, x) in facts)
        {
            dialogue.Turns.Add(Turn.User(draw.One(Memories[i].Asked)));
            dialogue.Turns.Add(Turn.Assistant(draw.One(Memories[i].Recalled).Replace("{x}", x)));
        }
        if (facts.All(f => f.Index != 0) && draw.Chance(0.3))
        {
            dialogue.Turns.Add(Turn.User(draw.One(Memories[0].Asked)));
            dialogue.Turns.Add(Turn.Assistant(draw.Either("You have not told me your name.", "I do not know your name yet.")));
        }
    }

    private string UnknownQuestion(bool withTools)
    {
        string Made() => Entities.Capital(Entities.Invented(draw, draw.Int(2, 3)));
        string noun = draw.One(Words.Nouns), year = draw.Int(1200, 2026).ToString(), city = Entities.Value(draw, "City");
        // What a tool could answer is unknown only where none is offered.
        string text = !withTools && draw.Chance(0.35)
            ? draw.Either(
                $"What is the weather in {city}?", $"How many people live in {city}?", $"What time is it in {city}?", $"Book a flight to {city}.",
                $"What is {draw.Int(12, 999)} times {draw.Int(12, 999)}?", $"Send an email to {Entities.Value(draw, "First")}.",
                $"Translate {noun} into {draw.One(Words.Languages)}.", $"What is the news from {city}?", $"How far is {city} from {Made()}?")
            : draw.Either(
                $"Who is {Entities.Value(draw, "Person")}?", $"What is the capital of {Made()}?", $"Who wrote {Entities.Value(draw, "Title")}?",
                $"When was {Made()} founded?", $"Who won the {Made()} cup in {year}?", $"What happened in {year}?", $"Why is the {noun} {draw.One(Words.Adjectives)}?",
                $"How is a {noun} made?", $"Who invented the {noun}?", $"How old is {city}?", $"What is a {Made().ToLowerInvariant()}?",
                $"Tell me about {Made()}.", $"Where is {Made()}?", $"What do you think about {noun}s?",
                $"What is the chemical formula of {Made().ToLowerInvariant()}?", $"Who is the president of {Made()}?", $"How tall is {Entities.Value(draw, "Person")}?");
        return draw.Chance(0.15) ? text.ToLowerInvariant() : text;
    }

    // The files hold the bare question; users capitalize, punctuate and mistype as they like.
    private string Dress(string question)
    {
        bool asks = question.Contains(' ') && ("what who how why where when which do does can is are am may did should will".Split(' ').Contains(question.Split(' ')[0].ToLowerInvariant().Replace("'s", "")));
        string text = question;
        if (draw.Chance(0.08) && asks && text.StartsWith("what is ")) text = draw.Either("can you explain ", "please explain ", "tell me about ", "I want to know about ", "explain ") + text[8..];
        if (draw.Chance(0.7)) text = Entities.Capital(text);
        if (draw.Chance(0.75)) text += asks ? "?" : draw.Either(".", "!", "");
        if (draw.Chance(0.06) && text.Length > 12) text = text.Remove(draw.Int(4, text.Length - 4), 1);
        if (draw.Chance(0.08)) text = draw.Either("Hi! ", "Hello. ", "Hey, ", "So, ", "OK. ", "Please tell me: ", "One question: ") + text;
        if (draw.Chance(0.08)) text = text.ToLowerInvariant();
        return text;
    }
}
