using System.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>What the spelling of a token says about its role where the file does not; the lists are llama.cpp's.</summary>
internal static class SpecialTokenNames
{
    private static readonly string[] s_endOfTurn =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "<end_of_utterance>",
    ];

    private static readonly string[] s_endOfMessage = ["<|eom_id|>"];

    private static readonly string[] s_fillPrefix =
    [
        "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\uFF5Cfim\u2581begin\uFF5C>", "<PRE>", "\u2581<PRE>", "<|code_prefix|>", "<|prefix|>",
    ];

    private static readonly string[] s_fillSuffix =
    [
        "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\uFF5Cfim\u2581hole\uFF5C>", "<SUF>", "\u2581<SUF>", "<|code_suffix|>", "<|suffix|>",
    ];

    private static readonly string[] s_fillMiddle =
    [
        "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\uFF5Cfim\u2581end\uFF5C>", "<MID>", "\u2581<MID>", "<|code_middle|>", "<|middle|>",
    ];

    private static readonly string[] s_fillPadding = ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];

    private static readonly string[] s_fillRepository = ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"];

    private static readonly string[] s_fillFileSeparator = ["<|file_sep|>"];

    private static readonly string[] s_endOfGeneration =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>",
        "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "[e~[",
    ];

    private static readonly string[] s_alwaysShown = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

    /// <summary>Whether a token of this spelling ends generation whatever the file says.</summary>
    public static bool IsEnd(string spelling) => s_endOfGeneration.Contains(spelling);

    /// <summary>Completes special ids, corrects attributes and collects the tokens that end generation.</summary>
    public static void Apply(Vocabulary vocabulary)
    {
        var special = vocabulary.Special;
        special.EndOfTurn ??= FindControl(vocabulary, s_endOfTurn);
        special.EndOfMessage ??= FindControl(vocabulary, s_endOfMessage);
        special.FillPrefix ??= FindControl(vocabulary, s_fillPrefix);
        special.FillSuffix ??= FindControl(vocabulary, s_fillSuffix);
        special.FillMiddle ??= FindControl(vocabulary, s_fillMiddle);
        special.FillPadding ??= FindControl(vocabulary, s_fillPadding);
        special.FillRepository ??= FindControl(vocabulary, s_fillRepository);
        special.FillFileSeparator ??= FindControl(vocabulary, s_fillFileSeparator);
        MarkUnused(vocabulary);

        var ends = vocabulary.EndOfGeneration;
        foreach (var name in s_endOfGeneration)
        {
            if (FindControl(vocabulary, [name]) is { } id)
            {
                ends.Add(id);
            }
        }

        foreach (var name in s_alwaysShown)
        {
            if (Find(vocabulary, name) is { } id)
            {
                vocabulary.Attributes[id] = TokenAttributes.UserDefined;
            }
        }

        foreach (var id in new[] { special.FillPadding, special.FillRepository, special.FillFileSeparator, special.EndOfText, special.EndOfTurn, special.EndOfMessage })
        {
            if (id is { } end)
            {
                ends.Add(end);
            }
        }

        KeepMidMessageTokens(vocabulary);
    }

    /// <summary>Marks the tokens that take the white space beside them; no file says so, only names do.</summary>
    public static void ApplyStripping(Vocabulary vocabulary, string modelName, string preTokenizer, string architecture)
    {
        if (ContainsAny(preTokenizer, "jina-v2-de", "jina-v2-es", "jina-v2-code") || ContainsAny(architecture, "nomic-bert-moe", "jina-bert-v3"))
        {
            Set("<mask>", TokenAttributes.StripLeft);
        }
        else if (ContainsAny(modelName.ToLowerInvariant(), "phi-3", "phi3"))
        {
            for (var id = 0; id < vocabulary.Count; id++)
            {
                if (vocabulary.Has(id, TokenAttributes.Special))
                {
                    vocabulary.Attributes[id] |= TokenAttributes.StripRight;
                }
            }

            Set("</s>", TokenAttributes.StripRight);
            foreach (var name in (string[])["<unk>", "<s>", "<|endoftext|>"])
            {
                if (Find(vocabulary, name) is { } id)
                {
                    vocabulary.Attributes[id] &= ~TokenAttributes.StripRight;
                }
            }
        }
        else if (ContainsAny(modelName.ToLowerInvariant(), "modern-bert"))
        {
            Set("[MASK]", TokenAttributes.StripLeft);
        }

        void Set(string name, TokenAttributes attribute)
        {
            if (Find(vocabulary, name) is { } id)
            {
                vocabulary.Attributes[id] |= attribute;
            }
        }
    }

    private static bool ContainsAny(string text, params ReadOnlySpan<string> parts)
    {
        foreach (var part in parts)
        {
            if (text.Contains(part, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private static void MarkUnused(Vocabulary vocabulary)
    {
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (vocabulary.Has(id, TokenAttributes.Control) && vocabulary.Tokens[id].IndexOf("unused"u8) >= 0)
            {
                vocabulary.Attributes[id] |= TokenAttributes.Unused;
            }
        }
    }

    // In the harmony format <|end|> closes a message, not the answer; Gemma 4's </s> is ordinary text.
    private static void KeepMidMessageTokens(Vocabulary vocabulary)
    {
        var hasCall = Ends("<|call|>") || Ends("<|calls|>");
        if (hasCall && (Ends("<|return|>") || Ends("<|flush|>")))
        {
            Keep("<|end|>", TokenAttributes.UserDefined);
        }

        if (Ends("<|tool_response>"))
        {
            Keep("</s>", TokenAttributes.Normal);
        }

        bool Ends(string name) => Find(vocabulary, name) is { } id && vocabulary.EndOfGeneration.Contains(id);

        void Keep(string name, TokenAttributes attributes)
        {
            if (Find(vocabulary, name) is { } id && vocabulary.EndOfGeneration.Remove(id))
            {
                vocabulary.Attributes[id] = attributes;
            }
        }
    }

    private static int? FindControl(Vocabulary vocabulary, string[] names)
    {
        foreach (var name in names)
        {
            if (Find(vocabulary, name) is { } id)
            {
                vocabulary.Attributes[id] |= TokenAttributes.Control;
                return id;
            }
        }

        return null;
    }

    private static int? Find(Vocabulary vocabulary, string name)
        => vocabulary.Tokens.Find(Encoding.UTF8.GetBytes(name)) is >= 0 and var id ? id : null;
}
