using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>The encoder–decoder of 2017 and its descendants: BART, Marian.</summary>
/// <remarks>
/// Sources: "Attention Is All You Need" (arXiv 1706.03762: norms behind each part, sinusoids, relu), BART (1910.13461:
/// learned positions, normalized embeddings, GELU, an output bias), Marian (1804.00344). What sets them apart are keys of
/// the file, so that a model is described without a line of code. Tensor and key names: docs/gguf.md.
/// </remarks>
internal sealed class EncoderDecoder
{
    // Values of a table of sinusoids.
    private const int LargestTable = 1 << 26;

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["encoder-decoder"];

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly string _stack;
    private readonly int _decoderLayers;
    private readonly int _feedForward;
    private readonly float _epsilon;
    private readonly bool _normFirst;
    private readonly PositionKind _positions;
    private readonly float _embeddingScale;
    private readonly ActivationFunction _activation;
    private readonly AttentionTerms _attention;

    private EncoderDecoder(GgufFile file, StepLimits limits, string stack)
    {
        _model = new ModelFile(file, limits);
        _program = _model.Program;
        _sizes = _model.Sizes;
        _stack = stack;
        var keys = _model.Keys;
        var (heads, _, feedForward) = _sizes.OneForAll(keys);
        _decoderLayers = keys.Size("decoder.block_count", Hyperparameters.MostLayers, otherwise: _sizes.Layers);
        if (stack == "dec")
        {
            heads = keys.Size("decoder.attention.head_count", Hyperparameters.MostHeads, otherwise: heads);
            feedForward = keys.Size("decoder.feed_forward_length", Hyperparameters.LargestWidth, otherwise: feedForward);
        }

        if (_sizes.Width % heads != 0)
            throw keys.Wrong("attention.head_count", $"must divide the width {_sizes.Width}, found {heads}");
        _feedForward = feedForward;
        _epsilon = keys.Number("attention.layer_norm_epsilon", least: 0, most: 1);
        _normFirst = keys.Flag("norm_first", false);
        _embeddingScale = keys.Number("embedding_scale", 1);
        _positions = ReadName(keys, "position_type", ("learned", PositionKind.Learned), ("sinusoidal", PositionKind.Sinusoidal), ("sinusoidal_interleaved", PositionKind.Interleaved));
        if (_positions != PositionKind.Learned)
            CheckSinusoids(keys, _sizes);
        _activation = ReadName(
            keys, "activation", ("relu", ActivationFunction.Relu), ("gelu", ActivationFunction.Gelu), ("gelu_tanh", ActivationFunction.GeluTanh), ("silu", ActivationFunction.Silu));
        var headWidth = _sizes.Width / heads;
        _attention = new AttentionTerms
        {
            Heads = heads,
            KvHeads = heads,
            KeyWidth = headWidth,
            ValueWidth = headWidth,
            Scale = 1 / MathF.Sqrt(headWidth),
            Mask = stack == "enc" ? AttentionMask.Bidirectional : AttentionMask.Causal,
        };
    }

