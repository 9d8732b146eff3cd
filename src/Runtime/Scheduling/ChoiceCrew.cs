using System.Diagnostics;
using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Scheduling;

/// <summary>Chooses the tokens of a step: for each request by itself, on several threads; those whose masks are late are left for later.</summary>
/// <remarks>By one thread at a time.</remarks>
internal sealed class ChoiceCrew
{
    /// <summary>How long the requests of a step wait for what the constraint of one of them allows.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(3);

    private readonly (ScheduledRequest Request, Memory<float> Logits)[] _choosing;
    private readonly List<(ScheduledRequest Request, Memory<float> Logits)> _late = [];
    private readonly SamplerScratch[] _scratch;
    private readonly WorkCrew _crew;
    private readonly int _vocabularySize;

    /// <param name="mostRequests">Requests of a step.</param>
    /// <param name="threads">How many choose at a time, at least 1.</param>
    /// <param name="vocabularySize">Logits of a row.</param>
    public ChoiceCrew(int mostRequests, int threads, int vocabularySize)
    {
        _vocabularySize = vocabularySize;
        _choosing = new (ScheduledRequest, Memory<float>)[mostRequests];
        _scratch = [.. Enumerable.Range(0, threads).Select(_ => new SamplerScratch())];
        _crew = new WorkCrew(threads, (i, worker) => _choosing[i].Request.Choose(_choosing[i].Logits.Span, _scratch[worker]));
    }

    /// <summary>Chooses for every entry that wants it; what comes of it is taken in order afterwards.</summary>
    /// <param name="plan">The step.</param>
    /// <param name="logits">Its rows of logits, in the plan's order: one for each that wants it, and one for each of its guesses.</param>
    public void Choose(IReadOnlyList<StepEntry> plan, Memory<float> logits)
    {
        var (count, row) = (0, 0);
        foreach (var entry in plan)
        {
            if (entry.WantsLogits)
            {
                var rows = 1 + entry.Request.Guesses.Count;
                var own = logits.Slice(row * _vocabularySize, rows * _vocabularySize);
                row += rows;
                if (entry.Request.Walk is { IsReady: false })
                {
                    _late.Add((entry.Request, own));
                }
                else
                {
                    _choosing[count++] = (entry.Request, own);
                }
            }
        }

        Run(count);
        count = 0;

        // A mask is there long before its step ends, but for a few. Those are waited for a little; then the others go on.
        var begin = Stopwatch.GetTimestamp();
        foreach (var (request, own) in _late)
        {
            var left = s_patience - Stopwatch.GetElapsedTime(begin);
            if (request.Walk!.WaitReady(left > TimeSpan.Zero ? left : TimeSpan.Zero))
            {
                _choosing[count++] = (request, own);
            }
            else
            {
                request.LateLogits = own.ToArray();
            }
        }

        _late.Clear();
        Run(count);
    }

    /// <summary>Chooses for those whose masks were late and are there now.</summary>
    /// <returns>Them.</returns>
    public IReadOnlyList<ScheduledRequest> ChooseLate(IReadOnlyList<ScheduledRequest> admitted)
    {
        ScheduledRequest[] ready = [.. admitted.Where(request => request.LateLogits is not null && request.Walk!.IsReady)];
        for (var i = 0; i < ready.Length; i++)
        {
            _choosing[i] = (ready[i], ready[i].LateLogits);
        }

        Run(ready.Length);
        foreach (var request in ready)
        {
            request.LateLogits = null;
        }

        return ready;
    }

    /// <summary>Where all wait for their masks, waits for one of them a little; false where none waits.</summary>
    public static bool Wait(List<ScheduledRequest> admitted)
    {
        var late = admitted.Find(request => request.LateLogits is not null);
        late?.Walk!.WaitReady(s_patience);
        return late is not null;
    }

    private void Run(int count)
    {
        _crew.Run(count);
        Array.Clear(_choosing, 0, count);
    }
}
