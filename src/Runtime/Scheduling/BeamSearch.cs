using Hearth.Runtime.Caching;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Scheduling;

/// <summary>A text that a beam search found, see <see cref="Hypothesis"/>.</summary>
internal sealed record FoundText(IReadOnlyList<int> Tokens, double LogProbability, double Score, bool IsFinished);

/// <summary>Searches the likeliest text: keeps the best beginnings of every length, each a fork of the paged cache.</summary>
/// <remarks>
/// A step takes the 2 * width best continuations of all beams; those of the best width that end the text are finished, the
/// first width of the others go on. The search ends with width finished texts, so that a width of 1 is greedy decoding; a
/// finished text comes before one that the token limit ended. Scores: sum of log-probabilities / length^penalty (as in arXiv
/// 1609.08144, section 7, without its offset and coverage). Forks share all pages but the one they write next.
/// </remarks>
internal sealed class BeamSearch
{
    private readonly record struct Continuation(int Beam, int Token, double LogProbability, ITokenConstraint? Walk = null);

    private sealed record Beam(KvSequence Sequence, int[] Tokens, double LogProbability, ITokenConstraint? Walk);

    private readonly IStepRunner _runner;
    private readonly KvSequence? _memory;
    private readonly BeamTask _task;
    private readonly int _width;
    private readonly Recurrence? _recurrence;
    private readonly StepBatch _batch = new();
    private readonly List<FoundText> _finished = [];
    private readonly float[] _logits;
    private readonly ulong[] _mask;

    /// <summary>Prepares a search.</summary>
    /// <param name="runner">Computes steps; needs as many output rows as there are beams.</param>
    /// <param name="memory">The encoder's output that every beam attends to; null for a decoder alone.</param>
    /// <param name="task">What is searched.</param>
    /// <param name="recurrence">How the model reads in segments; null: a text as one.</param>
    public BeamSearch(IStepRunner runner, KvSequence? memory, BeamTask task, Recurrence? recurrence = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(task.Width, 1, nameof(task));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(task.Width, Math.Min(runner.MaxRows, runner.MaxOutputRows), nameof(task));
        _runner = runner;
        _memory = memory;
        _task = task;
        _width = task.Width;
        _recurrence = recurrence;
        _logits = new float[(long)_width * runner.VocabularySize];
        _mask = new ulong[task.Walk is null ? 0 : (runner.VocabularySize + 63) / 64];
    }

    /// <summary>Searches.</summary>
    /// <param name="sequence">Empty, or holds a part of the prompt that ends before its last token; the search disposes it.</param>
    /// <param name="publishes">Whether later prompts that start alike find the prompt's pages.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>Up to width texts, the best first.</returns>
    /// <exception cref="OutOfModelMemoryException">The cache has no pages left for the beams.</exception>
    /// <exception cref="InvalidRequestException">The constraint leaves no text.</exception>
    public IReadOnlyList<FoundText> Run(KvSequence sequence, bool publishes, CancellationToken cancellationToken)
    {
        ReadOnlySpan<int> prompt = _task.Prompt;
        List<Beam> beams = [new(sequence, [], 0, _task.Walk)];
        List<Beam> next = [];
        try
        {
            ReadPrompt(sequence, prompt[sequence.Length..^1], cancellationToken);
            if (publishes)
                sequence.Publish(wholePagesOnly: true);
            var last = new List<int> { prompt[^1] };
            for (var length = 0; length < _task.MaxTokens && beams.Count > 0 && _finished.Count < _width; length++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                RunStep(beams, last);
                var chosen = Choose(beams);
                Continue(beams, chosen, next);
                (beams, next) = (next, beams);
                last = [.. chosen.Select(c => c.Token)];
            }

            foreach (var beam in beams)
                Finish(beam.Tokens, beam.LogProbability, beam.Tokens.Length, isFinished: false);
            if (_finished.Count == 0)
                throw new InvalidRequestException(_task.Walk is null ? nameof(GenerationOptions.LogitBias) : nameof(GenerationOptions.Constraint), "leaves no token to go on with");
            return [.. _finished.OrderByDescending(h => h.IsFinished).ThenByDescending(h => h.Score).Take(_width)];
        }
        finally
        {
            // Of both, where something failed on the way from one to the other; disposing twice does nothing.
            foreach (var beam in beams.Concat(next))
                beam.Sequence.Dispose();
        }
    }

    private void ReadPrompt(KvSequence sequence, ReadOnlySpan<int> prompt, CancellationToken cancellationToken)
    {
        for (var past = 0; past < prompt.Length; past += _runner.MaxRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var piece = prompt.Slice(past, Math.Min(_runner.MaxRows, prompt.Length - past));
            Reserve(sequence, piece.Length);
            _batch.Clear();
            Add(sequence, piece, outputs: 0);
            _runner.Run(_batch, []);
            Commit(sequence, piece);
        }
    }