    /// <summary>Writes the decoder's program, with the encoder's beside it.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        ModelFamilies.RefuseEmbeddings(limits);
        var encoder = new EncoderDecoder(file, limits, "enc");
        var decoder = new EncoderDecoder(file, limits, "dec");
        var hidden = encoder.Encode();
        ModelFamilies.WriteMemory(encoder._program, hidden, decoder._decoderLayers, decoder._attention);
        var source = limits with { MaxRows = Math.Min(encoder._sizes.ContextLength, ModelFamilies.LongestSource), MaxOutputRows = 1 };
        var logits = decoder.Decode();
        decoder._model.RequireAllUsed(beside: encoder._program);
        return decoder._program.Build(logits, limits, encoder: encoder._program.Build(encoder._program.Gather(hidden), source));
    }

    private enum PositionKind
    {
        Learned,

        // All sines, then all cosines: Marian's, and that of the 2017 authors' own code.
        Sinusoidal,

        // A sine beside its cosine: as the 2017 paper writes it.
        Interleaved,
    }

    // No tensor of the file backs a table that is computed.
    private static void CheckSinusoids(Hyperparameters.Keys keys, Hyperparameters sizes)
    {
        if (sizes.Width % 2 != 0)
            throw keys.Wrong("embedding_length", $"must be even for sinusoidal positions, found {sizes.Width}");
        if ((long)sizes.Width * sizes.ContextLength > LargestTable)
            throw keys.Wrong("context_length", $"must be at most {LargestTable / sizes.Width} for sinusoidal positions of {sizes.Width} values, found {sizes.ContextLength}");
    }

    private Value Encode()
    {
        var x = Embed();
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            x = Part(x, $"enc.blk.{layer}.attn_norm", y => Linear(SelfAttention($"enc.blk.{layer}.attn_", y), $"enc.blk.{layer}.attn_o", _sizes.Width));
            x = Part(x, $"enc.blk.{layer}.ffn_norm", y => FeedForward($"enc.blk.{layer}.ffn_", y));
        }

        return OptionalNorm(x, "enc.output_norm");
    }

    private Value Decode()
    {
        var x = Embed();
        for (var layer = 0; layer < _decoderLayers; layer++)
        {
            var block = $"dec.blk.{layer}.";
            x = Part(x, block + "attn_norm", y => Linear(CausalAttention(layer, block + "attn_", y), block + "attn_o", _sizes.Width));
            x = Part(x, block + "cross_attn_norm", y => Linear(CrossAttention(layer, block + "cross_attn_", y), block + "cross_attn_o", _sizes.Width));
            x = Part(x, block + "ffn_norm", y => FeedForward(block + "ffn_", y));
        }

        var hidden = _program.Gather(OptionalNorm(x, "dec.output_norm"));
        var embedding = _program.Matrix("token_embd.weight", _sizes.Width);
        var output = !_model.Has("output.weight") ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        return _program.Linear(hidden, output, _program.OptionalVector("output.bias", (int)embedding.Rows));
    }

    private Value Embed()
    {
        var x = _program.Embed(_program.Matrix("token_embd.weight", _sizes.Width), _embeddingScale) + _program.EmbedPosition(Positions());
        return OptionalNorm(x, $"{_stack}.token_embd_norm");
    }

    private Weight Positions()
    {
        var (width, context) = (_sizes.Width, _sizes.ContextLength);
        if (_positions == PositionKind.Learned)
            return _program.Matrix($"{_stack}.position_embd.weight", width, context);
        Func<int, int, float[]> row = _positions == PositionKind.Interleaved ? Sinusoids.Interleaved : Sinusoids.Of;
        return _program.Computed("sinusoids of positions", width, context, 1, () => [.. Enumerable.Range(0, context).SelectMany(position => row(position, width))]);
    }

    // x + part(norm(x)), or as in 2017 norm(x + part(x)).
    private Value Part(Value x, string norm, Func<Value, Value> part) => _normFirst ? x + part(Norm(x, norm)) : Norm(x + part(x), norm);

    private Value SelfAttention(string prefix, Value x)
    {
        var (query, key, value) = Project(prefix, x);
        return _program.RowAttention(query, key, value, _attention);
    }

    private Value CausalAttention(int layer, string prefix, Value x)
    {
        var (query, key, value) = Project(prefix, x);
        return _program.CachedAttention(query, key, value, layer, _attention);
    }

    private Value CrossAttention(int layer, string prefix, Value x) => _program.MemoryAttention(Linear(x, prefix + "q", _sizes.Width), layer, _attention);

    private (Value Query, Value Key, Value Value) Project(string prefix, Value x)
    {
        var width = _sizes.Width;
        var projected = _program.Linear(x, ActivationFunction.None, Biased(prefix + "q", width, width), Biased(prefix + "k", width, width), Biased(prefix + "v", width, width));
        return (projected[0], projected[1], projected[2]);
    }

    private Value FeedForward(string prefix, Value x)
    {
        var (up, bias) = Biased(prefix + "up", _sizes.Width, _feedForward);
        return Linear(_program.Linear(x, up, bias, _activation), prefix + "down", _sizes.Width);
    }

    private Value Linear(Value x, string name, int outputs)
    {
        var (weight, bias) = Biased(name, x.Width, outputs);
        return _program.Linear(x, weight, bias);
    }

    private (Weight Weight, Weight? Bias) Biased(string name, int inputs, int outputs)
        => (_program.Matrix(name + ".weight", inputs, outputs), _program.OptionalVector(name + ".bias", outputs));

    private Value OptionalNorm(Value x, string name) => !_model.Has(name + ".weight") ? x : Norm(x, name);

    private Value Norm(Value x, string name)
        => _program.LayerNorm(x, _program.Vector(name + ".weight", _sizes.Width), _program.OptionalVector(name + ".bias", _sizes.Width), _epsilon);

    private static T ReadName<T>(Hyperparameters.Keys keys, string key, params ReadOnlySpan<(string Name, T Value)> known)
    {
        keys.Require(key);
        var name = keys.Text(key, "");
        var names = new List<string>();
        foreach (var (candidate, value) in known)
        {
            if (candidate == name)
                return value;
            names.Add(candidate);
        }

        throw new UnsupportedModelException($"{key} '{name}'", names);
    }
}
