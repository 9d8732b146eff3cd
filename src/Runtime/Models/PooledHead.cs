using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>One vector of a text's rows, or the scores of a classifier over it, in place of logits.</summary>
internal static class PooledHead
{
    /// <summary>How rows are pooled; null where logits are wanted.</summary>
    /// <param name="model">The file.</param>
    /// <param name="isEncoder">Whether the model has no logits, so that its rows are always pooled.</param>
    /// <exception cref="UnsupportedModelException">A decoder is to rank.</exception>
    public static PoolingKind? Kind(ModelFile model, bool isEncoder)
    {
        if (!isEncoder && model.Limits.Embedding is null)
            return null;
        var kind = Pooling.Read(model.Metadata, model.Limits.Embedding?.Pooling, isEncoder ? PoolingKind.Mean : PoolingKind.Last);
        return kind != PoolingKind.Rank || isEncoder ? kind : throw new UnsupportedModelException($"ranking by the decoder '{model.Sizes.Architecture}'", ["mean, first and last"]);
    }

    /// <summary>Whether a tensor has no use where rows are pooled so: a head's, or a pooled vector's where logits are wanted.</summary>
    public static bool Ignores(string tensor, PoolingKind? kind)
        => kind is null ? tensor is "dense_2.weight" or "dense_3.weight" : tensor.StartsWith("output.", StringComparison.Ordinal) || tensor.StartsWith("cls.", StringComparison.Ordinal);

    /// <summary>Pools, then applies what the file has behind it: dense layers (EmbeddingGemma, arXiv 2509.20354), or a classifier.</summary>
    /// <param name="model">The file.</param>
    /// <param name="hidden">[rows, width].</param>
    /// <param name="kind">How.</param>
    /// <returns>[texts, values].</returns>
    public static Value Write(ModelFile model, Value hidden, PoolingKind kind)
    {
        var pooled = model.Program.Pool(hidden, kind);
        if (kind == PoolingKind.Rank)
            return Classify(model, pooled);
        foreach (var name in (ReadOnlySpan<string>)["dense_2", "dense_3"])
            pooled = model.Has(name + ".weight") ? Linear(model, pooled, name) : pooled;
        return pooled;
    }

    // tanh(dense(x)) before the classes where the file has a dense layer (RoBERTa's head), else the classes alone.
    private static Value Classify(ModelFile model, Value pooled)
    {
        bool isDense = model.Has("cls.weight"), hasClasses = model.Has("cls.output.weight");
        if (!isDense && !hasClasses)
            throw model.Wrong("the file says that it ranks but has no head: neither 'cls.weight' nor 'cls.output.weight'");
        var x = isDense ? model.Program.Activate(ActivationFunction.Tanh, Linear(model, pooled, "cls")) : pooled;
        return hasClasses ? Linear(model, x, "cls.output") : x;
    }

    private static Value Linear(ModelFile model, Value x, string name)
    {
        var weight = model.Program.Matrix(name + ".weight", x.Width);
        return model.Program.Linear(x, weight, model.Program.OptionalVector(name + ".bias", checked((int)weight.Rows)));
    }
}
