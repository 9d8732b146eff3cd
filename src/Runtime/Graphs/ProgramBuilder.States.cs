using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

// Operations that go on from row to row of a sequence by a state.
internal sealed unsafe partial class ProgramBuilder
{
    private readonly List<long> _stateWidths = [];

    /// <summary>A convolution that sees no later row, channel by channel: function(bias + the sum over k of taps[k] * the row k - tapCount + 1 further).</summary>
    /// <param name="input">[rows, width].</param>
    /// <param name="taps">[tapCount, width] as a vector, tap by tap (<see cref="TransposedTable"/>); the last tap is for the row itself.</param>
    /// <param name="bias">[width], or null.</param>
    /// <param name="tapCount">Taps, at least 2.</param>
    /// <param name="function">Applied to the sums.</param>
    /// <returns>[rows, width].</returns>
    public Value ShortConvolution(Value input, Weight taps, Weight? bias, int tapCount, ActivationFunction function = ActivationFunction.None)
    {
        ArgumentNullException.ThrowIfNull(taps);
        Expect(taps.EngineColumns * taps.Rows == (long)tapCount * input.Width, $"convolution with '{taps.Name}'", $"an input {taps.EngineColumns * taps.Rows / tapCount} wide", input.Width);
        var operation = Start(Kind.ShortConvolution, input);
        operation.Weight[0] = taps.Number;
        operation.Weight[1] = bias?.Number ?? -1;
        operation.Parameters.Convolution = new NativeConvolutionParameters
        {
            State = NewState((tapCount - 1L) * input.Width),
            Taps = tapCount,
            Function = (int)function,
        };
        return Finish(operation, input.Width);
    }

