using Hearth.Ember.Model;
using TorchSharp;

namespace Hearth.Ember.Training;

/// <summary>Where a run stands besides its tensors.</summary>
public sealed record Progress(long NextPool, long Tokens, int Steps, double Seconds);

/// <summary>A checkpoint file: progress, shape, then every tensor as name, length and f32 values.</summary>
public static class Checkpoint
{
    public static void Save(string path, EmberModel model, Muon? optimizer, Progress progress)
    {
        using (var writer = new BinaryWriter(File.Create(path + ".part")))
        {
            var s = model.Shape;
            foreach (int n in new[] { s.Embedding, s.Layers, s.Heads, s.KvHeads, s.FeedForward, s.Vocabulary }) writer.Write(n);
            writer.Write(progress.NextPool);
            writer.Write(progress.Tokens);
            writer.Write(progress.Steps);
            writer.Write(progress.Seconds);
            foreach (var (name, tensor) in model.Parameters().Concat(optimizer?.State() ?? []))
            {
                var values = tensor.detach().data<float>().ToArray();
                writer.Write(name);
                writer.Write(values.Length);
                foreach (float v in values) writer.Write(v);
            }
        }
        File.Move(path + ".part", path, overwrite: true);
    }

    public static (EmberShape Shape, Progress Progress) ReadHead(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        return Head(reader);
    }

    /// <summary>Copies the tensors of a checkpoint into the model and, if given, the optimizer.</summary>
    public static Progress Load(string path, EmberModel model, Muon? optimizer)
    {
        var targets = model.Parameters().Concat(optimizer?.State() ?? []).ToDictionary(p => p.Name, p => p.Tensor);
        using var reader = new BinaryReader(File.OpenRead(path));
        var (shape, progress) = Head(reader);
        if (shape != model.Shape) throw new InvalidDataException($"{path}: shape is {shape}, expected {model.Shape}");
        using var noGrad = torch.no_grad();
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            string name = reader.ReadString();
            var values = new float[reader.ReadInt32()];
            for (int i = 0; i < values.Length; i++) values[i] = reader.ReadSingle();
            if (targets.TryGetValue(name, out var target)) target.copy_(torch.tensor(values).view(target.shape));
        }
        if (optimizer is not null) optimizer.StepCount = progress.Steps;
        return progress;
    }

    private static (EmberShape, Progress) Head(BinaryReader r)
    {
        var shape = new EmberShape(r.ReadInt32(), r.ReadInt32(), r.ReadInt32(), r.ReadInt32(), r.ReadInt32(), r.ReadInt32());
        return (shape, new Progress(r.ReadInt64(), r.ReadInt64(), r.ReadInt32(), r.ReadDouble()));
    }
}
