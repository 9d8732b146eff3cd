using TorchSharp;
using static TorchSharp.torch;

namespace Hearth.Ember.Model;

/// <summary>
/// The Llama architecture (RMSNorm, rotary positions, grouped queries, SwiGLU, tied output) for training.
/// Weights are kept in f32 and used in bf16, which is about three times faster where AVX512-BF16 exists.
/// </summary>
/// <remarks>
/// Axes: B rows, T positions, E embedding, V vocabulary. Query/key/value and gate/up are one matrix each
/// because few large products are faster; the exporter splits them. Rotary pairs are (i, i + headSize/2) here and
/// are reordered to (2i, 2i + 1) on export.
/// </remarks>
public sealed class EmberModel
{
    public sealed record Layer(Tensor AttentionNorm, Tensor Qkv, Tensor AttentionOutput, Tensor FfnNorm, Tensor GateUp, Tensor Down);

    public EmberShape Shape { get; }
    public Tensor Embedding { get; }
    public Tensor OutputNorm { get; }
    public IReadOnlyList<Layer> Layers { get; }

    private const long QueryBlock = 160;

    // Numbers that products with tensors take by reference: a temporary may be finalized while the native code still reads it.
    private static readonly Scalar One = 1.0.ToScalar(), MinusOne = (-1.0).ToScalar(), Epsilon = ((double)EmberShape.NormEpsilon).ToScalar();
    private readonly Scalar _scale;

    private readonly Tensor _cos, _sin;   // [context, headSize / 2]
    private readonly Tensor _mask;        // [context, context], minus infinity after the diagonal
    private readonly ScalarType _compute;

    public EmberModel(EmberShape shape, int seed, bool trainable, ScalarType compute = ScalarType.BFloat16)
    {
        Shape = shape;
        _compute = compute;
        _scale = (1 / Math.Sqrt(shape.HeadSize)).ToScalar();
        manual_seed(seed);
        int e = shape.Embedding;
        Tensor Weight(int rows, int columns, double std) => (randn(rows, columns) * std).requires_grad_(trainable);
        Tensor Ones() => ones(e).requires_grad_(trainable);

        Embedding = Weight(shape.Vocabulary, e, 0.03);
        double std = 0.6 / Math.Sqrt(e);
        // Matrices that write into the residual stream start at zero: every layer begins as the identity.
        Layers = [.. Enumerable.Range(0, shape.Layers).Select(_ => new Layer(
            Ones(), Weight(e + 2 * shape.KvLength, e, std), Weight(e, e, 0),
            Ones(), Weight(2 * shape.FeedForward, e, std), Weight(e, shape.FeedForward, 0)))];
        OutputNorm = Ones();
        (_cos, _sin) = RotaryTables();
        _mask = full(EmberShape.ContextLength, EmberShape.ContextLength, float.NegativeInfinity).triu(1).to(compute);
    }

    // Shares the weights of another model but collects gradients of its own.
    private EmberModel(EmberModel other)
    {
        static Tensor Share(Tensor t) => t.detach().requires_grad_(true);
        Shape = other.Shape;
        (_compute, _cos, _sin, _mask, _scale) = (other._compute, other._cos, other._sin, other._mask, other._scale);
        Embedding = Share(other.Embedding);
        OutputNorm = Share(other.OutputNorm);
        Layers = [.. other.Layers.Select(l => new Layer(
            Share(l.AttentionNorm), Share(l.Qkv), Share(l.AttentionOutput), Share(l.FfnNorm), Share(l.GateUp), Share(l.Down)))];
    }

    /// <summary>A second model over the same weights, for a second thread.</summary>
    public EmberModel Replica() => new(this);

    /// <summary>Names and tensors in a fixed order, for checkpoints and the optimizer.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Parameters()
    {
        yield return ("token_embd", Embedding);
        for (int i = 0; i < Layers.Count; i++)
        {
            var layer = Layers[i];
            yield return ($"blk.{i}.attn_norm", layer.AttentionNorm);
            yield return ($"blk.{i}.attn_qkv", layer.Qkv);
            yield return ($"blk.{i}.attn_output", layer.AttentionOutput);
            yield return ($"blk.{i}.ffn_norm", layer.FfnNorm);
            yield return ($"blk.{i}.ffn_gate_up", layer.GateUp);
            yield return ($"blk.{i}.ffn_down", layer.Down);
        }
        yield return ("output_norm", OutputNorm);
    }

