using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Experts, of which a router chooses a few for each row (arXiv 1701.06538).</summary>
/// <param name="Sizes">How many.</param>
/// <param name="Router">How they are chosen and weighted.</param>
/// <remarks>
/// Sources: Mixtral (arXiv 2401.04088), DeepSeekMoE (2401.06066: an expert that every row meets), DeepSeek-V3 (2412.19437:
/// a bias of the choice alone). The router is <c>ffn_gate_inp</c>; the experts are stacks of matrices, <c>ffn_gate_exps</c>
/// and <c>ffn_up_exps</c>, or both in <c>ffn_gate_up_exps</c>, the gate's rows first, and <c>ffn_down_exps</c>.
/// </remarks>
internal sealed record ExpertFeedForward(ExpertSizes Sizes, RouterTerms Router) : FeedForwardPart
{
    /// <summary>Behind the tensors' names.</summary>
    public string Suffix { get; init; } = "_exps";

    /// <summary>The width inside an expert; null: the layer's.</summary>
    public int? Width { get; init; }

    /// <summary>The width of what comes out of the experts, where they work on a narrower row; null: the residual stream's.</summary>
    public int? OutputWidth { get; init; }

    /// <summary>How gate and inner value become one.</summary>
    public Gate Gate { get; init; } = ActivationFunction.Silu;

    /// <summary>Function of the inner value where experts have no gate; null: they have.</summary>
    public ActivationFunction? Plain { get; init; }

    /// <summary>The bias of the choice.</summary>
    public Presence ChoiceBias { get; init; }

    /// <summary>Its tensor behind the layer.</summary>
    public string ChoiceBiasName { get; init; } = "exp_probs_b.bias";

    /// <summary>Whether experts have biases: <c>ffn_up_exps.bias</c> and the like, a row an expert.</summary>
    public bool HasBiases { get; init; }

    /// <summary>Whether the router looks at the residual stream as it entered the layer (SmallThinker).</summary>
    public bool RoutesInput { get; init; }

    /// <summary>Whether an expert's weight multiplies what goes into it and not what comes out (Llama 4).</summary>
    public bool WeighsInput { get; init; }

    /// <summary>The width inside the expert that every row meets, <c>ffn_up_shexp</c> and the like; 0: none.</summary>
    public int SharedWidth { get; init; }

    /// <summary>How that expert's gate and inner value become one.</summary>
    public Gate SharedGate { get; init; } = ActivationFunction.Silu;

    /// <summary>Whether a sigmoid weighs that expert: <c>ffn_gate_inp_shexp</c> (Qwen2-MoE).</summary>
    public bool WeighsShared { get; init; }

    /// <summary>Factor of the sum of all experts.</summary>
    public float Scale { get; init; } = 1;

    /// <inheritdoc/>
    public override Value Write(Block block, Value x) => Write(block, x, block.Linear(RoutesInput ? block.Input! : x, "ffn_gate_inp", Sizes.Count));

    /// <summary>Writes the part for given scores.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width].</param>
    /// <param name="scores">[rows, experts].</param>
    /// <returns>[rows, width].</returns>
    public Value Write(Block block, Value x, Value scores)
    {
        RefuseOldForms(block);
        var (weights, experts) = Route(block, scores);
        var sum = WeighsInput
            ? block.Program.ExpertSum(Expert(block, Weighted(x, weights), experts), block.Program.Scale(weights, 0, 1))
            : block.Program.ExpertSum(Expert(block, x, experts), weights);
        if (SharedWidth > 0)
            sum += Shared(block, x);
        return Scale == 1 ? sum : block.Program.Scale(sum, Scale);
    }

    private (Value Weights, Value Experts) Route(Block block, Value scores)
    {
        var name = block.Name(ChoiceBiasName);
        var bias = ChoiceBias switch
        {
            Presence.None => null,
            Presence.Optional => block.Program.OptionalVector(name, Sizes.Count),
            _ => block.Program.Vector(name, Sizes.Count),
        };
        return block.Program.Route(scores, Router, bias);
    }

    // [rows, chosen * width]: what each chosen expert makes of the row.
    private Value Expert(Block block, Value x, Value experts)
        => Products(block, Inner(block, x, experts), experts, ("ffn_down" + Suffix, OutputWidth ?? block.Model.Sizes.Width))[0];

    private Value Inner(Block block, Value x, Value experts)
    {
        var width = Width ?? HiddenWidth(block);
        if (width == 0)
            throw block.Model.Keys.Wrong("expert_feed_forward_length", "is missing");
        if (Plain is { } function)
            return block.Program.Activate(function, Products(block, x, experts, ("ffn_up" + Suffix, width))[0]);

        var both = "ffn_gate_up" + Suffix;
        if (!block.Has(both + ".weight"))
        {
            var parts = Products(block, x, experts, ("ffn_gate" + Suffix, width), ("ffn_up" + Suffix, width));
            return Gate.Apply(block.Program, parts[0], parts[1]);
        }

        var rows = Products(block, x, experts, (both, 2 * width))[0];
        return Gate.Apply(block.Program, block.Program.Slice(rows, Router.Chosen, 0, width), block.Program.Slice(rows, Router.Chosen, width, width));
    }

    // x is one row for all experts, or a row for each.
    private Value[] Products(Block block, Value x, Value experts, params ReadOnlySpan<(string Name, int Rows)> parts)
    {
        var columns = parts[0].Name == "ffn_down" + Suffix || WeighsInput ? x.Width / Router.Chosen : x.Width;
        var count = Sizes.Count / Math.Max(Router.ExpertsPerMatrix, 1);
        var pieces = new (Weight, Weight?)[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            var (name, rows) = parts[i];
            var bias = HasBiases ? block.Program.Table(block.Name(name + ".bias"), rows, count) : null;
            pieces[i] = (block.Program.Stack(block.Name(name + ".weight"), columns, rows, count), bias);
        }

        return block.Program.ExpertLinear(x, experts, pieces);
    }

    // A copy of the row for each of its experts, times the expert's weight.
    private Value Weighted(Value x, Value weights)
    {
        var program = x.Builder;
        Value Copy(int expert) => program.Multiply(x, Sizes.Used == 1 ? weights : program.Slice(weights, 1, expert, 1));
        var all = Copy(0);
        for (var expert = 1; expert < Sizes.Used; expert++)
            all = program.Concat(all, Copy(expert), groups: 1);
        return all;
    }

    private Value Shared(Block block, Value x)
    {
        var shared = new GatedFeedForward(SharedGate) { Width = SharedWidth, Suffix = "_shexp" }.Write(block, x);
        return WeighsShared ? block.Program.Multiply(shared, block.Linear(x, "ffn_gate_inp_shexp", 1, ActivationFunction.Sigmoid)) : shared;
    }

    private static void RefuseOldForms(Block block)
    {
        if (block.Has("ffn_up.0.weight"))
            throw new UnsupportedModelException($"a tensor for each expert ('{block.Name("ffn_up.0.weight")}')", ["stacks of all experts ('ffn_up_exps.weight'), as exporters have written since April 2024"]);
    }
}
