using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 1 to 3: decoders like Llama's with scaled embeddings and a GELU gate; most layers of the later ones look back through a window.</summary>
/// <remarks>
/// Sources: Gemma (arXiv 2403.08295), Gemma 2 (2408.00118: norms behind each part, capped scores and logits, every other
/// layer windowed), Gemma 3 (2503.19786: query and key normalized head by head, five of six layers windowed with a rotary
/// base of their own). Tensor names are GGUF's; files hold a norm's weight with the 1 that the papers add to it.
/// </remarks>
internal sealed class Gemma
{
    /// <summary>What sets the members of the family apart; numbers hold where the file has no key for them.</summary>
    private sealed record Member
    {
        /// <summary>Whether attention and feed-forward are normalized once more before they are added.</summary>
        public bool NormalizesOutputs { get; init; }

        /// <summary>Whether every query and key head is normalized before it is rotated.</summary>
        public bool NormalizesHeads { get; init; }

        /// <summary>Cap of the scores; 0: none.</summary>
        public float ScoreCap { get; init; }

        /// <summary>Cap of the logits; 0: none.</summary>
        public float LogitCap { get; init; }

        /// <summary>Keys that a windowed layer's query sees; 0: no layer is windowed.</summary>
        public int Window { get; init; }

        /// <summary>The last of so many layers sees everything; 0: no layer does.</summary>
        public int Period { get; init; }

        /// <summary>Rotary base of windowed layers, whose frequencies are then not scaled; null: as in the others.</summary>
        public float? WindowBase { get; init; }

        /// <summary>Layers of the one size whose scores are scaled by the width's share of a head, which no key tells.</summary>
        public int LayersScaledByWidth { get; init; }
    }

    private static readonly Dictionary<string, Member> _members = new()
    {
        ["gemma"] = new(),
        ["gemma2"] = new() { NormalizesOutputs = true, ScoreCap = 50, LogitCap = 30, Window = 4096, Period = 2, LayersScaledByWidth = 46 },
        ["gemma3"] = new() { NormalizesOutputs = true, NormalizesHeads = true, Period = 6, WindowBase = 10000, LayersScaledByWidth = 62 },
    };

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => _members.Keys;

    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly Member _member;
    private readonly RopeTerms _rope;
    private readonly RopeTerms _windowRope;
    private readonly AttentionTerms _attention;
    private readonly int _window;
    private readonly int _period;
    private readonly float _logitCap;

    private Gemma(GgufFile file)
    {
        _program = new ProgramBuilder(file);
        _sizes = Hyperparameters.Read(file.Metadata, "attention.layer_norm_rms_epsilon");
        _member = _members[_sizes.Architecture];
        var keys = new Hyperparameters.Keys(file.Metadata, _sizes.Architecture);
        _rope = _sizes.ReadRope(file.Metadata, RopeLayout.Halves);
        _windowRope = _rope with
        {
            Base = keys.Number("rope.freq_base_swa", _member.WindowBase ?? _rope.Base),
            FrequencyScale = _member.WindowBase is null ? _rope.FrequencyScale : 1,
        };
        _attention = _sizes.Attention with { Scale = Scale(), Softcap = Cap(keys, "attn_logit_softcapping", _member.ScoreCap) };
        _window = keys.Size("attention.sliding_window", int.MaxValue, _member.Window, least: 0);
        _period = keys.Size("attention.sliding_window_pattern", int.MaxValue, _member.Period, least: 0);
        _logitCap = Cap(keys, "final_logit_softcapping", _member.LogitCap);
        RequireOneSize(keys, "attention.key_length_swa", _sizes.KeyWidth);
        RequireOneSize(keys, "attention.value_length_swa", _sizes.ValueWidth);
        RequireOneSize(keys, "rope.dimension_count_swa", _rope.Dimensions);
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new Gemma(file);
        return model._program.Build(model.Forward(tied: file.FindTensor("output.weight") is null), limits);
    }

