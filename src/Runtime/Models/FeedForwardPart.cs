using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>What a layer does to each row by itself: a dense feed-forward, or experts.</summary>
/// <remarks>Which layers are dense and which have experts is a choice by layer in <see cref="DecoderDescription.FeedForward"/>.</remarks>
internal abstract record FeedForwardPart
{
    /// <summary>Writes the part.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width], normalized where the decoder does that first.</param>
    /// <returns>[rows, width].</returns>
    public abstract Value Write(Block block, Value x);

    /// <summary>The layer's hidden width.</summary>
    /// <exception cref="ModelFormatException">The file does not say.</exception>
    protected static int HiddenWidth(Block block)
        => block.Sizes.FeedForward > 0 ? block.Sizes.FeedForward : throw block.Model.Keys.Wrong("feed_forward_length", $"is missing or 0 for layer {block.Layer}");
}

/// <summary>down(function(gate(x)) * up(x)) (arXiv 2002.05202).</summary>
/// <param name="Gate">How gate and up become one.</param>
/// <remarks>Gate and up are <c>ffn_gate</c> and <c>ffn_up</c>, or both in <c>ffn_up</c>, the gate's rows first.</remarks>
internal sealed record GatedFeedForward(Gate Gate) : FeedForwardPart
{
    /// <summary>Llama's.</summary>
    public static readonly GatedFeedForward Silu = new(ActivationFunction.Silu);

    /// <summary>The hidden width; null: the layer's.</summary>
    public int? Width { get; init; }

    /// <summary>Behind the tensors' names: <c>_shexp</c> for experts that are always on.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>The norm of the hidden values; null: none.</summary>
    public string? InnerNorm { get; init; }

    /// <inheritdoc/>
    public override Value Write(Block block, Value x)
    {
        var width = Width ?? HiddenWidth(block);
        string gate = "ffn_gate" + Suffix, up = "ffn_up" + Suffix;
        var isFused = !block.Has(gate + ".weight");
        if (isFused && block.Model.Rows(block.Name(up + ".weight")) is > 0 and var rows && rows != 2L * width)
            throw block.Model.Wrong($"tensor '{block.Name(gate + ".weight")}' is missing, and '{block.Name(up + ".weight")}' has {rows} rows, not the {2L * width} of both");
        var hidden = isFused ? block.SplitLinear(x, up, width, width) : block.Linears(x, (gate, width), (up, width));
        var gated = Gate.Apply(block.Program, hidden[0], hidden[1]);
        return block.Linear(InnerNorm is null ? gated : block.Norm(gated, InnerNorm), "ffn_down" + Suffix, block.Model.Sizes.Width);
    }
}

/// <summary>down(function(up(x))), the first transformers'.</summary>
/// <param name="Function">Of the hidden values.</param>
internal sealed record PlainFeedForward(ActivationFunction Function) : FeedForwardPart
{
    /// <summary>Divisors of the hidden values, where the file has them (activation-aware quantization, arXiv 2306.00978); null: none.</summary>
    public string? Divisors { get; init; }

    /// <inheritdoc/>
    public override Value Write(Block block, Value x)
    {
        var hidden = block.Linear(x, "ffn_up", HiddenWidth(block), Function);
        if (Divisors is not null && block.Has(Divisors))
            hidden = block.Program.Multiply(hidden, block.Program.ReciprocalVector(block.Name(Divisors), hidden.Width));
        return block.Linear(hidden, "ffn_down", block.Model.Sizes.Width);
    }
}
