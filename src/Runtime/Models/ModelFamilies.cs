using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Writes the program of a model file.</summary>
internal delegate ModelProgram ModelFamily(GgufFile file, StepLimits limits);

/// <summary>The families that are built in, by GGUF's general.architecture.</summary>
internal static class ModelFamilies
{
    private static readonly Dictionary<string, ModelFamily> _families = Collect(
        (Llama.Architectures, Llama.Build),
        (Gpt2.Architectures, Gpt2.Build),
        (Gemma.Architectures, Gemma.Build),
        (Phi3.Architectures, Phi3.Build),
        (T5.Architectures, T5.Build),
        (EncoderDecoder.Architectures, EncoderDecoder.Build),
        (TransformerXl.Architectures, TransformerXl.Build),
        (Bert.Architectures, Bert.Build));

    /// <summary>The architectures that can be run.</summary>
    public static IEnumerable<string> Architectures => _families.Keys.Order(StringComparer.Ordinal);

    /// <summary>The family of a file.</summary>
    /// <exception cref="UnsupportedModelException">Its architecture is not built in.</exception>
    public static ModelFamily Find(GgufFile file)
    {
        var architecture = file.Metadata.Get<string>("general.architecture");
        return _families.TryGetValue(architecture, out var family)
            ? family
            : throw new UnsupportedModelException($"architecture '{architecture}'", Architectures);
    }

    /// <summary>Whether an architecture computes vectors of texts and nothing else.</summary>
    public static bool IsEncoder(string architecture) => architecture == "t5encoder" || Bert.Architectures.Contains(architecture);

    /// <summary>Whether an architecture has an encoder before its decoder.</summary>
    public static bool IsEncoderDecoder(string architecture) => architecture is "t5" or "encoder-decoder";

    private static Dictionary<string, ModelFamily> Collect(params ReadOnlySpan<(IEnumerable<string> Architectures, ModelFamily Family)> families)
    {
        var all = new Dictionary<string, ModelFamily>(StringComparer.Ordinal);
        foreach (var (architectures, family) in families)
        {
            foreach (var architecture in architectures)
                all.Add(architecture, family);
        }

        return all;
    }
}
