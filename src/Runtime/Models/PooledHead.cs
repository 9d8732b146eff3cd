using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>One vector of a text's rows, or the scores of a classifier over it, in place of logits.</summary>
internal static class PooledHead
{
    private static readonly string[] _rankingDecoders = ["qwen3", "qwen3vl"];

    /// <summary>How rows are pooled; null where logits are wanted.</summary>
    /// <param name="model">The file.</param>
    /// <param name="isEncoder">Whether the model has no logits, so that its rows are pooled unless masks are to be filled.</param>
    /// <exception cref="UnsupportedModelException">A decoder is to rank whose scores are not known.</exception>
    public static PoolingKind? Kind(ModelFile model, bool isEncoder)
    {
        if (model.Limits.FillsMasks || (!isEncoder && model.Limits.Embedding is null))
            return null;
        var kind = Pooling.Read(model.Metadata, model.Limits.Embedding?.Pooling, isEncoder ? PoolingKind.Mean : PoolingKind.Last);
        return kind != PoolingKind.Rank || isEncoder || RanksByLastToken(model.Sizes.Architecture)
            ? kind
            : throw new UnsupportedModelException($"ranking by the decoder '{model.Sizes.Architecture}'", ["mean, first and last", .. _rankingDecoders.Select(name => "ranking by " + name)]);
    }

    /// <summary>Whether an architecture is a decoder that ranks: of its last token, with scores that are a softmax (Qwen3 Embedding, arXiv 2506.05176).</summary>
    public static bool RanksByLastToken(string architecture) => _rankingDecoders.Contains(architecture);

    /// <summary>Whether a tensor has no use here: a head's other than the one in use, or a pooled vector's where logits are wanted.</summary>
    /// <param name="tensor">Its name.</param>
    /// <param name="kind">How rows are pooled; null: not at all.</param>
    /// <param name="fillsMasks">Whether the head of masked words is in use.</param>
    public static bool Ignores(string tensor, PoolingKind? kind, bool fillsMasks)
    {
        if (kind is null && !fillsMasks)
            return tensor is "dense_2.weight" or "dense_3.weight";
        return Begins("output.") || Begins("cls.") || (fillsMasks ? Begins("dense_") : MaskHead.Owns(tensor));

        bool Begins(string prefix) => tensor.StartsWith(prefix, StringComparison.Ordinal);
    }

    /// <summary>Pools, then applies what the file has behind it: dense layers (EmbeddingGemma, arXiv 2509.20354), or a classifier.</summary>
    /// <param name="model">The file.</param>
    /// <param name="hidden">[rows, width].</param>
    /// <param name="kind">How.</param>
    /// <returns>[texts, values].</returns>
    public static Value Write(ModelFile model, Value hidden, PoolingKind kind)
    {
        if (kind == PoolingKind.Rank)
            return Classify(model, hidden);
        var pooled = model.Program.Pool(hidden, kind);
        foreach (var name in (ReadOnlySpan<string>)["dense_2", "dense_3"])
            pooled = model.Has(name + ".weight") ? Linear(model, pooled, name) : pooled;
        return pooled;
    }

    // A dense layer with an activation before the classes where the file has it (RoBERTa's head), else the classes alone.
    // ModernBERT's rankers read the mean in place of [CLS] and normalize what the dense layer gives.
    private static Value Classify(ModelFile model, Value hidden)
    {
        bool isDense = model.Has("cls.weight"), hasClasses = model.Has("cls.output.weight"), isModern = model.Sizes.Architecture == "modern-bert";
        if (!isDense && !hasClasses)
            throw model.Wrong("the file says that it ranks but has no head: neither 'cls.weight' nor 'cls.output.weight'");
        var x = model.Program.Pool(hidden, isModern ? PoolingKind.Mean : PoolingKind.Rank);
        if (isDense)
            x = model.Program.Activate(isModern ? ActivationFunction.GeluTanh : ActivationFunction.Tanh, Linear(model, x, "cls"));
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
