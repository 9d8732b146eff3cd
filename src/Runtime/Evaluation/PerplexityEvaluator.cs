using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Evaluation;

/// <summary>Measures perplexity over chunks of a text: several chunks in one step, and logits only of what is scored.</summary>
/// <remarks>
/// The definition is llama-perplexity's. Without a stride: chunks of N tokens one after another, the first of each replaced
/// by the begin token where the model wants one; the tokens after positions N/2 to N-2 are scored. With a stride S: chunks
/// of N + S/2 tokens that begin S apart, unchanged; the last S tokens of each are scored.
/// </remarks>
internal sealed class PerplexityEvaluator
{
    private readonly TextRun _run;
    private readonly int[] _tokens;
    private readonly PerplexityOptions _options;
    private readonly int? _beginOfText;
    private readonly int _length;
    private readonly int _first;
    private readonly int _group; // chunks of a step
    private readonly float[] _logits;

    private PerplexityEvaluator(TextRun run, int[] tokens, PerplexityOptions options, int? beginOfText, int length, int group)
    {
        (_run, _tokens, _options, _beginOfText, _length, _group) = (run, tokens, options, beginOfText, length, group);
        _first = options.Stride > 0 ? length - options.Stride - 1 : length / 2;
        _logits = new float[(long)Math.Min(run.MaxOutputRows, group * (length - 1 - _first)) * run.Width];
    }

    /// <summary>Tokens of a chunk.</summary>
    public static int ChunkLength(PerplexityOptions options) => options.Context + (options.Stride / 2);

    /// <summary>Measures a text.</summary>
    /// <param name="program">The model.</param>
    /// <param name="tokens">The whole text, begin token included where the model wants one.</param>
    /// <param name="options">Checked by the caller.</param>
    /// <param name="beginOfText">Replaces the first token of each chunk; null: none does.</param>
    /// <param name="receive">Told after every chunk.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="HearthException">The text is too short.</exception>
    public static PerplexityEstimate Run(CompiledProgram program, int[] tokens, PerplexityOptions options, int? beginOfText, Action<PerplexityEstimate>? receive, CancellationToken cancellationToken)
    {
        var length = ChunkLength(options);
        if (tokens.Length < 2 * length)
            throw new HearthException($"the text has {tokens.Length} tokens, perplexity over chunks of {length} needs at least {2 * length}");
        var limits = program.Program.Limits;
        // Only as many sequences as one step takes whole; longer chunks go through in pieces.
        var scored = options.Stride > 0 ? options.Stride : length - 1 - (length / 2);
        var group = Math.Max(1, Math.Min(limits.MaxRows / (length - 1), limits.MaxOutputRows / scored));
        using var run = new TextRun(program, length, options.CacheType, options.CacheType, group);
        return new PerplexityEvaluator(run, tokens, options, beginOfText, length, group).Measure(receive, cancellationToken);
    }

    private PerplexityEstimate Measure(Action<PerplexityEstimate>? receive, CancellationToken cancellationToken)
    {
        var step = _options.Stride > 0 ? _options.Stride : _length;
        var possible = _options.Stride > 0 ? (_tokens.Length - _length + step - 1) / step : _tokens.Length / _length;
        var total = Math.Min(_options.Chunks ?? possible, possible);
        var sum = new PerplexitySum();
        PerplexityEstimate estimate = default;
        for (var chunk = 0; chunk < total; chunk += _group)
        {
            var starts = Enumerable.Range(chunk, Math.Min(_group, total - chunk)).Select(i => i * step).ToArray();
            foreach (var losses in Score(starts, cancellationToken))
            {
                foreach (var loss in losses)
                    sum.Add(loss);
                estimate = sum.Estimate(estimate.Chunks + 1, total);
                receive?.Invoke(estimate);
            }
        }

        return estimate;
    }

    /// <summary>The losses of some chunks, each in order of position.</summary>
    private double[][] Score(int[] starts, CancellationToken cancellationToken)
    {
        var losses = starts.Select(_ => new double[_length - 1 - _first]).ToArray();
        for (var i = 0; i < starts.Length; i++)
            _run.Return(i, 0);

        // The last token of a chunk is only predicted, never read.
        for (int past = 0, end; past < _length - 1; past = end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            end = Math.Min(_length - 1, past + (_run.MaxRows / starts.Length));
            end = Math.Min(end, Math.Max(past, _first) + (_run.MaxOutputRows / starts.Length));
            var outputs = Math.Max(0, end - Math.Max(past, _first));
            for (var i = 0; i < starts.Length; i++)
                _run.Append(i, Piece(starts[i], past, end), outputs);
            _run.Run(_logits.AsSpan(0, starts.Length * outputs * _run.Width));
            if (outputs > 0)
                TakeLosses(starts, end - outputs, outputs, losses);
        }

        return losses;
    }

    private ReadOnlySpan<int> Piece(int start, int past, int end)
    {
        var piece = _tokens.AsSpan(start + past, end - past);
        if (past > 0 || _options.Stride > 0 || _beginOfText is not { } begin)
            return piece;
        var begun = piece.ToArray();
        begun[0] = begin;
        return begun;
    }

    private void TakeLosses(int[] starts, int position, int outputs, double[][] losses)
    {
        var width = _run.Width;
        Parallel.For(0, starts.Length * outputs, () => new float[width], (row, _, scratch) =>
        {
            var (chunk, offset) = Math.DivRem(row, outputs);
            var token = _tokens[starts[chunk] + position + offset + 1];
            losses[chunk][position + offset - _first] = PerplexitySum.NegativeLog(_logits.AsSpan(row * width, width), token, scratch);
            return scratch;
        }, _ => { });
    }
}
