using System.Buffers.Binary;
using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Hearth.Runtime.Caching;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth logits MODEL --tokens F --output F</c>: ids in, float32 little-endian [rows, vocabulary] out.</summary>
internal static class LogitsVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var tokens = new Option<string>("--tokens") { Description = "A text file of token ids, separated by white space.", HelpName = "FILE", Required = true };
        var output = new Option<string>("--output") { Description = "The file to write.", HelpName = "FILE", Required = true };
        var command = new Command("logits", "Compute the logits of every position of a text.") { tokens, output };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var ids = ParseIds(await File.ReadAllTextAsync(parsed.GetRequiredValue(tokens), Encoding.UTF8, cancellationToken), parsed.GetRequiredValue(tokens));
            var configuration = model.Read(parsed);
            configuration = configuration with { MaxSequences = 1, ContextLength = configuration.ContextLength ?? ids.Length };
            var loaded = await environment.LoadModelAsync(configuration, cancellationToken);
            try
            {
                // Logits are for comparisons, so keys and values are kept whole unless another type is asked for.
                var compute = () => Write((LanguageModel)loaded, ids, configuration.KeyType ?? CacheType.F32, parsed.GetRequiredValue(output), cancellationToken);
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

    private static void Write(LanguageModel model, int[] ids, CacheType cacheType, string path, CancellationToken cancellationToken)
    {
        for (var i = 0; i < ids.Length; i++)
        {
            if (ids[i] >= model.Information.VocabularySize)
            {
                throw new HearthException($"token {ids[i]} at position {i} is not in the vocabulary of {model.Information.VocabularySize} tokens");
            }
        }

        using var file = File.Create(path);
        model.ComputeLogits(ids, (_, logits) => WriteLittleEndian(file, logits), cacheType, cancellationToken);
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
