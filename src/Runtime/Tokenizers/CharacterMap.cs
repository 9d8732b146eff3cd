using System.Buffers.Binary;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tokenizers;

/// <summary>SentencePiece's precompiled normalization: replacements for the longest prefixes that it knows.</summary>
/// <remarks>
/// The blob (<c>tokenizer.ggml.precompiled_charsmap</c>): the size in bytes of a double array (uint32, little-endian), the
/// array's 32-bit units, then zero-terminated replacements. A unit holds a label in bits 0-7, "a value follows" in bit 8, and
/// its offset in bits 10-30, times 256 where bit 9 is set; a value unit is the replacement's place in bits 0-30. See Yata et
/// al. on double-array tries with XOR links (darts-clone). Everything is checked while it is read: the file is not trusted.
/// </remarks>
internal sealed class CharacterMap
{
    private const string Key = "tokenizer.ggml.precompiled_charsmap";
    private const int LongestReplacement = 1024;

    private readonly byte[] _blob;
    private readonly int _unitCount;
    private readonly int _replacements;
    private readonly string? _source;

    private CharacterMap(byte[] blob, int unitBytes, string? source)
    {
        _blob = blob;
        _unitCount = unitBytes / 4;
        _replacements = 4 + unitBytes;
        _source = source;
    }

    /// <summary>The file's map, or null where it has none.</summary>
    /// <exception cref="ModelFormatException">The blob is shorter than it says, or no array of bytes.</exception>
    public static CharacterMap? Read(GgufMetadata metadata)
    {
        if (!metadata.Contains(Key))
        {
            return null;
        }

        var blob = metadata.Find(Key) switch
        {
            byte[] bytes => bytes,
            sbyte[] bytes => (byte[])(Array)bytes,
            var other => throw new ModelFormatException($"metadata key '{Key}' must be an array of bytes, found {other?.GetType().Name}", metadata.Source),
        };
        var unitBytes = blob.Length < 4 ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(blob);
        if ((long)unitBytes + 4 >= blob.Length)
        {
            throw new ModelFormatException($"'{Key}' has {blob.Length} bytes, fewer than its header asks for", metadata.Source);
        }

        return new CharacterMap(blob, (int)unitBytes, metadata.Source);
    }

    /// <summary>The replacement of the longest known prefix; false when there is none.</summary>
    /// <exception cref="ModelFormatException">The map leads out of its own bounds.</exception>
    public bool TryReplace(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement, out int consumed)
    {
        consumed = 0;
        replacement = default;
        if (_unitCount == 0)
        {
            return false;
        }

        var place = 0u;
        var node = Offset(Unit(0));
        for (var at = 0; at < text.Length && text[at] != 0; at++)
        {
            node ^= text[at];
            var unit = Unit(node);
            if ((unit & 0x800000FF) != text[at])
            {
                break;
            }

            node ^= Offset(unit);
            if ((unit & 0x100) != 0)
            {
                consumed = at + 1;
                place = Unit(node) & 0x7FFFFFFF;
            }
        }

        if (consumed == 0)
        {
            return false;
        }

        replacement = Replacement(place);
        return true;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private uint Unit(uint index)
        => index < _unitCount ? BinaryPrimitives.ReadUInt32LittleEndian(_blob.AsSpan(4 + ((int)index * 4)))
            : throw new ModelFormatException($"'{Key}' refers to unit {index} of {_unitCount}", _source);

    private ReadOnlySpan<byte> Replacement(uint place)
    {
        var all = _blob.AsSpan(_replacements);
        if (place >= all.Length)
        {
            throw new ModelFormatException($"'{Key}' refers to byte {place} of {all.Length} of its replacements", _source);
        }

        var rest = all[(int)place..];
        var length = rest[..Math.Min(rest.Length, LongestReplacement + 1)].IndexOf((byte)0);
        return length >= 0 ? rest[..length]
            : throw new ModelFormatException($"'{Key}' has a replacement at byte {place} that does not end within {LongestReplacement} bytes", _source);
    }
}