    /// <summary>Hidden states after the last norm, [N, E], for tokens [B, T] at N positions of the B * T.</summary>
    public Tensor Hidden(Tensor tokens, Tensor positions)
    {
        using var scope = NewDisposeScope();
        long rows = tokens.shape[0], length = tokens.shape[1];
        var cos = _cos.slice(0, 0, length, 1).to(_compute);
        var sin = _sin.slice(0, 0, length, 1).to(_compute);
        var x = Embedding.index_select(0, tokens.view(-1)).to(_compute);
        foreach (var layer in Layers)
        {
            x = Add(x, Attention(layer, Norm(x, layer.AttentionNorm), rows, length, cos, sin));
            // Behind the last attention only the asked positions matter.
            if (layer == Layers[^1]) x = x.index_select(0, positions);
            x = Add(x, FeedForward(layer, Norm(x, layer.FfnNorm)));
        }
        return Norm(x, OutputNorm).MoveToOuterDisposeScope();
    }

    /// <summary>Logits [N, V] in f32 for hidden states [N, E].</summary>
    public Tensor Logits(Tensor hidden) => nn.functional.linear(hidden, Embedding.to(_compute)).to(ScalarType.Float32);

    // Plain products beat the fused attention here: rows are short, and bf16 products are this processor's strength.
    private Tensor Attention(Layer layer, Tensor x, long rows, long length, Tensor cos, Tensor sin)
    {
        int heads = Shape.Heads, kvHeads = Shape.KvHeads, group = heads / kvHeads, size = Shape.HeadSize;
        var parts = nn.functional.linear(x, layer.Qkv.to(_compute)).split([Shape.Embedding + Shape.KvLength, Shape.KvLength], -1);
        var queriesKeys = Rotate(parts[0].view(rows, length, heads + kvHeads, size).transpose(1, 2), cos, sin);
        Tensor Flat(Tensor t) => t.reshape(-1, length, size);
        var q = Flat(queriesKeys.slice(1, 0, heads, 1)).mul(_scale);
        var k = Flat(queriesKeys.slice(1, heads, heads + kvHeads, 1).repeat_interleave(group, 1));
        var v = Flat(parts[1].view(rows, length, kvHeads, size).transpose(1, 2).repeat_interleave(group, 1));
        // Blocks of queries: keys behind a block's end need no product and no mask.
        var blocks = new List<Tensor>();
        for (long start = 0; start < length; start += QueryBlock)
        {
            long end = Math.Min(start + QueryBlock, length);
            var mask = _mask.slice(0, start, end, 1).slice(1, 0, end, 1);
            blocks.Add(q.slice(1, start, end, 1).bmm(k.slice(1, 0, end, 1).transpose(1, 2)).add_(mask, One).softmax(-1).bmm(v.slice(1, 0, end, 1)));
        }
        var mixed = (blocks.Count > 1 ? cat(blocks, 1) : blocks[0]).view(rows, heads, length, size);
        return nn.functional.linear(mixed.transpose(1, 2).reshape(rows * length, Shape.Embedding), layer.AttentionOutput.to(_compute));
    }

    private Tensor FeedForward(Layer layer, Tensor x)
    {
        var both = nn.functional.linear(x, layer.GateUp.to(_compute)).chunk(2, -1);
        return nn.functional.linear(nn.functional.silu(both[0]) * both[1], layer.Down.to(_compute));
    }

    private static Tensor Add(Tensor a, Tensor b) => a.add(b, One);

    private Tensor Norm(Tensor x, Tensor weight)
    {
        var scale = (x.to(ScalarType.Float32).square().mean([-1], keepdim: true).add(Epsilon)).rsqrt();
        return x * scale.to(_compute) * weight.to(_compute);
    }

    private static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        var half = x.chunk(2, -1);
        return cat([(half[0] * cos).add(half[1] * sin, MinusOne), Add(half[1] * cos, half[0] * sin)], -1);
    }

    private (Tensor Cos, Tensor Sin) RotaryTables()
    {
        int half = Shape.HeadSize / 2;
        var frequencies = pow(EmberShape.RopeBase, arange(half, ScalarType.Float32) * (-1.0 / half));
        var angles = outer(arange(EmberShape.ContextLength, ScalarType.Float32), frequencies);
        return (angles.cos(), angles.sin());
    }
}
