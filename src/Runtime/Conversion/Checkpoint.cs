using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Conversion;

/// <summary>A folder as Hugging Face's libraries save models: config.json (or the only NAME_config.json), tokenizer files, one or more safetensors files.</summary>
internal sealed class Checkpoint : IDisposable
{
    private const string Index = "model.safetensors.index.json";
    private const string Single = "model.safetensors";

    private static readonly string[] _otherConfigs = ["tokenizer_config.json", "generation_config.json", "preprocessor_config.json", "adapter_config.json", "quantize_config.json"];

    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);

    private Checkpoint(string folder)
    {
        Folder = folder;
        Config = new ModelConfig(Read("config.json") ?? ReadOnlyConfig() ?? throw new FileNotFoundException($"{folder} holds no config.json; expected the folder of a Hugging Face model", Path.Combine(folder, "config.json")));
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>config.json.</summary>
    public ModelConfig Config { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, CheckpointTensor> Tensors => _tensors;

    /// <summary>What a reader should know of what was left out or assumed.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Opens a folder and maps its weights.</summary>
    /// <exception cref="FileNotFoundException">There is no config.json, or no weights.</exception>
    /// <exception cref="ModelFormatException">A file is not what its format demands.</exception>
    /// <exception cref="UnsupportedModelException">The weights are in another format.</exception>
    public static Checkpoint Open(string folder)
    {
        var checkpoint = new Checkpoint(folder);
        try
        {
            checkpoint.OpenWeights();
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The path of a file of the folder; null where absent.</summary>
    /// <exception cref="ModelFormatException">It is no regular file.</exception>
    public string? Find(string name)
    {
        var path = Path.Combine(Folder, name);
        if (!File.Exists(path))
            return null;
        RegularFile.Require(path, name);
        return path;
    }

    /// <summary>A JSON file of the folder; null where absent.</summary>
    public Json? Read(string name) => Find(name) is { } path ? Json.ReadFile(path) : null;

    public void Dispose() => _files.ForEach(file => file.Dispose());

    // Where several models share a place, their files bear a name of their own before the usual one.
    private Json? ReadOnlyConfig()
    {
        var found = Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*_config.json").Where(path => !_otherConfigs.Contains(Path.GetFileName(path))).ToArray() : [];
        return found.Length == 1 ? Json.ReadFile(found[0]) : null;
    }

    private void OpenWeights()
    {
        var index = Read(Index);
        foreach (var name in index is null ? SingleFiles() : Shards(index))
        {
            var file = SafetensorsFile.Open(Path.Combine(Folder, name));
            _files.Add(file);
            foreach (var tensor in file.Tensors)
            {
                if (!_tensors.TryAdd(tensor.Name, tensor))
                    throw new ModelFormatException($"tensor '{tensor.Name}' is in {Path.GetFileName(_tensors[tensor.Name].File)} already", file: tensor.File);
            }
        }

        if (index?["weight_map"]?.Members.FirstOrDefault(entry => !_tensors.ContainsKey(entry.Name)).Name is { } absent)
            throw new ModelFormatException($"tensor '{absent}' is in none of the files that the index names", index.File);
    }

    private static string[] Shards(Json index)
    {
        var names = (index["weight_map"] ?? throw index.Fault("an object with weight_map")).Members.Select(entry => entry.Value.Text).Distinct(StringComparer.Ordinal).ToArray();
        // A name that leads out of the folder would open whatever the index's author likes.
        return Array.Find(names, name => name.Length == 0 || name != Path.GetFileName(name)) is { } astray
            ? throw new ModelFormatException($"the index names '{astray}', expected the name of a file beside it", index.File) : names;
    }

    private string[] SingleFiles()
    {
        if (Find(Single) is not null)
            return [Single];
        var found = Directory.GetFiles(Folder, "*.safetensors");
        if (found.Length == 1)
            return [Path.GetFileName(found[0])];
        var other = Directory.EnumerateFiles(Folder).Select(Path.GetFileName).FirstOrDefault(name => name!.EndsWith(".bin", StringComparison.Ordinal) || name.EndsWith(".pth", StringComparison.Ordinal));
        throw other is null
            ? new FileNotFoundException($"{Folder} holds {(found.Length == 0 ? "no" : $"{found.Length}")} safetensors files, expected {Single}, {Index} or a single file", Path.Combine(Folder, Single))
            : new UnsupportedModelException($"a checkpoint of Python's pickle ({other})", ["safetensors"]);
    }
}
