using System.Text;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>WordPiece: GGUF's <c>bert</c>, which marks the beginning of a word (U+2581) where the original marks what goes on (##).</summary>
internal static class WordPieceVocabulary
{
    private const string Model = "bert";

    /// <summary>From vocab.txt: a token a line.</summary>
    public static string WriteText(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, string path)
    {
        var id = 0;
        foreach (var line in File.ReadLines(path, Encoding.UTF8))
            table.Set(id++, line.TrimEnd('\r'), TokenKind.Normal);
        VocabularyConversion.AddTokens(checkpoint, table, 0);
        var names = SpecialTokens.Names(checkpoint);
        foreach (var (role, usual) in new[] { ("unk", "[UNK]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("cls", "[CLS]"), ("mask", "[MASK]") })
        {
            var text = names.GetValueOrDefault(role, usual);
            if (table.Find(text) is { } special)
                table.Set(special, text, TokenKind.Control);
        }

        var config = checkpoint.Read("tokenizer_config.json");
        var lowercases = config?["do_lower_case"]?.Flag ?? true;
        metadata["tokenizer.ggml.normalizer.lowercase"] = lowercases;
        metadata["tokenizer.ggml.normalizer.strip_accents"] = config?["strip_accents"]?.Flag ?? lowercases;
        return Finish(metadata, table);
    }

    /// <summary>From tokenizer.json.</summary>
    public static string WriteJson(GgufPairs metadata, TokenTable table, TokenizerJson json)
    {
        if (json.Model["continuing_subword_prefix"] is { Text: not "##" } prefix)
            throw new UnsupportedModelException($"WordPiece with the prefix '{prefix.Text}'", ["##"]);
        foreach (var (text, id) in json.Vocabulary)
            table.Set(id, text, TokenKind.Normal);
        json.AddTokens(table, 0);
        var normalizer = json.Parts("normalizer").ToArray();
        var bert = Array.Find(normalizer, part => TokenizerJson.TypeOf(part) == "BertNormalizer");
        var lowercases = bert?["lowercase"]?.Flag ?? Array.Exists(normalizer, part => TokenizerJson.TypeOf(part) == "Lowercase");
        metadata["tokenizer.ggml.normalizer.lowercase"] = lowercases;
        metadata["tokenizer.ggml.normalizer.strip_accents"] = bert is null ? Array.Exists(normalizer, part => TokenizerJson.TypeOf(part) == "StripAccents") : bert["strip_accents"]?.Flag ?? lowercases;
        return Finish(metadata, table);
    }

    private static string Finish(GgufPairs metadata, TokenTable table)
    {
        // Roles are looked up by the original's spellings, which control tokens keep.
        table.Respell((text, kind) => kind == TokenKind.Control ? text : text.StartsWith("##", StringComparison.Ordinal) ? text[2..] : "\u2581" + text);
        table.Write(metadata, Model, "default", scores: false);
        return Model;
    }
}
