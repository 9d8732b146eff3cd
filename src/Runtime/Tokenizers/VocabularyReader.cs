using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers.Splitting;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Reads a <see cref="Vocabulary"/> from <c>tokenizer.ggml.*</c>, with the defaults of llama.cpp (August 2026).</summary>
internal static class VocabularyReader
{
    private const string Prefix = "tokenizer.ggml.";

    /// <summary>The lists of what a decoder writes, where they differ from what its encoder reads.</summary>
    public const string DecoderSide = "decoder_";

    /// <summary>Reads the vocabulary.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="model">The algorithm's name.</param>
    /// <param name="preTokenizer">How text is split first; null for models without it.</param>
    /// <param name="preTokenizerName">Its name in the file.</param>
    /// <param name="side">What the lists' names begin with: nothing, or <see cref="DecoderSide"/>.</param>
    /// <param name="controlSpellings">Tokens that are control tokens whatever the file says; null: none.</param>
    /// <exception cref="ModelFormatException">A key is missing, mistyped, or does not fit the others.</exception>
    public static Vocabulary Read(
        GgufMetadata metadata, string model, PreTokenizer? preTokenizer, string? preTokenizerName, string side = "", IEnumerable<string>? controlSpellings = null)
    {
        var vocabulary = ReadTokens(metadata, model, side);
        foreach (var spelling in controlSpellings ?? [])
        {
            if (vocabulary.Tokens.Find(GgufText.GetBytes(spelling)) is >= 0 and var id && !vocabulary.Has(id, TokenAttributes.Special))
            {
                vocabulary.Attributes[id] = TokenAttributes.Control;
            }
        }

        SetDefaults(vocabulary, preTokenizer);
        SpecialTokenRoles.Read(metadata, vocabulary);
        ReadFlags(metadata, vocabulary, preTokenizer);
        vocabulary.Suppressed = ReadSuppressed(metadata, vocabulary);
        if (model == "gpt2" && string.IsNullOrEmpty(preTokenizerName))
        {
            vocabulary.Warnings.Add($"'{Prefix}pre' is missing: texts are split by the reference's default rules, which are few models' own");
        }

        SpecialTokenNames.Apply(vocabulary);
        SpecialTokenNames.ApplyStripping(
            vocabulary,
            metadata.Get("general.name", ""),
            preTokenizerName ?? "",
            metadata.Get("general.architecture", ""));
        Check(vocabulary);
        return vocabulary;
    }

    private static Vocabulary ReadTokens(GgufMetadata metadata, string model, string side)
    {
        var texts = metadata.GetStrings(Prefix + side + "tokens");
        if (texts.ByteCount > int.MaxValue / 4)
        {
            throw new ModelFormatException($"'{Prefix}{side}tokens' holds more than {int.MaxValue / 4} bytes", metadata.Source);
        }

        var tokens = new ByteStringTable(texts.Count);
        for (var id = 0; id < texts.Count; id++)
        {
            var text = texts[id].IsEmpty ? Encoding.ASCII.GetBytes($"[EMPTY_{id}]") : texts[id];
            if (tokens.Intern(text) is var other && other != id)
            {
                throw new ModelFormatException($"'{Prefix}{side}tokens' holds '{GgufText.FromBytes(text)}' twice, as {other} and as {id}", metadata.Source);
            }
        }

        return new Vocabulary
        {
            Tokens = tokens,
            Scores = ReadScores(metadata, texts.Count, side),
            Attributes = ReadAttributes(metadata, texts.Count, side),
            Model = model,
            Source = metadata.Source,
        };
    }

    private static float[] ReadScores(GgufMetadata metadata, int count, string side)
    {
        if (!metadata.TryGet<float[]>(Prefix + side + "scores", out var scores))
        {
            return new float[count];
        }

        CheckLength(side + "scores", scores.Length, count, metadata.Source);
        var nan = Array.FindIndex(scores, float.IsNaN);
        return nan < 0 ? scores : throw new ModelFormatException($"'{Prefix}{side}scores' holds no number at {nan}", metadata.Source);
    }

    private static TokenAttributes[] ReadAttributes(GgufMetadata metadata, int count, string side)
    {
        var attributes = new TokenAttributes[count];
        Array.Fill(attributes, TokenAttributes.Normal);
        if (metadata.TryGet<int[]>(Prefix + side + "token_type", out var kinds))
        {
            CheckLength(side + "token_type", kinds.Length, count, metadata.Source);
            for (var id = 0; id < count; id++)
            {
                attributes[id] = (TokenKind)kinds[id] switch
                {
                    TokenKind.Normal => TokenAttributes.Normal,
                    TokenKind.Unknown => TokenAttributes.Unknown,
                    TokenKind.Control => TokenAttributes.Control,
                    TokenKind.UserDefined => TokenAttributes.UserDefined,
                    TokenKind.Unused => TokenAttributes.Unused,
                    TokenKind.Byte => TokenAttributes.Byte,
                    _ => TokenAttributes.None,
                };
            }
        }

        return attributes;
    }

