using System.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Decodes tokens as they come; a character appears only once all of its bytes are there.</summary>
/// <remarks>What it returns, put together and with <see cref="Flush"/> at the end, equals <see cref="Tokenizer.Decode"/> of all ids. Not safe for several threads.</remarks>
public sealed class StreamingDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _includeControl;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private bool _atStart;

    internal StreamingDecoder(Tokenizer tokenizer, bool includeControl, bool continuesText)
    {
        _tokenizer = tokenizer;
        _includeControl = includeControl;
        _atStart = !continuesText;
    }

    /// <summary>The text that a further token completes; empty while a character is incomplete.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Append(int id) => Convert(_tokenizer.NextPiece(id, _includeControl, ref _atStart), flush: false);

    /// <summary>What is left at the end: U+FFFD for a character that was never completed, or nothing. The decoder can then be used anew as one that continues a text.</summary>
    public string Flush()
    {
        _atStart = false;
        return Convert([], flush: true);
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        var characters = new char[_decoder.GetCharCount(bytes, flush)];
        _decoder.GetChars(bytes, characters, flush);
        return new string(characters);
    }
}