    private void RunStep(List<Beam> beams, List<int> last)
    {
        foreach (var beam in beams)
            Reserve(beam.Sequence, 1);
        _batch.Clear();
        for (var i = 0; i < beams.Count; i++)
            Add(beams[i].Sequence, [last[i]], outputs: 1);
        _runner.Run(_batch, _logits.AsSpan(0, beams.Count * _runner.VocabularySize));
        for (var i = 0; i < beams.Count; i++)
            Commit(beams[i].Sequence, [last[i]]);
    }

    private void Commit(KvSequence sequence, ReadOnlySpan<int> tokens)
    {
        sequence.Commit(tokens);
        if (_recurrence is { } recurrence)
            sequence.Forget(recurrence.Forgettable(sequence.Length, sequence.Cache.PageTokens));
    }

    private void Add(KvSequence sequence, ReadOnlySpan<int> tokens, int outputs)
        => _batch.Add(sequence.Length, tokens, sequence.Pages, outputs, _memory is null ? default : _memory.Pages, _memory?.Length ?? 0, sequence.States, sequence.TokenList);

    private static void Reserve(KvSequence sequence, int positions)
    {
        if (!sequence.TryReserve(positions))
            throw new OutOfModelMemoryException("the cache has no pages left for the beams; ask for fewer beams or set the cache's size in tokens");
    }

    // The continuations that go on; those that end a text are finished on the way.
    private List<Continuation> Choose(List<Beam> beams)
    {
        var best = new PriorityQueue<Continuation, double>(); // the worst of the best comes out first
        for (var i = 0; i < beams.Count; i++)
            Consider(i, beams[i], _logits.AsSpan(i * _runner.VocabularySize, _runner.VocabularySize), best);
        var ordered = new Continuation[best.Count];
        for (var i = ordered.Length - 1; i >= 0; i--)
            ordered[i] = best.Dequeue();
        var chosen = new List<Continuation>(_width);
        for (var rank = 0; rank < ordered.Length && chosen.Count < _width; rank++)
        {
            var (index, token, logProbability, _) = ordered[rank];
            var beam = beams[index];
            if (_task.Ends.Contains(token))
            {
                if (rank < _width)
                    Finish(beam.Tokens, logProbability, beam.Tokens.Length + 1, isFinished: true);
                continue;
            }

            var walk = beam.Walk?.Fork();
            if (walk?.TryAccept(token) == false)
                throw new HearthException($"the constraint refuses token {token}, which its mask allows");
            if (walk is not { MustEnd: true })
                chosen.Add(ordered[rank] with { Walk = walk });
            else if (rank < _width)
                Finish([.. beam.Tokens, token], logProbability, beam.Tokens.Length + 1, isFinished: true);
        }

        return _finished.Count < _width ? chosen : [];
    }

    // Scores are the model's own, whatever a constraint leaves: of its texts the likeliest is wanted.
    private void Consider(int index, Beam beam, Span<float> logits, PriorityQueue<Continuation, double> best)
    {
        foreach (var (token, bias) in _task.Bias)
            logits[token] += bias;
        var maximum = logits[Sampling.Logits.Maximum(logits)];
        var shift = beam.LogProbability - maximum - Math.Log(Total(logits, maximum));
        if (beam.Walk is { } walk)
        {
            walk.FillMask(_mask);
            Sampling.TokenLimits.Apply(_mask, logits);
        }

        if (beam.Tokens.Length < _task.MinTokens)
        {
            foreach (var end in _task.Ends.All)
                logits[end] = float.NegativeInfinity;
        }

        for (var token = 0; token < logits.Length; token++)
        {
            var sum = logits[token] + shift;
            if (double.IsNegativeInfinity(sum))
                continue;
            if (best.Count < 2 * _width)
                best.Enqueue(new Continuation(index, token, sum), sum);
            else if (best.TryPeek(out _, out var worst) && sum > worst)
                best.EnqueueDequeue(new Continuation(index, token, sum), sum);
        }
    }

    private static double Total(ReadOnlySpan<float> logits, float maximum)
    {
        double total = 0;
        foreach (var logit in logits)
            total += Math.Exp(logit - maximum);
        return total;
    }

    // A beam's sequence goes to its first continuation; the others fork it.
    private static void Continue(List<Beam> beams, List<Continuation> chosen, List<Beam> next)
    {
        next.Clear();
        var taken = new bool[beams.Count];
        foreach (var (parent, token, logProbability, walk) in chosen)
        {
            var beam = beams[parent];
            next.Add(new Beam(taken[parent] ? beam.Sequence.Fork() : beam.Sequence, [.. beam.Tokens, token], logProbability, walk));
            taken[parent] = true;
        }

        for (var i = 0; i < beams.Count; i++)
        {
            if (!taken[i])
                beams[i].Sequence.Dispose();
        }
    }

    private void Finish(int[] tokens, double logProbability, int length, bool isFinished)
        => _finished.Add(new FoundText(tokens, logProbability, logProbability / Math.Pow(Math.Max(1, length), _task.LengthPenalty), isFinished));
}
