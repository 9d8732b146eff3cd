using System.Numerics.Tensors;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime;

/// <summary>What a ranking head tells apart.</summary>
/// <param name="Labels">A name for each of its values, from <c>classifier.output_labels</c>; where the file has none, <c>LABEL_0</c> and on.</param>
/// <param name="AreProbabilities">Whether its values are a softmax already; else they are logits.</param>
public sealed record ClassifierTerms(IReadOnlyList<string> Labels, bool AreProbabilities)
{
    /// <summary>Reads the labels of a file.</summary>
    /// <param name="metadata">The file's.</param>
    /// <param name="count">Values of the head.</param>
    /// <param name="areProbabilities">Whether they are a softmax.</param>
    /// <exception cref="ModelFormatException">There are more labels than values, or fewer.</exception>
    internal static ClassifierTerms Read(GgufMetadata metadata, int count, bool areProbabilities)
    {
        var key = $"{metadata.Get<string>("general.architecture")}.classifier.output_labels";
        if (!metadata.TryGet<string[]>(key, out var labels))
            labels = [.. Enumerable.Range(0, count).Select(i => $"LABEL_{i}")];
        return labels.Length == count
            ? new ClassifierTerms(labels, areProbabilities)
            : throw new ModelFormatException($"metadata key '{key}' names {labels.Length} classes, but the head has {count} values", metadata.Source);
    }
}

/// <summary>A class of a text.</summary>
/// <param name="Label">Its name.</param>
/// <param name="Score">0 to 1: the softmax over all classes, or the sigmoid where there is one class only.</param>
public readonly record struct ClassScore(string Label, float Score);

/// <summary>Sequence classification with models whose file has a ranking head.</summary>
public static class Classification
{
    /// <summary>Tells how well each class fits each text.</summary>
    /// <param name="model">Has a <see cref="IEmbeddingModel.Classifier"/>.</param>
    /// <param name="texts">Token ids, special tokens included.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>For each text all classes, the best first.</returns>
    /// <exception cref="UnsupportedModelException">The model has no such head.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit; nothing is cut off.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public static async Task<IReadOnlyList<IReadOnlyList<ClassScore>>> ClassifyAsync(
        this IEmbeddingModel model, IReadOnlyList<IReadOnlyList<int>> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        var terms = model.Classifier
            ?? throw new UnsupportedModelException($"classifying with '{model.Information.Id}', which has no ranking head (pooling type 4, tensors 'cls.weight' or 'cls.output.weight')", ["embeddings"]);
        var values = await model.EmbedAsync(texts, normalize: false, cancellationToken).ConfigureAwait(false);
        return [.. values.Select(row => Rank(terms, row))];
    }

    private static ClassScore[] Rank(ClassifierTerms terms, float[] values)
    {
        var scores = values.ToArray();
        if (!terms.AreProbabilities && scores.Length == 1)
            TensorPrimitives.Sigmoid(scores, scores);
        else if (!terms.AreProbabilities)
            TensorPrimitives.SoftMax(scores, scores);
        return [.. scores.Select((score, i) => new ClassScore(terms.Labels[i], score)).OrderByDescending(score => score.Score)];
    }
}
