using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Models;

namespace Hearth.Runtime.Loading;

/// <summary>Asks of a file all that loading it asks, but for its weights' numbers and the memory for them.</summary>
internal static class FileCheck
{
    /// <summary>Writes the file's program and makes its tokenizers, then forgets both.</summary>
    /// <exception cref="ModelFormatException">The file breaks a rule.</exception>
    /// <exception cref="UnsupportedModelException">The file asks for something that is not built in.</exception>
    public static void Require(GgufFile file)
    {
        const int Rows = 8;
        var kind = ModelKinds.Of(file.Metadata);
        var limits = new StepLimits(Rows, Rows) { Embedding = kind == ModelKind.Encoder ? new EmbeddingTerms() : null };
        var program = ModelFamilies.Find(file).Build(file, limits);
        ModelChecks.RequireRows(file, program);
        if (program.Encoder is not null)
            _ = ModelChecks.RequireDecoderStart(file.Metadata, program);
        var tokenizers = ModelTokenizers.Read(file.Metadata, []);
        if (tokenizers.Missing is { } missing && file.Metadata.Get("tokenizer.ggml.model", "no_vocab") is not ("no_vocab" or "none"))
            throw missing;
    }
}
