using System.Reflection;
using System.Xml.Linq;
using Hearth.Extensions.AI;
using Hearth.LLamaSharp;
using Hearth.SemanticKernel;

namespace Hearth.Host.Tests.House;

/// <summary>Arrows go down only: between projects, and between the rooms of a project.</summary>
public sealed class LayerTests
{
    // A room is a folder. Of the files beside the folders Runtime's door is LanguageModel; the others are what everybody may
    // name: contracts. The highest row first: a room uses lower rows only, and none of its own row.
    private static readonly Dictionary<string, string[]> s_rows = new()
    {
        ["Runtime"] =
        [
            "Probing Conversations",
            "LanguageModel Embedding MaskFilling Benchmarking Conversion Protocol",
            "Evaluation Scheduling",
            "Loading",
            "Engines",
            "Sampling",
            "Turns",
            "contracts",
            "Chat Caching Models Synthesis",
            "Constraints Quantization",
            "Graphs",
            "Kernels",
            "Interop",
            "Templates Tokenizers",
            "Gguf",
            "Errors",
        ],
        ["ExtensionsAI"] = ["contracts", "Backends"],
        ["SemanticKernel"] = ["contracts"],
        ["LLamaSharp"] = ["contracts", "Steps", "Native"],
        ["Host"] = ["CommandLine", "Http", "Lens Agents", "Page Service", "contracts"],
    };

    public static TheoryData<string> Projects => [.. s_rows.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_room_uses_only_rooms_below_it(string project)
    {
        var rows = s_rows[project].SelectMany((row, number) => row.Split(' ').Select(room => (room, number))).ToDictionary(entry => entry.room, entry => entry.number, StringComparer.Ordinal);
        var files = SourceTree.Declarations(project);
        var used = TypeReferences.Of(AssemblyOf(project)).Where(pair => IsWritten(pair.User) && IsWritten(pair.Used)).ToArray();
        Assert.True(used.Length > 20, "hardly anything was found to look at");
        var unknown = used.SelectMany(pair => new[] { pair.User, pair.Used }).Where(type => FileOf(files, type) is null).Select(type => type.FullName).Distinct();
        Assert.Empty(unknown);
        var rooms = used.Select(pair => (User: RoomOf(FileOf(files, pair.User)!), Used: RoomOf(FileOf(files, pair.Used)!), pair)).Where(entry => entry.User != entry.Used).ToArray();
        Assert.All(rooms.SelectMany(entry => new[] { entry.User, entry.Used }).Distinct(), room => Assert.Contains(room, rows.Keys));
        Assert.Empty(rooms.Where(entry => rows[entry.User] >= rows[entry.Used]).Select(entry => $"{entry.User} → {entry.Used}: {entry.pair.User.Name} uses {entry.pair.Used.Name}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Projects_refer_only_to_projects_below_them()
    {
        string[] rows = ["Host", "SemanticKernel", "ExtensionsAI", "LLamaSharp", "Runtime"];
        foreach (var path in Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            var project = Path.GetFileName(Path.GetDirectoryName(path)!);
            var references = XDocument.Load(path).Descendants("ProjectReference").ToLookup(
                reference => reference.Parent!.Attribute("Condition") is null, reference => reference.Attribute("Include")!.Value.Split('/', '\\')[^2]);
            Assert.All(references[false], below => Assert.Equal("LLamaSharp", below)); // which the executable carries where it is asked for, and finds by its attribute
            var referred = references[true];
            Assert.All(referred, below => Assert.True(Array.IndexOf(rows, below) > Array.IndexOf(rows, project), $"{project} refers to {below}"));

            // A reference that no code uses is an arrow too.
            Assert.All(referred, below => Assert.Contains(AssemblyOf(project).GetReferencedAssemblies(), assembly => assembly.Name == AssemblyOf(below).GetName().Name));
        }
    }

    [Fact]
    public void The_root_of_Runtime_is_a_front_door()
        => Assert.InRange(Directory.GetFiles(Path.Combine(SourceTree.Root, "src", "Runtime"), "*.cs").Length, 5, 12);

    private static Assembly AssemblyOf(string project) => project switch
    {
        "Runtime" => typeof(LanguageModel).Assembly,
        "ExtensionsAI" => typeof(HearthEmbeddingGenerator).Assembly,
        "LLamaSharp" => typeof(LLamaSharpEngine).Assembly,
        "SemanticKernel" => typeof(HearthChatCompletionService).Assembly,
        _ => typeof(Hearth.Host.Service.ModelConfiguration).Assembly,
    };

    // The compiler's own types, and those that source generators write.
    private static bool IsWritten(Type type) => !type.Name.Contains('<', StringComparison.Ordinal) && type.Namespace?.StartsWith("Hearth", StringComparison.Ordinal) == true;

    private static string? FileOf(IReadOnlyDictionary<string, string> files, Type type) => files.GetValueOrDefault(type.FullName!.Split('`')[0]);

    private static string RoomOf(string file)
        => file.Contains('/', StringComparison.Ordinal) ? file.Split('/')[0] : file == "LanguageModel.cs" ? "LanguageModel" : "contracts";
}
