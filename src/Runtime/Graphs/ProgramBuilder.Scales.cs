using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

// Factors of whole matrices, which files of ternary weights and of NVFP4 keep beside them: NAME.scale of one value, or of
// one for each matrix of a stack.
internal sealed unsafe partial class ProgramBuilder
{
    private const string WeightSuffix = ".weight";

    private readonly HashSet<string> _computedFrom = new(StringComparer.Ordinal);

    /// <summary>Tensors that are in no weight themselves, but of which weights are computed.</summary>
    public IReadOnlyCollection<string> ComputedFrom => _computedFrom;

    /// <summary>Whether a tensor scales activations before they are rounded to 8-bit floats, which are not rounded so here.</summary>
    /// <param name="name">The tensor's name.</param>
    internal static bool IsInputScale(string name) => name.EndsWith(".input_scale", StringComparison.Ordinal);

    private GgufTensor? ScaleOf(Weight weight)
        => weight.Tensor is not null && weight.Name.EndsWith(WeightSuffix, StringComparison.Ordinal)
            ? _file.FindTensor(ScaleName(weight))
            : null;

    private static string ScaleName(Weight weight) => weight.Name[..^WeightSuffix.Length] + ".scale";

    // With a value for each input it is something else (Gemma 4's router).
    private bool IsScaled(Weight weight)
    {
        if (ScaleOf(weight) is not { } scale || (scale.ElementCount == weight.Columns && scale.ElementCount is not 1))
            return false;
        return scale.ElementCount == 1 || scale.ElementCount == weight.Stack ? true : throw Misshapen(scale, $"[{weight.Stack}]");
    }

    private bool AreScaled(ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        foreach (var (weight, _) in weights)
        {
            if (IsScaled(weight))
                return true;
        }

        return false;
    }

    // A product with one matrix, or with the matrices of a stack side by side.
    private Value Scaled(Value product, Weight weight)
    {
        if (!IsScaled(weight))
            return product;
        var count = checked((int)ScaleOf(weight)!.ElementCount);
        return Multiply(product, count == 1 ? Vector(ScaleName(weight), 1) : RepeatedVector(ScaleName(weight), count, product.Width / count));
    }

    private Value[] ScaledLinear(Value input, ActivationFunction function, ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        var bare = new (Weight, Weight?)[weights.Length];
        for (var i = 0; i < weights.Length; i++)
            bare[i] = (weights[i].Weight, IsScaled(weights[i].Weight) ? null : weights[i].Bias);
        var products = UnscaledLinear(input, ActivationFunction.None, bare);
        for (var i = 0; i < products.Length; i++)
        {
            var (weight, bias) = weights[i];
            if (IsScaled(weight))
            {
                products[i] = Scaled(products[i], weight);
                if (bias is not null)
                    products[i] = Add(products[i], bias);
            }

            if (function != ActivationFunction.None)
                products[i] = Activate(function, products[i]);
        }

        return products;
    }

    // The factor and the bias of the expert that a row chose are products of 1 with stacks of one column.
    private Value[] ScaledExpertLinear(Value input, Value experts, ReadOnlySpan<(Weight Weight, Weight? Bias)> weights)
    {
        var bare = new (Weight, Weight?)[weights.Length];
        for (var i = 0; i < weights.Length; i++)
            bare[i] = (weights[i].Weight, IsScaled(weights[i].Weight) ? null : weights[i].Bias);
        var products = UnscaledExpertLinear(input, experts, bare);
        Value? one = null;
        for (var i = 0; i < products.Length; i++)
        {
            var (weight, bias) = weights[i];
            if (!IsScaled(weight))
                continue;
            one ??= Clamp(Slice(experts, 1, 0, 1), 1, 1);
            var rows = checked((int)weight.Rows);
            products[i] = ScaleOf(weight)!.ElementCount == 1
                ? Scaled(products[i], weight)
                : Multiply(products[i], UnscaledExpertLinear(one, experts, [(RepeatedScales(weight, rows), null)])[0]);
            if (bias is not null)
                products[i] = Add(products[i], UnscaledExpertLinear(one, experts, [(Register(bias.Tensor!, 0, 1, rows, isVector: false, weight.Stack), null)])[0]);
        }

        return products;
    }

    // [experts] matrices of [rows, 1], each of its expert's factor.
    private Weight RepeatedScales(Weight weight, int rows)
    {
        var name = ScaleName(weight);
        var tensor = Tensor(name, $"[{weight.Stack}]");
        _computedFrom.Add(name);
        return Computed(name + ", repeated", 1, rows, weight.Stack, () =>
        {
            var scales = new float[weight.Stack];
            TensorValues.Read(tensor, 0, scales);
            var all = new float[(long)weight.Stack * rows];
            for (var i = 0; i < all.Length; i++)
                all[i] = scales[i / rows];
            return all;
        });
    }
}
