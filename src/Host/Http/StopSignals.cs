using System.Runtime.InteropServices;

namespace Hearth.Host.Http;

/// <summary>The signals that end the service: the first lets what runs go on for a while, a second one does not.</summary>
/// <remarks>SIGHUP is one of them: without a handler it would end the process at once, with every answer that is under way.</remarks>
internal sealed class StopSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly Drain _drain;
    private int _seen;

    public StopSignals(WebApplication app)
    {
        _lifetime = app.Lifetime;
        _drain = app.Services.GetRequiredService<Drain>();
        _registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, Handle))];
    }

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _seen) == 1)
        {
            _lifetime.StopApplication();
        }
        else
        {
            _drain.EndNow();
        }
    }
}
