namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Chat templates: one, or several by name, in tokenizer_config.json, chat_template.jinja or chat_template.json.</summary>
internal static class ChatTemplates
{
    private const int LargestTemplate = 1 << 24;
    private const int LongestName = 64;

    /// <summary>Writes the templates that the folder has.</summary>
    public static void Write(GgufPairs metadata, Checkpoint checkpoint)
    {
        if ((checkpoint.Read("tokenizer_config.json")?["chat_template"] ?? checkpoint.Read("chat_template.json")?["chat_template"]) is not { } template)
        {
            if (checkpoint.Find("chat_template.jinja") is { } path)
                metadata["tokenizer.chat_template"] = ReadText(path);
            return;
        }

        if (template.IsText)
        {
            metadata["tokenizer.chat_template"] = template.Text;
            return;
        }

        var names = new List<string>();
        foreach (var entry in template.Items)
        {
            var (name, text) = ((entry["name"] ?? throw entry.Fault("an object with name")).Text, (entry["template"] ?? throw entry.Fault("an object with template")).Text);
            if (name == "default")
            {
                metadata["tokenizer.chat_template"] = text;
                continue;
            }

            if (name.Length > LongestName)
                throw entry.Fault($"a template with a name of at most {LongestName} characters");
            var key = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_')]);
            metadata[$"tokenizer.chat_template.{key}"] = text;
            names.Add(key);
        }

        if (names.Count > 0)
            metadata["tokenizer.chat_templates"] = names.Distinct(StringComparer.Ordinal).ToArray();
    }

    private static string ReadText(string path)
        => new FileInfo(path).Length <= LargestTemplate ? File.ReadAllText(path) : throw new ModelFormatException($"the file is larger than {LargestTemplate} bytes", path);
}
