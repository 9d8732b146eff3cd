using System.Text.RegularExpressions;

namespace Hearth.Ember.Tokenizer;

/// <summary>
/// Learns merges in two parts, so that a name has the same pieces after a space, a quote or a bracket: first inside
/// runs of letters and inside punctuation, then, ranked last, a space with whole common words.
/// </summary>
public static partial class BpeTrainer
{
    private const int PunctuationMerges = 72, SpaceMerges = 340;

    [GeneratedRegex(@"\p{Lu}?\p{Ll}+|\p{Lu}+|\p{L}+")] private static partial Regex LetterRuns();
    [GeneratedRegex(@"^(<\|[a-z_]+\|>|</?tool_call>)$")] private static partial Regex Special();

    public static BpeTokenizer Train(IEnumerable<string> texts, int vocabulary)
    {
        var letters = new Dictionary<string, int>();
        var punctuation = new Dictionary<string, int>();
        var afterSpace = new Dictionary<string, int>();
        foreach (string text in texts)
        {
            foreach (string part in Regex.Split(text, @"(<\|[a-z_]+\|>|</?tool_call>)"))
            {
                if (Special().IsMatch(part)) continue;
                foreach (string piece in BpeTokenizer.Split(part)) Count(piece, letters, punctuation, afterSpace);
            }
        }
        int letterMerges = vocabulary - 256 - BpeTokenizer.Specials.Length - PunctuationMerges - SpaceMerges;
        var merges = Learn(letters, letterMerges);
        merges.AddRange(Learn(punctuation, PunctuationMerges));
        merges.AddRange(SpaceWords(afterSpace, [.. merges.Select(m => m.Replace(" ", ""))]));
        return new BpeTokenizer(merges);
    }

    private static void Count(string piece, Dictionary<string, int> letters, Dictionary<string, int> punctuation, Dictionary<string, int> afterSpace)
    {
        if (!piece.Any(char.IsLetter) || piece[0] == '\'')
        {
            punctuation[piece] = punctuation.GetValueOrDefault(piece) + 1;
            return;
        }
        string run = char.IsLetter(piece[0]) ? piece : piece[1..];
        foreach (Match m in LetterRuns().Matches(run)) letters[m.Value] = letters.GetValueOrDefault(m.Value) + 1;
        if (piece[0] == ' ') afterSpace[run] = afterSpace.GetValueOrDefault(run) + 1;
    }

    private static IEnumerable<string> SpaceWords(Dictionary<string, int> afterSpace, HashSet<string> tokens)
    {
        var words = afterSpace.Where(p => (char.IsLower(p.Key[0]) || p.Key is "I" or "Hearth" or "Ember") && p.Key.All(char.IsAscii))
            .Where(p => p.Key.Length == 1 || tokens.Contains(p.Key))
            .OrderByDescending(p => p.Value).ThenBy(p => p.Key, StringComparer.Ordinal).Take(SpaceMerges).Select(p => p.Key).ToList();
        if (words.Count < SpaceMerges) throw new InvalidOperationException("too few common words for the vocabulary");
        return words.Select(w => $"{BpeTokenizer.ByteText(" ")} {w}");
    }

    // Plain BPE over word counts. Counts are damped: frequent words need no more weight than to become one token.
    private static List<string> Learn(Dictionary<string, int> counts, int merges)
    {
        var words = counts.OrderBy(p => p.Key, StringComparer.Ordinal)
            .Select(p => (Parts: System.Text.Encoding.UTF8.GetBytes(p.Key).Select(BpeTokenizer.ByteText).ToList(), Weight: Math.Pow(p.Value, 0.7))).ToList();
        var learned = new List<string>();
        while (learned.Count < merges)
        {
            var pairs = new Dictionary<(string, string), double>();
            foreach (var (parts, weight) in words)
                for (int i = 0; i + 1 < parts.Count; i++)
                    pairs[(parts[i], parts[i + 1])] = pairs.GetValueOrDefault((parts[i], parts[i + 1])) + weight;
            if (pairs.Count == 0) throw new InvalidOperationException("too few words for the vocabulary");
            var (left, right) = pairs.OrderByDescending(p => p.Value).ThenBy(p => p.Key.Item1 + p.Key.Item2, StringComparer.Ordinal).First().Key;
            learned.Add($"{left} {right}");
            foreach (var (parts, _) in words)
                for (int i = 0; i + 1 < parts.Count; i++)
                    if (parts[i] == left && parts[i + 1] == right)
                    {
                        parts[i] = left + right;
                        parts.RemoveAt(i + 1);
                    }
        }
        return learned;
    }
}
