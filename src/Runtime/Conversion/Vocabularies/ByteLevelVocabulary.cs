using System.Text;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Byte-level BPE: GGUF's <c>gpt2</c>, with the pre-tokenizer by name.</summary>
internal static class ByteLevelVocabulary
{
    private const string Model = "gpt2";

    /// <summary>From tokenizer.json.</summary>
    /// <exception cref="UnsupportedModelException">GGUF has no name for the pre-tokenizer.</exception>
    public static string WriteJson(GgufPairs metadata, TokenTable table, TokenizerJson json)
    {
        foreach (var (text, id) in json.Vocabulary)
            table.Set(id, text, TokenKind.Normal);
        json.AddTokens(table, 0);
        table.Write(metadata, Model, PreTokenizerNames.Recognize(json), scores: false);
        // In GGUF a merge is one string: a space inside of a token takes the byte alphabet's stand-in.
        metadata["tokenizer.ggml.merges"] = json.Merges.Select(merge => $"{Escape(merge.Left)} {Escape(merge.Right)}").ToArray();
        return Model;
    }

    /// <summary>From vocab.json and merges.txt, whose pre-tokenizer lies in the tokenizer's class.</summary>
    /// <exception cref="UnsupportedModelException">The class is unknown.</exception>
    public static string WriteFiles(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, CheckpointFamily family, string merges)
    {
        var vocabulary = checkpoint.Read("vocab.json") ?? throw new ModelFormatException("vocab.json is missing beside merges.txt", checkpoint.Folder);
        foreach (var (text, id) in vocabulary.Members)
            table.Set(id.Integer, text, TokenKind.Normal);
        VocabularyConversion.AddTokens(checkpoint, table, 0);
        foreach (var special in SpecialTokens.Names(checkpoint).Values)
        {
            if (table.Find(special) is { } id)
                table.Set(id, special, TokenKind.Control);
        }

        var name = checkpoint.Read("tokenizer_config.json")?["tokenizer_class"]?.Text ?? (family.Architecture == "gpt2" ? "GPT2Tokenizer" : "none");
        table.Write(metadata, Model, name.Replace("TokenizerFast", "Tokenizer", StringComparison.Ordinal) switch
        {
            "GPT2Tokenizer" => "gpt-2",
            "Qwen2Tokenizer" => "qwen2",
            "RobertaTokenizer" => "roberta-bpe",
            _ => throw new UnsupportedModelException($"tokenizer class '{name}' without tokenizer.json", ["GPT2Tokenizer", "Qwen2Tokenizer", "RobertaTokenizer"]),
        }, scores: false);
        metadata["tokenizer.ggml.merges"] = ReadMerges(merges, checkpoint).ToArray();
        return Model;
    }

    private static IEnumerable<string> ReadMerges(string path, Checkpoint checkpoint)
    {
        var ignored = 0;
        foreach (var (line, number) in File.ReadLines(path, Encoding.UTF8).Select((line, number) => (line.TrimEnd(), number)))
        {
            if (line.Length == 0 || (number == 0 && line.StartsWith('#')))
                continue;
            var parts = line.Split(' ');
            if (parts.Length == 2)
                yield return line;
            else
                ignored++;
        }

        if (ignored > 0)
            checkpoint.Notes.Add($"{ignored} lines of merges.txt are no pairs and are left out");
    }

    private static string Escape(string token) => token.Replace(' ', '\u0120');
}
