namespace Hearth.Host.Tests;

/// <summary>The repository and its demo model.</summary>
internal static class Ember
{
    /// <summary>The folder that holds runtime.sln; the test is skipped where there is none.</summary>
    public static string Repository
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(System.IO.Path.Combine(folder.FullName, "runtime.sln")))
                {
                    return folder.FullName;
                }
            }

            Assert.Skip("the repository is not there");
            throw new InvalidOperationException();
        }
    }

    /// <summary>The model's file; the test is skipped where there is none.</summary>
    public static string Path
    {
        get
        {
            var path = System.IO.Path.Combine(Repository, "models", "ember.gguf");
            Assert.SkipUnless(File.Exists(path), "models/ember.gguf is not there");
            return path;
        }
    }
}
