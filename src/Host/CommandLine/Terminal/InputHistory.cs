using System.Text.Json;

namespace Hearth.Host.CommandLine.Terminal;

/// <summary>What was typed before, the oldest first; in a file of the user's own, a JSON string a line.</summary>
/// <param name="path">The file; null: it is remembered no longer than the process.</param>
internal sealed class InputHistory(string? path)
{
    private const int MostEntries = 1000;
    private const long MostBytes = 4 << 20;

    private readonly List<string> _entries = Read(path);

    public IReadOnlyList<string> Entries => _entries;

    /// <summary>The history of this user: HEARTH_HISTORY names the file, empty for none; else it lies in the folder for state.</summary>
    public static InputHistory OfUser()
    {
        if (Environment.GetEnvironmentVariable("HEARTH_HISTORY") is { } named)
        {
            return new InputHistory(named.Length == 0 ? null : named);
        }

        var state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var folder = !string.IsNullOrEmpty(state) ? state
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : home.Length == 0 ? "" : System.IO.Path.Combine(home, ".local", "state");
        return new InputHistory(folder.Length == 0 ? null : System.IO.Path.Combine(folder, "hearth", "history"));
    }

    /// <summary>Remembers an input, unless it is the last one again.</summary>
    public void Add(string input)
    {
        if (string.IsNullOrWhiteSpace(input) || (_entries.Count > 0 && _entries[^1] == input))
        {
            return;
        }

        _entries.Add(input);
        if (_entries.Count > MostEntries)
        {
            _entries.RemoveRange(0, _entries.Count - MostEntries);
        }

        Write();
    }

    private static List<string> Read(string? path)
    {
        try
        {
            if (path is null || !File.Exists(path) || new FileInfo(path).Length > MostBytes)
            {
                return [];
            }

            return [.. File.ReadLines(path).TakeLast(MostEntries).Select(Parse).OfType<string>()];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, HistoryJson.Default.String);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // A chat goes on without its history where there is no room or no right to keep it.
    private void Write()
    {
        if (path is null)
        {
            return;
        }

        try
        {
            var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
            Directory.CreateDirectory(folder);
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using var writer = new StreamWriter(path + ".new", options);
            foreach (var entry in _entries)
            {
                writer.WriteLine(JsonSerializer.Serialize(entry, HistoryJson.Default.String));
            }

            writer.Close();
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class HistoryJson : System.Text.Json.Serialization.JsonSerializerContext;
