using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Embedding;

/// <summary>A query and a document as a ranking model reads them: one text of two parts.</summary>
/// <remarks>Safe to use from several threads.</remarks>
internal sealed class RankingPair
{
    private const string TemplateKey = "tokenizer.chat_template.rerank";
    private const string Query = "{query}";
    private const string Document = "{document}";

    private readonly Tokenizer _tokenizer;
    private readonly ControlSpellings? _controlTokens;
    private readonly string? _template;
    private readonly int? _end;
    private readonly int? _separator;

    /// <summary>Reads how a file's model wants them.</summary>
    /// <exception cref="ModelFormatException">The file's template has no place for one of the two.</exception>
    public RankingPair(Tokenizer tokenizer, GgufMetadata metadata)
    {
        _tokenizer = tokenizer;
        if (metadata.TryGet<string>(TemplateKey, out _template))
        {
            _controlTokens = new ControlSpellings(tokenizer);
            if (!_template.Contains(Query, StringComparison.Ordinal) || !_template.Contains(Document, StringComparison.Ordinal))
                throw new ModelFormatException($"metadata key '{TemplateKey}' must hold '{Query}' and '{Document}'", metadata.Source);
        }

        var special = tokenizer.Special;
        var isBert = tokenizer.Model == "bert";
        _end = isBert ? special.Separator : tokenizer.AddsEndOfText ? special.EndOfText ?? special.Separator : null;
        _separator = !isBert && AddsSeparator(metadata) ? special.Separator ?? special.EndOfText : null;
    }

    /// <summary>The ids of both with what stands around and between them.</summary>
    /// <remarks>
    /// BERT: [CLS] query [SEP] document [SEP] (Devlin et al., 1810.04805). Others: begin, query, end, separator, document,
    /// end, each where the vocabulary adds it; so RoBERTa's pairs are &lt;s&gt; query &lt;/s&gt;&lt;/s&gt; document &lt;/s&gt;.
    /// A file with a template says itself. All segments have token type 0, as in llama.cpp.
    /// </remarks>
    public List<int> Encode(string query, string document)
    {
        if (_template is not null)
            return EncodeTemplate(query, document);
        List<int> ids = [];
        Add(_tokenizer.AddsBeginOfText ? _tokenizer.Special.BeginOfText : null);
        ids.AddRange(_tokenizer.Encode(query, addSpecial: false));
        Add(_end);
        Add(_separator);
        ids.AddRange(_tokenizer.Encode(document, addSpecial: false));
        Add(_end);
        return ids;

        void Add(int? id)
        {
            if (id is { } token)
                ids.Add(token);
        }
    }

    // What the template writes may be control tokens; what query and document hold may not, and is no template either.
    private List<int> EncodeTemplate(string query, string document)
    {
        var mark = ControlSpellings.UnusedCharacter([query, document, _template]);
        (query, document) = (_controlTokens!.Break(query, mark), _controlTokens.Break(document, mark));
        var text = new StringBuilder();
        for (var rest = _template.AsSpan(); ;)
        {
            var next = rest.IndexOf('{');
            if (next < 0)
                return _tokenizer.EncodeMarked(text.Append(rest).ToString(), mark);
            text.Append(rest[..next]);
            rest = rest[next..];
            var (place, filling) = rest.StartsWith(Query) ? (Query, query) : rest.StartsWith(Document) ? (Document, document) : ("{", "{");
            text.Append(filling);
            rest = rest[place.Length..];
        }
    }

    // Where the file does not say, RoBERTa's byte-pair vocabularies have a separator and others have none, as in llama.cpp.
    private static bool AddsSeparator(GgufMetadata metadata)
        => metadata.Get("tokenizer.ggml.add_sep_token", metadata.Get("tokenizer.ggml.pre", "") is "jina-v1-en" or "jina-v2-code" or "roberta-bpe");
}
