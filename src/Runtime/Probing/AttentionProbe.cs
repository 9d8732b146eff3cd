using System.Text;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Probing;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime;

/// <summary>Reads the attention probabilities of a text out of a model: the softmax of each head that the model itself computes.</summary>
/// <remarks>
/// Runs apart from the requests being served, with a cache of its own, and costs nothing when it is not used. The kernels of
/// the model's own attention compute the probabilities, so every mask, bias, cap and sink is in them. Safe to call from
/// several threads.
/// </remarks>
/// <example>
/// <code>
/// var tokens = model.Tokenize("The cat sat on the mat");
/// var maps = AttentionProbe.Run(model, [.. tokens], new AttentionProbeOptions { Layers = new(0, 1) });
/// Console.WriteLine(maps.Layers[0].Row(head: 0, row: 3)[1]); // what the fourth token gives the second
/// </code>
/// </example>
public static class AttentionProbe
{
    /// <summary>Weights that are kept at a time: 64 MiB of them.</summary>
    public const int MostWeights = 1 << 24;

    /// <summary>Probes a decoder or an encoder–decoder.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The text; at least one token, at most the context. An encoder–decoder's decoder reads it.</param>
    /// <param name="options">Layers and heads; null: all.</param>
    /// <param name="source">What the encoder of an encoder–decoder reads; empty for a decoder alone.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <exception cref="AttentionProbeSizeException">Text, layers and heads together are too much.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit.</exception>
    /// <exception cref="HearthException">The model has no such layer or head.</exception>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, a text is empty, or a source is missing or one too many.</exception>
    public static AttentionMaps Run(
        LanguageModel model, ReadOnlySpan<int> tokens, AttentionProbeOptions? options = null, ReadOnlySpan<int> source = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.HasEncoder == source.IsEmpty)
            throw new ArgumentException(model.HasEncoder ? "an encoder–decoder needs a source" : "a decoder alone takes no source", nameof(source));
        Require(tokens, model.Information.ContextLength);
        if (model.Encoder is { } encoder && source.Length > encoder.Program.Limits.MaxRows)
            throw new ContextLengthExceededException(source.Length, encoder.Program.Limits.MaxRows);
        var run = new ProbeRun(options ?? new AttentionProbeOptions(), cancellationToken);
        if (model.Encoder is not null)
            run.Plan(model.Encoder.Program, AttentionKind.EncoderSelf, source.Length, memory: 0);
        run.Plan(model.Program.Program, AttentionKind.DecoderSelf, tokens.Length, source.Length);
        run.Allocate();
        using var read = model.Encoder is null ? null : run.Encode(model.Encoder, source);
        if (model.Program.Program.NeedsWholeText)
            run.ReadWhole(model.Program, tokens);
        else
            run.Decode(model.Program, tokens, read);
        return run.Result(model.Information, Named(tokens, model.OptionalOutputTokenizer), Named(source, model.OptionalTokenizer));
    }

    /// <summary>Probes an encoder, or a decoder that was trained to embed.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The text, special tokens included; at least one token, at most the context.</param>
    /// <param name="options">Layers and heads; null: all.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <exception cref="AttentionProbeSizeException">Text, layers and heads together are too much.</exception>
    /// <exception cref="ContextLengthExceededException">The text does not fit.</exception>
    /// <exception cref="HearthException">The model has no such layer or head.</exception>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, or the text is empty.</exception>
    public static AttentionMaps Run(EmbeddingModel model, ReadOnlySpan<int> tokens, AttentionProbeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        Require(tokens, model.Information.ContextLength);
        var run = new ProbeRun(options ?? new AttentionProbeOptions(), cancellationToken);
        var isDecoder = model.Program.Program.CacheLayers.Count > 0;
        run.Plan(model.Program.Program, isDecoder ? AttentionKind.DecoderSelf : AttentionKind.EncoderSelf, tokens.Length, memory: 0);
        run.Allocate();
        run.ReadWhole(model.Program, tokens);
        return run.Result(model.Information, Named(tokens, model.OptionalTokenizer), []);
    }

    /// <summary>Layers in which a model's decoder attends to its own text.</summary>
    internal static int LayerCount(LanguageModel model)
    {
        var program = model.Program.Program;
        return program.Operations.Count(operation => ProgramBuilder.IsAttention(operation) && !ProgramBuilder.IsOverMemory(operation));
    }

    private static void Require(ReadOnlySpan<int> tokens, int context)
    {
        if (tokens.IsEmpty)
            throw new ArgumentException("a text to probe has at least one token", nameof(tokens));
        if (tokens.Length > context)
            throw new ContextLengthExceededException(tokens.Length, context);
    }

    private static ProbedToken[] Named(ReadOnlySpan<int> tokens, Tokenizer? tokenizer)
    {
        var named = new ProbedToken[tokens.Length];
        for (var i = 0; i < named.Length; i++)
            named[i] = new ProbedToken(tokens[i], TextOf(tokens[i], tokenizer));
        return named;
    }

    private static string TextOf(int id, Tokenizer? tokenizer)
    {
        // Some models pad their embedding beyond the vocabulary.
        if (tokenizer is null || id >= tokenizer.VocabularySize)
            return id.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var bytes = tokenizer.TokenBytes(id);
        if (bytes.IsEmpty || tokenizer.KindOf(id) is TokenKind.Control or TokenKind.Unknown)
            return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(tokenizer.TokenText(id))); // without halves of surrogate pairs
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : string.Concat(bytes.ToArray().Select(b => $"<0x{b:X2}>"));
    }
}
