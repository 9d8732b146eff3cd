using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

/// <summary>How the hidden states of a text's tokens become one vector; numbered as GGUF's <c>{architecture}.pooling_type</c>.</summary>
public enum PoolingKind
{
    /// <summary>Their mean.</summary>
    Mean = 1,

    /// <summary>That of the first token, BERT's [CLS].</summary>
    First = 2,

    /// <summary>That of the last token.</summary>
    Last = 3,

    /// <summary>Scores of a classification head: how well a document fits a query.</summary>
    Rank = 4,
}

/// <summary>Reads how a model pools.</summary>
internal static class Pooling
{
    /// <summary>What is asked for, else what the file says, else what is usual.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="asked">What the caller wants; null: what the file says.</param>
    /// <param name="otherwise">What holds where the file says nothing (or 0, none).</param>
    /// <exception cref="UnsupportedModelException">The file's number is unknown.</exception>
    public static PoolingKind Read(GgufMetadata metadata, PoolingKind? asked, PoolingKind otherwise)
    {
        if (asked is { } kind)
            return kind;
        var number = Stated(metadata);
        return number switch
        {
            0 => otherwise,
            >= 1 and <= 4 => (PoolingKind)number,
            _ => throw new UnsupportedModelException($"pooling type {number}", ["1 (mean)", "2 (first token)", "3 (last token)", "4 (rank)"]),
        };
    }

    /// <summary>The file's number; 0 where it says nothing, as it does by -1, signed or not ("unspecified").</summary>
    /// <exception cref="ModelFormatException">The key holds no whole number.</exception>
    public static long Stated(GgufMetadata metadata)
        => metadata.Get($"{metadata.Get<string>("general.architecture")}.pooling_type", 0L) is var number && number is -1 or uint.MaxValue ? 0 : number;
}