    /// <summary>A selective scan: h = h * exp(size * decay) + size * b * x, y = c h + skip * x.</summary>
    /// <param name="x">[rows, heads * headWidth].</param>
    /// <param name="sizes">[rows, heads], the step sizes.</param>
    /// <param name="b">[rows, groups * stateWidth].</param>
    /// <param name="c">Like <paramref name="b"/>.</param>
    /// <param name="decay">[heads], below 0; where the terms say so [stateWidth, heads], state by state.</param>
    /// <param name="skip">[heads], or null: 0.</param>
    /// <param name="terms">Shapes.</param>
    /// <returns>[rows, heads * headWidth].</returns>
    public Value SelectiveScan(Value x, Value sizes, Value b, Value c, Weight decay, Weight? skip, ScanTerms terms)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(decay);
        ArgumentNullException.ThrowIfNull(terms);
        Expect((long)terms.Heads * terms.HeadWidth == x.Width, "scan", $"{terms.Heads} heads of {terms.HeadWidth}", x.Width);
        Expect(sizes.Width == terms.Heads, "scan", $"{terms.Heads} step sizes", sizes.Width);
        Expect(b.Width == (long)terms.Groups * terms.StateWidth && c.Width == b.Width, "scan", $"{terms.Groups} groups of {terms.StateWidth}", b.Width);
        var operation = Start(Kind.SelectiveScan, x, sizes, b, c);
        operation.Weight[0] = decay.Number;
        operation.Weight[1] = skip?.Number ?? -1;
        operation.Parameters.Scan = new NativeScanParameters
        {
            State = NewState((long)x.Width * terms.StateWidth),
            Heads = terms.Heads,
            HeadWidth = terms.HeadWidth,
            StateWidth = terms.StateWidth,
            Groups = terms.Groups,
            DecaysByState = terms.DecaysByState ? 1 : 0,
        };
        return Finish(operation, x.Width);
    }

    /// <summary>The gated delta rule: S = diag(exp decay) S, S = S + key (beta (value - key^T S)), y = scale * query^T S.</summary>
    /// <param name="queries">[rows, keyHeads * keyWidth].</param>
    /// <param name="keys">Like <paramref name="queries"/>, of length 1 head by head.</param>
    /// <param name="values">[rows, heads * valueWidth].</param>
    /// <param name="decays">[rows, heads], or [rows, heads * keyWidth]: logarithms, at most 0.</param>
    /// <param name="betas">[rows, heads], 0 to 1.</param>
    /// <param name="terms">Shapes.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value DeltaRule(Value queries, Value keys, Value values, Value decays, Value betas, DeltaTerms terms)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(decays);
        ArgumentNullException.ThrowIfNull(terms);
        Expect(values.Width % terms.Heads == 0, "delta rule", $"{terms.Heads} heads of values", values.Width);
        Expect(queries.Width == (long)terms.KeyHeads * terms.KeyWidth && keys.Width == queries.Width, "delta rule", $"{terms.KeyHeads} key heads of {terms.KeyWidth}", queries.Width);
        Expect(decays.Width == terms.Heads || decays.Width == (long)terms.Heads * terms.KeyWidth, "delta rule", $"{terms.Heads} decays, or so many for each value of a key", decays.Width);
        Expect(betas.Width == terms.Heads, "delta rule", $"{terms.Heads} betas", betas.Width);
        var operation = Start(Kind.DeltaRule, queries, keys, values, decays, betas);
        operation.Parameters.Delta = new NativeDeltaParameters
        {
            State = NewState((long)terms.KeyWidth * values.Width),
            Heads = terms.Heads,
            KeyHeads = terms.KeyHeads,
            KeyWidth = terms.KeyWidth,
            ValueWidth = values.Width / terms.Heads,
            DecayWidth = decays.Width / terms.Heads,
            KeysInTurns = terms.KeysInTurns ? 1 : 0,
            Scale = terms.Scale,
        };
        return Finish(operation, values.Width);
    }

    /// <summary>RWKV's recurrences and gated linear attention: S = diag(exp decay) S + replacement (removal^T S) + key value^T, y = scale * receptance^T S.</summary>
    /// <param name="receptance">[rows, heads * keyWidth].</param>
    /// <param name="key">Like <paramref name="receptance"/>.</param>
    /// <param name="value">[rows, heads * valueWidth].</param>
    /// <param name="decay">Like <paramref name="receptance"/>: logarithms, at most 0.</param>
    /// <param name="heads">How many.</param>
    /// <param name="scale">Factor of what is read.</param>
    /// <param name="bonus">[heads * keyWidth]: what is read is then the state before the row, with the row's own key and value weighted so (RWKV-6).</param>
    /// <param name="correction">Removal and replacement (RWKV-7), like <paramref name="receptance"/>; null: none. Not beside a bonus.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value Wkv(Value receptance, Value key, Value value, Value decay, int heads, float scale = 1, Weight? bonus = null, (Value Removal, Value Replacement)? correction = null)
    {
        ArgumentNullException.ThrowIfNull(receptance);
        ArgumentNullException.ThrowIfNull(value);
        Expect(receptance.Width % heads == 0 && key.Width == receptance.Width && decay.Width == receptance.Width, "wkv", $"{heads} heads of keys {receptance.Width} wide", key.Width);
        Expect(value.Width % heads == 0, "wkv", $"{heads} heads of values", value.Width);
        var operation = correction is var (removal, replacement)
            ? Start(Kind.Wkv, receptance, key, value, decay, removal, replacement)
            : Start(Kind.Wkv, receptance, key, value, decay);
        operation.Weight[0] = bonus?.Number ?? -1;
        operation.Parameters.Wkv = new NativeWkvParameters
        {
            State = NewState((long)receptance.Width / heads * value.Width),
            Heads = heads,
            KeyWidth = receptance.Width / heads,
            ValueWidth = value.Width / heads,
            Scale = scale,
        };
        return Finish(operation, value.Width);
    }

    private int NewState(long width)
    {
        _stateWidths.Add(width);
        return _stateWidths.Count - 1;
    }
}

/// <summary>The shapes of a selective scan.</summary>
/// <param name="Heads">Heads; channels where <paramref name="DecaysByState"/>.</param>
/// <param name="HeadWidth">Values of a head.</param>
/// <param name="StateWidth">States of each value.</param>
/// <param name="Groups">Of heads that share b and c; divides <paramref name="Heads"/>.</param>
/// <param name="DecaysByState">Mamba's, a decay for every channel and state (arXiv 2312.00752); else Mamba-2's, one a head (arXiv 2405.21060).</param>
internal sealed record ScanTerms(int Heads, int HeadWidth, int StateWidth, int Groups = 1, bool DecaysByState = false);

/// <summary>The shapes of the gated delta rule (Gated DeltaNet, arXiv 2412.06464; with a decay for each value of a key Kimi Delta Attention, arXiv 2510.26692).</summary>
/// <param name="Heads">Heads of values.</param>
/// <param name="KeyHeads">Heads of queries and keys; divides <paramref name="Heads"/>.</param>
/// <param name="KeyWidth">Values of a key.</param>
/// <param name="Scale">Factor of what is read.</param>
/// <param name="KeysInTurns">Whether neighbouring heads read different key heads, in turns; else neighbours share one.</param>
internal sealed record DeltaTerms(int Heads, int KeyHeads, int KeyWidth, float Scale, bool KeysInTurns = false);
