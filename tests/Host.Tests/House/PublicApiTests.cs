using System.Reflection;
using Hearth.Extensions.AI;
using Hearth.LLamaSharp;
using Hearth.SemanticKernel;

namespace Hearth.Host.Tests.House;

/// <summary>What others may build on is written down; a change of it is seen by whoever reviews the change.</summary>
public sealed class PublicApiTests
{
    // Set, the files are written anew in place of being compared.
    private const string Accept = "HEARTH_ACCEPT_API";

    public static TheoryData<string> Assemblies => ["Hearth.Runtime", "Hearth.Extensions.AI", "Hearth.SemanticKernel", "Hearth.LLamaSharp"];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_public_surface_is_the_one_that_was_reviewed(string name)
    {
        var assembly = name switch
        {
            "Hearth.Runtime" => typeof(LanguageModel).Assembly,
            "Hearth.Extensions.AI" => typeof(HearthEmbeddingGenerator).Assembly,
            "Hearth.LLamaSharp" => typeof(LLamaSharpEngine).Assembly,
            _ => typeof(HearthChatCompletionService).Assembly,
        };
        Assert.Equal(name, assembly.GetName().Name);
        var path = Path.Combine(SourceTree.Root, "tests", "Host.Tests", "House", $"{name}.api.txt");
        var lines = PublicSurface.Lines(assembly);
        if (Environment.GetEnvironmentVariable(Accept) == "1")
            File.WriteAllLines(path, lines);
        var reviewed = File.Exists(path) ? File.ReadAllLines(path) : [];
        var added = lines.Except(reviewed).Take(20).Select(line => "+ " + line);
        var removed = reviewed.Except(lines).Take(20).Select(line => "- " + line);
        Assert.True(
            lines.SequenceEqual(reviewed),
            $"the public API of {name} has changed; where that is meant, run this test with {Accept}=1 and commit {path}:\n{string.Join('\n', added.Concat(removed))}");
    }

    [Fact]
    public void Nothing_that_is_offered_speaks_of_what_is_not()
    {
        // A public member whose types are internal cannot be compiled; one whose types live in a room of machinery can.
        string[] machinery = ["Hearth.Runtime.Scheduling", "Hearth.Runtime.Loading", "Hearth.Runtime.Models", "Hearth.Runtime.Sampling", "Hearth.Runtime.Protocol"];
        Assert.Empty(typeof(LanguageModel).Assembly.GetExportedTypes().Where(type => machinery.Contains(type.Namespace)).Select(type => type.FullName));

        // Of the executable the web SDK makes the one type of its first file public.
        Assert.Equal(["Program"], Assembly.Load("hearth").GetExportedTypes().Select(type => type.FullName));
    }
}
