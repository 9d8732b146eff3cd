using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Loading;

/// <summary>What must hold between the parts of a model's file, asked before its weights are loaded.</summary>
internal static class ModelChecks
{
    // Every family but Transformer-XL, which has a table for each cluster of its vocabulary.
    private const string Table = "token_embd.weight";

    /// <summary>Refuses a vocabulary that names other tokens than the model has rows for: a longer one crashes requests, a shorter one gives ids without text.</summary>
    /// <remarks>Writers fill a shorter vocabulary up with padding tokens, which count.</remarks>
    /// <param name="file">The model.</param>
    /// <param name="program">What it computes.</param>
    /// <exception cref="ModelFormatException">They differ.</exception>
    public static void RequireRows(GgufFile file, ModelProgram program)
    {
        const string Input = "tokenizer.ggml.tokens", Output = "tokenizer.ggml.decoder_tokens";
        if (file.Metadata.Get("tokenizer.ggml.model", "none") is "none" or "no_vocab")
            return;
        if (file.FindTensor(Table) is { } table)
            Require(Input, table.Extent(1), $"'{Table}' has {table.Extent(1)} rows");
        if (program.Pooling is null)
            Require(file.Metadata.Contains(Output) ? Output : Input, program.OutputWidth, $"the model computes {program.OutputWidth} logits");

        void Require(string key, long expected, string found)
        {
            if (file.Metadata.Contains(key) && file.Metadata.GetStrings(key).Count is var count && count != expected)
                throw new ModelFormatException($"the vocabulary ('{key}') has {count} tokens, but {found}", file.Path);
        }
    }

    /// <summary>Refuses a longer context than the model has learned positions for.</summary>
    /// <param name="program">The model's.</param>
    /// <param name="contextLength">Positions that a caller asks for; null: those that the model was made for.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is longer.</exception>
    public static void RequirePositions(ModelProgram program, int? contextLength)
    {
        if (contextLength is { } context && program.LearnedPositions is { } learned && context > learned)
            throw new ArgumentOutOfRangeException(nameof(contextLength), context, $"a context of {context} tokens is asked for, but the model has learned {learned} positions");
    }

    /// <summary>The token with which an encoder–decoder's decoder begins its texts.</summary>
    /// <exception cref="ModelFormatException">The file names none, or one that the model does not have.</exception>
    public static int RequireDecoderStart(GgufMetadata metadata, ModelProgram program)
    {
        const string Begin = "tokenizer.ggml.bos_token_id";
        var own = $"{metadata.Get<string>("general.architecture")}.decoder_start_token_id";
        var key = metadata.Contains(own) ? own : Begin;
        var start = metadata.Get(key, -1L);
        if (start < 0)
            throw new ModelFormatException($"metadata key '{own}' is missing: nothing says how the decoder's text begins", metadata.Source);
        return start < program.OutputWidth ? (int)start
            : throw new ModelFormatException($"metadata key '{key}' is {start}, but the decoder has {program.OutputWidth} tokens: its text would begin with none of them", metadata.Source);
    }

    /// <summary>Refuses a model whose weights this process may not hold, instead of being killed while it packs them.</summary>
    /// <param name="program">The model's, with its encoder's where it has one.</param>
    /// <param name="memory">What the process may take.</param>
    /// <exception cref="OutOfModelMemoryException">They do not fit.</exception>
    public static void RequireMemory(ModelProgram program, MemoryLimit memory)
    {
        // Packed weights take about what the file's do; those that two programs share are there once.
        var weights = program.Weights.Concat(program.Encoder?.Weights ?? [])
            .DistinctBy(weight => (weight.Name, weight.First, weight.Columns, weight.Rows))
            .Sum(weight => GgmlTypes.ByteSize(weight.Type, weight.Count));
        if (weights > memory.Available)
            throw new OutOfModelMemoryException($"the model's weights take {Mebibytes(weights)} MiB; {memory.Origin} leaves {Mebibytes(memory.Available)} MiB of {Mebibytes(memory.Limit)} MiB. Take a smaller model or a smaller quantization, or raise the limit.");
    }

    private static long Mebibytes(long bytes) => (bytes + (1 << 20) - 1) >> 20;
}
