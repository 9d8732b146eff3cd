using System.Text.RegularExpressions;

namespace Hearth.Host.Tests;

/// <summary>A piece of C# in the documentation, and what its page does not show.</summary>
/// <remarks>
/// A comment before the fence, <c>&lt;!-- snippet: ... --&gt;</c>, may say "compile" where it cannot be run, and brings the code around it: before
/// it, or where <c>%%</c> stands. Without one it is a whole program and is run.
/// </remarks>
internal sealed partial record Snippet(string File, int Line, string Code, bool Runs)
{
    /// <summary>Every snippet of a page.</summary>
    public static IEnumerable<Snippet> Of(string repository, string path)
    {
        var text = System.IO.File.ReadAllText(path).ReplaceLineEndings("\n");
        foreach (Match match in Fence().Matches(text))
        {
            var note = match.Groups["note"].Value;
            var (first, rest) = note.IndexOf('\n', StringComparison.Ordinal) is >= 0 and var end ? (note[..end], note[(end + 1)..]) : (note, "");
            var around = rest.Contains("%%", StringComparison.Ordinal) ? rest : rest + "%%";
            yield return new Snippet(
                Path.GetRelativePath(repository, path), 1 + text.AsSpan(0, match.Groups["code"].Index).Count('\n'),
                around.Replace("%%", match.Groups["code"].Value, StringComparison.Ordinal), !first.TrimStart().StartsWith("compile", StringComparison.Ordinal));
        }
    }

    /// <summary>Model files that it names.</summary>
    public IEnumerable<string> Models => ModelName().Matches(Code).Select(match => match.Groups[1].Value).Distinct();

    public override string ToString() => $"{File}:{Line}";

    [GeneratedRegex(@"(?:^ *<!-- snippet:(?<note>(?:(?!-->)[\s\S])*)-->\n)?^(?<indent> *)```csharp\n(?<code>[\s\S]*?)^\k<indent>```", RegexOptions.Multiline)]
    private static partial Regex Fence();

    [GeneratedRegex("\"([^\"\n]+\\.gguf)\"")]
    private static partial Regex ModelName();
}
