using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Gguf;

/// <summary>Seeded mutations of a valid file: each is read, or refused by a typed error, within bounded memory.</summary>
public sealed class GgufFuzzTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Mutated_files_are_read_or_refused_within_bounded_memory(int seed)
    {
        var valid = ValidFile();
        var random = new Random(seed);
        var (read, refused) = (0, 0);
        for (var i = 0; i < 4000; i++)
        {
            var mutated = Mutate(valid, random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = GgufFile.Read(mutated);
                TouchEverything(file);
                read++;
            }
            catch (Exception e) when (e is ModelFormatException or UnsupportedModelException)
            {
                refused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * mutated.Length + 100_000);
        }

        // Both outcomes occur, so the mutations reach past the first checks.
        Assert.InRange(read, 100, 3900);
        Assert.InRange(refused, 100, 3900);
    }

    private static byte[] ValidFile()
    {
        using var stream = new MemoryStream();
        using var writer = new GgufWriter(stream, alignment: 64);
        foreach (var (key, value) in GgufWriterTests.EveryType)
            writer.Add(key, value);
        writer.Declare("blk.0.attn_q.weight", GgmlType.Q8_0, 32, 3);
        writer.Declare("blk.0.ffn_up.weight", GgmlType.Q4_K, 256, 2);
        writer.Declare("output_norm.weight", GgmlType.F32, 16);
        writer.WriteTensor("blk.0.attn_q.weight", new byte[102]);
        writer.WriteTensor("blk.0.ffn_up.weight", new byte[288]);
        writer.WriteTensor("output_norm.weight", new byte[64]);
        writer.Complete();
        return stream.ToArray();
    }

    private static byte[] Mutate(byte[] valid, Random random)
    {
        var bytes = new List<byte>(valid);
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)); break;
                case 3: bytes.InsertRange(at, Enumerable.Range(0, random.Next(1, 40)).Select(_ => (byte)random.Next(256))); break;
                case 4: bytes.RemoveRange(at, bytes.Count - at); break;
                default: Overwrite(bytes, at, random); break;
            }

            if (bytes.Count == 0)
                return [];
        }

        return [.. bytes];
    }

    /// <summary>Eight bytes become a number at which careless arithmetic wraps around.</summary>
    private static void Overwrite(List<byte> bytes, int at, Random random)
    {
        ulong[] extremes = [0, 1, 9, 0xFF, 1UL << 31, uint.MaxValue, 1UL << 40, 1UL << 60, long.MaxValue, 1UL << 63, ulong.MaxValue - 31, ulong.MaxValue];
        var value = BitConverter.GetBytes(extremes[random.Next(extremes.Length)]);
        for (var i = 0; i < value.Length && at + i < bytes.Count; i++)
            bytes[at + i] = value[i];
    }

    private static void TouchEverything(GgufFile file)
    {
        foreach (var tensor in file.Tensors)
        {
            var sum = 0;
            foreach (var b in tensor.Bytes())
                sum += b;
            Assert.InRange(sum, 0, int.MaxValue);
        }

        Assert.All(file.Metadata, pair => Assert.NotNull(pair.Value));
    }
}
