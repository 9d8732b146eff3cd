using System.Buffers.Binary;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Writes SentencePiece's protocol buffer, as far as converters read it.</summary>
internal static class SentencePieceFile
{
    public static byte[] Write(IEnumerable<(string Text, float Score, TokenKind Kind)> pieces, bool unigram, bool addsPrefix = true, bool removesSpaces = true, byte[]? map = null)
    {
        var file = new List<byte>();
        foreach (var (text, score, kind) in pieces)
        {
            var piece = new List<byte>();
            Bytes(piece, 1, GgufText.GetBytes(text));
            piece.Add((2 << 3) | 5);
            var number = new byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(number, score);
            piece.AddRange(number);
            if (kind != TokenKind.Normal)
                Number(piece, 3, (ulong)kind);
            Bytes(file, 1, [.. piece]);
        }

        var trainer = new List<byte>();
        Bytes(trainer, 1, "corpus.txt"u8.ToArray());
        Number(trainer, 3, unigram ? 1u : 2u);
        Bytes(file, 2, [.. trainer]);
        var normalizer = new List<byte>();
        Bytes(normalizer, 1, "identity"u8.ToArray());
        if (map is not null)
            Bytes(normalizer, 2, map);
        Number(normalizer, 3, addsPrefix ? 1u : 0);
        Number(normalizer, 4, removesSpaces ? 1u : 0);
        Bytes(file, 3, [.. normalizer]);
        return [.. file];
    }

    private static void Bytes(List<byte> message, int field, byte[] bytes)
    {
        Varint(message, (ulong)((field << 3) | 2));
        Varint(message, (ulong)bytes.Length);
        message.AddRange(bytes);
    }

    private static void Number(List<byte> message, int field, ulong value)
    {
        Varint(message, (ulong)(field << 3));
        Varint(message, value);
    }

    private static void Varint(List<byte> message, ulong value)
    {
        for (; value > 127; value >>= 7)
            message.Add((byte)(value | 128));
        message.Add((byte)value);
    }
}