    private Value Forward(bool tied)
    {
        var embedding = _program.Matrix("token_embd.weight", _sizes.Width);
        var x = _program.Embed(embedding, MathF.Sqrt(_sizes.Width));
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var attended = Attention(layer, Norm(x, $"blk.{layer}.attn_norm.weight"));

            // Rows whose logits nobody wants have done their part once their keys and values are in the cache.
            if (layer == _sizes.Layers - 1)
                (x, attended) = (_program.Gather(x), _program.Gather(attended));

            var projected = _program.Linear(attended, _program.Matrix($"blk.{layer}.attn_output.weight", attended.Width, _sizes.Width));
            x += NormOutput(projected, $"blk.{layer}.post_attention_norm.weight");
            x += NormOutput(FeedForward(layer, Norm(x, $"blk.{layer}.ffn_norm.weight")), $"blk.{layer}.post_ffw_norm.weight");
        }

        var output = tied ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        var logits = _program.Linear(Norm(x, "output_norm.weight"), output);
        return _logitCap > 0 ? _program.Softcap(logits, _logitCap) : logits;
    }

    private Value Attention(int layer, Value x)
    {
        var prefix = $"blk.{layer}.attn_";
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(prefix + "q.weight", _sizes.Width, _sizes.QueryWidth), null),
            (_program.Matrix(prefix + "k.weight", _sizes.Width, _sizes.KeysWidth), null),
            (_program.Matrix(prefix + "v.weight", _sizes.Width, _sizes.ValuesWidth), null));
        var (query, key, value) = (projected[0], projected[1], projected[2]);
        if (_member.NormalizesHeads)
        {
            query = _program.RmsNorm(query, _program.Vector(prefix + "q_norm.weight", _sizes.KeyWidth), _sizes.Epsilon, _sizes.KeyWidth);
            key = _program.RmsNorm(key, _program.Vector(prefix + "k_norm.weight", _sizes.KeyWidth), _sizes.Epsilon, _sizes.KeyWidth);
        }

        var rope = IsWindowed(layer) ? _windowRope : _rope;
        query = _program.Rope(query, _sizes.KeyWidth, rope);
        key = _program.Rope(key, _sizes.KeyWidth, rope);
        return _program.CachedAttention(query, key, value, layer, IsWindowed(layer) ? _attention with { Window = _window } : _attention);
    }

    // GeGLU: down(gelu(gate(x)) * up(x)), arXiv 2002.05202.
    private Value FeedForward(int layer, Value x)
    {
        var prefix = $"blk.{layer}.ffn_";
        var hidden = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(prefix + "gate.weight", _sizes.Width, _sizes.FeedForward), null),
            (_program.Matrix(prefix + "up.weight", _sizes.Width, _sizes.FeedForward), null));
        var gated = _program.Activate(ActivationFunction.GeluTanh, hidden[0], hidden[1]);
        return _program.Linear(gated, _program.Matrix(prefix + "down.weight", _sizes.FeedForward, _sizes.Width));
    }

    private bool IsWindowed(int layer) => _window > 0 && (_period == 0 || layer % _period < _period - 1);

    private Value NormOutput(Value x, string name) => _member.NormalizesOutputs ? Norm(x, name) : x;

    private Value Norm(Value x, string name) => _program.RmsNorm(x, _program.Vector(name, _sizes.Width), _sizes.Epsilon);

    private float Scale()
        => 1 / MathF.Sqrt(_sizes.Layers == _member.LayersScaledByWidth ? _sizes.Width / _sizes.Heads : _sizes.KeyWidth);

    private static float Cap(Hyperparameters.Keys keys, string key, float otherwise)
    {
        var cap = keys.Number(key, otherwise);
        return cap >= 0 ? cap : throw keys.Wrong(key, $"must not be negative, found {cap}");
    }

    private static void RequireOneSize(Hyperparameters.Keys keys, string key, int size)
    {
        if (keys.Size(key, int.MaxValue, size) != size)
            throw new UnsupportedModelException($"'{keys.Name(key)}' that differs from the other layers' {size}", ["one size for all layers"]);
    }
}
