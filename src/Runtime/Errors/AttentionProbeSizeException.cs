namespace Hearth.Runtime;

/// <summary>The attention asked for is more than is kept at a time.</summary>
public sealed class AttentionProbeSizeException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="weightsAsked">Weights: queries times keys, over all heads and layers asked for.</param>
    /// <param name="weightsPossible">Weights that are kept at a time.</param>
    /// <param name="advice">What would fit.</param>
    public AttentionProbeSizeException(long weightsAsked, long weightsPossible, string advice)
        : base($"the attention asked for has {weightsAsked} weights, at most {weightsPossible} are kept at a time; {advice}")
    {
        WeightsAsked = weightsAsked;
        WeightsPossible = weightsPossible;
    }

    /// <summary>Queries times keys, over all heads and layers asked for.</summary>
    public long WeightsAsked { get; }

    /// <summary>Weights that are kept at a time.</summary>
    public long WeightsPossible { get; }
}
