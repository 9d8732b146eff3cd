using System.Runtime.InteropServices;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>The signals that end the service: the first lets what runs go on for a while, a second one does not.</summary>
/// <remarks>
/// SIGHUP is one of them where the service was started at a terminal, which then is gone; elsewhere it has the configuration read
/// anew. Without a handler it would end the process at once, with every answer that is under way.
/// </remarks>
internal sealed class StopSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly Drain _drain;
    private readonly LiveConfiguration _configuration;
    private readonly SystemdState _systemd;
    private readonly ModelCatalog _catalog;
    private readonly bool _hangUpReloads;
    private int _seen;

    /// <param name="app">The service.</param>
    /// <param name="hangUpReloads">Whether SIGHUP has the configuration read anew.</param>
    public StopSignals(WebApplication app, bool hangUpReloads)
    {
        _hangUpReloads = hangUpReloads;
        _configuration = app.Services.GetRequiredService<LiveConfiguration>();
        _systemd = app.Services.GetRequiredService<SystemdState>();
        _catalog = app.Services.GetRequiredService<ModelCatalog>();
        _lifetime = app.Lifetime;
        _drain = app.Services.GetRequiredService<Drain>();
        _registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, Handle))];
    }

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (context.Signal == PosixSignal.SIGHUP && _hangUpReloads)
        {
            Reload();
            return;
        }

        if (Interlocked.Increment(ref _seen) == 1)
        {
            _lifetime.StopApplication();
        }
        else
        {
            _drain.EndNow();
        }
    }

    private void Reload()
    {
        _systemd.Reloading();
        var refusal = _configuration.Reload();
        _systemd.Ready(_catalog.Entries.Count);
        if (refusal is not null)
        {
            _systemd.Failed($"serving as before: {refusal}");
        }
    }
}
