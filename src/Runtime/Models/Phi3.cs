using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Phi-3, Phi-3.5 and Phi-4: Llama's decoder with query, key and value in one matrix, and gate and up in another.</summary>
/// <remarks>
/// Sources: Phi-3 (arXiv 2404.14219), Phi-4 (2412.08905), LongRoPE (2402.13753). Tensor names are GGUF's. Every layer sees
/// the whole past: attention.sliding_window is not applied, as exporters fill it from configurations that do not say which
/// layers it is for, and llama.cpp, for which these files are made, leaves it alone for that reason.
/// </remarks>
internal sealed class Phi3
{
    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["phi3"];

    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;
    private readonly RopeTerms _rope;
    private readonly Weight? _ropeFactors;

    private Phi3(GgufFile file, int contextLength)
    {
        _program = new ProgramBuilder(file);
        _sizes = Hyperparameters.Read(file.Metadata, "attention.layer_norm_rms_epsilon");
        _rope = _sizes.ReadRope(file.Metadata, RopeLayout.Halves, longRope: true);
        _ropeFactors = RopeFactors(file, contextLength > 0 ? contextLength : _sizes.ContextLength);
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new Phi3(file, limits.ContextLength);
        return model._program.Build(model.Forward(tied: file.FindTensor("output.weight") is null), limits);
    }

    // LongRoPE: one set of factors for the context of the first training, another for anything longer. Keys rotated by
    // one do not go with queries rotated by the other, so the context that the cache may hold decides, not the text.
    private Weight? RopeFactors(GgufFile file, int contextLength)
    {
        var keys = new Hyperparameters.Keys(file.Metadata, _sizes.Architecture);
        var original = keys.Size("rope.scaling.original_context_length", int.MaxValue, _sizes.ContextLength);
        const string Short = "rope_factors_short.weight", Long = "rope_factors_long.weight";
        return file.FindTensor(Short) is null && file.FindTensor(Long) is null
            ? null
            : _program.Vector(contextLength > original ? Long : Short, _rope.Dimensions / 2);
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

            x += _program.Linear(attended, _program.Matrix($"blk.{layer}.attn_output.weight", attended.Width, _sizes.Width));
            x += FeedForward(layer, Norm(x, $"blk.{layer}.ffn_norm.weight"));
        }

        var output = tied ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        return _program.Linear(Norm(x, "output_norm.weight"), output);
    }

    private Value Attention(int layer, Value x)
    {
        var name = $"blk.{layer}.attn_qkv.weight";
        var total = _sizes.QueryWidth + _sizes.KeysWidth + _sizes.ValuesWidth;
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.MatrixRows(name, _sizes.Width, 0, _sizes.QueryWidth, total), null),
            (_program.MatrixRows(name, _sizes.Width, _sizes.QueryWidth, _sizes.KeysWidth, total), null),
            (_program.MatrixRows(name, _sizes.Width, _sizes.QueryWidth + _sizes.KeysWidth, _sizes.ValuesWidth, total), null));
        var query = _program.Rope(projected[0], _sizes.KeyWidth, _rope, _ropeFactors);
        var key = _program.Rope(projected[1], _sizes.KeyWidth, _rope, _ropeFactors);
        return _program.CachedAttention(query, key, projected[2], layer, _sizes.Attention);
    }

    // SwiGLU: down(silu(gate(x)) * up(x)), arXiv 2002.05202; the gate's rows come first.
    private Value FeedForward(int layer, Value x)
    {
        var name = $"blk.{layer}.ffn_up.weight";
        var size = _sizes.FeedForward;
        var hidden = _program.Linear(
            x,
            ActivationFunction.None,
            (_program.MatrixRows(name, _sizes.Width, 0, size, 2 * size), null),
            (_program.MatrixRows(name, _sizes.Width, size, size, 2 * size), null));
        var gated = _program.Activate(ActivationFunction.Silu, hidden[0], hidden[1]);
        return _program.Linear(gated, _program.Matrix($"blk.{layer}.ffn_down.weight", size, _sizes.Width));
    }

    private Value Norm(Value x, string name) => _program.RmsNorm(x, _program.Vector(name, _sizes.Width), _sizes.Epsilon);
}
