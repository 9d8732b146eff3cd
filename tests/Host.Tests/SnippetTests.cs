using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Hearth.Host.Tests;

/// <summary>Every C# snippet of README and docs is compiled as it stands there and, where it can be, run on the demo model.</summary>
[Collection(EnvironmentTests.Name)]
public sealed class SnippetTests : IDisposable
{
    // What the SDK's templates import without being asked.
    private const string Imports = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private readonly TemporaryFolder _folder = new();

    public static IEnumerable<TheoryDataRow<string>> Pages()
    {
        var pages = new[] { "README.md", "CONTRIBUTING.md", "models/README.md" }.Select(name => System.IO.Path.Combine(Ember.Repository, name))
            .Concat(Directory.EnumerateFiles(System.IO.Path.Combine(Ember.Repository, "docs"), "*.md"));
        return pages.Where(page => Snippet.Of(Ember.Repository, page).Any()).Select(page => new TheoryDataRow<string>(System.IO.Path.GetRelativePath(Ember.Repository, page)));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Snippets_compile_and_run(string page)
    {
        foreach (var snippet in Snippet.Of(Ember.Repository, System.IO.Path.Combine(Ember.Repository, page)))
        {
            var assembly = Compile(snippet);
            if (snippet.Runs)
            {
                var output = await RunAsync(snippet, assembly);
                Assert.True(output.Length > 0 || !snippet.Code.Contains("Console.Write", StringComparison.Ordinal), $"{snippet} writes nothing");
            }
        }
    }

    [Fact]
    public void No_snippet_is_overlooked()
    {
        var fences = File.ReadAllText(System.IO.Path.Combine(Ember.Repository, "README.md")).Split("```csharp").Length - 1;
        Assert.Equal(fences, Snippet.Of(Ember.Repository, System.IO.Path.Combine(Ember.Repository, "README.md")).Count());
        Assert.True(fences >= 6);
    }

    public void Dispose() => _folder.Dispose();

    private static MemoryStream Compile(Snippet snippet)
    {
        var parse = new CSharpParseOptions(LanguageVersion.Latest);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(System.IO.Path.PathSeparator)
            .Where(path => path.EndsWith(".dll", StringComparison.Ordinal)).Select(path => MetadataReference.CreateFromFile(path));
        var isProgram = snippet.Runs || !snippet.Code.Contains("internal static class", StringComparison.Ordinal);

        // Under this name it sees what the tests see: some pages are for those who work on Hearth itself.
        var compilation = CSharpCompilation.Create(
            typeof(SnippetTests).Assembly.GetName().Name,
            [CSharpSyntaxTree.ParseText(Imports, parse), CSharpSyntaxTree.ParseText(snippet.Code, parse, snippet.File)],
            references.Where(reference => reference.FilePath != typeof(SnippetTests).Assembly.Location),
            new CSharpCompilationOptions(isProgram ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        Assert.True(result.Success, $"{snippet}: {string.Join('\n', result.Diagnostics.Where(fault => fault.Severity == DiagnosticSeverity.Error))}");
        assembly.Position = 0;
        return assembly;
    }

    private async Task<string> RunAsync(Snippet snippet, MemoryStream assembly)
    {
        foreach (var model in snippet.Models)
        {
            var path = System.IO.Path.Combine(_folder.Path, model);
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
            File.Copy(Ember.Path, path, overwrite: true);
        }

        var (folder, console) = (Environment.CurrentDirectory, Console.Out);
        using var output = new StringWriter();
        var context = new AssemblyLoadContext(snippet.ToString(), isCollectible: true);
        try
        {
            Environment.CurrentDirectory = _folder.Path;
            Console.SetOut(output);
            var entry = context.LoadFromStream(assembly).EntryPoint!;
            var result = entry.Invoke(null, entry.GetParameters().Length == 0 ? [] : [Array.Empty<string>()]);
            await (result as Task ?? Task.CompletedTask).WaitAsync(TimeSpan.FromMinutes(2));
            return output.ToString();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"{snippet} fails: {exception.GetBaseException().Message}", exception);
        }
        finally
        {
            Console.SetOut(console);
            Environment.CurrentDirectory = folder;
            context.Unload();
        }
    }
}
