using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>How the service ends: from the signal on nothing new begins; what runs has some time, then it is told that this was all.</summary>
internal sealed class Drain : IDisposable
{
    public const string Code = "service_stopping";

    private readonly CancellationTokenSource _ended = new();
    private readonly CancellationTokenRegistration _registration;
    private readonly IHostApplicationLifetime _lifetime;

    public Drain(LiveConfiguration configuration, IHostApplicationLifetime lifetime)
    {
        _lifetime = lifetime;
        _registration = lifetime.ApplicationStopping.Register(() => _ended.CancelAfter(TimeSpan.FromSeconds(configuration.Current.Limits.DrainSeconds)));
    }

    /// <summary>Set once the service is to stop.</summary>
    public CancellationToken Stopping => _lifetime.ApplicationStopping;

    /// <summary>Set once what still runs has to end.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Ends what still runs without waiting any longer.</summary>
    public void EndNow() => _ended.Cancel();

    /// <summary>What every request is told that the service's end cuts off.</summary>
    public static ApiException Refusal()
        => new(StatusCodes.Status503ServiceUnavailable, "the service is stopping") { Code = Code, RetryAfter = 5 };

    /// <exception cref="ApiException">The service is to stop.</exception>
    public void ThrowIfStopping()
    {
        if (Stopping.IsCancellationRequested)
        {
            throw Refusal();
        }
    }

    public void Dispose()
    {
        _registration.Dispose();
        _ended.Dispose();
    }
}
