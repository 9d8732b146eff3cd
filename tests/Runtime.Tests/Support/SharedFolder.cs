namespace Hearth.Runtime.Tests.Support;

/// <summary>
/// Finds data beside the tests: the repository itself, its fixtures, and the folder <c>shared</c> that may lie beside
/// the repository with data that others made and that is therefore never copied into it.
/// </summary>
public static class SharedFolder
{
    private static readonly Lazy<string> LazyRepository = new(FindRepository);

    /// <summary>The repository's root: the directory above the test binary that holds runtime.sln.</summary>
    public static string Repository => LazyRepository.Value;

    /// <summary>The shared folder (HEARTH_SHARED, else <c>../shared</c> beside the repository), or null where absent.</summary>
    public static string? Root
    {
        get
        {
            var named = Environment.GetEnvironmentVariable("HEARTH_SHARED");
            var folder = string.IsNullOrEmpty(named) ? Path.Combine(Repository, "..", "shared") : named;
            return Directory.Exists(folder) ? Path.GetFullPath(folder) : null;
        }
    }

    /// <summary>A file or folder under tests/fixtures; it must be there.</summary>
    /// <param name="parts">Path segments, for instance <c>"reference", "tokens.txt"</c>.</param>
    public static string Fixture(params string[] parts)
    {
        var path = Path.Combine([Repository, "tests", "fixtures", .. parts]);
        Assert.True(Path.Exists(path), $"fixture {path} is missing from the repository");
        return path;
    }

    /// <summary>A file or folder under the shared folder; skips the running test where it is absent.</summary>
    /// <param name="parts">Path segments, for instance <c>"assets", "stories260K", "golden.json"</c>.</param>
    public static string Require(params string[] parts)
    {
        var root = Root;
        if (root is null)
            Assert.Skip("the folder 'shared' is not beside the repository (HEARTH_SHARED may name it)");
        var path = Path.Combine([root!, .. parts]);
        if (!Path.Exists(path))
            Assert.Skip($"{path} is absent");
        return path;
    }

    private static string FindRepository()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "runtime.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException($"no directory above {AppContext.BaseDirectory} holds runtime.sln");
    }
}
