using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Characters ("characters" in GGUF, Hearth's own): every code point is the token of its spelling, or the unknown one.</summary>
/// <remarks>For models that work letter by letter, such as those from spelling to sound; nothing is normalized.</remarks>
internal sealed class CharacterTokenizer(Vocabulary vocabulary) : Tokenizer(vocabulary, PieceTable.Build(vocabulary, (text, output) => output.AddRange(text)))
{
    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        while (!text.IsEmpty)
        {
            var length = Utf8.TryDecode(text, out _, out var claimed) ? claimed : 1;
            var id = Vocabulary.Tokens.Find(text[..length]);
            ids.Add(id >= 0 && Vocabulary.Has(id, TokenAttributes.Normal) ? id : UnknownId!.Value);
            text = text[length..];
        }
    }
}
