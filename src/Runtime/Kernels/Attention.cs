using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Kernels;

/// <summary>Which keys a query sees.</summary>
public enum AttentionMask
{
    /// <summary>Those at its own position and before.</summary>
    Causal = 0,

    /// <summary>All.</summary>
    Bidirectional = 1,

    /// <summary>Those at its own position and before, and all of the first <see cref="AttentionOptions.PrefixLength"/>.</summary>
    Prefix = 2,

    /// <summary>Those at its own position and before, back to the start of its chunk of <see cref="AttentionOptions.Window"/> positions.</summary>
    Chunked = 3,
}

/// <summary>The terms of an attention call.</summary>
public sealed record AttentionOptions
{
    /// <summary>Query heads, at least 1.</summary>
    public int Heads { get; init; } = 1;

    /// <summary>Key and value heads; divides <see cref="Heads"/>. Null: as many as query heads.</summary>
    public int? KvHeads { get; init; }

    /// <summary>Values of one query or key head.</summary>
    public required int KeyWidth { get; init; }

    /// <summary>Values of one value head. Null: as <see cref="KeyWidth"/>.</summary>
    public int? ValueWidth { get; init; }

    /// <summary>Which keys a query sees.</summary>
    public AttentionMask Mask { get; init; }

    /// <summary>A key further back than this many positions, its own counted, is hidden; 0: no window.</summary>
    public int Window { get; init; }

    /// <summary>For <see cref="AttentionMask.Prefix"/>: positions that every query sees.</summary>
    public int PrefixLength { get; init; }

    /// <summary>Factor of the scores. Null: 1 / sqrt(KeyWidth).</summary>
    public float? Scale { get; init; }

    /// <summary>Scores become cap * tanh(score / cap); 0: none.</summary>
    public float Softcap { get; init; }

    /// <summary>The largest bias of ALiBi (arXiv 2108.12409), usually 8; 0: none.</summary>
    public float AlibiBias { get; init; }

    /// <summary>Position of the first query; key j stands at position j. 0 for self-attention over whole texts.</summary>
    public int QueryOffset { get; init; }

    /// <summary>Engine threads; 0: all.</summary>
    public int Threads { get; init; }
}

/// <summary>The engine's attention kernel on memory of the caller.</summary>
/// <remarks>
/// Computes softmax(scale * Q K^T + mask) V with an online softmax, never holding the whole score matrix
/// ("Attention Is All You Need", arXiv 1706.03762, section 3.2; arXiv 2112.05682 for the online form). A query that sees
/// no key gives zeros. Thread-safe.
/// </remarks>
public static class Attention
{
    /// <summary>Scaled dot-product attention of a single head.</summary>
    /// <param name="queries">[queryRows, width].</param>
    /// <param name="keys">[keyRows, width].</param>
    /// <param name="values">[keyRows, width].</param>
    /// <param name="output">[queryRows, width], filled.</param>
    /// <param name="width">Values of a row; the lengths of all spans are multiples of it.</param>
    /// <param name="mask">Which keys a query sees.</param>
    /// <exception cref="ArgumentException">The spans do not have these shapes.</exception>
    public static void ScaledDotProduct(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> output, int width,
        AttentionMask mask = AttentionMask.Bidirectional)
        => MultiHead(queries, keys, values, output, new AttentionOptions { KeyWidth = width, Mask = mask });

    /// <summary>Multi-head attention, grouped where there are fewer key than query heads (arXiv 2305.13245).</summary>
    /// <param name="queries">[queryRows, heads, keyWidth].</param>
    /// <param name="keys">[keyRows, kvHeads, keyWidth].</param>
    /// <param name="values">[keyRows, kvHeads, valueWidth].</param>
    /// <param name="output">[queryRows, heads, valueWidth], filled.</param>
    /// <param name="options">Shapes and terms.</param>
    /// <param name="sinks">[heads] scores of a key without value (attention sinks), or empty.</param>
    /// <exception cref="ArgumentException">The spans do not have the shapes that the options name.</exception>
    /// <exception cref="NativeLibraryException">The native library is missing.</exception>
    public static unsafe void MultiHead(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> output, AttentionOptions options,
        ReadOnlySpan<float> sinks = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var kvHeads = options.KvHeads ?? options.Heads;
        var valueWidth = options.ValueWidth ?? options.KeyWidth;
        if (options.Heads < 1 || kvHeads < 1 || options.KeyWidth < 1 || valueWidth < 1)
            throw new ArgumentException($"[attention] heads and widths must be at least 1, got {options.Heads} heads, {kvHeads} kv heads, widths {options.KeyWidth} and {valueWidth}", nameof(options));
        if (!sinks.IsEmpty && sinks.Length != options.Heads)
            throw new ArgumentException($"[attention] sinks must hold {options.Heads} values, one a head, got {sinks.Length}", nameof(sinks));
        var engine = Engine.Get(options.Threads);
        fixed (float* q = queries, k = keys, v = values, o = output, s = sinks)
        {
            var call = new NativeAttentionCall
            {
                Queries = q,
                Keys = k,
                Values = v,
                Sinks = s,
                Output = o,
                QuerySize = (nuint)queries.Length,
                KeySize = (nuint)keys.Length,
                ValueSize = (nuint)values.Length,
                OutputSize = (nuint)output.Length,
                QueryRows = (int)(queries.Length / ((long)options.Heads * options.KeyWidth)),
                KeyRows = (int)(keys.Length / ((long)kvHeads * options.KeyWidth)),
                Past = options.QueryOffset,
                Parameters = new NativeAttentionParameters
                {
                    Heads = options.Heads,
                    KvHeads = kvHeads,
                    KeyWidth = options.KeyWidth,
                    ValueWidth = valueWidth,
                    Mask = (int)options.Mask,
                    Window = options.Window,
                    PrefixLength = options.PrefixLength,
                    Scale = options.Scale ?? 1 / MathF.Sqrt(options.KeyWidth),
                    Softcap = options.Softcap,
                    AlibiBias = options.AlibiBias,
                },
            };
            NativeStatus.Check(NativeMethods.hearth_attention(engine.Handle, &call, (nuint)sizeof(NativeAttentionCall)));
        }
    }
}
