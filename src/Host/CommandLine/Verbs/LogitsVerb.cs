using System.Buffers.Binary;
using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Evaluation;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary>
/// <c>hearth logits MODEL --tokens F --output F</c>: ids in, float32 little-endian [rows, vocabulary] out; of an encoder
/// the text's vector, as it is before it is scaled to length 1.
/// </summary>
internal static class LogitsVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var tokens = new Option<string>("--tokens") { Description = "A text file of token ids, separated by white space.", HelpName = "FILE", Required = true };
        var decoderTokens = new Option<string?>("--decoder-tokens") { Description = "For an encoder–decoder: the decoder's ids; --tokens are the encoder's.", HelpName = "FILE" };
        var output = new Option<string>("--output") { Description = "The file to write.", HelpName = "FILE", Required = true };
        var command = new Command("logits", "Compute the logits of every position of a text.") { tokens, decoderTokens, output };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var ids = await ReadIdsAsync(parsed.GetRequiredValue(tokens), cancellationToken);
            var decoderIds = parsed.GetValue(decoderTokens) is { } file ? await ReadIdsAsync(file, cancellationToken) : null;
            var configuration = model.Read(parsed);
            if (ModelKinds.Read(configuration.Path) == ModelKind.Encoder)
            {
                if (decoderIds is not null)
                    throw new UsageException("--decoder-tokens needs an encoder–decoder; this model is an encoder alone");
                return await EmbedAsync(configuration, ids, parsed.GetRequiredValue(output), cancellationToken);
            }

            configuration = configuration with { MaxSequences = 1, ContextLength = configuration.ContextLength ?? (decoderIds ?? ids).Length };
            var loaded = await environment.LoadModelAsync(configuration, cancellationToken);
            try
            {
                // Logits are for comparisons, so keys and values are kept whole unless another type is asked for.
                var compute = () => Write((ILogitsSource)loaded, ids, decoderIds, configuration.KeyType ?? CacheType.F32, parsed.GetRequiredValue(output), cancellationToken);
                await Task.Run(compute, CancellationToken.None);
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static async Task<int[]> ReadIdsAsync(string file, CancellationToken cancellationToken)
        => ParseIds(await File.ReadAllTextAsync(file, Encoding.UTF8, cancellationToken), file);

    private static async Task<int> EmbedAsync(ModelConfiguration configuration, int[] ids, string path, CancellationToken cancellationToken)
    {
        await using var model = await EmbeddingModel.LoadAsync(configuration.Path, configuration.ToOptions(), cancellationToken: cancellationToken);
        RequireKnown(ids, model.Information);
        var vectors = await model.EmbedAsync([ids], normalize: false, cancellationToken);
        using var file = File.Create(path);
        WriteLittleEndian(file, vectors[0]);
        return 0;
    }

    /// <exception cref="HearthException">A word is no id, or there is none.</exception>
    internal static int[] ParseIds(string text, string file)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var ids = new int[words.Length];
        for (var i = 0; i < ids.Length; i++)
        {
            ids[i] = int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                ? id
                : throw new HearthException($"{file}: expected a token id, found '{words[i]}' as word {i + 1}");
        }

        return ids.Length > 0 ? ids : throw new HearthException($"{file}: holds no token ids");
    }

    private static void Write(ILogitsSource model, int[] ids, int[]? decoderIds, CacheType cacheType, string path, CancellationToken cancellationToken)
    {
        if (model.HasEncoder != decoderIds is not null)
            throw new UsageException(model.HasEncoder ? "an encoder–decoder needs --decoder-tokens too" : "--decoder-tokens needs an encoder–decoder; this model is a decoder alone");
        RequireKnown(ids, model.Information);
        RequireKnown(decoderIds ?? [], model.Information);
        using var file = File.Create(path);
        model.ComputeLogits(decoderIds ?? ids, (_, logits) => WriteLittleEndian(file, logits), cacheType, decoderIds is null ? [] : ids, cancellationToken);
    }

    private static void RequireKnown(int[] ids, ModelInformation model)
    {
        for (var i = 0; i < ids.Length; i++)
        {
            if (ids[i] >= model.VocabularySize)
            {
                throw new HearthException($"token {ids[i]} at position {i} is not in the vocabulary of {model.VocabularySize} tokens");
            }
        }
    }

    private static void WriteLittleEndian(FileStream file, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            file.Write(MemoryMarshal.AsBytes(values));
            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(float)];
        foreach (var value in values)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            file.Write(bytes);
        }
    }
}
