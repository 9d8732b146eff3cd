using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Llama and its kin: pre-norm decoders with RMS norm, rotary positions, grouped heads and a gated feed-forward.</summary>
/// <remarks>
/// Sources: LLaMA (arXiv 2302.13971), Llama 3 (2407.21783), Mistral (2310.06825), Qwen2 (2407.10671: biases on query, key
/// and value), Qwen3 (2505.09388: query and key normalized head by head). Tensor names are GGUF's.
/// </remarks>
internal sealed class Llama
{
    /// <summary>What sets the members of the family apart.</summary>
    /// <param name="Layout">Which values of a head rotate together in this architecture's files.</param>
    /// <param name="NormalizesHeads">Whether every query and key head is normalized before it is rotated.</param>
    private sealed record Member(RopeLayout Layout, bool NormalizesHeads = false);

    private static readonly Dictionary<string, Member> _members = new()
    {
        ["llama"] = new(RopeLayout.Interleaved),
        ["mistral"] = new(RopeLayout.Interleaved),
        ["qwen2"] = new(RopeLayout.Halves),
        ["qwen3"] = new(RopeLayout.Halves, NormalizesHeads: true),
    };

    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => _members.Keys;

    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly Member _member;
    private readonly RopeTerms _rope;
    private readonly Weight? _ropeFactors;

    private Llama(GgufFile file)
    {
        _program = new ProgramBuilder(file);
        _sizes = Hyperparameters.Read(file.Metadata, "attention.layer_norm_rms_epsilon");
        _member = _members[_sizes.Architecture];
        _rope = _sizes.ReadRope(file.Metadata, _member.Layout);
        _ropeFactors = _program.OptionalVector("rope_freqs.weight", _rope.Dimensions / 2);
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new Llama(file);
        return model._program.Build(model.Forward(tied: file.FindTensor("output.weight") is null), limits);
    }

    private Value Forward(bool tied)
    {
        var embedding = _program.Matrix("token_embd.weight", _sizes.Width);
        var x = _program.Embed(embedding);
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var attended = Attention(layer, Norm(x, $"blk.{layer}.attn_norm.weight"));

            // Rows whose logits nobody wants have done their part once their keys and values are in the cache.
            if (layer == _sizes.Layers - 1)
                (x, attended) = (_program.Gather(x), _program.Gather(attended));

            x += _program.Linear(attended, _program.Matrix($"blk.{layer}.attn_output.weight", attended.Width, _sizes.Width), Bias($"blk.{layer}.attn_output.bias", _sizes.Width));
            x += FeedForward(layer, Norm(x, $"blk.{layer}.ffn_norm.weight"));
        }

        var output = tied ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        return _program.Linear(Norm(x, "output_norm.weight"), output);
    }

    private Value Attention(int layer, Value x)
    {
        var prefix = $"blk.{layer}.attn_";
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(prefix + "q.weight", _sizes.Width, _sizes.QueryWidth), Bias(prefix + "q.bias", _sizes.QueryWidth)),
            (_program.Matrix(prefix + "k.weight", _sizes.Width, _sizes.KeysWidth), Bias(prefix + "k.bias", _sizes.KeysWidth)),
            (_program.Matrix(prefix + "v.weight", _sizes.Width, _sizes.ValuesWidth), Bias(prefix + "v.bias", _sizes.ValuesWidth)));
        var (query, key, value) = (projected[0], projected[1], projected[2]);
        if (_member.NormalizesHeads)
        {
            query = _program.RmsNorm(query, _program.Vector(prefix + "q_norm.weight", _sizes.KeyWidth), _sizes.Epsilon, _sizes.KeyWidth);
            key = _program.RmsNorm(key, _program.Vector(prefix + "k_norm.weight", _sizes.KeyWidth), _sizes.Epsilon, _sizes.KeyWidth);
        }

        query = _program.Rope(query, _sizes.KeyWidth, _rope, _ropeFactors);
        key = _program.Rope(key, _sizes.KeyWidth, _rope, _ropeFactors);
        return _program.CachedAttention(query, key, value, layer, _sizes.Attention);
    }

    // SwiGLU: down(silu(gate(x)) * up(x)), arXiv 2002.05202.
    private Value FeedForward(int layer, Value x)
    {
        var prefix = $"blk.{layer}.ffn_";
        var hidden = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.Matrix(prefix + "gate.weight", _sizes.Width, _sizes.FeedForward), Bias(prefix + "gate.bias", _sizes.FeedForward)),
            (_program.Matrix(prefix + "up.weight", _sizes.Width, _sizes.FeedForward), Bias(prefix + "up.bias", _sizes.FeedForward)));
        var gated = _program.Activate(ActivationFunction.Silu, hidden[0], hidden[1]);
        return _program.Linear(gated, _program.Matrix(prefix + "down.weight", _sizes.FeedForward, _sizes.Width), Bias(prefix + "down.bias", _sizes.Width));
    }

    private Value Norm(Value x, string name) => _program.RmsNorm(x, _program.Vector(name, _sizes.Width), _sizes.Epsilon);

    private Weight? Bias(string name, int size) => _program.OptionalVector(name, size);
}
