using Hearth.Ember.Model;
using Hearth.Ember.Training;

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
}
