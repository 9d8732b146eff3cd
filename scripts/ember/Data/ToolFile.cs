using System.Text.RegularExpressions;

namespace Hearth.Ember.Data;

public sealed record Parameter(string Name, string Kind, bool Required, string[] Names, string[] Descriptions)
{
    public bool IsNumber => Kind.Split(' ')[0] is "Int" or "Number" or "Price" or "Decimal";
    public string JsonType(Draw draw) => Kind.Split(' ')[0] switch
    {
        "Bool" => "boolean",
        "Price" or "Decimal" => "number",
        "Int" or "Number" => draw.Chance(0.6) ? "integer" : "number",
        _ => "string",
    };
}

/// <summary>A way to ask for a tool. Fixed holds arguments that the wording itself decides.</summary>
public sealed record Request(string Text, IReadOnlyDictionary<string, string> Fixed)
{
    public IEnumerable<string> Slots => ToolFile.Slots(Text);
}

/// <summary>A request that lacks one argument, and the question that asks for it.</summary>
public sealed record VagueRequest(Request Request, string Question, string Missing);

public sealed record ToolFamily(
    bool HeldOut, string[] Names, List<string> Descriptions, List<Parameter> Parameters, List<(string Name, string Kind)> Results,
    List<Request> Requests, List<Request> FollowUps, List<VagueRequest> Vague, List<string> Answers, List<string> Sentences)
{
    /// <summary>Noun and action of a composed tool, by which its siblings are made; null for others.</summary>
    public string? Kin { get; init; }

    public Parameter Parameter(string name) => Parameters.First(p => p.Name == name);
}

/// <summary>Reads Text/tools.txt, whose head explains the format, and Text/more-tools.txt.</summary>
public static partial class ToolFile
{
    [GeneratedRegex(@"\{([a-z_]+)\}")] public static partial Regex Slot();

    public static IEnumerable<string> Slots(string text) => Slot().Matches(text).Select(m => m.Groups[1].Value).Distinct();

    public static IReadOnlyList<ToolFamily> Families { get; } = [.. Read(TextFiles.Lines("tools.txt")), .. Read(TextFiles.Lines("more-tools.txt"))];

    /// <summary>Tools of a category of the held-out set, which training does not know of.</summary>
    public static IReadOnlyList<ToolFamily> Others { get; } = Read(TextFiles.Lines("heldout-tools.txt"));

    private static List<ToolFamily> Read(IEnumerable<string> lines)
    {
        var families = new List<ToolFamily>();
        foreach (string line in lines)
        {
            if (line.StartsWith("##"))
            {
                bool heldOut = line.StartsWith("##!");
                families.Add(new(heldOut, List(line[(heldOut ? 3 : 2)..], '|'), [], [], [], [], [], [], [], []));
                continue;
            }
            var family = families[^1];
            string rest = line[2..];
            switch (line[0])
            {
                case '-': family.Descriptions.Add(rest); break;
                case 'p' or 'o': family.Parameters.Add(ReadParameter(rest, line[0] == 'p')); break;
                case 'r': family.Results.Add((rest.Split(' ')[0], rest.Split(' ', 2)[1])); break;
                case '?': family.Requests.Add(ReadRequest(rest)); break;
                case '+': family.FollowUps.Add(ReadRequest(rest)); break;
                case 'm':
                    var parts = List(rest.Split("=>")[0], '#');
                    string fixedPart = rest.Contains("=>") ? " => " + rest.Split("=>")[1] : "";
                    family.Vague.Add(new(ReadRequest(parts[0] + fixedPart), parts[1], parts[2]));
                    break;
                case '=': family.Answers.Add(rest); break;
                case '!': family.Sentences.Add(rest); break;
                default: throw new InvalidDataException($"cannot read '{line}' in a file of tools");
            }
        }
        foreach (var family in families.Where(f => f.Answers.Count == 0))
        {
            family.Answers.AddRange(["ok", "done", "{\"status\": \"ok\"}"]);
            family.Sentences.AddRange(["Done.", "That is done.", "It worked."]);
        }
        return families;
    }

    private static string[] List(string text, char separator) => text.Split(separator, StringSplitOptions.TrimEntries);

    private static Parameter ReadParameter(string text, bool required)
    {
        var parts = List(text, '|');
        var head = parts[0].Split(' ', 2);
        string[] names = parts.Length > 1 ? List(parts[1], ',') : [head[0]], descriptions = parts.Length > 2 ? List(parts[2], ';') : [$"the {head[0]}"];
        return new(head[0], head[1], required, names, descriptions);
    }

    private static Request ReadRequest(string text)
    {
        var parts = text.Split("=>", StringSplitOptions.TrimEntries);
        var fixedValues = parts.Length == 1 ? [] : List(parts[1], ',').Select(p => p.Split('=')).ToDictionary(p => p[0], p => p[1]);
        return new(parts[0], fixedValues);
    }
}
