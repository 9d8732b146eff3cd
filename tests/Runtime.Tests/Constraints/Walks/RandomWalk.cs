using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Chooses tokens at random among those a constraint allows.</summary>
internal static class RandomWalk
{
    /// <summary>The tokens of a mask.</summary>
    public static List<int> TokensOf(ReadOnlySpan<ulong> mask)
    {
        var tokens = new List<int>();
        for (var word = 0; word < mask.Length; word++)
        {
            for (var bits = mask[word]; bits != 0; bits &= bits - 1)
            {
                tokens.Add((word * 64) + System.Numerics.BitOperations.TrailingZeroCount(bits));
            }
        }

        return tokens;
    }

    /// <summary>One of the allowed tokens that are text, often one that ends something; -1: there is none.</summary>
    public static int Choose(List<int> allowed, ConstraintVocabulary vocabulary, Random random)
    {
        var texts = allowed.Where(token => !vocabulary.Ends.Contains(token)).ToList();
        if (texts.Count == 0)
        {
            return -1;
        }

        if (random.Next(5) < 2)
        {
            var ending = texts.Where(token => vocabulary.Bytes(token).IndexOfAny("\"]},"u8) >= 0).ToList();
            texts = ending.Count > 0 ? ending : texts;
        }

        return texts[random.Next(texts.Count)];
    }

    /// <summary>A random text of a constraint; null where it has not ended after so many tokens.</summary>
    public static byte[]? Generate(CompiledConstraint constraint, Random random, int most, List<int>? tokens = null)
    {
        var walk = constraint.Start();
        var mask = new ulong[constraint.Vocabulary.MaskLength];
        var text = new List<byte>();
        for (var i = 0; i < most; i++)
        {
            if (walk.CanEnd && (walk.MustEnd || random.Next(4) == 0))
            {
                return [.. text];
            }

            walk.FillMask(mask);
            var token = Choose(TokensOf(mask), constraint.Vocabulary, random);
            Assert.True(token >= 0, "nothing may follow, and the text may not end");
            Assert.True(walk.TryAccept(token), $"the mask allows token {token} '{System.Text.Encoding.UTF8.GetString(constraint.Vocabulary.Bytes(token))}' behind '{System.Text.Encoding.UTF8.GetString([.. text])}', but it is not taken");
            text.AddRange(constraint.Vocabulary.Bytes(token));
            tokens?.Add(token);
        }

        return walk.CanEnd ? [.. text] : null;
    }

    /// <summary>Whether a text, as the tokenizer spells it, may come token by token and end.</summary>
    public static bool Accepts(CompiledConstraint constraint, string text)
    {
        var walk = constraint.Start();
        var mask = new ulong[constraint.Vocabulary.MaskLength];
        foreach (var token in constraint.Vocabulary.Encode(System.Text.Encoding.UTF8.GetBytes(text)))
        {
            walk.FillMask(mask);
            var isAllowed = (mask[token / 64] >> (token % 64) & 1) != 0;
            Assert.Equal(isAllowed, walk.TryAccept(token));
            if (!isAllowed)
            {
                return false;
            }
        }

        return walk.CanEnd;
    }
}
