namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>The algorithms of a tokenizer.json that GGUF has a counterpart for.</summary>
internal enum TokenizerKind
{
    /// <summary>Byte-pair encoding over bytes, merged by a list.</summary>
    ByteLevel,

    /// <summary>Byte-pair encoding as SentencePiece does it, with tokens for bytes.</summary>
    SentencePiece,

    /// <summary>Unigram.</summary>
    Unigram,

    /// <summary>WordPiece.</summary>
    WordPiece,
}

/// <summary>tokenizer.json, as Hugging Face's tokenizers library saves it.</summary>
internal sealed class TokenizerJson
{
    public TokenizerJson(Json root)
    {
        Root = root;
        Model = root["model"] ?? throw root.Fault("an object with model");
        Kind = KindOf(Model["type"]?.Text ?? (Model["merges"] is not null ? "BPE" : Model["vocab"] is { IsList: true } ? "Unigram" : "WordPiece"));
    }

    /// <summary>The whole file.</summary>
    public Json Root { get; }

    /// <summary>The algorithm's own part.</summary>
    public Json Model { get; }

    /// <summary>The algorithm.</summary>
    public TokenizerKind Kind { get; }

    /// <summary>The vocabulary of an algorithm that has no scores.</summary>
    public IEnumerable<(string Text, long Id)> Vocabulary
        => (Model["vocab"] ?? throw Model.Fault("an object with vocab")).Members.Select(entry => (entry.Name, entry.Value.Integer));

    /// <summary>The merges, in order of rank; a pair is stored as one string or as two.</summary>
    /// <exception cref="ModelFormatException">An entry is no pair.</exception>
    public IEnumerable<(string Left, string Right)> Merges => (Model["merges"]?.Items ?? []).Select(entry =>
    {
        string[] pair = entry.IsText ? entry.Text.Split(' ') : [.. entry.Items.Select(item => item.Text)];
        return pair.Length == 2 ? (pair[0], pair[1]) : throw entry.Fault("a pair of tokens");
    });

    /// <summary>Sets the tokens that were added to the vocabulary.</summary>
    public void AddTokens(TokenTable table, float score)
    {
        foreach (var token in Root["added_tokens"]?.Items ?? [])
        {
            var id = (token["id"] ?? throw token.Fault("an object with id")).Integer;
            table.Add(id, token, score);
        }

        table.CompareAddedTokens();
    }

    /// <summary>All parts of the normalizer, the pre-tokenizer or the decoder, whose sequences are flattened.</summary>
    /// <param name="name"><c>normalizer</c>, <c>pre_tokenizer</c> or <c>decoder</c>.</param>
    public IEnumerable<Json> Parts(string name) => Root[name] is { } part ? Flatten(part) : [];

    /// <summary>Whether a space is put before a text.</summary>
    public bool AddsSpacePrefix
        => Parts("normalizer").Any(part => TypeOf(part) == "Prepend")
            || Parts("pre_tokenizer").Any(part => TypeOf(part) == "Metaspace" && (part["prepend_scheme"]?.Text ?? (part["add_prefix_space"]?.Flag == false ? "never" : "always")) != "never");

    /// <summary>The name of a part's kind.</summary>
    public static string TypeOf(Json part) => part["type"]?.Text ?? "";

    private static IEnumerable<Json> Flatten(Json part)
        => TypeOf(part) == "Sequence" ? (part["normalizers"] ?? part["pretokenizers"] ?? part["decoders"])?.Items.SelectMany(Flatten) ?? [] : [part];

    private TokenizerKind KindOf(string type) => type switch
    {
        "WordPiece" => TokenizerKind.WordPiece,
        "Unigram" => TokenizerKind.Unigram,
        "BPE" when Parts("pre_tokenizer").Concat(Parts("decoder")).Any(part => TypeOf(part) == "ByteLevel") => TokenizerKind.ByteLevel,
        "BPE" when Model["byte_fallback"]?.Flag == true => TokenizerKind.SentencePiece,
        _ => throw new UnsupportedModelException($"tokenizer '{type}' of {Root.File}", ["BPE over bytes", "BPE with byte_fallback", "Unigram", "WordPiece"]),
    };
}
