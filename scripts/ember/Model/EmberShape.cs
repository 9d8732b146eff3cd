namespace Hearth.Ember.Model;

/// <summary>Ember's hyper-parameters; every length is a multiple of 32 so that rows split into whole Q8_0 blocks.</summary>
public sealed record EmberShape(int Embedding, int Layers, int Heads, int KvHeads, int FeedForward, int Vocabulary)
{
    public const float NormEpsilon = 1e-5f;
    public const float RopeBase = 10000f;
    public const int ContextLength = 2048;

    public int HeadSize => Embedding / Heads;
    public int KvLength => HeadSize * KvHeads;

    public long Parameters => (long)Vocabulary * Embedding + Embedding
        + (long)Layers * (2L * Embedding * Embedding + 2L * Embedding * KvLength + 3L * Embedding * FeedForward + 2L * Embedding);

    public static EmberShape Shipped(int vocabulary) => new(192, 5, 3, 3, 512, vocabulary);
}
