using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>A vocabulary being made: as many tokens as the embedding has rows, unused until they are set.</summary>
internal sealed class TokenTable
{
    private const float UnusedScore = -10000;

    private readonly string?[] _texts;
    private readonly float[] _scores;
    private readonly TokenKind[] _kinds;
    private readonly Checkpoint _checkpoint;
    private Dictionary<string, int>? _ids;
    private int _beyond;
    private int _contradictions;
    private int _unstorable;

    /// <param name="count">Rows of the embedding.</param>
    /// <param name="checkpoint">Is told of tokens beyond them.</param>
    public TokenTable(long count, Checkpoint checkpoint)
    {
        _checkpoint = checkpoint;
        _texts = new string?[count];
        _scores = new float[count];
        _kinds = new TokenKind[count];
    }

    /// <summary>Tokens, unused ones included.</summary>
    public int Count => _texts.Length;

    /// <summary>Sets a token; one that is set already is replaced.</summary>
    /// <param name="id">Its number; beyond the embedding's rows it is left out, since the model cannot look it up.</param>
    /// <param name="text">Its spelling.</param>
    /// <param name="kind">What it stands for.</param>
    /// <param name="score">Its score, where the algorithm has some.</param>
    /// <exception cref="ModelFormatException">The number is negative.</exception>
    public void Set(long id, string text, TokenKind kind, float score = 0)
    {
        if (id < 0)
            throw new ModelFormatException($"token '{text}' has the number {id}", _checkpoint.Folder);
        if (id >= Count)
        {
            if (_beyond++ == 0)
                _checkpoint.Notes.Add($"token {id} '{text}' and any beyond {Count - 1} are left out: the embedding has {Count} rows");
            return;
        }

        _ids = null;
        (_texts[id], _kinds[id], _scores[id]) = (text, kind, score);
    }

    /// <summary>Sets a token that was added to a vocabulary: one that steers the model, or a text that is never split.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="entry">Its description: <c>content</c>, <c>special</c>, <c>lstrip</c>, <c>rstrip</c>, <c>single_word</c>.</param>
    /// <param name="score">Its score, where the algorithm has some.</param>
    public void Add(long id, Json entry, float score = 0)
    {
        var text = (entry["content"] ?? throw entry.Fault("an object with content")).Text;
        var kind = entry["special"]?.Flag == true || LooksSpecial(text) ? TokenKind.Control : TokenKind.UserDefined;
        NoteWhatIsLost(text, entry);
        NoteContradiction(id, text, kind, takes: "the added one is taken");
        Set(id, kind == TokenKind.Control ? text : text.Replace('\u2581', ' '), kind, score);
    }

    /// <summary>Notes where tokenizer_config.json lists other added tokens than were set: beside a tokenizer.json it is not read for them.</summary>
    public void CompareAddedTokens()
    {
        foreach (var (id, entry) in _checkpoint.Read("tokenizer_config.json")?["added_tokens_decoder"]?.Members ?? [])
            Compare(Number(id, entry), entry);
    }

