using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Support;

/// <summary>A model of float32 tensors in memory, to be changed and written: what a reference model is not.</summary>
public sealed class EditedModel
{
    private readonly Dictionary<string, object> _pairs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long[] Shape, float[] Values)> _tensors = new(StringComparer.Ordinal);

    /// <summary>Starts with nothing.</summary>
    /// <param name="architecture">general.architecture.</param>
    public EditedModel(string architecture)
    {
        _pairs["general.architecture"] = architecture;
        _pairs["tokenizer.ggml.model"] = "no_vocab";
    }

    private EditedModel(GgufFile file)
    {
        foreach (var (key, value) in file.Metadata)
            _pairs[key] = value;
        foreach (var tensor in file.Tensors)
        {
            Assert.Equal(GgmlType.F32, tensor.Type);
            _tensors[tensor.Name] = ([.. tensor.Shape], MemoryMarshal.Cast<byte, float>(tensor.Bytes()).ToArray());
        }
    }

    /// <summary>Starts with a reference model.</summary>
    public static EditedModel Of(string reference) => OfFile(ReferenceModels.File(reference));

    /// <summary>Starts with a file of float32 tensors.</summary>
    public static EditedModel OfFile(string path)
    {
        using var file = GgufFile.Open(path);
        return new EditedModel(file);
    }

    /// <summary>Starts with a file.</summary>
    public static EditedModel Read(string path)
    {
        using var file = GgufFile.Open(path);
        return new EditedModel(file);
    }

    /// <summary>Sets a metadata pair, for instance <c>tokenizer.ggml.model</c>.</summary>
    public EditedModel SetMetadata(string key, object value)
    {
        _pairs[key] = value;
        return this;
    }

    /// <summary>Sets a metadata pair of the architecture, for instance <c>block_count</c>.</summary>
    public EditedModel Set(string key, object value)
    {
        _pairs[$"{_pairs["general.architecture"]}.{key}"] = value;
        return this;
    }

    /// <summary>Sets a tensor.</summary>
    public EditedModel SetTensor(string name, float[] values, params long[] shape)
    {
        _tensors[name] = (shape, values);
        return this;
    }

    /// <summary>Takes a tensor out.</summary>
    public EditedModel Remove(string name)
    {
        Assert.True(_tensors.Remove(name), $"there is no tensor {name} to take out");
        return this;
    }

    /// <summary>The values of a tensor; writing to them changes the model.</summary>
    public float[] Tensor(string name) => _tensors[name].Values;

    /// <summary>Writes the file and gives its path.</summary>
    public string Save(TemporaryFolder folder)
    {
        var path = folder.File($"{Guid.NewGuid():N}.gguf");
        using var writer = GgufWriter.Create(path);
        writer.CopyMetadata(new GgufMetadata(_pairs));
        foreach (var (name, tensor) in _tensors)
            writer.Declare(name, GgmlType.F32, tensor.Shape);
        foreach (var (name, tensor) in _tensors)
            writer.WriteTensor(name, MemoryMarshal.AsBytes<float>(tensor.Values));
        writer.Complete();
        return path;
    }
}
