using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;

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

        using var memory = encoder is null ? null : Read(encoder, source, cacheType);
        var memoryPages = memory is null ? [] : Enumerable.Range(0, memory.PageCount).ToArray();
        var held = program.Program.Recurrence is { } recurrence
            ? (int)Math.Min(tokens.Length, recurrence.MostHeld(program.Program.Limits.MaxRows, CacheSizing.PageTokens))
            : tokens.Length;
        using var store = Store(program, held, cacheType);
        using var sequence = new KvCache(store).CreateSequence();
        var runner = new StepRunner(program, store.Handle, memory?.Handle);
        var piece = Math.Min(runner.MaxRows, runner.MaxOutputRows);
        var logits = new float[(long)Math.Min(piece, tokens.Length) * runner.VocabularySize];
        var batch = new StepBatch();
        for (var past = 0; past < tokens.Length; past += piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(piece, tokens.Length - past);
            if (!sequence.TryReserve(rows))
                throw new InvalidOperationException("the cache was made for the whole text");
            batch.Clear();
            batch.Add(sequence.Length, tokens.Slice(past, rows), sequence.Pages, rows, memoryPages, source.Length, sequence.States);
            var filled = logits.AsSpan(0, rows * runner.VocabularySize);
            runner.Run(batch, filled);
            sequence.Commit(tokens.Slice(past, rows));
            if (program.Program.Recurrence is { } segments)
                sequence.Forget(segments.Forgettable(sequence.Length, CacheSizing.PageTokens));
            receive(past, filled);
        }
    }

    private static EnginePageStore Read(CompiledProgram encoder, ReadOnlySpan<int> source, CacheType cacheType)
    {
        var memory = Store(encoder, source.Length, cacheType);
        try
        {
            var batch = new StepBatch();
            batch.Add(0, source, Enumerable.Range(0, memory.PageCount).ToArray(), outputs: 0);
            new StepRunner(encoder, memory.Handle).Run(batch, []);
            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private static EnginePageStore Store(CompiledProgram program, int tokens, CacheType cacheType)
    {
        var pages = (tokens + CacheSizing.PageTokens - 1) / CacheSizing.PageTokens;
        return new EnginePageStore(program.Engine, program.Program.CacheLayers, CacheSizing.PageTokens, pages, cacheType, cacheType, program.Program.StateWidths, stateCount: 2);
    }

    // Every row sees all others, so each piece of the logits takes a step over the whole text.
    private static void RunWhole(CompiledProgram program, ReadOnlySpan<int> tokens, LogitsReceiver receive, CancellationToken cancellationToken)
    {
        var runner = new StepRunner(program, cache: null);
        if (tokens.Length > runner.MaxRows)
            throw new ContextLengthExceededException(tokens.Length, runner.MaxRows);
        var piece = Math.Min(tokens.Length, runner.MaxOutputRows);
        var logits = new float[(long)piece * runner.VocabularySize];
        var batch = new StepBatch();
        batch.Add(past: 0, tokens, pages: [], outputs: 0);
        for (var first = 0; first < tokens.Length; first += piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(piece, tokens.Length - first);
            batch.WantOnly(first, rows);
            var filled = logits.AsSpan(0, rows * runner.VocabularySize);
            runner.Run(batch, filled);
            receive(first, filled);
        }
    }
}
