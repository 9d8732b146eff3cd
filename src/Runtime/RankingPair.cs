using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime;

/// <summary>A query and a document as a ranking model reads them: one text of two parts.</summary>
internal static class RankingPair
{
    private const string Template = "tokenizer.chat_template.rerank";

    /// <summary>The ids of both with the tokens that stand around and between them.</summary>
    /// <remarks>
    /// BERT: [CLS] query [SEP] document [SEP] (Devlin et al., 1810.04805). Others: begin, query, end, separator, document,
    /// end, each where the vocabulary adds it; so RoBERTa's pairs are &lt;s&gt; query &lt;/s&gt;&lt;/s&gt; document &lt;/s&gt;.
    /// </remarks>
    /// <exception cref="UnsupportedModelException">The file wants a template of its own around the two.</exception>
    public static List<int> Encode(Tokenizer tokenizer, GgufMetadata metadata, string query, string document)
    {
        if (metadata.Contains(Template))
            throw new UnsupportedModelException($"ranking by a template of the file ('{Template}')", ["query and document around a separator"]);
        var special = tokenizer.Special;
        var isBert = tokenizer.Model == "bert";
        var end = isBert ? special.Separator : tokenizer.AddsEndOfText ? special.EndOfText ?? special.Separator : null;
        var separator = !isBert && AddsSeparator(metadata) ? special.Separator ?? special.EndOfText : null;
        List<int> ids = [];
        Add(tokenizer.AddsBeginOfText ? special.BeginOfText : null);
        ids.AddRange(tokenizer.Encode(query, addSpecial: false));
        Add(end);
        Add(separator);
        ids.AddRange(tokenizer.Encode(document, addSpecial: false));
        Add(end);
        return ids;

        void Add(int? id)
        {
            if (id is { } token)
                ids.Add(token);
        }
    }

    // Where the file does not say, RoBERTa's byte-pair vocabularies have a separator and others have none, as in llama.cpp.
    private static bool AddsSeparator(GgufMetadata metadata)
        => metadata.Get("tokenizer.ggml.add_sep_token", metadata.Get("tokenizer.ggml.pre", "") is "jina-v1-en" or "jina-v2-code" or "roberta-bpe");
}