    private static void CheckLength(string key, int found, int expected, string? source)
    {
        if (found != expected)
        {
            throw new ModelFormatException($"'{Prefix}{key}' has {found} entries for {expected} tokens", source);
        }
    }

    private static int[] ReadSuppressed(GgufMetadata metadata, Vocabulary vocabulary)
    {
        const string Key = Prefix + "suppress_tokens";
        var ids = metadata.Get<int[]>(Key, []);
        int[] known = [.. ids.Where(id => id >= 0 && id < vocabulary.Count)];
        if (known.Length < ids.Length)
        {
            vocabulary.Warnings.Add($"'{Key}' names {ids.Length - known.Length} ids beyond the vocabulary of {vocabulary.Count} tokens; they are left out");
        }

        return known;
    }

    private static void SetDefaults(Vocabulary vocabulary, PreTokenizer? preTokenizer)
    {
        var special = vocabulary.Special;
        vocabulary.EscapesSpaces = preTokenizer?.EscapesSpaces ?? true;
        switch (vocabulary.Model)
        {
            case "llama":
                (special.BeginOfText, special.EndOfText, special.Unknown) = (1, 2, 0);
                vocabulary.AddsSpacePrefix = true;
                vocabulary.AddsBeginOfText = true;
                break;
            case "bert":
                (special.BeginOfText, special.Unknown, special.Separator) = (101, 100, 102);
                (special.Padding, special.Mask) = (0, 103);
                vocabulary.AddsBeginOfText = true;
                vocabulary.Lowercases = true;
                break;
            case "t5":
                (special.EndOfText, special.Unknown, special.Padding) = (1, 2, 0);
                vocabulary.AddsEndOfText = true;
                break;
            case "gpt2" or "whitespace" or "hybriddna":
                special.BeginOfText = preTokenizer is { LacksBeginOfText: true } ? null : 11;
                special.EndOfText = 11;
                vocabulary.AddsBeginOfText = preTokenizer is { AddsBeginOfText: true };
                vocabulary.Lowercases = vocabulary.Model == "whitespace" && preTokenizer is not { KeepsCase: true };
                break;
            default:
                break;
        }
    }

    private static void ReadFlags(GgufMetadata metadata, Vocabulary vocabulary, PreTokenizer? preTokenizer)
    {
        vocabulary.AddsSpacePrefix = metadata.Get(Prefix + "add_space_prefix", vocabulary.AddsSpacePrefix);
        vocabulary.RemovesExtraSpaces = metadata.Get(Prefix + "remove_extra_whitespaces", vocabulary.RemovesExtraSpaces);
        vocabulary.AddsBeginOfText = metadata.Get(Prefix + "add_bos_token", vocabulary.AddsBeginOfText)
            || preTokenizer is { ForcesBeginOfText: true };
        vocabulary.AddsEndOfText = metadata.Get(Prefix + "add_eos_token", vocabulary.AddsEndOfText);
        vocabulary.Lowercases = metadata.Get(Prefix + "normalizer.lowercase", vocabulary.Lowercases);
        vocabulary.StripsAccents = metadata.Get(Prefix + "normalizer.strip_accents", vocabulary.Lowercases);
    }

    private static void Check(Vocabulary vocabulary)
    {
        var special = vocabulary.Special;
        if (vocabulary.Model == "bert" && special.BeginOfText is null)
        {
            throw new ModelFormatException($"a WordPiece vocabulary needs '{Prefix}bos_token_id' within it", vocabulary.Source);
        }

        if (vocabulary.AddsBeginOfText && special.BeginOfText is null)
        {
            vocabulary.AddsBeginOfText = false;
            vocabulary.Warnings.Add($"texts should begin with a begin-of-text token, but '{Prefix}bos_token_id' names none; none is added");
        }

        // WordPiece ends with its separator.
        if (vocabulary.Model != "bert" && vocabulary.AddsEndOfText && special.EndOfText is null)
        {
            vocabulary.AddsEndOfText = false;
            vocabulary.Warnings.Add($"texts should end with an end-of-text token, but '{Prefix}eos_token_id' names none; none is added");
        }

        if (vocabulary.Model == "bert" && (special.Separator is null || special.Unknown is null))
        {
            throw new ModelFormatException("a WordPiece vocabulary needs 'tokenizer.ggml.seperator_token_id' and 'tokenizer.ggml.unknown_token_id' within it", vocabulary.Source);
        }

        if (vocabulary.Model == "characters" && special.Unknown is null)
        {
            throw new ModelFormatException("a vocabulary of characters needs 'tokenizer.ggml.unknown_token_id' within it", vocabulary.Source);
        }

        if (vocabulary.Model == "t5" && special.Unknown is null)
        {
            throw new ModelFormatException("a unigram vocabulary needs 'tokenizer.ggml.unknown_token_id' within it", vocabulary.Source);
        }
    }
}
