using Hearth.Runtime.Caching;

namespace Hearth.Runtime.Evaluation;

/// <summary>A model whose logits can be had at every position of a text, whatever engine computes it.</summary>
internal interface ILogitsSource
{
    /// <summary>What the model is.</summary>
    ModelInformation Information { get; }

    /// <summary>Whether an encoder reads a source first.</summary>
    bool HasEncoder { get; }

    /// <summary>Computes the logits of every position of a text, apart from the requests being served.</summary>
    /// <param name="tokens">The text; at least one token, at most the context.</param>
    /// <param name="receive">Called in order of position.</param>
    /// <param name="cacheType">How keys and values are kept meanwhile.</param>
    /// <param name="source">What the encoder reads; empty without one.</param>
    /// <param name="cancellationToken">Stops between pieces.</param>
    void ComputeLogits(ReadOnlySpan<int> tokens, LogitsReceiver receive, CacheType cacheType, ReadOnlySpan<int> source, CancellationToken cancellationToken);
}
