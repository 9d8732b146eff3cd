namespace Hearth.Ember.Data;

/// <summary>The hand-written texts that lie beside the program.</summary>
public static class TextFiles
{
    /// <summary>Lines of a file without blank ones and comments ("# ...").</summary>
    public static IEnumerable<string> Lines(string name) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "Text", name))
            .Select(l => l.TrimEnd()).Where(l => l.Length > 0 && !l.StartsWith("# ") && !l.StartsWith("#   "));
}