    /// <summary>The number of a token that a file names as a member of an object.</summary>
    /// <exception cref="ModelFormatException">It is none.</exception>
    public static long Number(string id, Json entry)
        => long.TryParse(id, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : throw entry.Fault("the member of a number");

    private void Compare(long id, Json entry)
    {
        var text = (entry["content"] ?? throw entry.Fault("an object with content")).Text;
        var kind = entry["special"]?.Flag == true || LooksSpecial(text) ? TokenKind.Control : TokenKind.UserDefined;
        if (id < 0 || id >= Count)
            return;
        if (_texts[id] is null)
            NoteFirst(ref _contradictions, $"token {id} '{text}' of tokenizer_config.json is not in tokenizer.json, which is taken; there may be more");
        else
            NoteContradiction(id, text, kind, takes: "tokenizer.json is taken");
    }

    // The vocabulary's own entry of a token that was added to it is plain; only two lists of added ones can differ in kind.
    private void NoteContradiction(long id, string text, TokenKind kind, string takes)
    {
        if (id < 0 || id >= Count || _texts[id] is not { } old)
            return;
        if (old.Replace('\u2581', ' ') != text.Replace('\u2581', ' '))
            NoteFirst(ref _contradictions, $"token {id} is '{old}' in one list and '{text}' in another: {takes}; there may be more");
        else if (_kinds[id] is TokenKind.Control or TokenKind.UserDefined && _kinds[id] != kind)
            NoteFirst(ref _contradictions, $"token {id} '{text}' is special in one list of added tokens and not in another: {takes}; there may be more");
    }

    private void NoteWhatIsLost(string text, Json entry)
    {
        foreach (var property in new[] { "lstrip", "rstrip", "single_word" })
        {
            if (entry[property]?.Flag == true)
                NoteFirst(ref _unstorable, $"the added token '{text}' has {property}, for which GGUF has no place: what is beside it in a text stays, unless the loader knows the model by its name; there may be more");
        }
    }

    private void NoteFirst(ref int count, string note)
    {
        if (count++ == 0)
            _checkpoint.Notes.Add(note);
    }

    /// <summary>The number of a token; null where there is none of this spelling.</summary>
    /// <exception cref="ModelFormatException">Two tokens are spelled alike.</exception>
    public int? Find(string text) => Ids.TryGetValue(text, out var id) ? id : null;

    /// <summary>Refuses a vocabulary in which two tokens are spelled alike.</summary>
    /// <exception cref="ModelFormatException">It is one.</exception>
    public void CheckDistinct() => _ = Ids;

    /// <summary>The spelling of a token; null where it is not set.</summary>
    public string? TextOf(int id) => _texts[id];

    /// <summary>Changes the spelling of every token that is set.</summary>
    public void Respell(Func<string, TokenKind, string> change)
    {
        for (var id = 0; id < Count; id++)
            _texts[id] = _texts[id] is { } text ? change(text, _kinds[id]) : null;
        _ids = null;
    }

    /// <summary>Writes the lists.</summary>
    /// <param name="metadata">Takes the pairs.</param>
    /// <param name="model">tokenizer.ggml.model.</param>
    /// <param name="pre">tokenizer.ggml.pre.</param>
    /// <param name="scores">Whether the algorithm uses scores.</param>
    public void Write(GgufPairs metadata, string model, string pre, bool scores)
    {
        metadata["tokenizer.ggml.model"] = model;
        metadata["tokenizer.ggml.pre"] = pre;
        WriteLists(metadata, "", scores);
    }

    /// <summary>Writes the lists as those of the decoder of an encoder–decoder, which has other tokens than the encoder.</summary>
    /// <param name="metadata">Takes the pairs.</param>
    /// <param name="scores">Whether the algorithm uses scores.</param>
    public void WriteDecoder(GgufPairs metadata, bool scores) => WriteLists(metadata, "decoder_", scores);

    private void WriteLists(GgufPairs metadata, string side, bool scores)
    {
        metadata[$"tokenizer.ggml.{side}tokens"] = _texts.Select((text, id) => text ?? Unused(id)).ToArray();
        if (scores)
            metadata[$"tokenizer.ggml.{side}scores"] = _scores.Select((score, id) => _texts[id] is null ? UnusedScore : score).ToArray();
        metadata[$"tokenizer.ggml.{side}token_type"] = _kinds.Select((kind, id) => (int)(_texts[id] is null ? TokenKind.Unused : kind)).ToArray();
    }

    private Dictionary<string, int> Ids
    {
        get
        {
            if (_ids is null)
            {
                _ids = new Dictionary<string, int>(Count, StringComparer.Ordinal);
                for (var id = 0; id < Count; id++)
                {
                    if (_texts[id] is { } text && !_ids.TryAdd(text, id))
                        throw new ModelFormatException($"token '{text}' has the numbers {_ids[text]} and {id}", _checkpoint.Folder);
                }
            }

            return _ids;
        }
    }

    private string Unused(int id)
        => Ids.ContainsKey($"[PAD{id}]") ? throw new ModelFormatException($"token {id} is unused, but its spelling [PAD{id}] is taken", _checkpoint.Folder) : $"[PAD{id}]";

    // Some models do not mark as special what steers them; the reference knows them by their looks.
    private static bool LooksSpecial(string text)
        => text is "<pad>" or "<mask>" or "<2mass>" or "[@BOS@]"
            || (text.StartsWith("<|", StringComparison.Ordinal) && text.EndsWith("|>", StringComparison.Ordinal))
            || (text.StartsWith("<\uFF5C", StringComparison.Ordinal) && text.EndsWith("\uFF5C>", StringComparison.Ordinal))
            || (text.StartsWith("<unused", StringComparison.Ordinal) && text.EndsWith('>'));
}
