using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>GPT-2: a pre-norm decoder with layer norm, learned positions, biases and a GELU feed-forward.</summary>
/// <remarks>Source: "Language Models are Unsupervised Multitask Learners" (2019). Tensor names are GGUF's.</remarks>
internal sealed class Gpt2
{
    /// <summary>The architectures of this family.</summary>
    public static IEnumerable<string> Architectures => ["gpt2"];

    private readonly ProgramBuilder _program;
    private readonly Hyperparameters _sizes;

    private Gpt2(GgufFile file)
    {
        _program = new ProgramBuilder(file);
        _sizes = Hyperparameters.Read(file.Metadata, "attention.layer_norm_epsilon");
    }

    /// <summary>Writes the program of a file of this family.</summary>
    public static ModelProgram Build(GgufFile file, StepLimits limits)
    {
        var model = new Gpt2(file);
        return model._program.Build(model.Forward(tied: file.FindTensor("output.weight") is null), limits);
    }

    private Value Forward(bool tied)
    {
        var embedding = _program.Matrix("token_embd.weight", _sizes.Width);
        var positions = _program.Matrix("position_embd.weight", _sizes.Width, _sizes.ContextLength);
        var x = _program.Embed(embedding) + _program.EmbedPosition(positions);
        for (var layer = 0; layer < _sizes.Layers; layer++)
        {
            var attended = Attention(layer, Norm(x, $"blk.{layer}.attn_norm"));

            // Rows whose logits nobody wants have done their part once their keys and values are in the cache.
            if (layer == _sizes.Layers - 1)
                (x, attended) = (_program.Gather(x), _program.Gather(attended));

            x += Linear(attended, $"blk.{layer}.attn_output", _sizes.Width);
            x += Linear(Linear(Norm(x, $"blk.{layer}.ffn_norm"), $"blk.{layer}.ffn_up", _sizes.FeedForward, ActivationFunction.GeluTanh), $"blk.{layer}.ffn_down", _sizes.Width);
        }

        var output = tied ? embedding : _program.Matrix("output.weight", _sizes.Width, (int)embedding.Rows);
        return _program.Linear(Norm(x, "output_norm"), output);
    }

    // Files hold query, key and value as one matrix, one below the other.
    private Value Attention(int layer, Value x)
    {
        var name = $"blk.{layer}.attn_qkv";
        var total = _sizes.QueryWidth + _sizes.KeysWidth + _sizes.ValuesWidth;
        var projected = _program.Linear(
            x,
            ActivationFunction.None,
            Part(0, _sizes.QueryWidth),
            Part(_sizes.QueryWidth, _sizes.KeysWidth),
            Part(_sizes.QueryWidth + _sizes.KeysWidth, _sizes.ValuesWidth));
        return _program.CachedAttention(projected[0], projected[1], projected[2], layer, _sizes.Attention);

        (Weight Weight, Weight? Bias) Part(int first, int rows)
            => (_program.MatrixRows(name + ".weight", _sizes.Width, first, rows, total), _program.VectorPart(name + ".bias", first, rows, total));
    }

    private Value Linear(Value x, string name, int outputs, ActivationFunction function = ActivationFunction.None)
        => _program.Linear(x, _program.Matrix(name + ".weight", x.Width, outputs), _program.Vector(name + ".bias", outputs), function);

    private Value Norm(Value x, string name)
        => _program.LayerNorm(x, _program.Vector(name + ".weight", _sizes.Width), _program.Vector(name + ".bias", _sizes.Width), _sizes.Epsilon);
}
