using System.CommandLine;
using System.CommandLine.Parsing;

namespace Hearth.Host.CommandLine;

/// <summary>Says what a mistyped word was perhaps meant to be.</summary>
internal static class Suggestions
{
    /// <summary>What is wrong with a command line that cannot be parsed, in one line.</summary>
    public static string Explain(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        if (parsed.UnmatchedTokens is not [var word, ..])
        {
            return command is RootCommand && parsed.Errors.Count == 1 ? $"a command is missing; there are: {string.Join(", ", Commands(command))}" : parsed.Errors[0].Message;
        }

        var isOption = word.StartsWith('-');
        var known = isOption ? Options(parsed.CommandResult) : Commands(command);
        var what = isOption ? "option" : command is RootCommand ? "command" : "argument";
        var nearest = Nearest(word, known);
        return $"there is no {what} '{word}'{(nearest is null ? "" : $"; did you mean {nearest}?")}";
    }

    /// <summary>The name that the fewest mistakes turn into the word; null where none is near.</summary>
    internal static string? Nearest(string word, IEnumerable<string> names)
    {
        var best = names.Select(name => (Name: name, Mistakes: name.StartsWith(word, StringComparison.OrdinalIgnoreCase) ? 1 : Distance(word, name))).DefaultIfEmpty().MinBy(item => item.Mistakes);
        return best.Name is { } found && best.Mistakes <= Math.Max(1, found.TrimStart('-').Length / 3) ? found : null;
    }

    private static IEnumerable<string> Commands(Command command) => command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name);

    private static IEnumerable<string> Options(CommandResult result)
    {
        for (SymbolResult? at = result; at is not null; at = at.Parent)
        {
            foreach (var option in at is CommandResult { Command: var command } ? command.Options.Where(option => at == result || option.Recursive) : [])
            {
                yield return option.Name;
            }
        }
    }

    // Levenshtein's, with swapped neighbours as one mistake (optimal string alignment).
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    rows[i, j] = i + j;
                    continue;
                }

                var differs = char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1;
                rows[i, j] = Math.Min(Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + differs);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
                }
            }
        }

        return rows[a.Length, b.Length];
    }
}
