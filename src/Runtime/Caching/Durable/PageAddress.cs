using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Hearth.Runtime.Caching.Durable;

/// <summary>Names a page by what is in it: model, cache types, whose it is, and every token up to its end. SHA-256, cut to 128 bits.</summary>
/// <param name="High">The first eight bytes.</param>
/// <param name="Low">The others.</param>
internal readonly record struct PageAddress(ulong High, ulong Low)
{
    public const int Size = 16;

    /// <summary>What the first page of a text follows.</summary>
    /// <param name="fingerprint">Names the model and the types of its cache.</param>
    /// <param name="pageTokens">Positions of a page.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    /// <param name="scope">Whose prefixes these are; null: everybody's.</param>
    public static PageAddress Root(string fingerprint, int pageTokens, long pageBytes, string? scope)
        => Of(SHA256.HashData(Encoding.UTF8.GetBytes($"hearth page 1\n{fingerprint}\n{pageTokens}\n{pageBytes}\n{(scope is null ? "all" : "scope " + scope)}")));

    /// <summary>The page of tokens that follows this one.</summary>
    public PageAddress Next(ReadOnlySpan<int> tokens)
    {
        Span<byte> bytes = stackalloc byte[Size + (256 * sizeof(int))];
        Write(bytes);
        for (var i = 0; i < tokens.Length; i++)
            BinaryPrimitives.WriteInt32LittleEndian(bytes[(Size + (i * sizeof(int)))..], tokens[i]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..(Size + (tokens.Length * sizeof(int)))], hash);
        return Of(hash);
    }

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, High);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Low);
    }

    public static PageAddress Of(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));

    public override string ToString() => $"{High:x16}{Low:x16}";
}
