using System.Buffers.Binary;
using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Models;

namespace Hearth.Runtime.Tests.Support;

/// <summary>A reference model's bytes, with names, shapes and values overwritten where they stand.</summary>
public sealed class PatchedModel(string reference)
{
    private readonly byte[] _bytes = ReferenceModels.Rebuild(reference);

    /// <summary>The file as it now is.</summary>
    public GgufFile Open() => GgufFile.Read(_bytes, reference);

    /// <summary>The names and shapes of all tensors.</summary>
    public IReadOnlyList<(string Name, long[] Shape)> Tensors()
    {
        using var file = Open();
        return [.. file.Tensors.Select(t => (t.Name, t.Shape.ToArray()))];
    }

    /// <summary>Whether a tensor belongs to a layer that drafts, which is not run.</summary>
    public bool IsOfDraft(string tensor)
    {
        using var file = Open();
        return Hyperparameters.Read(file.Metadata).IsBeyond(tensor);
    }

    /// <summary>The architecture's keys that hold one number of four bytes.</summary>
    public IReadOnlyList<(string Key, object Value)> Numbers()
    {
        using var file = Open();
        var prefix = file.Metadata.Get<string>("general.architecture") + ".";
        return [.. file.Metadata.Where(p => p.Key.StartsWith(prefix, StringComparison.Ordinal) && p.Value is int or uint or float).Select(p => (p.Key, p.Value))];
    }

    /// <summary>Runs a test on the model with a tensor under another name.</summary>
    public void Renamed(string tensor, Action<GgufFile> test) => With(Find(tensor) + tensor.Length - 1, [(byte)'#'], test);

    /// <summary>Runs a test on the model with the first extent of a tensor made less by one, or two where it is one.</summary>
    public void Narrowed(string tensor, Action<GgufFile> test)
    {
        var at = Find(tensor) + tensor.Length + sizeof(uint);
        var extent = BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(at));
        With(at, BitConverter.GetBytes(extent == 1 ? 2 : extent - 1), test);
    }

    /// <summary>Runs a test on the model with four other bytes as the value of a key.</summary>
    public void Set(string key, byte[] value, Action<GgufFile> test) => With(Find(key) + key.Length + sizeof(uint), value, test);

    private void With(int at, byte[] bytes, Action<GgufFile> test)
    {
        var kept = _bytes.AsSpan(at, bytes.Length).ToArray();
        bytes.CopyTo(_bytes, at);
        using (var file = Open())
            test(file);
        kept.CopyTo(_bytes, at);
    }

    // Where a name's characters begin: behind its length, which tells it from names that it ends.
    private int Find(string name)
    {
        byte[] text = [.. BitConverter.GetBytes((ulong)name.Length), .. Encoding.UTF8.GetBytes(name)];
        var at = _bytes.AsSpan().IndexOf(text);
        Assert.True(at > 0, $"{reference} has no '{name}'");
        return at + sizeof(ulong);
    }
}
