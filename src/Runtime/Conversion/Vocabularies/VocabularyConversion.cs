using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Finds a folder's tokenizer and writes it as <c>tokenizer.*</c> keys.</summary>
/// <remarks>
/// In this order: characters that config.json lists; Marian's files; a byte-level tokenizer.json; SentencePiece's own file; any other tokenizer.json; vocab.txt; vocab.json with
/// merges.txt. SentencePiece's file is preferred where both are, since its scores are the original's.
/// </remarks>
internal static class VocabularyConversion
{
    private const int MostTokens = 1 << 24;

    /// <summary>Writes the vocabulary.</summary>
    /// <param name="metadata">Takes the pairs.</param>
    /// <param name="checkpoint">The folder.</param>
    /// <param name="family">Decides where the files leave a choice.</param>
    /// <param name="rows">Rows of the embedding: as many tokens are written.</param>
    /// <returns>tokenizer.ggml.model.</returns>
    /// <exception cref="UnsupportedModelException">The tokenizer has no counterpart in GGUF.</exception>
    /// <exception cref="ModelFormatException">A file is broken.</exception>
    public static string Write(GgufPairs metadata, Checkpoint checkpoint, CheckpointFamily family, long rows)
    {
        if (rows > MostTokens)
            throw new ModelFormatException($"the embedding has {rows} rows, at most {MostTokens} tokens are possible", checkpoint.Folder);
        if (family.NoVocabulary is { } reason)
            return WriteNone(metadata, checkpoint, reason);
        var json = checkpoint.Read("tokenizer.json") is { } file ? new TokenizerJson(file) : null;
        var sentencePiece = checkpoint.Find("tokenizer.model") ?? checkpoint.Find("spiece.model");
        var table = new TokenTable(rows, checkpoint);
        var isMultilingual = checkpoint.Config.Architecture == Families.EncoderDecoderFamily.Multilingual;
        if (isMultilingual)
            checkpoint.Notes.Add("mBART's tokenizer puts language codes around texts, which no tokenizer of GGUF does");
        var model = isMultilingual ? null
            : CharacterVocabulary.IsListed(checkpoint) ? CharacterVocabulary.Write(metadata, checkpoint, table)
            : MarianVocabulary.IsThere(checkpoint) ? MarianVocabulary.Write(metadata, checkpoint, table)
            : json is { Kind: TokenizerKind.ByteLevel } ? ByteLevelVocabulary.WriteJson(metadata, table, json)
            : sentencePiece is not null ? SentencePieceVocabulary.WriteModel(metadata, checkpoint, table, SentencePieceModel.Read(sentencePiece))
            : json is not null ? WriteJson(metadata, checkpoint, table, json)
            : checkpoint.Find("vocab.txt") is { } list ? WordPieceVocabulary.WriteText(metadata, checkpoint, table, list)
            : checkpoint.Find("merges.txt") is { } merges ? ByteLevelVocabulary.WriteFiles(metadata, checkpoint, table, family, merges)
            : null;
        if (model is null)
            return WriteNone(metadata, checkpoint, isMultilingual ? "without one" : "the folder holds no tokenizer");

        WriteSuppressed(metadata, checkpoint, table);
        if (model == "characters")
            return model;
        SpecialTokens.Write(metadata, checkpoint, table, json?.Root, model);
        ChatTemplates.Write(metadata, checkpoint);
        return model;
    }

    private static string WriteNone(GgufPairs metadata, Checkpoint checkpoint, string reason)
    {
        metadata["tokenizer.ggml.model"] = "no_vocab";
        checkpoint.Notes.Add($"{reason}: the model takes and gives token ids only");
        return "no_vocab";
    }

    // Tokens that the original's generation never chooses: lists of one in bad_words_ids.
    private static void WriteSuppressed(GgufPairs metadata, Checkpoint checkpoint, TokenTable table)
    {
        var lists = checkpoint.Read("generation_config.json")?["bad_words_ids"] ?? checkpoint.Config.Find("bad_words_ids");
        var all = (lists?.Items ?? []).Select(list => list.Items.ToArray()).ToArray();
        int[] ids = [.. all.Where(list => list.Length == 1).Select(list => list[0].Integer).Where(id => id >= 0 && id < table.Count).Select(id => (int)id)];
        if (ids.Length < all.Length)
            checkpoint.Notes.Add($"{all.Length - ids.Length} of the {all.Length} entries of bad_words_ids are left out: they are several tokens, or beyond the vocabulary");
        if (ids.Length > 0)
            metadata["tokenizer.ggml.suppress_tokens"] = ids;
    }

    private static string WriteJson(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, TokenizerJson json) => json.Kind switch
    {
        TokenizerKind.SentencePiece => SentencePieceVocabulary.WriteJson(metadata, checkpoint, table, json),
        TokenizerKind.Unigram => SentencePieceVocabulary.WriteUnigramJson(metadata, table, json),
        _ => WordPieceVocabulary.WriteJson(metadata, table, json),
    };

    /// <summary>Sets the tokens that were added to a vocabulary, by added_tokens.json and tokenizer_config.json.</summary>
    public static void AddTokens(Checkpoint checkpoint, TokenTable table, float score)
    {
        foreach (var (text, id) in checkpoint.Read("added_tokens.json")?.Members ?? [])
            table.Set(id.Integer, text, TokenKind.UserDefined, score);
        foreach (var (id, token) in checkpoint.Read("tokenizer_config.json")?["added_tokens_decoder"]?.Members ?? [])
        {
            table.Add(TokenTable.Number(id, token), token, score);
        }
    }
}
