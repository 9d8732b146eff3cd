using System.Text.Json;
using Hearth.Ember.Data;

namespace Hearth.Ember.Evaluation;

/// <summary>Checks on real data that no open value of the held-out set occurs as a value in training.</summary>
public static class Disjoint
{
    // Lists that are closed by nature: a room or a currency code cannot be new.
    private static readonly HashSet<string> Closed =
        [.. Words.Rooms, .. Words.Currencies, .. Words.Languages, .. Words.Genres, .. Words.Foods, .. Words.Units, .. Words.Weekdays, "today", "tomorrow"];

    public static bool Check(IReadOnlyList<HeldOutCase> cases, int seed, long first, long dialogues)
    {
        var expected = cases.SelectMany(c => c.Calls.SelectMany(call => Values(c.Dialogue, call))).ToHashSet();
        var seen = new HashSet<string>();
        for (long i = 0; i < dialogues; i++)
        {
            var dialogue = Dialogues.Training(seed, first + i);
            foreach (var call in dialogue.Turns.SelectMany(t => t.Calls))
                foreach (string value in Values(dialogue, call)) seen.Add(value);
        }
        var shared = expected.Where(seen.Contains).ToList();
        Console.WriteLine($"{expected.Count} held-out values, {seen.Count} training values in {dialogues} dialogues, {shared.Count} in both: {string.Join("; ", shared)}");
        return shared.Count == 0;
    }

    // Booleans, choices from an enum, closed lists and numbers below 40, which small ranges share, are nobody's.
    private static IEnumerable<string> Values(Dialogue dialogue, ToolCall call)
    {
        string schemas = string.Concat(dialogue.Tools.Select(t => t.ToJsonString()));
        foreach (var (_, node) in call.Arguments)
        {
            var kind = node!.GetValueKind();
            if (kind is JsonValueKind.True or JsonValueKind.False) continue;
            string value = node.ToString().ToLowerInvariant();
            if (Closed.Contains(node.ToString()) || Closed.Contains(value) || schemas.Contains($"\"{value}\"")) continue;
            if (kind == JsonValueKind.Number && node.GetValue<decimal>() < 40) continue;
            yield return value;
        }
    }
}
