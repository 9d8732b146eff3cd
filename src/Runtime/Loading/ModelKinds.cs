using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Models;

namespace Hearth.Runtime;

/// <summary>What a model is used for.</summary>
public enum ModelKind
{
    /// <summary>A decoder: continues text. <see cref="LanguageModel"/>.</summary>
    Decoder,

    /// <summary>An encoder–decoder: turns a text into another. <see cref="LanguageModel"/>.</summary>
    EncoderDecoder,

    /// <summary>An encoder, or a decoder that was trained to embed: turns texts into vectors. <see cref="EmbeddingModel"/>.</summary>
    Encoder,
}

/// <summary>Tells what a file is for before it is loaded.</summary>
public static class ModelKinds
{
    /// <summary>Reads the kind from a file's metadata: its architecture, and whether it says how tokens are pooled.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">The file breaks its format.</exception>
    public static ModelKind Read(string path)
    {
        using var file = GgufFile.Open(path);
        return Of(file);
    }

    /// <summary>Reads the kind from the metadata of an open file, which need not be read again to be loaded.</summary>
    /// <exception cref="ModelFormatException">The metadata breaks its format.</exception>
    public static ModelKind Of(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Of(file.Metadata);
    }

    internal static ModelKind Of(GgufMetadata metadata)
    {
        var architecture = metadata.Get<string>("general.architecture");
        var family = ModelFamilies.TryFind(architecture);
        if (family is { IsEncoder: true } || Pooling.Stated(metadata) != 0)
            return ModelKind.Encoder;
        return family is { IsEncoderDecoder: true } ? ModelKind.EncoderDecoder : ModelKind.Decoder;
    }
}
