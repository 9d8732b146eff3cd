using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Marian: source.spm cuts a text into pieces, vocab.json numbers the pieces of both languages.</summary>
/// <remarks>
/// The numbers are shared. Pieces that only the target's language has are of no kind where the source is cut, so that it is
/// never cut into them; all are text where the output is spelled.
/// </remarks>
internal static class MarianVocabulary
{
    private const string Model = "t5";

    private static readonly (string Text, TokenKind Kind)[] _special = [("</s>", TokenKind.Control), ("<unk>", TokenKind.Unknown), ("<pad>", TokenKind.Control)];

    /// <summary>Whether the folder has Marian's files.</summary>
    public static bool IsThere(Checkpoint checkpoint) => checkpoint.Find("source.spm") is not null && checkpoint.Find("vocab.json") is not null;

    /// <summary>Writes both vocabularies.</summary>
    public static string Write(GgufPairs metadata, Checkpoint checkpoint, TokenTable source)
    {
        if (checkpoint.Find("target_vocab.json") is not null)
            throw new UnsupportedModelException("Marian with a vocabulary for each language", ["one vocabulary, vocab.json"]);
        var cutter = SentencePieceModel.Read(checkpoint.Find("source.spm")!);
        if (!cutter.IsUnigram)
            throw new UnsupportedModelException("a source.spm of byte-pair encoding", ["unigram"]);
        var pieces = new Dictionary<string, SentencePieceModel.Piece>(cutter.Pieces.Count, StringComparer.Ordinal);
        foreach (var piece in cutter.Pieces)
            pieces.TryAdd(piece.Text, piece);
        var target = new TokenTable(source.Count, checkpoint);
        foreach (var (text, id) in checkpoint.Read("vocab.json")!.Members)
        {
            var special = Array.Find(_special, entry => entry.Text == text);
            var known = pieces.TryGetValue(text, out var piece);
            source.Set(id.Integer, text, special.Text is not null ? special.Kind : known ? piece.Kind : TokenKind.Undefined, known ? piece.Score : 0);
            target.Set(id.Integer, text, special.Text is not null ? special.Kind : TokenKind.Normal);
        }

        source.Write(metadata, Model, "default", scores: true);
        target.WriteDecoder(metadata, scores: true);
        metadata["tokenizer.ggml.add_space_prefix"] = cutter.AddsSpacePrefix;
        metadata["tokenizer.ggml.add_bos_token"] = false;
        metadata["tokenizer.ggml.add_eos_token"] = true;
        foreach (var (text, key) in new[] { ("</s>", "eos"), ("<unk>", "unknown"), ("<pad>", "padding") })
            metadata[$"tokenizer.ggml.{key}_token_id"] = (uint)(source.Find(text) ?? throw new ModelFormatException($"vocab.json holds no '{text}'", checkpoint.Folder));

        SentencePieceVocabulary.WriteNormalizer(metadata, cutter.RemovesExtraSpaces, cutter.CharacterMap);
        return Model;
    }
}
