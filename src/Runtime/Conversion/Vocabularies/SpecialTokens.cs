using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>The tokens with a role, and which of them encoding puts around a text.</summary>
/// <remarks>
/// A role's token is named in tokenizer_config.json or special_tokens_map.json; where it is not, config.json and
/// generation_config.json may give its number. What tokenizer.json's post-processor puts around a text decides whether the
/// begin and end tokens are added, unless tokenizer_config.json says so itself.
/// </remarks>
internal sealed class SpecialTokens
{
    private static readonly (string Role, string Key)[] _roles =
    [
        ("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("sep", "seperator"), ("pad", "padding"), ("cls", "cls"), ("mask", "mask"), ("eot", "eot"), ("eom", "eom"),
    ];

    private static readonly string[] _ends = ["eos", "eot", "eom"];

    private readonly Dictionary<string, string> _names;
    private readonly Dictionary<string, bool> _added = new(StringComparer.Ordinal);

    private SpecialTokens(Dictionary<string, string> names) => _names = names;

    /// <summary>The tokens' spellings by role (<c>bos</c>, <c>eos</c> ...), as far as the folder names them.</summary>
    public static Dictionary<string, string> Names(Checkpoint checkpoint)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var source in new[] { checkpoint.Read("tokenizer_config.json"), checkpoint.Read("special_tokens_map.json") })
        {
            foreach (var (role, _) in _roles)
            {
                var token = source?[role + "_token"];
                if ((token is { IsText: true } ? token : token?["content"]) is { IsText: true } text)
                    names.TryAdd(role, text.Text);
            }
        }

        return names;
    }

    /// <summary>Writes the ids and flags.</summary>
    /// <param name="metadata">Takes the pairs.</param>
    /// <param name="checkpoint">The folder.</param>
    /// <param name="table">The vocabulary.</param>
    /// <param name="json">tokenizer.json, or null.</param>
    /// <param name="model">tokenizer.ggml.model.</param>
    public static void Write(GgufPairs metadata, Checkpoint checkpoint, TokenTable table, Json? json, string model)
    {
        var tokens = new SpecialTokens(Names(checkpoint));
        if (model == "gpt2")
            tokens._added["bos"] = false;
        if (json is not null || model == "bert")
            tokens.Share("bos", "cls");
        if (json is not null || model == "bert")
            tokens.Share("eos", "sep");
        if (json?["post_processor"] is { } processor)
            tokens.ReadProcessors(processor);
        if (model == "bert")
            tokens.AssumeUsual(table);
        if (json?["model"]?["unk_token"] is { IsText: true } unknown)
            tokens._names.TryAdd("unk", unknown.Text);
        foreach (var (role, key) in _roles)
        {
            if (tokens.IdOf(role, table, checkpoint) is { } id)
                metadata[$"tokenizer.ggml.{key}_token_id"] = (uint)id;
        }

        NoteOtherEnds(checkpoint, table, metadata);
        foreach (var role in new[] { "bos", "eos" })
        {
            if (checkpoint.Read("tokenizer_config.json")?[$"add_{role}_token"]?.Flag is { } stated)
                tokens._added[role] = stated;
            if (tokens._added.TryGetValue(role, out var added))
                metadata[$"tokenizer.ggml.add_{role}_token"] = added;
        }
    }

    // Where config.json lists several ends, the file names the first; the loader knows most others by their spelling.
    private static void NoteOtherEnds(Checkpoint checkpoint, TokenTable table, GgufPairs metadata)
    {
        var named = _ends.Select(role => metadata.Find($"tokenizer.ggml.{role}_token_id")).OfType<uint>().Select(id => (long)id).ToHashSet();
        var lists = new[] { checkpoint.Config.Find("eos_token_id"), checkpoint.Read("generation_config.json")?["eos_token_id"] };
        var lost = lists.Where(list => list is { IsList: true }).SelectMany(list => list!.Items).Where(item => item.IsNumber).Select(item => item.Integer)
            .Where(id => !named.Contains(id) && !(id >= 0 && id < table.Count && table.TextOf((int)id) is { } text && SpecialTokenNames.IsEnd(text))).Distinct().ToArray();
        if (lost.Length > 0)
            checkpoint.Notes.Add($"the ends of text {string.Join(", ", lost)} of eos_token_id are left out: GGUF names one, and these have no spelling that is known for an end");
    }

    private int? IdOf(string role, TokenTable table, Checkpoint checkpoint)
    {
        if (_names.TryGetValue(role, out var text) && table.Find(text) is { } found)
            return found;
        var stated = checkpoint.Config.Find(role + "_token_id") ?? checkpoint.Read("generation_config.json")?[role + "_token_id"];
        // Several ends of text: the first is the end, the others are known by their names.
        var first = stated is { IsList: true } ? stated.Items.FirstOrDefault() : stated;
        return first is { IsNumber: true } && first.Integer is >= 0 and var id && id < table.Count ? (int)id : null;
    }

    private void Share(string role, string other)
    {
        if (_names.TryGetValue(other, out var text))
            _names.TryAdd(role, text);
    }

    // vocab.txt comes without a word on roles.
    private void AssumeUsual(TokenTable table)
    {
        foreach (var (role, text) in new[] { ("bos", "[CLS]"), ("eos", "[SEP]"), ("unk", "[UNK]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("cls", "[CLS]"), ("mask", "[MASK]") })
        {
            if (table.Find(text) is not null)
                _names.TryAdd(role, text);
        }
    }

    private void ReadProcessors(Json processor)
    {
        foreach (var part in processor["processors"]?.Items ?? [processor])
        {
            switch (part["type"]?.Text)
            {
                case "RobertaProcessing" or "BertProcessing":
                    Surround((part["cls"]?.Items.FirstOrDefault() ?? throw part.Fault("an object with cls")).Text, (part["sep"]?.Items.FirstOrDefault() ?? throw part.Fault("an object with sep")).Text);
                    break;
                case "TemplateProcessing":
                    var single = part["single"]?.Items.Select(piece => piece["SpecialToken"]?["id"]?.Text).ToArray() ?? [];
                    if (single.Length > 1)
                        Surround(single[0], single[^1]);
                    break;
                default:
                    break;
            }
        }
    }

    private void Surround(string? first, string? last)
    {
        if (first is not null)
        {
            _names.TryAdd("bos", first);
            if (_names["bos"] != first)
                _names.TryAdd("cls", first);
            _added["bos"] = first == _names["bos"] || first == _names["cls"];
        }

        if (last is not null)
        {
            // What ends a text is the end of text; the token so called before ends a turn.
            if (_names.TryGetValue("eos", out var old) && old != last)
                _names[_names.ContainsKey("eot") ? "eom" : "eot"] = old;
            _names["eos"] = last;
            _added["eos"] = true;
        }
    }
}
