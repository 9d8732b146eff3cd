using System.Runtime.InteropServices;
using System.Text;

namespace Hearth.Ember.Gguf;

/// <summary>Reads what the evaluation needs of a GGUF file: metadata, and F32 or Q8_0 tensors as floats.</summary>
public sealed class GgufReader
{
    public Dictionary<string, object> Metadata { get; } = [];
    public Dictionary<string, float[]> Tensors { get; } = [];

    public GgufReader(string path)
    {
        using var r = new BinaryReader(File.OpenRead(path));
        if (r.ReadUInt32() != 0x46554747 || r.ReadUInt32() != 3) throw new InvalidDataException($"{path} is not a GGUF version 3 file");
        ulong tensorCount = r.ReadUInt64(), keyCount = r.ReadUInt64();
        for (ulong i = 0; i < keyCount; i++)
        {
            string key = Text(r);
            Metadata[key] = Value(r, r.ReadUInt32());
        }
        var heads = new List<(string Name, long Count, uint Type, long Offset)>();
        for (ulong i = 0; i < tensorCount; i++)
        {
            string name = Text(r);
            long count = 1;
            for (uint d = r.ReadUInt32(); d > 0; d--) count *= r.ReadInt64();
            heads.Add((name, count, r.ReadUInt32(), r.ReadInt64()));
        }
        long start = (r.BaseStream.Position + 31) / 32 * 32;
        foreach (var (name, count, type, offset) in heads)
        {
            r.BaseStream.Position = start + offset;
            Tensors[name] = type switch
            {
                GgufWriter.F32 => MemoryMarshal.Cast<byte, float>(r.ReadBytes((int)count * 4)).ToArray(),
                GgufWriter.Q8_0 => Q8Block.Dequantize(r.ReadBytes((int)(count / Q8Block.Weights * Q8Block.Bytes))),
                _ => throw new InvalidDataException($"{path}: tensor {name} has type {type}, expected F32 or Q8_0"),
            };
        }
    }

    public int Int(string key) => Convert.ToInt32(Metadata[key]);
    public float Float(string key) => (float)Metadata[key];

    private static string Text(BinaryReader r) => Encoding.UTF8.GetString(r.ReadBytes((int)r.ReadUInt64()));

    private static object Value(BinaryReader r, uint type) => type switch
    {
        4 => r.ReadUInt32(),
        5 => r.ReadInt32(),
        6 => r.ReadSingle(),
        7 => r.ReadByte() != 0,
        8 => Text(r),
        9 => Array(r),
        _ => throw new InvalidDataException($"metadata type {type} does not occur in Ember's file"),
    };

    private static object[] Array(BinaryReader r)
    {
        uint type = r.ReadUInt32();
        var values = new object[r.ReadUInt64()];
        for (int i = 0; i < values.Length; i++) values[i] = Value(r, type);
        return values;
    }
}
