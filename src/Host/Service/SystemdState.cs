using System.Globalization;
using Microsoft.Extensions.Hosting.Systemd;

namespace Hearth.Host.Service;

/// <summary>Tells systemd how far the service is: what is being loaded, ready once every model is, stopping.</summary>
/// <remarks>
/// Does nothing where NOTIFY_SOCKET is not set. While loading goes on, the time that systemd allows is extended; a load that
/// stands still is given up by systemd. Source: sd_notify(3).
/// </remarks>
internal sealed class SystemdState(ISystemdNotifier notifier)
{
    /// <summary>What a load may take until it next gets on.</summary>
    private const int LoadingSeconds = 120;

    private readonly ISystemdNotifier _notifier = notifier;
    private string _shown = "";

    /// <summary>Says that a model is being loaded.</summary>
    /// <param name="id">The model.</param>
    /// <param name="progress">0 to 1.</param>
    public void Loading(string id, double progress)
    {
        var status = string.Create(CultureInfo.InvariantCulture, $"loading {id}: {Math.Floor(progress * 100)} %");
        if (Interlocked.Exchange(ref _shown, status) != status)
        {
            Notify($"STATUS={status}\nEXTEND_TIMEOUT_USEC={LoadingSeconds * 1_000_000L}");
        }
    }

    /// <summary>Says that every model answers.</summary>
    public void Ready(int models) => Notify($"READY=1\nSTATUS=serving {models} {(models == 1 ? "model" : "models")}");

    /// <summary>Says that the configuration is being read anew; <see cref="Ready"/> follows.</summary>
    public void Reloading() => Notify(string.Create(
        CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={(long)TimeProvider.System.GetElapsedTime(0).TotalMicroseconds}\nSTATUS=reading the configuration"));

    /// <summary>Says to the watchdog that the service is alive.</summary>
    public void Alive() => Notify("WATCHDOG=1");

    /// <summary>Says that a model cannot be loaded.</summary>
    public void Failed(string message) => Notify($"STATUS={string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))}");

    /// <summary>Says that the service ends, and how long that may take.</summary>
    public void Stopping(TimeSpan most) => Notify(string.Create(
        CultureInfo.InvariantCulture, $"STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={(long)(most.TotalMicroseconds)}"));

    private void Notify(string state)
    {
        if (_notifier.IsEnabled)
        {
            _notifier.Notify(new ServiceState(state));
        }
    }
}
