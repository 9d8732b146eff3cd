using System.Text;

namespace Hearth.Runtime.Tests.Gguf;

/// <summary>Writes GGUF fields one by one, with no check of any kind, so that tests can break each.</summary>
internal sealed class RawGguf
{
    private readonly List<byte> _bytes = [];

    /// <summary>Magic, version and the two counts.</summary>
    public static RawGguf Start(ulong tensors, ulong pairs, uint version = 3)
        => new RawGguf().Raw("GGUF"u8).U32(version).U64(tensors).U64(pairs);

    public RawGguf Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public RawGguf U32(uint value) => Raw(BitConverter.GetBytes(value));

    public RawGguf U64(ulong value) => Raw(BitConverter.GetBytes(value));

    public RawGguf Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    public RawGguf Text(ReadOnlySpan<byte> bytes) => U64((ulong)bytes.Length).Raw(bytes);

    /// <summary>A pair whose value is a u32.</summary>
    public RawGguf Pair(string key, uint value) => Text(key).U32(4).U32(value);

    public RawGguf Tensor(string name, ulong[] shape, uint type, ulong offset)
    {
        Text(name).U32((uint)shape.Length);
        foreach (var extent in shape)
            U64(extent);
        return U32(type).U64(offset);
    }

    /// <summary>Zeros up to the next multiple of 32, then as many as asked for.</summary>
    public byte[] WithData(int bytes)
    {
        var padding = (_bytes.Count + 31) / 32 * 32 - _bytes.Count;
        return [.. _bytes, .. new byte[padding + bytes]];
    }

    public byte[] End() => [.. _bytes];
}
