namespace Hearth.Host.Service;

/// <summary>Finds model files: by path, or by name in the model folders.</summary>
/// <remarks>Folders: those of HEARTH_MODELS, then "models" in the current folder, beside the executable and in each folder above it.</remarks>
internal static class ModelLocator
{
    public const string DefaultName = "ember";

    /// <summary>The demo model.</summary>
    /// <exception cref="HearthException">It is in none of the folders.</exception>
    public static string FindDefault() => Find(DefaultName);

    /// <summary>A path that exists, or the file "NAME.gguf" of a model folder.</summary>
    /// <exception cref="HearthException">Neither is there; the message lists where it was looked for.</exception>
    public static string Find(string model)
    {
        if (File.Exists(model))
        {
            return Path.GetFullPath(model);
        }

        if (Path.IsPathRooted(model) || model.Contains('/', StringComparison.Ordinal) || model.Contains('\\', StringComparison.Ordinal))
        {
            throw new HearthException($"the model file '{model}' does not exist");
        }

        var names = model.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? new[] { model } : [model + ".gguf", model];
        var probed = Folders().Distinct().SelectMany(folder => names.Select(name => Path.Combine(folder, name))).ToList();
        return probed.FirstOrDefault(File.Exists)
            ?? throw new HearthException($"the model '{model}' was not found; looked for {string.Join(", ", probed.Where(path => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)))}");
    }

    private static IEnumerable<string> Folders()
    {
        foreach (var folder in (Environment.GetEnvironmentVariable("HEARTH_MODELS") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            yield return Path.GetFullPath(folder);
        }

        yield return Path.Combine(Environment.CurrentDirectory, "models");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, "models");

            // A build inside a clone looks no further than the clone.
            if (File.Exists(Path.Combine(folder.FullName, "runtime.sln")))
            {
                yield break;
            }
        }
    }
}
