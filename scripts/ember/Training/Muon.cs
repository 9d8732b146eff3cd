using TorchSharp;
using static TorchSharp.torch;
using Hearth.Ember.Model;

namespace Hearth.Ember.Training;

/// <summary>
/// Muon (Jordan et al., 2024) for the hidden matrices, Adam for the embedding and the norms.
/// Muon replaces each momentum matrix by its nearest orthogonal one, which learns from far fewer tokens at this size.
/// </summary>
public sealed class Muon
{
    private const float Momentum = 0.95f, Beta1 = 0.9f, Beta2 = 0.95f, WeightDecay = 0.05f;

    private const int GroupSize = 6;

    private sealed record Matrix(Tensor Parameter, Tensor Momentum, long[] Splits);
    private sealed record Vector(string Name, Tensor Parameter, Tensor First, Tensor Second);

    private readonly List<(string Name, Matrix Value)> _matrices = [];
    private readonly List<Vector> _vectors = [];
    private int _step;

    public Muon(EmberModel model)
    {
        var s = model.Shape;
        foreach (var (name, p) in model.Parameters())
        {
            // Fused matrices are orthogonalized part by part: they act on the stream separately.
            long[] splits = name.EndsWith("qkv") ? [s.Embedding, s.KvLength, s.KvLength]
                : name.EndsWith("gate_up") ? [s.FeedForward, s.FeedForward] : [p.shape[0]];
            if (p.dim() == 2 && name != "token_embd") _matrices.Add((name, new(p, zeros_like(p), splits)));
            else _vectors.Add(new(name, p, zeros_like(p), zeros_like(p)));
        }
    }

    /// <summary>Optimizer state by name, to be written into checkpoints and read from them.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> State() =>
        _matrices.Select(m => ("momentum." + m.Name, m.Value.Momentum))
            .Concat(_vectors.SelectMany(v => new[] { ("first." + v.Name, v.First), ("second." + v.Name, v.Second) }));

    public int StepCount { get => _step; set => _step = value; }

    public void Step(double matrixRate, double vectorRate)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _step++;
        foreach (var v in _vectors) StepAdam(v, vectorRate);

        var parts = new List<(Tensor Target, Tensor Update)>();
        foreach (var (_, m) in _matrices)
        {
            var gradient = m.Parameter.grad!;
            m.Momentum.mul_(Momentum).add_(gradient, 1 - Momentum);
            var update = gradient * (1 - Momentum) + m.Momentum * Momentum;   // Nesterov
            foreach (var (target, u) in m.Parameter.split(m.Splits, 0).Zip(update.split(m.Splits, 0))) parts.Add((target, u));
        }
        // Small groups of equal shape, so that two threads share the work evenly.
        var groups = parts.GroupBy(p => (p.Update.shape[0], p.Update.shape[1])).SelectMany(g => g.Chunk(GroupSize)).ToList();
        Parallel.ForEach(groups, g => Apply(g, matrixRate));
        foreach (var (_, m) in _matrices) m.Parameter.grad!.zero_();
        foreach (var v in _vectors) v.Parameter.grad!.zero_();
    }

    private static void Apply((Tensor Target, Tensor Update)[] items, double rate)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var shape = items[0].Update.shape;
        double scale = Math.Sqrt(Math.Max(1.0, (double)shape[0] / shape[1]));
        var updates = Orthogonalize(stack(items.Select(i => i.Update))).unbind(0);
        for (int i = 0; i < items.Length; i++)
        {
            items[i].Target.mul_(1 - rate * WeightDecay).add_(updates[i], -rate * scale);
        }
    }

    private void StepAdam(Vector v, double rate)
    {
        var g = v.Parameter.grad!;
        v.First.mul_(Beta1).add_(g, 1 - Beta1);
        v.Second.mul_(Beta2).addcmul_(g, g, 1 - Beta2);
        double c1 = 1 - Math.Pow(Beta1, _step), c2 = 1 - Math.Pow(Beta2, _step);
        v.Parameter.addcdiv_(v.First, (v.Second / c2).sqrt_().add_(1e-8), -rate / c1);
    }

    // Newton-Schulz iteration with the quintic coefficients of the Muon reference; input [N, R, C].
    private static Tensor Orthogonalize(Tensor g)
    {
        bool tall = g.shape[1] > g.shape[2];
        var x = (tall ? g.transpose(1, 2) : g);
        x = (x / (x.square().sum([1, 2], keepdim: true).sqrt() + 1e-7)).to(ScalarType.BFloat16);
        for (int i = 0; i < 5; i++)
        {
            var a = x.bmm(x.transpose(1, 2));
            var b = a * -4.7750 + a.bmm(a) * 2.0315;
            x = x * 3.4445 + b.bmm(x);
        }
        x = x.to(ScalarType.Float32);
        return tall ? x.transpose(1, 2) : x;
    }
}
