using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>SentencePiece: GGUF's <c>llama</c> (byte-pair encoding by scores) and <c>t5</c> (unigram).</summary>
internal static class SentencePieceVocabulary
{
    private const float AddedScore = -1000;

    /// <summary>From SentencePiece's own file.</summary>
    public static string WriteModel(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, SentencePieceModel source)
    {
        for (var id = 0; id < source.Pieces.Count; id++)
        {
            var piece = source.Pieces[id];
            // Texts that are always one token are looked for before spaces become U+2581.
            table.Set(id, piece.Kind == TokenKind.UserDefined ? piece.Text.Replace('\u2581', ' ') : piece.Text, piece.Kind, piece.Score);
        }

        VocabularyConversion.AddTokens(checkpoint, table, AddedScore);
        var model = source.IsUnigram ? "t5" : "llama";
        table.Write(metadata, model, "default", scores: true);
        metadata["tokenizer.ggml.add_space_prefix"] = checkpoint.Read("tokenizer_config.json")?["add_prefix_space"]?.Flag ?? source.AddsSpacePrefix;
        if (source.IsUnigram)
            WriteNormalizer(metadata, source.RemovesExtraSpaces, source.CharacterMap);
        return model;
    }

    /// <summary>From a tokenizer.json of byte-pair encoding with tokens for bytes.</summary>
    /// <remarks>
    /// Scores are made from the merges: the earlier a merge, the higher the score of what it gives. Merging by these scores is
    /// merging by the list, which was itself made from SentencePiece's scores.
    /// </remarks>
    public static string WriteJson(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, TokenizerJson json)
    {
        var scores = new Dictionary<string, float>(StringComparer.Ordinal);
        foreach (var (left, right) in json.Merges)
            scores.TryAdd(left + right, -scores.Count);
        var unknown = json.Model["unk_token"]?.Text;
        foreach (var (text, id) in json.Vocabulary)
            table.Set(id, text, text == unknown ? TokenKind.Unknown : IsByte(text) ? TokenKind.Byte : TokenKind.Normal, scores.GetValueOrDefault(text, -scores.Count));
        json.AddTokens(table, AddedScore);
        table.Write(metadata, "llama", "default", scores: true);
        metadata["tokenizer.ggml.add_space_prefix"] = checkpoint.Read("tokenizer_config.json")?["add_prefix_space"]?.Flag ?? json.AddsSpacePrefix;
        return "llama";
    }

    /// <summary>From a tokenizer.json of unigram.</summary>
    public static string WriteUnigramJson(GgufPairs metadata, TokenTable table, TokenizerJson json)
    {
        var unknown = json.Model["unk_id"]?.Integer;
        var id = 0;
        foreach (var entry in (json.Model["vocab"] ?? throw json.Model.Fault("an object with vocab")).Items)
        {
            var piece = entry.Items.Take(3).ToArray() is { Length: 2 } pair ? pair : throw entry.Fault("a token and its score");
            table.Set(id, piece[0].Text, id == unknown ? TokenKind.Unknown : IsByte(piece[0].Text) ? TokenKind.Byte : TokenKind.Normal, (float)piece[1].Number);
            id++;
        }

        // The unknown token is among the added ones, but must stay what it is.
        var unknownText = unknown is >= 0 && unknown < table.Count ? table.TextOf((int)unknown) : null;
        json.AddTokens(table, AddedScore);
        if (unknownText is not null)
            table.Set(unknown!.Value, unknownText, TokenKind.Unknown);
        table.Write(metadata, "t5", "default", scores: true);
        metadata["tokenizer.ggml.add_space_prefix"] = json.AddsSpacePrefix;
        var map = json.Parts("normalizer").Select(part => part["precompiled_charsmap"]).FirstOrDefault(part => part is not null);
        var removes = json.Parts("pre_tokenizer").Any(part => TokenizerJson.TypeOf(part) == "WhitespaceSplit")
            || json.Parts("normalizer").Any(part => TokenizerJson.TypeOf(part) == "Replace" && part["pattern"]?["Regex"]?.Text is " {2,}" or "\\s{2,}");
        WriteNormalizer(metadata, removes, map is null ? [] : Decode(map));
        return "t5";
    }

    /// <summary>Writes how unigram changes a text before it cuts it.</summary>
    public static void WriteNormalizer(GgufPairs metadata, bool removesExtraSpaces, byte[] characterMap)
    {
        metadata["tokenizer.ggml.remove_extra_whitespaces"] = removesExtraSpaces;
        if (characterMap.Length > 0)
            metadata["tokenizer.ggml.precompiled_charsmap"] = characterMap;
    }

    private static byte[] Decode(Json base64)
    {
        var bytes = new byte[base64.Text.Length];
        return System.Convert.TryFromBase64String(base64.Text, bytes, out var count) ? bytes[..count] : throw base64.Fault("base64");
    }

    private static bool IsByte(string text) => text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>' && char.IsAsciiHexDigit(text[3]) && char.IsAsciiHexDigit(text[4]);
}
