using System.Text;

namespace Hearth.Runtime.Conversion.Vocabularies;

/// <summary>Finds the name in <c>tokenizer.ggml.pre</c> of a tokenizer.json's pre-tokenizer by its structure: its expressions, stage by stage.</summary>
/// <remarks>
/// Authors write one expression in several ways: a contraction without regard to case, a line feed as itself or escaped,
/// possessive quantifiers. These are made alike before comparing. What is in no list is refused: with other words the ids
/// would differ from the original's, silently.
/// </remarks>
internal static class PreTokenizerNames
{
    private const string Contraction = "<contraction>";
    private const string Gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    private const string Spaces = "\\s+(?!\\S)|\\s+";
    private const string Letters = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
    private const string Llama3 = $"{Contraction}|{Letters}|\\p{{N}}{{1,3}}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|{Spaces}";
    private const string Qwen2 = $"{Contraction}|{Letters}|\\p{{N}}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|{Spaces}";
    private const string Upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private const string Lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private const string Lead = "[^\\r\\n\\p{L}\\p{N}]?";
    private const string Tail = $" ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n/]*|\\s*[\\r\\n]+|{Spaces}";
    private const string Gpt4O = $"{Lead}{Upper}*{Lower}+{Contraction}?|{Lead}{Upper}+{Lower}*{Contraction}?|\\p{{N}}{{1,3}}|{Tail}";
    private const string Youtu = $"{Lead}{Upper}*{Lower}+{Contraction}?|{Lead}{Upper}+{Lower}*{Contraction}?|\\p{{N}}|{Tail}";
    private const string Tekken = $"{Lead}{Upper}*{Lower}+|{Lead}{Upper}+{Lower}*|\\p{{N}}|{Tail}";
    private const string Punctuated = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|" + Spaces;
    private const string Kana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
    private const string Sentences = " ?[^(\\s|[.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C])]+";
    private const string OwnSentences = " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";
    private const string Digit = "\\p{N}";
    private const string Digits = "\\p{N}+";
    private const string ThreeDigits = "[0-9][0-9][0-9]";
    private const string Punctuation = "<punctuation>";

    private static readonly (string Name, string[] Stages)[] _known =
    [
        ("gpt-2", [Gpt2]),
        ("smollm", [Digit, Gpt2]),
        ("qwen2", [Qwen2]),
        ("gpt-4o", [Gpt4O]),
        ("tekken", [Tekken]),
        ("deepseek-v3", ["\\p{N}{1,3}", Kana, Punctuated]),
        ("deepseek-coder", ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", Digit]),
        ("falcon", [Punctuation, Gpt2, Digits, ThreeDigits]),
        ("falcon", [Punctuation, Gpt2, ThreeDigits]),
        ("bloom", [Sentences]),
        ("bloom", [OwnSentences]),
        ("viking", [Sentences, Digit]),
        ("viking", [OwnSentences, Digit]),
        ("superbpe", [Digits, "(?=(\\d{3})+(?!\\d))"]),
        ("bailingmoe", [$"{Contraction}|{Letters}|\\p{{N}}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]|{Spaces}"]),
        ("seed-coder", [$"{Contraction}|{Letters}|\\p{{N}}| ?[^\\s\\p{{L}}\\p{{N}}\\r\\n]+|\\s*[\\r\\n]+|{Spaces}"]),
        ("qwen35", [$"{Contraction}|[^\\r\\n\\p{{L}}\\p{{N}}]?[\\p{{L}}\\p{{M}}]+|\\p{{N}}| ?[^\\s\\p{{L}}\\p{{M}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|{Spaces}"]),
        ("exaone-moe", [$"{Contraction}|{Lead}(?:\\p{{L}}\\p{{M}}*(?: \\p{{L}}\\p{{M}}*)*)+|\\p{{N}}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n/]?|\\s*[\\r\\n]|{Spaces}"]),
        ("minicpm5", ["\\p{N}{1,3}", $"{Contraction}|{Letters}|\\p{{N}}+| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|{Spaces}"]),
        ("jais-2", [$"{Contraction}|{Letters}|\\p{{N}}{{1,3}}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s{{512}}(?!\\S)|\\s{{256}}(?!\\S)|\\s{{128}}(?!\\S)|\\s{{64}}(?!\\S)|\\s{{32}}(?!\\S)|\\s{{16}}(?!\\S)|\\s{{8}}(?!\\S)|\\s{{4}}(?!\\S)|\\s{{1,2}}(?!\\S)|\\s"]),
        ("tiny_aya", ["\\d{1,3}(?=(?:\\d{3})*\\b)", Gpt4O]),
        ("youtu", ["[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|" + Kana, Youtu]),
        ("laguna", ["[^\\n]+|[\\n]+", Qwen2]),
    ];

    // What authors write for one and the same; longer spellings first.
    private static readonly (string Written, string Meant)[] _spellings =
    [
        ("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", Contraction),
        ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", Contraction),
        ("'(?i:[sdmt]|ll|ve|re)", Contraction),
        ("'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])", Contraction),
        ("\r", "\\r"),
        ("\n", "\\n"),
        ("]?+", "]?"),
        ("]++", "]+"),
        ("}++", "}+"),
        ("\\p{N}{1}", "\\p{N}"),
        ("\\s{1}", "\\s"),
    ];

    /// <summary>The name of a pre-tokenizer.</summary>
    /// <exception cref="UnsupportedModelException">No name stands for it.</exception>
    public static string Recognize(TokenizerJson json)
    {
        var stages = json.Parts("pre_tokenizer").Select(StageOf).Where(stage => stage.Length > 0).ToArray();
        var ignoresMerges = json.Model["ignore_merges"]?.Flag == true;
        if (stages is [Llama3])
            return ignoresMerges ? "llama-bpe" : "dbrx";
        // The first stage of DeepSeek's first models that tells letters from others is a list of scripts.
        if (stages is ["[\\r\\n]", var letters, ..] && letters.StartsWith("\\s?[A-Za-z\u00B5\u00C0-\u00D6", StringComparison.Ordinal))
            return "deepseek-llm";
        return Array.Find(_known, entry => entry.Stages.AsSpan().SequenceEqual(stages)).Name
            ?? throw new UnsupportedModelException($"the pre-tokenizer of {json.Root.File}: [{string.Join("] [", stages)}]", _known.Select(entry => entry.Name).Concat(["llama-bpe", "dbrx", "deepseek-llm"]).Distinct());
    }

    private static string StageOf(Json part)
    {
        switch (TokenizerJson.TypeOf(part))
        {
            case "ByteLevel":
                return part["use_regex"]?.Flag == false ? "" : Gpt2;
            case "Digits":
                return part["individual_digits"]?.Flag == true ? Digit : Digits;
            case "Punctuation":
                return Punctuation;
            case "Split":
                // Kept apart, or all but the matches thrown away: both leave the matches as words.
                var behavior = part["behavior"]?.Text;
                var keepsMatches = (behavior == "Isolated" && part["invert"]?.Flag != true) || (behavior == "Removed" && part["invert"]?.Flag == true);
                return keepsMatches && part["pattern"]?["Regex"] is { } pattern ? Canonical(pattern.Text) : $"Split {behavior}: {part["pattern"]?["Regex"]?.Text ?? part["pattern"]?["String"]?.Text}";
            default:
                return $"<{TokenizerJson.TypeOf(part)}>";
        }
    }

    private static string Canonical(string expression)
    {
        var text = new StringBuilder(expression);
        foreach (var (written, meant) in _spellings)
            text.Replace(written, meant);
        return text.ToString();
    }
}
