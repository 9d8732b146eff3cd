using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Hearth.Ember.Evaluation;

/// <summary>Judges the replies to the held-out cases and prints accuracy by category.</summary>
public static partial class Evaluator
{
    [GeneratedRegex(@"<tool_call>(.*?)</tool_call>", RegexOptions.Singleline)] private static partial Regex CallText();

    private static readonly (string Name, string[] Categories)[] Groups =
    [
        ("tools it has met", ["known tool", "second call", "new wording"]),
        ("tools never seen", ["invented tool", "new tool", "other tool"]),
    ];

    /// <summary>Runs all cases; with verbose, prints every wrong reply. Returns the share of right tool calls.</summary>
    public static async Task<double> RunAsync(IResponder responder, IReadOnlyList<HeldOutCase> cases, bool verbose)
    {
        var replies = new string[cases.Count];
        await Parallel.ForAsync(0, cases.Count, new ParallelOptions { MaxDegreeOfParallelism = 2 },
            async (i, _) => replies[i] = await responder.ReplyAsync(cases[i].Dialogue));

        var scores = new SortedDictionary<string, (int Right, int All)>(StringComparer.Ordinal);
        for (int i = 0; i < cases.Count; i++)
        {
            bool right = IsRight(cases[i], replies[i]);
            var (r, n) = scores.GetValueOrDefault(cases[i].Category);
            scores[cases[i].Category] = (r + (right ? 1 : 0), n + 1);
            if (!right && verbose) Console.WriteLine(Explain(cases[i], replies[i]));
        }
        foreach (var (category, (right, all)) in scores) Print(category, right, all);
        foreach (var (group, categories) in Groups)
        {
            var members = scores.Where(s => categories.Contains(s.Key)).Select(s => s.Value).ToList();
            if (members.Count > 0) Print(group, members.Sum(m => m.Right), members.Sum(m => m.All));
        }
        var calls = cases.Where(c => c.Calls.Count > 0).Select(c => c.Category).Distinct().ToList();
        int rightCalls = calls.Sum(c => scores[c].Right), allCalls = calls.Sum(c => scores[c].All);
        Print("all tool calls", rightCalls, allCalls);
        Print("all cases", scores.Values.Sum(s => s.Right), cases.Count);
        return (double)rightCalls / allCalls;
    }

    private static void Print(string name, int right, int all) => Console.WriteLine($"{name,-16} {right,4} of {all,4}  {100.0 * right / all,5:f1} %");

    /// <summary>The right calls with equal arguments; or no call; or a sentence that holds every expected value.</summary>
    public static bool IsRight(HeldOutCase c, string reply)
    {
        var calls = CallText().Matches(reply).Select(m => Parse(m.Groups[1].Value)).ToList();
        if (calls.Count != c.Calls.Count || calls.Contains(null)) return false;
        for (int i = 0; i < calls.Count; i++)
        {
            if (calls[i]!["name"]?.ToString() != c.Calls[i].Name) return false;
            if (!JsonNode.DeepEquals(calls[i]!["arguments"], JsonNode.Parse(c.Calls[i].Arguments.ToJsonString()))) return false;
        }
        return calls.Count > 0 || !reply.Contains("<tool_call>") && c.Contains.All(reply.Contains);
    }

    private static JsonNode? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException)   // not JSON, or a name given twice
        {
            return null;
        }
    }

    private static string Explain(HeldOutCase c, string reply)
    {
        string expected = c.Calls.Count > 0 ? Data.ChatTemplate.Reply(Data.Turn.Call([.. c.Calls])) : c.Contains.Count > 0 ? "a sentence with " + string.Join(", ", c.Contains) : "no call";
        return $"{c.Id}\n  asked    {c.Dialogue.Turns[^1].Content}\n  expected {expected}\n  got      {reply}\n";
    }
}
