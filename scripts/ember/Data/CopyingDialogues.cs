using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

/// <summary>
/// Exercises in which nearly every token of the reply is copied from the request. They make the attention heads that
/// copy appear much sooner than tool calls alone do, where only a few tokens are copied.
/// </summary>
public sealed class CopyingDialogues(Draw draw)
{
    private static readonly string[] Kinds =
        ["City", "Person", "First", "Item", "Word", "Made", "Title", "Text", "Number", "Number", "Price", "Date", "Time", "Email", "Code", "File", "Topic", "Expression"];

    public Dialogue Build()
    {
        var dialogue = new Dialogue();
        for (int i = draw.Int(2, 4); i > 0; i--)
        {
            if (draw.Chance(0.5)) AddRepeat(dialogue);
            else AddJson(dialogue);
        }
        return dialogue;
    }

    private string Value() => Entities.Value(draw, draw.One(Kinds));

    private void AddRepeat(Dialogue dialogue)
    {
        string text = string.Join(draw.Either(" ", " ", ", "), Enumerable.Range(0, draw.Int(2, 7)).Select(_ => Value()));
        dialogue.Turns.Add(Turn.User(draw.Either("Repeat: ", "Repeat after me: ", "Say this again: ", "Copy: ", "Echo ") + text));
        dialogue.Turns.Add(Turn.Assistant(text));
    }

    private void AddJson(Dialogue dialogue)
    {
        var values = new Dictionary<string, string>();
        for (int i = draw.Int(2, 6); i > 0; i--) values[draw.Chance(0.6) ? draw.One(Words.Nouns) : Entities.Invented(draw, 2)] = Value();
        string link = draw.Either(" ", " is ", ": ", " = ");
        string list = string.Join(draw.Either(", ", "; ", " and ", "\n"), values.Select(p => $"{p.Key}{link}{p.Value}"));
        dialogue.Turns.Add(Turn.User(draw.Either("As JSON: ", "Write this as JSON: ", "Make JSON of: ") + list));
        dialogue.Turns.Add(Turn.Assistant(PythonJson.Write(new JsonObject(values.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)JsonValue.Create(p.Value)))))));
        if (!draw.Chance(0.6)) return;
        var (key, value) = values.ElementAt(draw.Int(0, values.Count - 1));
        dialogue.Turns.Add(Turn.User(draw.Either($"What is {key}?", $"And {key}?", $"Only {key}.", $"{key}?")));
        dialogue.Turns.Add(Turn.Assistant(value));
    }
}
