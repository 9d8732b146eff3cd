using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Writes the program of a model file.</summary>
internal delegate ModelProgram ModelFamily(GgufFile file, StepLimits limits);

/// <summary>The families that are built in, by GGUF's general.architecture.</summary>
internal static class ModelFamilies
{
    /// <summary>Tokens of a text that an encoder reads: in one step, all of whose rows are in memory at once.</summary>
    public const int LongestSource = 8192;

    private static readonly Dictionary<string, ModelFamily> _families = new(Collect(
        Llama.Architectures,
        Qwen.Architectures,
        Granite.Architectures,
        Gpt.Architectures,
        ParallelBlocks.Architectures,
        PostNorm.Architectures,
        Gemma.Architectures,
        Gemma4.Architectures,
        Apertus.Architectures,
        Talkie.Architectures,
        Diffusion.Architectures,
        Bert.Architectures,
        DecoderEmbedding.Architectures,
        Mixtral.Architectures,
        DeepSeek.Architectures,
        WindowedExperts.Architectures,
        GptOss.Architectures,
        Llama4.Architectures,
        Mamba.Architectures,
        Lfm2.Architectures,
        DeltaNet.Architectures))
    {
        ["gemma3n"] = Gemma3n.Build,
        ["t5"] = T5.Build,
        ["t5encoder"] = T5.Build,
        ["encoder-decoder"] = EncoderDecoder.Build,
        ["transformer-xl"] = TransformerXl.Build,
    };

    // What these need beside the operations that there are.
    private static readonly Dictionary<string, string> _lacking = new()
    {
        ["deepseek32"] = "attention to positions that an indexer chooses",
        ["glm-dsa"] = "attention to positions that an indexer chooses",
        ["minimax-m3"] = "attention to blocks that an indexer chooses",
        ["deepseek4"] = "compressed attention and hyper-connections",
        ["rwkv6"] = "RWKV's recurrence",
        ["rwkv6qwen2"] = "RWKV's recurrence",
        ["rwkv7"] = "RWKV's recurrence",
        ["arwkv7"] = "RWKV's recurrence",
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

    /// <summary>Whether an architecture computes vectors of texts and nothing else.</summary>
    public static bool IsEncoder(string architecture) => architecture == "t5encoder" || Bert.Architectures.ContainsKey(architecture) || DecoderEmbedding.Architectures.ContainsKey(architecture);

    /// <summary>Whether an architecture's files may have a head for masked words.</summary>
    public static bool FillsMasks(string architecture) => Bert.Architectures.ContainsKey(architecture);

    /// <summary>Whether an architecture has an encoder before its decoder.</summary>
    public static bool IsEncoderDecoder(string architecture) => architecture is "t5" or "encoder-decoder";

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

    private static Dictionary<string, ModelFamily> Collect(params ReadOnlySpan<Dictionary<string, Func<ModelFile, DecoderDescription>>> decoders)
    {
        var all = new Dictionary<string, ModelFamily>(StringComparer.Ordinal);
        foreach (var kin in decoders)
        {
            foreach (var (architecture, describe) in kin)
                all.Add(architecture, (file, limits) => Decoder.Build(file, limits, describe));
        }

        return all;
    }
}
