using System.Text;
using Hearth.Runtime.Tokenizers;
using LLama.Native;

namespace Hearth.LLamaSharp.Native;

/// <summary>llama.cpp's own tokenizer, for vocabularies of kinds that Hearth does not have.</summary>
internal sealed class LlamaVocabulary(SafeLlamaModelHandle model) : IForeignVocabulary
{
    private const int LongestPiece = 1 << 16;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        foreach (var token in model.Tokenize(Encoding.UTF8.GetString(text), addBos: false, special: false, Encoding.UTF8))
            ids.Add((int)token);
    }

    /// <inheritdoc/>
    public byte[] PieceOf(int id)
    {
        var buffer = new byte[64];
        var length = model.TokenToSpan(id, buffer, lstrip: 0, special: false);
        if (length > buffer.Length)
        {
            buffer = new byte[Math.Min(length, LongestPiece)];
            length = model.TokenToSpan(id, buffer, lstrip: 0, special: false);
        }

        return buffer[..(int)Math.Min(length, (uint)buffer.Length)];
    }
}
