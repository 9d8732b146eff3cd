using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Reads which token has which role from <c>tokenizer.ggml.*_token_id</c>.</summary>
/// <remarks>
/// A list of ids for a role that ends texts names several ends, of which the first has the role. Where a key is absent, the
/// reference takes a number that is right for the algorithm's first model; here it counts only where the token of that
/// number can have a role, so that no model's 11th word begins its texts.
/// </remarks>
internal static class SpecialTokenRoles
{
    private const string Prefix = "tokenizer.ggml.";

    // How writers of 32-bit numbers spell "none".
    private const long None = -1, UnsignedNone = uint.MaxValue;

    /// <summary>Replaces the defaults in <see cref="Vocabulary.Special"/> by what the file says, and collects further ends of texts.</summary>
    /// <exception cref="ModelFormatException">A key is mistyped, or names several tokens for a role that one has.</exception>
    public static void Read(GgufMetadata metadata, Vocabulary vocabulary)
    {
        var special = vocabulary.Special;
        special.BeginOfText = ReadId("bos_token_id", special.BeginOfText);
        special.EndOfText = ReadId("eos_token_id", special.EndOfText, mayBeSeveral: true);
        special.EndOfTurn = ReadId("eot_token_id", special.EndOfTurn, mayBeSeveral: true);
        special.EndOfMessage = ReadId("eom_token_id", special.EndOfMessage, mayBeSeveral: true);
        special.Unknown = ReadId("unknown_token_id", special.Unknown);
        special.Separator = ReadId("seperator_token_id", special.Separator);
        special.Padding = ReadId("padding_token_id", special.Padding);
        special.Mask = ReadId("mask_token_id", special.Mask);
        special.FillPrefix = ReadId("prefix_token_id", ReadId("fim_pre_token_id", special.FillPrefix));
        special.FillSuffix = ReadId("suffix_token_id", ReadId("fim_suf_token_id", special.FillSuffix));
        special.FillMiddle = ReadId("middle_token_id", ReadId("fim_mid_token_id", special.FillMiddle));
        special.FillPadding = ReadId("fim_pad_token_id", special.FillPadding);
        special.FillRepository = ReadId("fim_rep_token_id", special.FillRepository);
        special.FillFileSeparator = ReadId("fim_sep_token_id", special.FillFileSeparator);

        int? ReadId(string key, int? otherwise, bool mayBeSeveral = false)
        {
            var named = Named(metadata, Prefix + key);
            if (named.Length > 1 && !mayBeSeveral)
            {
                throw new ModelFormatException($"metadata key '{Prefix}{key}' names {named.Length} tokens, expected one", metadata.Source);
            }

            var known = new List<int>();
            foreach (var id in named)
            {
                if (id >= 0 && id < vocabulary.Count)
                {
                    known.Add((int)id);
                }
                else if (id is not (None or UnsignedNone))
                {
                    vocabulary.Warnings.Add($"'{Prefix}{key}' is {id}, but the vocabulary has {vocabulary.Count} tokens; it counts as absent");
                }
            }

            if (known.Count > 0)
            {
                vocabulary.EndOfGeneration.UnionWith(known.Skip(1));
                return known[0];
            }

            return otherwise is { } usual && usual < vocabulary.Count && CanHaveRole(vocabulary, usual) ? usual : null;
        }
    }

    private static long[] Named(GgufMetadata metadata, string key) => metadata.Find(key) switch
    {
        null => [],
        Array => [.. metadata.Get<int[]>(key)],
        _ => [metadata.Get<long>(key)],
    };

    // Words of a text have none: of the tokens that the file calls normal only those that look like a marker.
    private static bool CanHaveRole(Vocabulary vocabulary, int id)
        => !vocabulary.Has(id, TokenAttributes.Normal) || vocabulary.Tokens[id] is [(byte)'<', .., (byte)'>'] or [(byte)'[', .., (byte)']'];
}
