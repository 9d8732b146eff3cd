namespace Hearth.Runtime.Graphs;

/// <summary>How a model's classifier reads a text.</summary>
/// <param name="Pooling">Which hidden state it gets: the first, the last or the mean of all.</param>
/// <param name="Activation">Behind its dense layer, where the file has one.</param>
/// <param name="AreProbabilities">Whether its scores are to become a softmax; else they are logits, as the file's user wants them.</param>
internal sealed record RankingTerms(PoolingKind Pooling, ActivationFunction Activation, bool AreProbabilities)
{
    /// <summary>BERT's and RoBERTa's: [CLS], a dense layer with tanh, logits.</summary>
    public static readonly RankingTerms OfFirstToken = new(PoolingKind.First, ActivationFunction.Tanh, AreProbabilities: false);

    /// <summary>ModernBERT's: the mean, and GELU.</summary>
    public static readonly RankingTerms OfMean = new(PoolingKind.Mean, ActivationFunction.GeluTanh, AreProbabilities: false);

    /// <summary>A decoder's that was trained to say yes or no with its last token (Qwen3 Embedding, arXiv 2506.05176).</summary>
    public static readonly RankingTerms OfLastToken = new(PoolingKind.Last, ActivationFunction.Tanh, AreProbabilities: true);
}
