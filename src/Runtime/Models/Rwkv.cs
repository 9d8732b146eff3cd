using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>RWKV-6 and RWKV-7, and Qwen2's decoder with their layers in attention's place.</summary>
/// <remarks>
/// Sources: RWKV-5 and -6 (arXiv 2404.05892), RWKV-7 (2503.14456), QRWKV6 (its model card; its layer is gated linear
/// attention, 2312.06635), ARWKV (2501.15570). Both halves of an RWKV layer look at the row before their own.
/// </remarks>
internal static class Rwkv
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["rwkv6"] = Sixth,
        ["rwkv6qwen2"] = model => new() { Attention = OneMixer(new Rwkv6Mixer(Head(model)) { IsLinear = true }), Head = HeadWeights.Own },
        ["rwkv7"] = Seventh,
        ["arwkv7"] = model => new() { Attention = OneMixer(new Rwkv7Mixer(Head(model))), Head = HeadWeights.Own, Ignores = IsIdle },
    };

    private static DecoderDescription Sixth(ModelFile model)
    {
        var rescale = model.Keys.Size("rescale_every_n_layers", int.MaxValue, otherwise: 0, least: 0);
        return Both(model, new Rwkv6Mixer(Head(model)), new ChannelMix(IsGated: true)) with
        {
            Ending = rescale > 0 ? new Halving(rescale) : null,
        };
    }

    private static DecoderDescription Seventh(ModelFile model) => Both(model, new Rwkv7Mixer(Head(model)), new ChannelMix(IsGated: false)) with { Ignores = IsIdle };

    private static DecoderDescription Both(ModelFile model, AttentionPart timeMix, ChannelMix channelMix)
    {
        const string Shifts = "token_shift_count";
        if (model.Keys.Size(Shifts, int.MaxValue, otherwise: 2) is not 2 and var shifts)
            throw new UnsupportedModelException($"'{model.Sizes.Architecture}.{Shifts}' {shifts}", ["2"]);
        return new()
        {
            Attention = OneMixer(timeMix),
            FeedForward = _ => channelMix,
            FeedForwardSeesRows = true,
            Norm = Norm.Layer,
            NormalizesEmbedding = true,
            FeedForwardNorm = "attn_norm_2",
            Head = HeadWeights.Own,
        };
    }

    private static Func<int, AttentionPart?> OneMixer(AttentionPart mixer) => _ => mixer;

    private static int Head(ModelFile model)
    {
        var head = model.Keys.Size("wkv.head_size", Math.Min(model.Sizes.Width, WidestKey));
        return model.Sizes.Width % head == 0 ? head : throw model.Keys.Wrong("wkv.head_size", $"must divide the width {model.Sizes.Width}, found {head}");
    }

    // The most that the engine's recurrences take.
    private const int WidestKey = 1 << 12;

    // The first layer's values are not mixed with those of a layer before.
    private static bool IsIdle(string name) => name is "blk.0.time_mix_v0.weight" or "blk.0.time_mix_v1.weight" or "blk.0.time_mix_v2.weight";

    /// <summary>The difference of each row from the one before it: what rows are mixed by.</summary>
    private static Value Difference(Block block, Value x)
    {
        var width = x.Width;
        var taps = block.Program.Computed("the row before less the row", 2 * width, 1, 1, () => [.. Enumerable.Repeat(1f, width), .. Enumerable.Repeat(-1f, width)]);
        return block.Program.ShortConvolution(x, taps, bias: null, tapCount: 2);
    }

    private static Value Mixed(Block block, Value x, Value difference, Weight share) => x + block.Program.Multiply(difference, share);

    private static Value LowRank(Block block, Value x, string inner, string outer, ActivationFunction innerFunction, Weight? bias, ActivationFunction function = ActivationFunction.None)
    {
        var program = block.Program;
        var narrow = program.Linear(x, program.Matrix(block.Name(inner + ".weight"), x.Width), function: innerFunction);
        return program.Linear(narrow, block.Matrix(outer, narrow.Width, x.Width), bias, function);
    }

    // Heads by themselves, then a factor and a summand for each value.
    private static Value HeadNorm(Block block, Value x, int head)
    {
        var program = block.Program;
        var normed = program.LayerNorm(x, weight: null, bias: null, 64e-5f, head);
        return program.Add(program.Multiply(normed, program.Vector(block.Name("time_mix_ln.weight"), x.Width)), program.Vector(block.Name("time_mix_ln.bias"), x.Width));
    }

    /// <summary>RWKV-6's layer in attention's place.</summary>
    /// <param name="Head">Values of a head.</param>
    private sealed record Rwkv6Mixer(int Head) : AttentionPart
    {
        private const int Decay = 0, Key = 1, Value = 2, Receptance = 3, Gate = 4, Mixes = 5;

        private static readonly string[] _shares = ["w", "k", "v", "r", "g"];

        /// <summary>Whether it is linear attention, with keys that are the less the more is kept, grouped keys and values, and no norm.</summary>
        public bool IsLinear { get; init; }

        /// <inheritdoc/>
        public override Value Attend(Block block, Value x)
        {
            var (program, width) = (block.Program, x.Width);
            var mixed = Mix(block, x);
            var decay = LowRank(block, mixed[Decay], "time_mix_decay_w1", "time_mix_decay_w2", ActivationFunction.Tanh, program.Vector(block.Name("time_mix_decay.weight"), width));
            decay = program.Scale(program.Activate(ActivationFunction.Exp, decay), -1);
            var heads = width / Head;
            var kvHeads = IsLinear && block.Sizes.KvHeads > 0 ? block.Sizes.KvHeads : heads;
            if (heads % kvHeads != 0)
                throw block.Model.Keys.Wrong("attention.head_count_kv", $"must divide the {heads} heads, found {kvHeads}");
            var receptance = block.Linear(mixed[Receptance], "time_mix_receptance", width);
            var key = block.Spread(block.Linear(mixed[Key], "time_mix_key", kvHeads * Head), kvHeads, heads / kvHeads);
            var value = block.Spread(block.Linear(mixed[Value], "time_mix_value", kvHeads * Head), kvHeads, heads / kvHeads);
            var gate = block.Linear(mixed[Gate], "time_mix_gate", width);
            if (IsLinear)
            {
                key *= program.Scale(program.Activate(ActivationFunction.Exp, decay), -1, 1);
                return program.Wkv(receptance, key, value, decay, heads, 1 / MathF.Sqrt(Head)) * program.Activate(ActivationFunction.Sigmoid, gate);
            }

            var seen = program.Wkv(receptance, key, value, decay, heads, bonus: program.Table(block.Name("time_mix_first.weight"), Head, heads));
            return HeadNorm(block, seen, Head) * program.Activate(ActivationFunction.Silu, gate);
        }

        /// <inheritdoc/>
        public override Value Project(Block block, Value attended) => block.Linear(attended, "time_mix_output", block.Model.Sizes.Width);

        // How much of the row before comes in depends on the row, apart for each of the five that are made of it.
        private static Value[] Mix(Block block, Value x)
        {
            var (program, width) = (block.Program, x.Width);
            var difference = Difference(block, x);
            var base_ = Mixed(block, x, difference, program.Vector(block.Name("time_mix_lerp_x.weight"), width));
            var narrow = program.Linear(base_, program.Matrix(block.Name("time_mix_w1.weight"), width), function: ActivationFunction.Tanh);
            if (narrow.Width % Mixes != 0)
                throw block.Model.Wrong($"tensor '{block.Name("time_mix_w1.weight")}' must have a multiple of {Mixes} rows, found {narrow.Width}");
            var shares = program.GroupedLinear(narrow, program.Stack(block.Name("time_mix_w2.weight"), narrow.Width / Mixes, width, Mixes));
            var isFused = block.Has("time_mix_lerp_fused.weight");
            return [.. Enumerable.Range(0, Mixes).Select(i =>
            {
                var usual = isFused ? program.VectorOf(block.Name("time_mix_lerp_fused.weight"), i, width, Mixes) : program.Vector(block.Name($"time_mix_lerp_{_shares[i]}.weight"), width);
                return x + (program.Add(program.Slice(shares, 1, i * width, width), usual) * difference);
            })];
        }
    }

    /// <summary>RWKV-7's layer in attention's place; from the second layer on values are mixed with the first layer's.</summary>
    /// <param name="Head">Values of a head.</param>
    private sealed record Rwkv7Mixer(int Head) : AttentionPart
    {
        // exp(-1/2): a decay is at most so strong.
        private const float StrongestDecay = 0.606531f;

        private Value? _firstValue;

        /// <inheritdoc/>
        public override Value Attend(Block block, Value x)
        {
            var (program, width) = (block.Program, x.Width);
            var heads = width / Head;
            var isGated = block.Has("time_mix_g1.weight");
            var difference = Difference(block, x);
            var count = block.Model.Has(block.Name("time_mix_lerp_fused.weight")) && !isGated && block.Elements("time_mix_lerp_fused.weight") == 5L * width ? 5 : 6;
            Value Mix(int i) => Mixed(block, x, difference, program.VectorOf(block.Name("time_mix_lerp_fused.weight"), i, width, count));
            Weight Vector(string name) => program.Vector(block.Name(name + ".weight"), width);

            var receptance = block.Linear(Mix(0), "time_mix_receptance", width);
            var decay = program.Scale(LowRank(block, Mix(1), "time_mix_w1", "time_mix_w2", ActivationFunction.Tanh, Vector("time_mix_w0"), ActivationFunction.Sigmoid), -StrongestDecay);
            var key = block.Linear(Mix(2), "time_mix_key", width);
            var forValue = Mix(3);
            var value = block.Linear(forValue, "time_mix_value", width);
            if (block.Layer == 0 || _firstValue is null)
                _firstValue = value;
            else
                value += (_firstValue + program.Scale(value, -1)) * LowRank(block, forValue, "time_mix_v1", "time_mix_v2", ActivationFunction.None, Vector("time_mix_v0"), ActivationFunction.Sigmoid);
            var rate = LowRank(block, Mix(4), "time_mix_a1", "time_mix_a2", ActivationFunction.None, Vector("time_mix_a0"), ActivationFunction.Sigmoid);

            var removal = UnitLength(program, program.Multiply(key, Vector("time_mix_k_k")));
            key += program.Multiply(key, Vector("time_mix_k_a")) * program.Scale(rate, 1, -1);
            var seen = program.Wkv(receptance, key, value, decay, heads, correction: (program.Scale(removal, -1), removal * rate));
            if (block.Has("time_mix_ln.weight"))
                seen = HeadNorm(block, seen, Head);
            seen += value * HeadSums(program, program.Multiply(key * receptance, Vector("time_mix_r_k")), heads);
            return isGated ? seen * LowRank(block, Mix(5), "time_mix_g1", "time_mix_g2", ActivationFunction.Sigmoid, bias: null) : seen;
        }

        /// <inheritdoc/>
        public override Value Project(Block block, Value attended) => block.Linear(attended, "time_mix_output", block.Model.Sizes.Width);

        private Value UnitLength(ProgramBuilder program, Value x)
            => program.Scale(program.RmsNorm(x, weight: null, 1e-24f / Head, Head), 1 / MathF.Sqrt(Head));

        // The sum of each head in every one of its places.
        private Value HeadSums(ProgramBuilder program, Value x, int heads)
            => program.GroupedLinear(x, program.Computed("sums of heads", Head, Head, heads, () => [.. Enumerable.Repeat(1f, heads * Head * Head)]));
    }

    /// <summary>RWKV's feed-forward part: it looks at the row before, too.</summary>
    /// <param name="IsGated">Whether a sigmoid gates what comes out (RWKV-6).</param>
    private sealed record ChannelMix(bool IsGated) : FeedForwardPart
    {
        /// <inheritdoc/>
        public override Value Write(Block block, Value x)
        {
            var (program, width) = (block.Program, x.Width);
            var difference = Difference(block, x);
            Value Mix(string which) => Mixed(block, x, difference, program.Vector(block.Name($"channel_mix_lerp_{which}.weight"), width));
            var key = block.Linear(Mix("k"), "channel_mix_key", block.Sizes.FeedForward, ActivationFunction.ReluSquared);
            var value = block.Linear(key, "channel_mix_value", width);
            return IsGated ? block.Linear(Mix("r"), "channel_mix_receptance", width, ActivationFunction.Sigmoid) * value : value;
        }
    }

    /// <summary>Halves the residual stream behind every so many layers: so large models stay in half precision's range.</summary>
    private sealed record Halving(int Layers) : LayerEnding
    {
        /// <inheritdoc/>
        public override Value Prepare(ModelFile model, Value embedded) => embedded;

        /// <inheritdoc/>
        public override Value End(Block block, Value x, Value prepared) => (block.Layer + 1) % Layers == 0 ? block.Program.Scale(x, 0.5f) : x;
    }
}
