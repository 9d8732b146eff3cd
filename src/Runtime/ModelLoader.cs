using System.Security.Cryptography;
using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Models;

namespace Hearth.Runtime;

/// <summary>A model's pieces once they are in memory; whoever takes them disposes them.</summary>
/// <param name="Program">Computes steps.</param>
/// <param name="Information">What the model is.</param>
/// <param name="Metadata">The file's metadata.</param>
/// <param name="Fingerprint">Names the weights: equal for the same file, used alike, only.</param>
internal sealed record LoadedModel(CompiledProgram Program, ModelInformation Information, GgufMetadata Metadata, string Fingerprint);

/// <summary>Reads a file, writes its program and brings the weights into the engine.</summary>
internal static class ModelLoader
{
    /// <summary>Rows of one step whose logits can be had; longer prompts' logits are computed in several steps.</summary>
    internal const int MaxOutputRows = 256;

    /// <summary>Loads a model.</summary>
    public static LoadedModel Load(string path, ModelOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        var stepTokens = Checked(options.StepTokens ?? 512, 1, 8192, nameof(ModelOptions.StepTokens));
        using var file = GgufFile.Open(path);
        var family = ModelFamilies.Find(file);
        var engine = Engine.Get(Checked(options.Threads ?? 0, 0, 512, nameof(ModelOptions.Threads)));
        var program = family(file, new StepLimits(stepTokens, Math.Min(stepTokens, MaxOutputRows)) { ContextLength = options.ContextLength ?? 0 });
        var compiled = CompiledProgram.Compile(engine, program, progress, cancellationToken);
        return new LoadedModel(compiled, Describe(file, program, options), file.Metadata, Fingerprint(file, program));
    }

    /// <summary>Checks an option against its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is out of range.</exception>
    internal static int Checked(int value, int least, int most, string name)
        => value >= least && value <= most ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be {least} to {most}");

    private static ModelInformation Describe(GgufFile file, ModelProgram program, ModelOptions options)
    {
        var architecture = file.Metadata.Get<string>("general.architecture");
        return new ModelInformation(
            options.Id ?? Path.GetFileNameWithoutExtension(file.Path),
            architecture,
            file.Metadata.Get<int>($"{architecture}.context_length"),
            program.OutputWidth,
            file.Tensors.Sum(t => t.ElementCount),
            file.Length,
            file.Metadata.Contains("tokenizer.chat_template"),
            new DateTimeOffset(File.GetLastWriteTimeUtc(file.Path), TimeSpan.Zero));
    }

    // Names, shapes and types of all tensors and some bytes of each: enough to tell models apart without reading them whole.
    // The names of those in use, too: a family may choose among them, and then the cache of one choice is no good to another.
    private static string Fingerprint(GgufFile file, ModelProgram program)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in file.Tensors)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(tensor.ToString()));
            var sample = (int)Math.Min(tensor.ByteSize, 256);
            hash.AppendData(tensor.Bytes(0, sample));
            hash.AppendData(tensor.Bytes(tensor.ByteSize - sample, sample));
        }

        foreach (var weight in program.Weights)
            hash.AppendData(Encoding.UTF8.GetBytes(weight.Tensor.Name));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
