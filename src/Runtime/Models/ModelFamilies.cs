using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>An architecture, or several that are alike.</summary>
/// <param name="Build">Writes the program of a model file.</param>
internal sealed record ModelFamily(Func<GgufFile, StepLimits, ModelProgram> Build)
{
    /// <summary>Whether it computes vectors of texts and nothing else.</summary>
    public bool IsEncoder { get; init; }

    /// <summary>Whether its files may have a head for masked words.</summary>
    public bool FillsMasks { get; init; }

    /// <summary>Whether an encoder reads before its decoder writes.</summary>
    public bool IsEncoderDecoder { get; init; }
}

/// <summary>The families that are built in, by GGUF's general.architecture.</summary>
internal static class ModelFamilies
{
    /// <summary>Tokens of a text that an encoder reads: in one step, all of whose rows are in memory at once.</summary>
    public const int LongestSource = 8192;

    private static readonly Dictionary<string, ModelFamily> _families = new(
    [
        .. Described(Bert.Architectures, isEncoder: true, fillsMasks: true),
        .. Described(DecoderEmbedding.Architectures, isEncoder: true),
        .. Described(Llama.Architectures),
        .. Described(Qwen.Architectures),
        .. Described(Granite.Architectures),
        .. Described(Gpt.Architectures),
        .. Described(ParallelBlocks.Architectures),
        .. Described(PostNorm.Architectures),
        .. Described(Gemma.Architectures),
        .. Described(Gemma4.Architectures),
        .. Described(Apertus.Architectures),
        .. Described(Talkie.Architectures),
        .. Described(Diffusion.Architectures),
        .. Described(Mixtral.Architectures),
        .. Described(DeepSeek.Architectures),
        .. Described(WindowedExperts.Architectures),
        .. Described(GptOss.Architectures),
        .. Described(Llama4.Architectures),
        .. Described(Mamba.Architectures),
        .. Described(Lfm2.Architectures),
        .. Described(DeltaNet.Architectures),
        .. Described(Rwkv.Architectures),
        new("gemma3n", new ModelFamily(Gemma3n.Build)),
        new("t5", new ModelFamily(T5.Build) { IsEncoderDecoder = true }),
        new("t5encoder", new ModelFamily(T5.Build) { IsEncoder = true }),
        new("encoder-decoder", new ModelFamily(EncoderDecoder.Build) { IsEncoderDecoder = true }),
        new("transformer-xl", new ModelFamily(TransformerXl.Build)),
    ],
    StringComparer.Ordinal);

    // What these need beside the operations that there are.
    private static readonly Dictionary<string, string> _lacking = new()
    {
        ["deepseek4"] = "compressed attention and hyper-connections",
    };

    /// <summary>The architectures that can be run.</summary>
    public static IEnumerable<string> Architectures => _families.Keys.Order(StringComparer.Ordinal);

    /// <summary>The family of a file.</summary>
    /// <exception cref="UnsupportedModelException">Its architecture is not built in.</exception>
    public static ModelFamily Find(GgufFile file)
    {
        var architecture = file.Metadata.Get<string>("general.architecture");
        return _families.TryGetValue(architecture, out var family)
            ? family
            : throw new UnsupportedModelException($"architecture '{architecture}'{Reason(architecture)}", Architectures);
    }

    /// <summary>The family of an architecture; null where it is not built in.</summary>
    public static ModelFamily? TryFind(string architecture) => _families.GetValueOrDefault(architecture);

    /// <summary>Refuses to make vectors with an encoder–decoder.</summary>
    /// <exception cref="UnsupportedModelException">Vectors are asked for.</exception>
    public static void RefuseEmbeddings(StepLimits limits)
    {
        if (limits.Embedding is not null)
            throw new UnsupportedModelException("embeddings of an encoder–decoder", ["encoders", "decoders"]);
    }

    /// <summary>Ends an encoder's program with the keys and values that each layer of the decoder reads as its memory.</summary>
    /// <remarks>They are the same for every token of the output: computed here, once for each text. Biases are taken where the file has them.</remarks>
    /// <param name="program">The encoder's.</param>
    /// <param name="hidden">The encoder's rows.</param>
    /// <param name="layers">Those of the decoder.</param>
    /// <param name="terms">The decoder's heads and their widths.</param>
    public static void WriteMemory(ProgramBuilder program, Value hidden, int layers, AttentionTerms terms)
    {
        for (var layer = 0; layer < layers; layer++)
        {
            var projected = program.Linear(hidden, ActivationFunction.None, Projection($"dec.blk.{layer}.cross_attn_k", terms.KeysWidth), Projection($"dec.blk.{layer}.cross_attn_v", terms.ValuesWidth));
            program.WriteCache(projected[0], projected[1], layer, terms);
        }

        (Weight Weight, Weight? Bias) Projection(string name, int outputs)
            => (program.Matrix(name + ".weight", hidden.Width, outputs), program.OptionalVector(name + ".bias", outputs));
    }

    private static string Reason(string architecture)
        => _lacking.TryGetValue(architecture, out var lacking) ? $" ({lacking})" : "";

    private static IEnumerable<KeyValuePair<string, ModelFamily>> Described(Dictionary<string, Func<ModelFile, DecoderDescription>> kin, bool isEncoder = false, bool fillsMasks = false)
        => kin.Select(entry => KeyValuePair.Create(
            entry.Key, new ModelFamily((file, limits) => Decoder.Build(file, limits, entry.Value)) { IsEncoder = isEncoder, FillsMasks = fillsMasks }));
}
