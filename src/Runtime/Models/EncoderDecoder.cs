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
    // A text is encoded in one step, all of whose rows are in memory at once.
    private const int LongestSource = 8192;

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["encoder-decoder"];

    private readonly GgufFile _file;
    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly string _stack;
    private readonly int _decoderLayers;
    private readonly bool _normFirst;
    private readonly bool _learnedPositions;
    private readonly float _embeddingScale;
    private readonly ActivationFunction _activation;
    private readonly AttentionTerms _attention;

    private EncoderDecoder(GgufFile file, string stack)
    {
        _file = file;
        _program = new ProgramBuilder(file);
        _stack = stack;
        var architecture = file.Metadata.Get<string>("general.architecture");
        var keys = new Hyperparameters.Keys(file.Metadata, architecture);
        _sizes = Hyperparameters.Read(file.Metadata, "attention.layer_norm_epsilon");
        _decoderLayers = keys.Size("decoder_block_count", Hyperparameters.MostLayers, otherwise: _sizes.Layers);
        if (stack == "dec")
        {
            var heads = keys.Size("decoder.attention.head_count", _sizes.Width, otherwise: _sizes.Heads);
            if (_sizes.Width % heads != 0)
                throw keys.Wrong("decoder.attention.head_count", $"must divide the width {_sizes.Width}, found {heads}");
            _sizes = _sizes with
            {
                Heads = heads,
                KvHeads = heads,
                KeyWidth = _sizes.Width / heads,
                ValueWidth = _sizes.Width / heads,
                FeedForward = keys.Size("decoder.feed_forward_length", Hyperparameters.LargestWidth, otherwise: _sizes.FeedForward),
            };
        }

        _normFirst = file.Metadata.Get(keys.Name("norm_first"), false);
        _embeddingScale = keys.Number("embedding_scale", 1);
        _learnedPositions = ReadName(keys, "position_type", ("learned", true), ("sinusoidal", false));
        _activation = ReadName(
            keys, "activation", ("relu", ActivationFunction.Relu), ("gelu", ActivationFunction.Gelu), ("gelu_tanh", ActivationFunction.GeluTanh), ("silu", ActivationFunction.Silu));
        _attention = _sizes.Attention with { Mask = stack == "enc" ? AttentionMask.Bidirectional : AttentionMask.Causal };
    }

    /// <summary>Writes the decoder's program, with the encoder's beside it.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        if (limits.Embedding is not null)
            throw new UnsupportedModelException("embeddings of an encoder–decoder", ["encoders", "decoders"]);
        var encoder = new EncoderDecoder(file, "enc");
        var decoder = new EncoderDecoder(file, "dec");
        var hidden = encoder.Encode();
        encoder.WriteMemory(hidden, decoder._attention);
        var source = limits with { MaxRows = Math.Min(encoder._sizes.ContextLength, LongestSource), MaxOutputRows = 1 };
        return decoder._program.Build(decoder.Decode(), limits, encoder: encoder._program.Build(encoder._program.Gather(hidden), source));
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

    // What cross-attention reads is the same for every token of the output: it is computed here, once for each text.
    private void WriteMemory(Value hidden, AttentionTerms terms)
    {
        for (var layer = 0; layer < _decoderLayers; layer++)
        {
            var prefix = $"dec.blk.{layer}.cross_attn_";
            var projected = _program.Linear(hidden, ActivationFunction.None, Biased(prefix + "k", _sizes.Width, _sizes.Width), Biased(prefix + "v", _sizes.Width, _sizes.Width));
            _program.WriteCache(projected[0], projected[1], layer, terms);
        }
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
        var output = _file.FindTensor("output.weight") is null ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
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
        return _learnedPositions
            ? _program.Matrix($"{_stack}.position_embd.weight", width, context)
            : _program.Computed("sinusoids of positions", width, context, 1, () => [.. Enumerable.Range(0, context).SelectMany(position => Sinusoids.Of(position, width))]);
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
        var (up, bias) = Biased(prefix + "up", _sizes.Width, _sizes.FeedForward);
        return Linear(_program.Linear(x, up, bias, _activation), prefix + "down", _sizes.Width);
    }

    private Value Linear(Value x, string name, int outputs)
    {
        var (weight, bias) = Biased(name, x.Width, outputs);
        return _program.Linear(x, weight, bias);
    }

    private (Weight Weight, Weight? Bias) Biased(string name, int inputs, int outputs)
        => (_program.Matrix(name + ".weight", inputs, outputs), _program.OptionalVector(name + ".bias", outputs));

    private Value OptionalNorm(Value x, string name) => _file.FindTensor(name + ".weight") is null ? x : Norm(x, name);

    private Value Norm(Value x, string name)
        => _program.LayerNorm(x, _program.Vector(name + ".weight", _sizes.Width), _program.OptionalVector(name + ".bias", _sizes.Width), _sizes.Epsilon);

    private T ReadName<T>(Hyperparameters.Keys keys, string key, params ReadOnlySpan<(string Name, T Value)> known)
    {
        var name = _file.Metadata.Get<string>(keys.Name(key));
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
