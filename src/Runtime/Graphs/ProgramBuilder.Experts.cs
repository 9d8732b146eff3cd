using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

// Mixtures of experts, and products with a matrix a head.
internal sealed unsafe partial class ProgramBuilder
{
    /// <summary>Chooses experts for every row.</summary>
    /// <param name="scores">[rows, experts].</param>
    /// <param name="terms">How many, and how they are weighted.</param>
    /// <param name="bias">[experts] added for the choice alone, or null.</param>
    /// <returns>The chosen experts' weights and their numbers, [rows, Chosen] each.</returns>
    public (Value Weights, Value Experts) Route(Value scores, RouterTerms terms, Weight? bias = null)
    {
        var operation = Start(Kind.Router, scores);
        operation.Weight[0] = bias?.Number ?? -1;
        operation.Parameters.Router = new NativeRouterParameters
        {
            Chosen = terms.Chosen,
            Gating = (int)terms.Gating,
            Groups = terms.Groups,
            ChosenGroups = terms.ChosenGroups,
            Normalize = terms.Normalize ? 1 : 0,
            ChooseByScore = terms.ChooseByScore ? 1 : 0,
            LeastSum = terms.LeastSum,
            Scale = terms.Scale,
            ExpertsPerMatrix = terms.ExpertsPerMatrix,
        };
        var weights = NewValue(terms.Chosen);
        var experts = NewValue(terms.Chosen);
        operation.Output[0] = weights.Number;
        operation.Output[1] = experts.Number;
        _operations.Add(operation);
        return (weights, experts);
    }

    /// <summary>Products with the chosen experts' weights.</summary>
    /// <param name="input">[rows, columns] for all, or [rows, chosen * columns] with a piece for each.</param>
    /// <param name="experts">[rows, chosen], a router's choice.</param>
    /// <param name="weights">One or two stacks, a matrix an expert, with their biases [experts * rows].</param>
    /// <returns>For each weight [rows, chosen * weight rows].</returns>
    public Value[] ExpertLinear(Value input, Value experts, params ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weights.Length, 2);
        return AreScaled(weights) ? ScaledExpertLinear(input, experts, weights) : UnscaledExpertLinear(input, experts, weights);
    }

    private Value[] UnscaledExpertLinear(Value input, Value experts, ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        var operation = Start(Kind.ExpertLinear, input, experts);
        var outputs = new Value[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            MarkMultiplied(weights[i].Weight, experts.Width);
            operation.Weight[i] = weights[i].Weight.Number;
            operation.Weight[3 + i] = weights[i].Bias?.Number ?? -1;
            outputs[i] = NewValue(checked((int)weights[i].Weight.Rows * experts.Width));
            operation.Output[i] = outputs[i].Number;
        }

        _operations.Add(operation);
        return outputs;
    }

    /// <summary>The sum of the experts' outputs, each times its weight.</summary>
    /// <param name="input">[rows, chosen * width].</param>
    /// <param name="weights">[rows, chosen].</param>
    /// <returns>[rows, width].</returns>
    public Value ExpertSum(Value input, Value weights) => Finish(Start(Kind.ExpertSum, input, weights), input.Width / weights.Width);

    /// <summary>A product for each group of columns, with a matrix of its own.</summary>
    /// <param name="input">[rows, groups * columns].</param>
    /// <param name="weight">A stack, a matrix a group.</param>
    /// <returns>[rows, groups * weight rows].</returns>
    public Value GroupedLinear(Value input, Weight weight)
    {
        MarkMultiplied(weight, weight.Stack);
        var operation = Start(Kind.GroupedLinear, input);
        operation.Weight[0] = weight.Number;
        return Scaled(Finish(operation, checked((int)weight.Rows * weight.Stack)), weight);
    }
}
