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

    /// <summary>
    /// Keys that a query sees, its own counted; with <see cref="AttentionMask.Bidirectional"/> those at most half of it away on either
    /// side; with <see cref="AttentionMask.Chunked"/>, where it must be above 0, the positions of a chunk. 0: no window.
    /// </summary>
    public int Window { get; init; }

    /// <summary>For <see cref="AttentionMask.Prefix"/>: positions that every query sees.</summary>
    public int PrefixLength { get; init; }

    /// <summary>Factor of the scores. Null: 1 / sqrt(KeyWidth).</summary>
    public float? Scale { get; init; }

    /// <summary>Scores become cap * tanh(score / cap); 0: none.</summary>
    public float Softcap { get; init; }

    /// <summary>The largest bias of ALiBi (arXiv 2108.12409), usually 8; 0: none.</summary>
    public float AlibiBias { get; init; }

    /// <summary>Buckets of T5's relative bias (arXiv 1910.10683), 4 to 65536; their values are the call's <c>biases</c>. 0: none.</summary>
    public int BiasBuckets { get; init; }

    /// <summary>The distance from which on all keys share T5's last bucket, at most 65536; 0 without buckets.</summary>
    public int BiasDistance { get; init; }

    /// <summary>Positions between rises of the scores' scale (Llama 4); 0: it does not rise.</summary>
    public int TemperatureLength { get; init; }

    /// <summary>The scale at position p is Scale * (1 + Temperature * ln(1 + floor((p + TemperatureOffset) / TemperatureLength))).</summary>
    public float Temperature { get; init; }

    /// <summary>Added to the position before it is divided; at least 0.</summary>
    public float TemperatureOffset { get; init; }

    /// <summary>Whether the values are the first <see cref="ValueWidth"/> values of the keys (DeepSeek-V2, arXiv 2405.04434); the call's values are empty then.</summary>
    public bool ValuesInKeys { get; init; }

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
    /// <param name="values">[keyRows, kvHeads, valueWidth]; empty where the values lie in the keys.</param>
    /// <param name="output">[queryRows, heads, valueWidth], filled.</param>
    /// <param name="options">Shapes and terms.</param>
    /// <param name="sinks">[heads] scores of a key without value (attention sinks), or empty.</param>
    /// <param name="biases">[BiasBuckets, heads] added to the scaled scores, or empty without buckets.</param>
    /// <exception cref="ArgumentException">The spans do not have the shapes that the options name.</exception>
    /// <exception cref="NativeLibraryException">The native library is missing.</exception>
    public static unsafe void MultiHead(
        ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> output, AttentionOptions options,
        ReadOnlySpan<float> sinks = default, ReadOnlySpan<float> biases = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var kvHeads = options.KvHeads ?? options.Heads;
        var valueWidth = options.ValueWidth ?? options.KeyWidth;
        if (options.Heads < 1 || kvHeads < 1 || options.KeyWidth < 1 || valueWidth < 1)
            throw new ArgumentException($"[attention] heads and widths must be at least 1, got {options.Heads} heads, {kvHeads} kv heads, widths {options.KeyWidth} and {valueWidth}", nameof(options));
        if (!sinks.IsEmpty && sinks.Length != options.Heads)
            throw new ArgumentException($"[attention] sinks must hold {options.Heads} values, one a head, got {sinks.Length}", nameof(sinks));
        var engine = Engine.Get(options.Threads);
        fixed (float* q = queries, k = keys, v = values, o = output, s = sinks, b = biases)
        {
            var call = new NativeAttentionCall
            {
                Queries = q,
                Keys = k,
                Values = v,
                Sinks = s,
                Biases = b,
                Output = o,
                QuerySize = (nuint)queries.Length,
                KeySize = (nuint)keys.Length,
                ValueSize = (nuint)values.Length,
                SinkSize = (nuint)sinks.Length,
                BiasSize = (nuint)biases.Length,
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
                    BiasBuckets = options.BiasBuckets,
                    BiasDistance = options.BiasDistance,
                    TemperatureLength = options.TemperatureLength,
                    Temperature = options.Temperature,
                    TemperatureOffset = options.TemperatureOffset,
                    ValuesInKeys = options.ValuesInKeys ? 1 : 0,
                },
            };
            NativeStatus.Check(NativeMethods.hearth_attention(engine.Handle, &call, (nuint)sizeof(NativeAttentionCall)));
        }
    }
}
