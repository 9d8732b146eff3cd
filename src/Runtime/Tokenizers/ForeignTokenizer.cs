using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tokenizers;

/// <summary>An algorithm that another engine has for a vocabulary of a kind that is not built in.</summary>
internal interface IForeignVocabulary
{
    /// <summary>Whether there is an algorithm: of a file that says it has no vocabulary there is none.</summary>
    bool KnowsText { get; }

    /// <summary>Appends the ids of a stretch of text without special tokens, and without what stands around a text.</summary>
    /// <param name="text">UTF-8, or bytes that are none.</param>
    /// <param name="ids">Receives them.</param>
    void Encode(ReadOnlySpan<byte> text, List<int> ids);

    /// <summary>The bytes that a token prints as; empty for one that has no text.</summary>
    byte[] PieceOf(int id);
}

/// <summary>A tokenizer whose special tokens, roles and decoding are Hearth's, and whose text is cut by another engine.</summary>
internal sealed class ForeignTokenizer : Tokenizer
{
    private readonly IForeignVocabulary _foreign;

    private ForeignTokenizer(Vocabulary vocabulary, IForeignVocabulary foreign)
        : base(vocabulary, PieceTable.Of(vocabulary.Count, id => vocabulary.Has(id, TokenAttributes.Special) ? vocabulary.Tokens[id].ToArray() : foreign.PieceOf(id)))
        => _foreign = foreign;

    /// <summary>Makes the tokenizer of a file.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="controlSpellings">Tokens that are control tokens whatever the file says.</param>
    /// <param name="foreign">Cuts text.</param>
    /// <exception cref="ModelFormatException">The vocabulary's lists are missing, mistyped or contradict each other.</exception>
    public static ForeignTokenizer Read(GgufMetadata metadata, IEnumerable<string> controlSpellings, IForeignVocabulary foreign)
        => new(VocabularyReader.Read(metadata, metadata.Get<string>("tokenizer.ggml.model"), preTokenizer: null, metadata.Get("tokenizer.ggml.pre", ""), controlSpellings: controlSpellings), foreign);

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        if (!text.IsEmpty)
            _foreign.Encode(text, ids);
    }
}
