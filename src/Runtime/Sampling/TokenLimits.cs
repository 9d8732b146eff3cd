using System.Runtime.Intrinsics;

namespace Hearth.Runtime.Sampling;

/// <summary>Tokens that must not be chosen at one place; it has the last word over bias and penalties.</summary>
internal readonly ref struct TokenLimits
{
    /// <summary>What may come.</summary>
    /// <param name="forbidden">Token ids that may not; within the vocabulary.</param>
    /// <param name="mask">Bit id % 64 of word id / 64 for each token that may come; empty: all may.</param>
    public TokenLimits(ReadOnlySpan<int> forbidden, ReadOnlySpan<ulong> mask)
    {
        Forbidden = forbidden;
        Mask = mask;
    }

    public ReadOnlySpan<int> Forbidden { get; }

    public ReadOnlySpan<ulong> Mask { get; }

    /// <summary>Sets the logits of forbidden tokens to negative infinity.</summary>
    public void Apply(Span<float> logits)
    {
        foreach (var token in Forbidden)
        {
            logits[token] = float.NegativeInfinity;
        }

        if (!Mask.IsEmpty)
        {
            Apply(Mask, logits);
        }
    }

    /// <summary>Sets the logits whose bits are clear to negative infinity.</summary>
    /// <param name="mask">A bit each; at least as many as logits.</param>
    /// <param name="logits">[vocabulary].</param>
    public static void Apply(ReadOnlySpan<ulong> mask, Span<float> logits)
    {
        for (var begin = 0; begin < logits.Length; begin += 64)
        {
            var word = mask[begin / 64];
            var part = logits.Slice(begin, Math.Min(64, logits.Length - begin));
            if (word == 0)
            {
                part.Fill(float.NegativeInfinity);
            }
            else if (word != ulong.MaxValue)
            {
                ApplyWord(word, part);
            }
        }
    }

    private static void ApplyWord(ulong word, Span<float> logits)
    {
        var lanes = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
        var i = 0;
        for (; i + 8 <= logits.Length; i += 8, word >>= 8)
        {
            ref var first = ref logits[i];
            var clear = Vector256.Equals(Vector256.Create((int)(byte)word) & lanes, Vector256<int>.Zero).AsSingle();
            Vector256.ConditionalSelect(clear, Vector256.Create(float.NegativeInfinity), Vector256.LoadUnsafe(ref first)).StoreUnsafe(ref first);
        }

        for (; i < logits.Length; i++, word >>= 1)
        {
            if ((word & 1) == 0)
            {
                logits[i] = float.NegativeInfinity;
            }
        }
    }
}
