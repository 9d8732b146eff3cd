using System.Text;

namespace Hearth.Ember.Gguf;

/// <summary>Writes a GGUF version 3 file: typed metadata, tensor list, then data aligned to 32 bytes.</summary>
public sealed class GgufWriter
{
    private const int Alignment = 32;
    private const uint TypeUInt32 = 4, TypeInt32 = 5, TypeFloat32 = 6, TypeBool = 7, TypeString = 8, TypeArray = 9;

    public const uint F32 = 0, Q8_0 = 8;

    private readonly List<Action<BinaryWriter>> _metadata = [];
    private readonly List<(string Name, long[] Shape, uint Type, byte[] Data)> _tensors = [];

    public void Add(string key, uint value) => Add(key, TypeUInt32, w => w.Write(value));
    public void Add(string key, float value) => Add(key, TypeFloat32, w => w.Write(value));
    public void Add(string key, bool value) => Add(key, TypeBool, w => w.Write((byte)(value ? 1 : 0)));
    public void Add(string key, string value) => Add(key, TypeString, w => Write(w, value));

    public void Add(string key, IReadOnlyList<string> values) => AddArray(key, TypeString, values, Write);
    public void Add(string key, IReadOnlyList<int> values) => AddArray(key, TypeInt32, values, (w, v) => w.Write(v));

    /// <summary>Adds a tensor; shape in GGUF order, the length of a row first.</summary>
    public void AddTensor(string name, long[] shape, uint type, byte[] data) => _tensors.Add((name, shape, type, data));

    public void Save(string path)
    {
        using var w = new BinaryWriter(File.Create(path));
        w.Write("GGUF"u8);
        w.Write(3u);
        w.Write((ulong)_tensors.Count);
        w.Write((ulong)_metadata.Count);
        foreach (var write in _metadata) write(w);
        ulong offset = 0;
        foreach (var (name, shape, type, data) in _tensors)
        {
            Write(w, name);
            w.Write((uint)shape.Length);
            foreach (long n in shape) w.Write((ulong)n);
            w.Write(type);
            w.Write(offset);
            offset += (ulong)Aligned(data.Length);
        }
        Pad(w);
        foreach (var (_, _, _, data) in _tensors)
        {
            w.Write(data);
            Pad(w);
        }
    }

    private void Add(string key, uint type, Action<BinaryWriter> value) => _metadata.Add(w =>
    {
        Write(w, key);
        w.Write(type);
        value(w);
    });

    private void AddArray<T>(string key, uint type, IReadOnlyList<T> values, Action<BinaryWriter, T> write) => Add(key, TypeArray, w =>
    {
        w.Write(type);
        w.Write((ulong)values.Count);
        foreach (var v in values) write(w, v);
    });

    private static void Write(BinaryWriter w, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        w.Write((ulong)bytes.Length);
        w.Write(bytes);
    }

    private static long Aligned(long n) => (n + Alignment - 1) / Alignment * Alignment;
    private static void Pad(BinaryWriter w) => w.Write(new byte[Aligned(w.BaseStream.Position) - w.BaseStream.Position]);
}
