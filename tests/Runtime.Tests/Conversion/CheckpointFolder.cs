using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>A Hugging Face model folder being made: config.json, safetensors, tokenizer files.</summary>
public sealed class CheckpointFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<(string Name, string Type, long[] Shape, byte[] Data)> _tensors = [];

    public string Path => _folder.Path;

    public string Output => _folder.File("converted.gguf");

    public CheckpointFolder Add(string name, float[] values, params long[] shape) => Add(name, "F32", MemoryMarshal.AsBytes<float>(values).ToArray(), shape);

    public CheckpointFolder Add(string name, string type, byte[] data, params long[] shape)
    {
        _tensors.Add((name, type, shape, data));
        return this;
    }

    public CheckpointFolder Remove(string name)
    {
        Assert.Equal(1, _tensors.RemoveAll(tensor => tensor.Name == name));
        return this;
    }

    public CheckpointFolder Write(string name, string text)
    {
        var path = _folder.File(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text, new UTF8Encoding(false));
        return this;
    }

    public CheckpointFolder Write(string name, JsonNode json) => Write(name, json.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));

    public CheckpointFolder WriteBytes(string name, byte[] bytes)
    {
        File.WriteAllBytes(_folder.File(name), bytes);
        return this;
    }

    /// <summary>Writes all tensors as one file.</summary>
    public CheckpointFolder Save() => WriteBytes("model.safetensors", Safetensors(_tensors));

    /// <summary>Writes the tensors as several files with an index.</summary>
    public CheckpointFolder SaveShards(int count)
    {
        var map = new JsonObject();
        for (var shard = 0; shard < count; shard++)
        {
            var name = $"model-{shard + 1:00000}-of-{count:00000}.safetensors";
            var part = _tensors.Where((_, i) => i % count == shard).ToList();
            WriteBytes(name, Safetensors(part));
            part.ForEach(tensor => map[tensor.Name] = name);
        }

        return Write("model.safetensors.index.json", new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map });
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A safetensors file.</summary>
    public static byte[] Safetensors(IEnumerable<(string Name, string Type, long[] Shape, byte[] Data)> tensors)
    {
        var header = new JsonObject { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
        using var data = new MemoryStream();
        foreach (var (name, type, shape, bytes) in tensors)
        {
            header[name] = new JsonObject { ["dtype"] = type, ["shape"] = new JsonArray([.. shape.Select(extent => (JsonNode)extent)]), ["data_offsets"] = new JsonArray(data.Length, data.Length + bytes.Length) };
            data.Write(bytes);
        }

        return Safetensors(header.ToJsonString(), data.ToArray());
    }

    /// <summary>A safetensors file of any header.</summary>
    public static byte[] Safetensors(string header, byte[] data)
    {
        var text = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + text.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)text.Length);
        text.CopyTo(file, 8);
        data.CopyTo(file, 8 + text.Length);
        return file;
    }
}
