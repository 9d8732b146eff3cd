using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>T5: an encoder–decoder whose attention knows positions by learned biases of their distance alone.</summary>
/// <remarks>
/// Sources: T5 (arXiv 1910.10683; its relu feed-forward), T5 v1.1 and Flan-T5 (gated GELU, arXiv 2002.05202; a head of its
/// own). Scores are not scaled: the weights' initialization does it. Tensor names are GGUF's.
/// </remarks>
internal sealed class T5
{
    // GGUF has no key for it; every T5 has this one.
    private const int BiasDistance = 128;

    private const int MostBuckets = 1 << 12;

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["t5", "t5encoder"];

    private readonly ModelFile _model;
    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly string _stack;
    private readonly int _decoderLayers;
    private readonly int _feedForward;
    private readonly float _epsilon;
    private readonly AttentionTerms _attention;

    private T5(GgufFile file, StepLimits limits, string stack)
    {
        _model = new ModelFile(file, limits);
        _program = _model.Program;
        _sizes = _model.Sizes;
        _stack = stack;
        var keys = _model.Keys;
        _feedForward = _sizes.OneForAll(keys).FeedForward;
        _epsilon = keys.Number("attention.layer_norm_rms_epsilon", least: 0, most: 1);
        _decoderLayers = keys.Size("decoder_block_count", Hyperparameters.MostLayers, otherwise: _sizes.Layers);
        _attention = _sizes.Attention(0) with
        {
            Scale = 1,
            Mask = stack == "enc" ? AttentionMask.Bidirectional : AttentionMask.Causal,
            BiasBuckets = keys.Size("attention.relative_buckets_count", MostBuckets, least: 4),
            BiasDistance = BiasDistance,
        };
    }

    /// <summary>Writes the programs of a file: the decoder's, with the encoder's beside it, or an encoder's alone.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var encoder = new T5(file, limits, "enc");
        var hidden = encoder.Encode();
        if (encoder._sizes.Architecture == "t5encoder")
        {
            var pooling = Pooling.Read(file.Metadata, limits.Embedding?.Pooling, PoolingKind.Mean);
            var pooled = encoder._program.Pool(hidden, pooling);
            encoder._model.RequireAllUsed();
            return encoder._program.Build(pooled, limits, pooling: pooling);
        }

        ModelFamilies.RefuseEmbeddings(limits);
        ModelFamilies.WriteMemory(encoder._program, hidden, encoder._decoderLayers, encoder._attention);
        var decoder = new T5(file, limits, "dec");
        var source = limits with { MaxRows = Math.Max(limits.MaxRows, Math.Min(encoder._sizes.ContextLength, ModelFamilies.LongestSource)), MaxOutputRows = 1 };
        var logits = decoder.Decode();

        // Files of the first T5 have biases for cross-attention, which no implementation applies.
        decoder._model.RequireAllUsed(name => name.EndsWith(".cross_attn_rel_b.weight", StringComparison.Ordinal), beside: encoder._program);
        return decoder._program.Build(logits, limits, encoder: encoder._program.Build(encoder._program.Gather(hidden), source));
    }

    private Value Encode()
    {
        var x = _program.Embed(_program.Matrix("token_embd.weight", _sizes.Width));
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var (query, key, value) = Project(Norm(x, layer, "attn_norm"), layer, "attn_");
            x += Output(_program.RowAttention(query, key, value, _attention, Biases(layer)), layer, "attn_o");
            x += FeedForward(layer, Norm(x, layer, "ffn_norm"));
        }

        return FinalNorm(x);
    }

    private Value Decode()
    {
        var embedding = _program.Matrix("token_embd.weight", _sizes.Width);
        var x = _program.Embed(embedding);
        for (var layer = 0; layer < _decoderLayers; layer++)
        {
            var (query, key, value) = Project(Norm(x, layer, "attn_norm"), layer, "attn_");
            x += Output(_program.CachedAttention(query, key, value, layer, _attention, biases: Biases(layer)), layer, "attn_o");
            var crossed = Cross(layer, Norm(x, layer, "cross_attn_norm"));

            // Rows whose logits nobody wants have done their part once their keys and values are in the cache.
            if (layer == _decoderLayers - 1)
                (x, crossed) = (_program.Gather(x), _program.Gather(crossed));

            x += Output(crossed, layer, "cross_attn_o");
            x += FeedForward(layer, Norm(x, layer, "ffn_norm"));
        }

        var output = !_model.Has("output.weight") ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        return _program.Linear(FinalNorm(x), output);
    }

    private Value Cross(int layer, Value x)
    {
        var query = _program.Linear(x, _program.Matrix(Name(layer, "cross_attn_q"), _sizes.Width, _attention.QueryWidth));
        return _program.MemoryAttention(query, layer, _attention with { BiasBuckets = 0, BiasDistance = 0 });
    }

    private (Value Query, Value Key, Value Value) Project(Value x, int layer, string prefix)
    {
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(Name(layer, prefix + "q"), _sizes.Width, _attention.QueryWidth), null),
            (_program.Matrix(Name(layer, prefix + "k"), _sizes.Width, _attention.KeysWidth), null),
            (_program.Matrix(Name(layer, prefix + "v"), _sizes.Width, _attention.ValuesWidth), null));
        return (projected[0], projected[1], projected[2]);
    }

    // relu(up(x)), or gelu(gate(x)) * up(x) where the file has a gate. Nothing normalizes what comes of it, and GELU has no
    // agreed last bits: the reference looks it up by half precision, which shows in the logits at 5e-6, so we round alike.
    private Value FeedForward(int layer, Value x)
    {
        var up = (_program.Matrix(Name(layer, "ffn_up"), _sizes.Width, _feedForward), (Weight?)null);
        Value hidden;
        if (!_model.Has(Name(layer, "ffn_gate")))
        {
            hidden = _program.Linear(x, ActivationFunction.Relu, up)[0];
        }
        else
        {
            var both = _program.Linear(x, ActivationFunction.None, (_program.Matrix(Name(layer, "ffn_gate"), _sizes.Width, _feedForward), null), up);
            hidden = _program.Activate(ActivationFunction.GeluTanhHalf, both[0], both[1]);
        }

        return _program.Linear(hidden, _program.Matrix(Name(layer, "ffn_down"), _feedForward, _sizes.Width));
    }

    private Value Output(Value attended, int layer, string name)
        => _program.Linear(attended, _program.Matrix(Name(layer, name), _attention.Heads * _attention.ValueWidth, _sizes.Width));

    // Only the first layer of a stack has biases; the others use them too.
    private Weight Biases(int layer)
    {
        var own = Name(layer, "attn_rel_b");
        return _program.Table(!_model.Has(own) ? Name(0, "attn_rel_b") : own, _attention.Heads, _attention.BiasBuckets);
    }

    private Value Norm(Value x, int layer, string name) => _program.RmsNorm(x, _program.Vector(Name(layer, name), _sizes.Width), _epsilon);

    private Value FinalNorm(Value x) => _program.RmsNorm(x, _program.Vector($"{_stack}.output_norm.weight", _sizes.Width), _epsilon);

    private string Name(int layer, string name) => $"{_stack}.blk.{layer}.{name}.weight";
}
