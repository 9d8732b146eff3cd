using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Synthesis;

/// <summary>A small byte-level BPE vocabulary in GPT-2's form, so that any text can be tokenized by a synthetic model.</summary>
/// <remarks>
/// Ids 0 to 255 are the bytes; then end of text and ChatML's two markers; then, where there is room, a space joined to each
/// lower-case letter (by a merge); the rest is padding that no text reaches.
/// </remarks>
internal static class SyntheticVocabulary
{
    private static readonly string[] Special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

    private const string Template =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    // Values of tokenizer.ggml.token_type.
    private const int Normal = 1;
    private const int Control = 3;
    private const int Unused = 5;

    /// <summary>The least number of tokens: all bytes and the special ones.</summary>
    public static int MinSize => 256 + Special.Length;

    /// <summary>Adds the tokenizer's keys.</summary>
    /// <param name="writer">Takes the metadata.</param>
    /// <param name="size">How many tokens, at least <see cref="MinSize"/>.</param>
    public static void Write(GgufWriter writer, int size)
    {
        var tokens = new List<string>(size);
        var merges = new List<string>();
        for (var value = 0; value < 256; value++)
            tokens.Add(Symbol(value).ToString());
        tokens.AddRange(Special);
        for (var letter = 'a'; letter <= 'z' && tokens.Count < size; letter++)
        {
            tokens.Add($"{Symbol(' ')}{letter}");
            merges.Add($"{Symbol(' ')} {letter}");
        }

        var used = tokens.Count;
        while (tokens.Count < size)
            tokens.Add($"<unused{tokens.Count - used}>");

        writer.Add("tokenizer.ggml.model", "gpt2");
        writer.Add("tokenizer.ggml.pre", "gpt-2");
        writer.Add("tokenizer.ggml.tokens", tokens.ToArray());
        writer.Add("tokenizer.ggml.token_type", Enumerable.Range(0, size).Select(id => TypeOf(id, used)).ToArray());
        writer.Add("tokenizer.ggml.merges", merges.ToArray());
        writer.Add("tokenizer.ggml.bos_token_id", 256u);
        writer.Add("tokenizer.ggml.eos_token_id", 256u);
        writer.Add("tokenizer.ggml.eot_token_id", 258u);
        writer.Add("tokenizer.ggml.add_bos_token", false);
        writer.Add("tokenizer.chat_template", Template);
    }

    private static int TypeOf(int id, int used) => id >= used ? Unused : id >= 256 && id < MinSize ? Control : Normal;

    /// <summary>GPT-2's printable stand-in for a byte: itself, or the next free character from U+0100 on.</summary>
    private static char Symbol(int value)
    {
        static bool Printable(int b) => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xFF and not 0xAD);
        return (char)(Printable(value) ? value : 256 + Enumerable.Range(0, value).Count(b => !Printable(b)));
    }
}
