using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Loading;

/// <summary>The tokenizers of a model, which can be run on token ids without any.</summary>
/// <param name="Input">Of what it reads; null where the file has no vocabulary of a known kind.</param>
/// <param name="Output">Of what it writes: the same, but for encoder–decoders that write other tokens than they read.</param>
/// <param name="Missing">Why one of them is null, for whoever has text.</param>
internal sealed record ModelTokenizers(Tokenizer? Input, Tokenizer? Output, UnsupportedModelException? Missing)
{
    /// <summary>The tokenizer of what the model reads.</summary>
    /// <exception cref="UnsupportedModelException">There is none.</exception>
    public Tokenizer RequiredInput => Input ?? throw Missing!;

    /// <summary>The tokenizer of what the model writes.</summary>
    /// <exception cref="UnsupportedModelException">There is none.</exception>
    public Tokenizer RequiredOutput => Output ?? throw Missing!;

    /// <summary>What is odd about the vocabularies.</summary>
    public IEnumerable<string> Warnings => (Input?.Warnings ?? []).Concat(ReferenceEquals(Input, Output) ? [] : Output?.Warnings ?? []).Distinct(StringComparer.Ordinal);

    /// <summary>Reads what the file has.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="controlSpellings">Tokens that are control tokens whatever the file says.</param>
    /// <param name="foreign">Another engine's tokenizer, for a vocabulary of a kind that is not built in; null: there is none.</param>
    /// <exception cref="ModelFormatException">Keys are missing, mistyped or contradict each other.</exception>
    public static ModelTokenizers Read(GgufMetadata metadata, IEnumerable<string> controlSpellings, IForeignVocabulary? foreign = null)
    {
        Tokenizer? input = null;
        try
        {
            input = Tokenizer.FromMetadata(metadata, controlSpellings);
            return new ModelTokenizers(input, Tokenizer.ForDecoder(metadata) ?? input, Missing: null);
        }
        catch (UnsupportedModelException reason)
        {
            if (foreign is { KnowsText: true } && metadata.Contains("tokenizer.ggml.tokens"))
            {
                input = ForeignTokenizer.Read(metadata, controlSpellings, foreign);
                return new ModelTokenizers(input, input, Missing: null);
            }

            return new ModelTokenizers(input, Output: null, reason);
        }
    }
}
