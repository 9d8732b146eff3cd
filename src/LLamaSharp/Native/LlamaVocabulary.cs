using System.Text;
using Hearth.Runtime.Tokenizers;
using LLama.Native;

namespace Hearth.LLamaSharp.Native;

/// <summary>llama.cpp's own tokenizer, for vocabularies of kinds that Hearth does not have.</summary>
internal sealed class LlamaVocabulary(SafeLlamaModelHandle model) : IForeignVocabulary
{
    private const int LongestPiece = 1 << 16;

    /// <inheritdoc/>
    public bool KnowsText { get; } = model.Vocab.Type is { } type && type != LLamaVocabType.None;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        // llama.cpp ends the process where it is asked for a vocabulary's tokens that has none.
        if (!KnowsText)
            throw new InvalidOperationException("the model's file has no vocabulary that llama.cpp could cut text with");
        foreach (var token in model.Tokenize(Encoding.UTF8.GetString(text), addBos: false, special: false, Encoding.UTF8))
            ids.Add((int)token);
    }

    /// <inheritdoc/>
    public byte[] PieceOf(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, model.Vocab.Count);
        if (!KnowsText)
            throw new InvalidOperationException("the model's file has no vocabulary");
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
