using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Tests.Conversion;

namespace Hearth.Runtime.Tests.Support;

/// <summary>A Transformer-XL checkpoint with its reference's log-probabilities, to be changed and converted.</summary>
internal sealed class TransformerXlCheckpoint : IDisposable
{
    private readonly CheckpointFolder _folder = new();

    private TransformerXlCheckpoint(string source)
    {
        Config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        Tokens = [.. File.ReadAllText(Path.Combine(source, "tokens.txt")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(t => int.Parse(t, CultureInfo.InvariantCulture))];
        LogProbabilities = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(source, "log_probabilities.f32"))).ToArray();
        using var checkpoint = Checkpoint.Open(source);
        foreach (var (name, tensor) in checkpoint.Tensors)
        {
            var values = new float[tensor.Shape.Aggregate(1L, (product, extent) => product * extent)];
            for (var row = 0; values.Length > 0 && row < values.Length / (int)tensor.Shape[^1]; row++)
                tensor.AsRows().Row(row, values.AsSpan(row * (int)tensor.Shape[^1], (int)tensor.Shape[^1]));
            Tensors[name] = (tensor.Shape, values);
        }
    }

    /// <summary>The checkpoints of tests/fixtures.</summary>
    public static TheoryData<string> Names => ["no-memory", "one-cluster", "four-clusters", "long-segment", "same-length"];

    public JsonObject Config { get; }

    public int[] Tokens { get; }

    /// <summary>[tokens, vocabulary].</summary>
    public float[] LogProbabilities { get; }

    public Dictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = new(StringComparer.Ordinal);

    public string Output => _folder.Output;

    public int Vocabulary => LogProbabilities.Length / Tokens.Length;

    /// <summary>One of tests/fixtures.</summary>
    public static TransformerXlCheckpoint Open(string name) => new(SharedFolder.Fixture("transformer-xl", name));

    /// <summary>The one of the shared folder; skips the test where that is absent.</summary>
    public static TransformerXlCheckpoint OpenShared() => new(SharedFolder.Require("reference", "transformer-xl"));

    /// <summary>Takes a tensor out under one name and puts it back under another.</summary>
    public void Rename(string from, string to)
    {
        Assert.True(Tensors.Remove(from, out var tensor));
        Tensors[to] = tensor;
    }

    /// <summary>Converts the checkpoint as it is now; gives the path of the GGUF file.</summary>
    public string Convert()
    {
        foreach (var (name, (shape, values)) in Tensors)
            _folder.Add(name, values, shape);
        _folder.Save().Write("config.json", Config);
        ModelConverter.Convert(_folder.Path, _folder.Output);
        return _folder.Output;
    }

    public void Dispose() => _folder.Dispose();
}
