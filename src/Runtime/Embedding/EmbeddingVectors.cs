using System.Numerics.Tensors;

namespace Hearth.Runtime.Embedding;

/// <summary>What is done to a vector after the model has computed it.</summary>
internal static class EmbeddingVectors
{
    /// <summary>Scales a vector to length 1. One of nothing but zeros, which no real model makes, stays as it is.</summary>
    public static void Normalize(Span<float> vector)
    {
        var length = TensorPrimitives.Norm<float>(vector);
        if (length > 0)
            TensorPrimitives.Divide(vector, length, vector);
    }

    /// <summary>The first values of a vector, scaled to length 1: the shorter vector of a model trained for it (Matryoshka, 2205.13147).</summary>
    /// <param name="vector">Of length 1.</param>
    /// <param name="dimensions">1 to the vector's own; null: all.</param>
    public static float[] Shorten(float[] vector, int? dimensions)
    {
        if (dimensions is not { } count || count == vector.Length)
            return vector;
        var shorter = vector.AsSpan(0, count).ToArray();
        Normalize(shorter);
        return shorter;
    }
}
