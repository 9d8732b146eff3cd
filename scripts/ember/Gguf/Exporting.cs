using Hearth.Ember.Model;
using Hearth.Ember.Training;
using TorchSharp;

namespace Hearth.Ember.Gguf;

public static class Exporting
{
    /// <summary>The model of a checkpoint, for export only.</summary>
    public static EmberModel LoadModel(string checkpoint)
    {
        var model = new EmberModel(Checkpoint.ReadHead(checkpoint).Shape, seed: 0, trainable: false);
        Checkpoint.Load(checkpoint, model, optimizer: null);
        return model;
    }

    /// <summary>
    /// The weighted mean of several checkpoints of one run and its beginning: between them lie weights that know what
    /// each does and carry less of the last steps' noise (Wortsman et al., "Robust fine-tuning", 2022).
    /// </summary>
    public static EmberModel Average(IReadOnlyList<(string Checkpoint, double Share)> parts)
    {
        using var noGrad = torch.no_grad();
        var mean = LoadModel(parts[0].Checkpoint);
        foreach (var (_, t) in mean.Parameters()) t.mul_(parts[0].Share);
        foreach (var (checkpoint, share) in parts.Skip(1))
        {
            foreach (var (sum, part) in mean.Parameters().Zip(LoadModel(checkpoint).Parameters())) sum.Tensor.add_(part.Tensor * share);
        }
        return mean;
    }
}
