using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Evaluation;

/// <summary>Computes the logits of every position of a text, with a cache of its own.</summary>
internal static class LogitsEvaluator
{
    /// <summary>Runs a text through a program and hands out its logits in order of position.</summary>
    /// <param name="program">The model.</param>
    /// <param name="tokens">The text; at least one token.</param>
    /// <param name="cacheType">How keys and values are kept meanwhile.</param>
    /// <param name="receive">Called for each piece.</param>
    /// <param name="cancellationToken">Looked at before each piece.</param>
    /// <param name="encoder">Reads the source, for an encoder–decoder.</param>
    /// <param name="source">What it reads.</param>
    public static void Run(
        CompiledProgram program, ReadOnlySpan<int> tokens, CacheType cacheType, LogitsReceiver receive, CancellationToken cancellationToken,
        CompiledProgram? encoder = null, ReadOnlySpan<int> source = default)
    {
        if (program.Program.NeedsWholeText)
        {
            RunWhole(program, tokens, receive, cancellationToken);
            return;
        }

        using var read = encoder is null ? null : Read(encoder, source, cacheType);
        using var run = new TextRun(program, TextRun.MostHeld(program, tokens.Length), cacheType, cacheType, source: read);
        var piece = Math.Min(run.MaxRows, run.MaxOutputRows);
        var logits = new float[(long)Math.Min(piece, tokens.Length) * run.Width];
        for (var past = 0; past < tokens.Length; past += piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(piece, tokens.Length - past);
            run.Append(0, tokens.Slice(past, rows), outputs: rows);
            var filled = logits.AsSpan(0, rows * run.Width);
            run.Run(filled);
            run.Forget(0);
            receive(past, filled);
        }
    }

    private static TextRun Read(CompiledProgram encoder, ReadOnlySpan<int> source, CacheType cacheType)
    {
        var run = new TextRun(encoder, source.Length, cacheType, cacheType);
        try
        {
            run.Append(0, source, outputs: 0);
            run.Run([]);
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    // Every row sees all others, so each piece of the logits takes a step over the whole text.
    private static void RunWhole(CompiledProgram program, ReadOnlySpan<int> tokens, LogitsReceiver receive, CancellationToken cancellationToken)
    {
        using var run = new TextRun(program, tokens.Length, CacheType.F32, CacheType.F32);
        if (tokens.Length > run.MaxRows)
            throw new ContextLengthExceededException(tokens.Length, run.MaxRows);
        var piece = Math.Min(tokens.Length, run.MaxOutputRows);
        var logits = new float[(long)piece * run.Width];
        for (var first = 0; first < tokens.Length; first += piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(piece, tokens.Length - first);
            run.AppendWhole(tokens, [.. Enumerable.Range(first, rows)]);
            var filled = logits.AsSpan(0, rows * run.Width);
            run.Run(filled);
            receive(first, filled);
        }
    }
}
