using System.Diagnostics;

namespace Hearth.Ember.Training;

/// <summary>How busy other programs keep the machine: training runs at a low one (nice) and yields to them.</summary>
public sealed class OtherLoad
{
    private const double Every = 2;   // seconds
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private double _busy = BusySeconds();
    private double _at;
    private bool _leaveACore;

    /// <summary>Whether they left at least 1.2 cores idle in the last seconds.</summary>
    public bool LeaveACore()
    {
        double now = _clock.Elapsed.TotalSeconds;
        if (now - _at < Every) return _leaveACore;
        double busy = BusySeconds();
        _leaveACore = Environment.ProcessorCount - (busy - _busy) / (now - _at) >= 1.2;
        (_busy, _at) = (busy, now);
        return _leaveACore;
    }

    // All cores' time but the idle one and our own. First line of /proc/stat: user, nice, system, ... in hundredths of a second.
    private static double BusySeconds()
    {
        var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(3).Sum(long.Parse);
        return ticks / 100.0 - Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds;
    }
}
