using System.Security.Cryptography;
using System.Text;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Models;

namespace Hearth.Runtime.Loading;

/// <summary>A model's pieces once they are in memory; whoever takes them disposes them.</summary>
/// <param name="Program">Computes steps.</param>
/// <param name="Encoder">Fills the program's memory, for an encoder–decoder; else null.</param>
/// <param name="Information">What the model is.</param>
/// <param name="Metadata">The file's metadata.</param>
/// <param name="Texts">How texts and chats become tokens and back.</param>
/// <param name="Fingerprint">Names the weights: equal for the same file, used alike, only.</param>
internal sealed record LoadedModel(
    CompiledProgram Program, CompiledProgram? Encoder, ModelInformation Information, GgufMetadata Metadata, ModelTexts Texts, string Fingerprint)
    : IDisposable
{
    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        Encoder?.Dispose();
        Program.Dispose();
    }
}

/// <summary>Reads a file, writes its program and brings the weights into the engine.</summary>
internal static class ModelLoader
{
    /// <summary>Rows of one step whose logits can be had; longer prompts' logits are computed in several steps.</summary>
    internal const int MaxOutputRows = 256;

    // Rows of one step: all their values are in memory at once.
    private const int LongestStep = 8192;

    /// <summary>Loads a model.</summary>
    /// <param name="file">The file, which stays open.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="embedding">How texts become vectors; null where text is generated.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    public static LoadedModel Load(GgufFile file, ModelOptions options, EmbeddingTerms? embedding, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
        => Load(file, options, new StepLimits(StepTokens(options, embedding is null ? 512 : TextRows(file.Metadata, options)), MaxOutputRows) { Embedding = embedding }, progress, cancellationToken);

    /// <summary>Loads a model that fills masks.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="masks">The most masks of a step.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    public static LoadedModel LoadMaskFiller(string path, ModelOptions options, int masks, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        using var file = GgufFile.Open(path);
        return Load(file, options, new StepLimits(StepTokens(options, TextRows(file.Metadata, options)), masks) { FillsMasks = true }, progress, cancellationToken);
    }

    private static int StepTokens(ModelOptions options, int otherwise) => Checked(options.StepTokens ?? otherwise, 1, LongestStep, nameof(ModelOptions.StepTokens));

    private static LoadedModel Load(GgufFile file, ModelOptions options, StepLimits limits, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        ModelEngines.RequireOwn(options);
        try
        {
            return LoadHere(file, options, limits, progress, cancellationToken);
        }
        catch (UnsupportedModelException refused) when (ModelEngines.Knowing(file) is { Count: > 0 } others)
        {
            throw new UnsupportedModelException(refused, others);
        }
    }

    private static LoadedModel LoadHere(GgufFile file, ModelOptions options, StepLimits limits, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        var family = ModelFamilies.Find(file);
        var architecture = file.Metadata.Get<string>("general.architecture");
        if (limits.FillsMasks && !family.FillsMasks)
            throw new UnsupportedModelException($"filling masks with '{architecture}'", ["encoders of BERT's kind with a head for masked words"]);
        var engine = Engine.Get(Checked(options.Threads ?? 0, 0, 512, nameof(ModelOptions.Threads)), options.PinThreads ?? false);
        var program = family.Build(file, limits with { MaxOutputRows = Math.Min(limits.MaxRows, limits.MaxOutputRows), ContextLength = options.ContextLength ?? 0 });
        if (program.Pooling is not null && limits.Embedding is null)
            throw new UnsupportedModelException($"generating text with '{architecture}', which computes embeddings", ["embeddings"]);
        if (program.Pooling is null && limits.Embedding is not null)
            throw new UnsupportedModelException($"computing embeddings with '{architecture}'", ["text generation"]);

        ModelChecks.RequirePositions(program, limits.Embedding is null && !limits.FillsMasks ? options.ContextLength : null);
        ModelChecks.RequireRows(file, program);
        if (program.Encoder is not null)
            _ = ModelChecks.RequireDecoderStart(file.Metadata, program);
        ModelChecks.RequireMemory(program, MemoryLimit.Find());

        using var guard = MappingGuard.Over(file);

        // A large vocabulary takes as long as some hundred megabytes of weights, and one thread.
        var texts = Task.Run(() => ModelTexts.Read(file.Metadata, options.TemplateControlTokens ?? false, chats: program.Pooling is null && !limits.FillsMasks,
            template: options.ChatTemplate, fallback: program.Encoder is null && !program.NeedsWholeText && program.Recurrence is null ? options.FallbackChatTemplate : null), CancellationToken.None);
        CompiledProgram? compiled = null, encoder = null;
        try
        {
            var fingerprint = Fingerprint(file, program);
            compiled = CompiledProgram.Compile(engine, program, progress, cancellationToken: cancellationToken);
            encoder = program.Encoder is null ? null : CompiledProgram.Compile(engine, program.Encoder, progress, compiled, cancellationToken);
            guard.ThrowIfLost();
            var read = texts.GetAwaiter().GetResult();
            return new LoadedModel(compiled, encoder, Describe(file, program, options, read), file.Metadata, read, fingerprint);
        }
        catch
        {
            // Its failure, if it has one too, is not the first.
            ((IAsyncResult)texts).AsyncWaitHandle.WaitOne();
            _ = texts.Exception;
            encoder?.Dispose();
            compiled?.Dispose();
            throw;
        }
    }

    // A text's vector needs all its rows in one step; short texts share one.
    private static int TextRows(GgufMetadata metadata, ModelOptions options)
    {
        var context = options.ContextLength ?? metadata.Get($"{metadata.Get<string>("general.architecture")}.context_length", 512);
        return Math.Clamp(context, 512, LongestStep);
    }

    /// <summary>Checks an option against its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is out of range.</exception>
    internal static int Checked(int value, int least, int most, string name)
        => value >= least && value <= most ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be {least} to {most}");

    private static ModelInformation Describe(GgufFile file, ModelProgram program, ModelOptions options, ModelTexts texts)
    {
        var architecture = file.Metadata.Get<string>("general.architecture");
        return new ModelInformation(
            options.Id ?? Path.GetFileNameWithoutExtension(file.Path),
            architecture,
            file.Metadata.Get<int>($"{architecture}.context_length"),
            program.Pooling is null ? program.OutputWidth : (int)file.GetTensor("token_embd.weight").Extent(1),
            file.Tensors.Sum(t => t.ElementCount),
            file.Length,
            texts.CanChat,
            new DateTimeOffset(File.GetLastWriteTimeUtc(file.Path), TimeSpan.Zero))
        {
            ChatTemplateFault = texts.ChatFault,
            Warnings = [.. ModelNotes.Of(file), .. texts.Warnings],
        };
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
            tensor.ReleasePages(0, tensor.ByteSize);
        }

        foreach (var weight in program.Weights)
            hash.AppendData(Encoding.UTF8.GetBytes(weight.Name));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
