using Hearth.Runtime.Graphs;

namespace Hearth.Runtime;

/// <summary>A loaded model that turns texts into vectors, in this process.</summary>
/// <remarks>All members are safe to call from several threads at once; texts of all callers share steps.</remarks>
public interface IEmbeddingModel : IModel
{
    /// <summary>Values of a vector.</summary>
    int Dimensions { get; }

    /// <summary>How a text's tokens become one vector.</summary>
    PoolingKind Pooling { get; }

    /// <summary>Turns text into token ids, special tokens added where the model wants them.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one of an unknown kind.</exception>
    IReadOnlyList<int> Tokenize(string text);

    /// <summary>The classes that a ranking head tells apart; null where the model computes vectors.</summary>
    ClassifierTerms? Classifier { get; }

    /// <summary>Turns a query and a document into the ids of one text, for a model that pools by <see cref="PoolingKind.Rank"/>.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or a template without places for the two.</exception>
    IReadOnlyList<int> TokenizePair(string query, string document);

    /// <summary>Computes a vector for each text.</summary>
    /// <param name="texts">Token ids, special tokens included; each text has at least one and at most the context's.</param>
    /// <param name="normalize">Whether vectors are scaled to length 1, so that their dot product is their cosine. Scores of a ranking head never are: they are logits, a decoder's (Qwen3) a softmax of them.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>Vectors of <see cref="Dimensions"/> values, in the texts' order.</returns>
    /// <exception cref="ArgumentException">There is no text, or an empty one, or a token is not in the vocabulary.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit, see <see cref="ContextLengthExceededException.TextIndex"/>; nothing is cut off.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="HearthException">The model's weights give a value that is not finite.</exception>
    Task<IReadOnlyList<float[]>> EmbedAsync(IReadOnlyList<IReadOnlyList<int>> texts, bool normalize = true, CancellationToken cancellationToken = default);
}
