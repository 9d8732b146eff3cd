using System.Globalization;

namespace Hearth.Host.Service;

/// <summary>Tells systemd's watchdog that the service is alive, and ends the service, for systemd to start it again, where a model's loop has ended by a fault.</summary>
/// <remarks>Does nothing where WATCHDOG_USEC is not set, or is another process's. Source: sd_watchdog_enabled(3).</remarks>
internal sealed class SystemdWatchdog(SystemdState systemd, ModelCatalog catalog, IHostApplicationLifetime lifetime, ILogger<SystemdWatchdog> logger) : BackgroundService
{
    /// <summary>How often systemd is told; null: never.</summary>
    internal static TimeSpan? Interval
    {
        get
        {
            var isOurs = Environment.GetEnvironmentVariable("WATCHDOG_PID") is not { Length: > 0 } id || id == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
            return isOurs && long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var most) && most > 0
                ? TimeSpan.FromMicroseconds(Math.Min(most, TimeSpan.FromDays(1).TotalMicroseconds)) / 3 : null;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (Interval is not { } interval)
        {
            return;
        }

        using var timer = new PeriodicTimer(interval);
        try
        {
            do
            {
                systemd.Alive();
                if (catalog.Entries.FirstOrDefault(entry => entry.Model?.Fault is not null) is { } broken)
                {
                    logger.LogCritical("the loop of model {Id} ended by a fault; the service ends, to be started again", broken.Id);
                    systemd.Failed($"the loop of model {broken.Id} ended by a fault");
                    catalog.Fail(new HearthException($"the loop of model {broken.Id} ended by a fault", broken.Model!.Fault!));
                    lifetime.StopApplication();
                    await StillAlive(timer, stoppingToken);
                    return;
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException)
        {
            // From here on systemd counts the time to stop.
        }
    }

    private async Task StillAlive(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            systemd.Alive();
        }
    }
}
