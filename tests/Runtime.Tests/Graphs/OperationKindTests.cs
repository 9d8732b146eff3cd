using System.Reflection;
using System.Text.RegularExpressions;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Graphs;

public sealed partial class OperationKindTests
{
    [GeneratedRegex(@"^HEARTH_OPERATION\((\d+), (\w+), (\w+),", RegexOptions.Multiline)]
    private static partial Regex Entry();

    [Fact]
    public void The_kinds_are_those_of_the_native_table_under_the_same_numbers()
    {
        var table = File.ReadAllText(Path.Combine(SharedFolder.Repository, "src", "Native", "core", "operations.def"));
        var native = Entry().Matches(table).ToDictionary(m => Pascal(m.Groups[2].Value), m => int.Parse(m.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture));
        var kinds = typeof(ProgramBuilder).GetNestedType("Kind", BindingFlags.NonPublic)!;
        var managed = Enum.GetNames(kinds).ToDictionary(name => name, name => (int)Enum.Parse(kinds, name));
        Assert.NotEmpty(native);
        Assert.Equal(native.OrderBy(k => k.Value), managed.OrderBy(k => k.Value));
    }

    // RMS_NORM to RmsNorm.
    private static string Pascal(string name) =>
        string.Concat(name.Split('_').Select(word => word[..1] + word[1..].ToLowerInvariant()));
}
