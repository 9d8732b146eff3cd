namespace Hearth.Runtime.Scheduling;

/// <summary>How fast a loop has been lately: what its estimates rest on. Safe to use from several threads.</summary>
/// <remarks>Averages of the latest steps, those before fading; nothing is known before the first.</remarks>
internal sealed class LoopPace
{
    // What a new measurement counts for.
    private const double Share = 0.1;

    private readonly Lock _gate = new();
    private double _promptRows;
    private double _promptSeconds;
    private double? _decodeSeconds;
    private double? _residence;

    /// <summary>Rows of prompts that are read in a second; null: not known yet.</summary>
    public double? PromptRowsPerSecond
    {
        get
        {
            lock (_gate)
                return _promptSeconds > 0 ? _promptRows / _promptSeconds : null;
        }
    }

    /// <summary>Seconds of a step that reads no prompt; null: not known yet.</summary>
    public double? DecodeSeconds
    {
        get
        {
            lock (_gate)
                return _decodeSeconds;
        }
    }

    /// <summary>Seconds from a request's admission to its end; null: not known yet.</summary>
    public double? Residence
    {
        get
        {
            lock (_gate)
                return _residence;
        }
    }

    /// <summary>Takes a step into account.</summary>
    /// <param name="promptRows">Its rows of prompts.</param>
    /// <param name="took">How long it took, choosing included.</param>
    public void NoteStep(int promptRows, TimeSpan took)
    {
        var seconds = Math.Max(1e-9, took.TotalSeconds);
        lock (_gate)
        {
            if (promptRows > 1)
            {
                _promptRows = (_promptRows * (1 - Share)) + promptRows;
                _promptSeconds = (_promptSeconds * (1 - Share)) + seconds;
            }
            else
            {
                _decodeSeconds = Mix(_decodeSeconds, seconds);
            }
        }
    }

    /// <summary>Takes the end of a request into account.</summary>
    /// <param name="resided">How long it was admitted.</param>
    public void NoteEnd(TimeSpan resided)
    {
        lock (_gate)
            _residence = Mix(_residence, Math.Max(0, resided.TotalSeconds));
    }

    private static double Mix(double? before, double now) => before is { } known ? known + (Share * (now - known)) : now;
}
