using System.Text.RegularExpressions;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Host.Tests.House;

/// <summary>Where in the source tree each type is declared.</summary>
internal static partial class SourceTree
{
    public static string Root => SharedFolder.Repository;

    /// <summary>The file of each type that is no part of another, by its full name without arity, relative to the project's folder.</summary>
    /// <param name="project">The project's folder under <c>src</c>.</param>
    public static IReadOnlyDictionary<string, string> Declarations(string project)
    {
        var folder = Path.Combine(Root, "src", project);
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var file = Path.GetRelativePath(folder, path).Replace('\\', '/');
            if (file.StartsWith("obj/", StringComparison.Ordinal) || file.StartsWith("bin/", StringComparison.Ordinal))
                continue;
            var text = File.ReadAllText(path);
            var space = Namespace().Match(text).Groups[1].Value;
            foreach (Match declared in Declaration().Matches(text))
                files.TryAdd($"{space}.{declared.Groups["name"].Value}", file);
        }

        return files;
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    // At the begin of a line: what is indented is part of another type.
    [GeneratedRegex(@"^(?:\[[^\]\n]*\]\s*)?(?:(?:public|internal|file|static|abstract|sealed|readonly|ref|unsafe|partial)\s+)+(?:(?:class|struct|interface|enum|record struct|record class|record)\s+(?<name>\w+)|delegate\s[^(\n]*?\b(?<name>\w+)(?:<[^>(]*>)?\()", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
