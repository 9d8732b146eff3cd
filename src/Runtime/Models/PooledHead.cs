using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>One vector of a text's rows, or the scores of a classifier over it, in place of logits.</summary>
internal static class PooledHead
{
    /// <summary>How rows are pooled; null where logits are wanted.</summary>
    /// <param name="model">The file.</param>
    /// <param name="isEncoder">Whether the model has no logits, so that its rows are pooled unless masks are to be filled.</param>
    /// <param name="ranks">Whether it is known how the architecture's classifiers read a text.</param>
    /// <exception cref="UnsupportedModelException">A model is to rank whose classifier is not known.</exception>
    public static PoolingKind? Kind(ModelFile model, bool isEncoder, bool ranks)
    {
        if (model.Limits.FillsMasks || (!isEncoder && model.Limits.Embedding is null))
            return null;
        var kind = Pooling.Read(model.Metadata, model.Limits.Embedding?.Pooling, isEncoder ? PoolingKind.Mean : PoolingKind.Last);
        return kind != PoolingKind.Rank || ranks
            ? kind
            : throw new UnsupportedModelException($"ranking by the decoder '{model.Sizes.Architecture}'", ["mean, first and last", "ranking by encoders and by Qwen3"]);
    }

    /// <summary>Whether a tensor has no use here: a head's other than the one in use, or a pooled vector's where logits are wanted.</summary>
    /// <param name="tensor">Its name.</param>
    /// <param name="kind">How rows are pooled; null: not at all.</param>
    /// <param name="fillsMasks">Whether the head of masked words is in use.</param>
    public static bool Ignores(string tensor, PoolingKind? kind, bool fillsMasks)
    {
        if (kind is null && !fillsMasks)
            return tensor is "dense_2.weight" or "dense_3.weight" || Begins("cls.");
        return Begins("output.") || Begins("cls.") || (fillsMasks ? Begins("dense_") : MaskHead.Owns(tensor));

        bool Begins(string prefix) => tensor.StartsWith(prefix, StringComparison.Ordinal);
    }

    /// <summary>Pools, then applies what the file has behind it: dense layers (EmbeddingGemma, arXiv 2509.20354), or a classifier.</summary>
    /// <param name="model">The file.</param>
    /// <param name="hidden">[rows, width].</param>
    /// <param name="kind">How.</param>
    /// <param name="ranking">How a classifier reads the text, where there is one.</param>
    /// <returns>[texts, values].</returns>
    public static Value Write(ModelFile model, Value hidden, PoolingKind kind, RankingTerms? ranking)
    {
        if (ranking is not null)
            return Classify(model, hidden, ranking);
        var pooled = model.Program.Pool(hidden, kind);
        foreach (var name in (ReadOnlySpan<string>)["dense_2", "dense_3"])
            pooled = model.Has(name + ".weight") ? Linear(model, pooled, name) : pooled;
        return pooled;
    }

    // A dense layer with an activation before the classes where the file has it (RoBERTa's head), else the classes alone.
    // What the dense layer gives is normalized where the file has a norm for it (ModernBERT's).
    private static Value Classify(ModelFile model, Value hidden, RankingTerms ranking)
    {
        bool isDense = model.Has("cls.weight"), hasClasses = model.Has("cls.output.weight");
        if (!isDense && !hasClasses)
            throw model.Wrong("the file says that it ranks but has no head: neither 'cls.weight' nor 'cls.output.weight'");
        var x = model.Program.Pool(hidden, ranking.Pooling);
        if (isDense)
            x = model.Program.Activate(ranking.Activation, Linear(model, x, "cls"));
        if (isDense && model.Has("cls.norm.weight"))
            x = model.Norm(x, "cls.norm", Norm.LayerWithoutBias);
        return hasClasses ? Linear(model, x, "cls.output") : x;
    }

    private static Value Linear(ModelFile model, Value x, string name)
    {
        var weight = model.Program.Matrix(name + ".weight", x.Width);
        return model.Program.Linear(x, weight, model.Program.OptionalVector(name + ".bias", checked((int)weight.Rows)));
    }
}
