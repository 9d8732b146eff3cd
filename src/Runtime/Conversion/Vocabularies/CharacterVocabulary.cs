using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Characters: GGUF's <c>characters</c>, one vocabulary for what is read and one for what is written.</summary>
/// <remarks>
/// Spelling-to-sound models list them in config.json as <c>grapheme_chars</c> and <c>phoneme_chars</c>, a character an id. The
/// first four ids steer: whatever stands there is a placeholder. A character that is not listed is token 3.
/// </remarks>
internal static class CharacterVocabulary
{
    private const string Model = "characters";
    private const int Unknown = 3;

    private static readonly (string Role, string Key, string Text)[] _roles = [("pad", "padding", "<pad>"), ("bos", "bos", "<s>"), ("eos", "eos", "</s>")];

    /// <summary>Whether config.json lists characters.</summary>
    public static bool IsListed(Checkpoint checkpoint) => checkpoint.Config.Find("grapheme_chars") is not null && checkpoint.Config.Find("phoneme_chars") is not null;

    /// <summary>Writes both vocabularies and the tokens with a role.</summary>
    public static string Write(GgufPairs metadata, Checkpoint checkpoint, TokenTable source)
    {
        var target = new TokenTable(source.Count, checkpoint);
        Fill(source, checkpoint.Config, "grapheme_chars");
        Fill(target, checkpoint.Config, "phoneme_chars");
        source.Write(metadata, Model, "default", scores: false);
        target.WriteDecoder(metadata, scores: false);
        foreach (var (role, key, _) in _roles)
            metadata[$"tokenizer.ggml.{key}_token_id"] = (uint)IdOf(checkpoint.Config, role);
        metadata["tokenizer.ggml.unknown_token_id"] = (uint)Unknown;
        metadata["tokenizer.ggml.add_bos_token"] = true;
        metadata["tokenizer.ggml.add_eos_token"] = true;
        return Model;
    }

    private static void Fill(TokenTable table, ModelConfig config, string key)
    {
        var list = config.Find(key)!;
        var id = 0;
        foreach (var character in list.Text.EnumerateRunes())
        {
            if (id > Unknown)
                table.Set(id, character.ToString(), TokenKind.Normal);
            id++;
        }

        if (id <= Unknown + 1)
            throw list.Fault($"more than {Unknown + 1} characters, the first of which are placeholders");
        foreach (var (role, _, text) in _roles)
            table.Set(IdOf(config, role), text, TokenKind.Control);
        table.Set(Unknown, "<unk>", TokenKind.Unknown);
        table.CheckDistinct();
    }

    private static int IdOf(ModelConfig config, string role)
    {
        var id = config.Find(role + "_token_id") ?? throw new ModelFormatException($"'{role}_token_id' is missing: nothing says which placeholder it is", config.File);
        return id.Integer is >= 0 and < Unknown and var value ? (int)value : throw id.Fault($"0 to {Unknown - 1}");
    }
}
