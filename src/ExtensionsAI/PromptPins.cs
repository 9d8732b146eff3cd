using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Hearth.Runtime.Caching;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Extensions.AI;

/// <summary>Pins the prompts of a container when its host starts, and says how far it is.</summary>
internal sealed class PromptPins(IEnumerable<PromptPin> pins, ILoggerFactory? loggerFactory = null) : IHostedService, IHealthCheck, IAsyncDisposable, IDisposable
{
    /// <summary>The name of the health check.</summary>
    public const string CheckName = "hearth-prompts";

    private readonly PromptPin[] _pins = [.. pins];
    private readonly ILogger _logger = (ILogger?)loggerFactory?.CreateLogger<PromptPins>() ?? NullLogger.Instance;
    private readonly CancellationTokenSource _stopping = new();
    private Task _pinning = Task.CompletedTask;

    /// <summary>Registers a prompt to be pinned.</summary>
    /// <param name="services">The services of a host.</param>
    /// <param name="options">Which model's.</param>
    /// <param name="prompt">Finds the prompt in the container.</param>
    /// <exception cref="ArgumentException">The options name no file, or hold an unusable value.</exception>
    public static IServiceCollection Register(IServiceCollection services, HearthClientOptions options, Func<IServiceProvider, ChatPrompt> prompt)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Endpoint is not null)
            throw new ArgumentException("a prompt is pinned in the cache of a model of this process: ModelPath must be set, found Endpoint");
        var source = BackendRegistration.RegisterLocal(services, options);
        if (!services.Any(service => service.ServiceType == typeof(PromptPins)))
        {
            services.AddSingleton<PromptPins>();
            services.AddHostedService(provider => provider.GetRequiredService<PromptPins>());
            services.AddHealthChecks().Add(new HealthCheckRegistration(CheckName, provider => provider.GetRequiredService<PromptPins>(), HealthStatus.Unhealthy, ["ready"]));
        }

        return services.AddSingleton(provider => new PromptPin(source(provider), () => prompt(provider)));
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _pinning = Task.Run(PinAllAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _pinning.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var done = _pins.Count(pin => pin.Tokens > 0);
        var data = new Dictionary<string, object> { ["prompts"] = _pins.Length, ["pinned"] = done, ["tokens"] = _pins.Sum(pin => pin.Tokens) };
        return Task.FromResult(
            Array.Find(_pins, pin => pin.Failure is not null)?.Failure is { } failure ? new HealthCheckResult(context.Registration.FailureStatus, $"a prompt could not be pinned: {failure.Message}", failure, data)
            : done < _pins.Length ? new HealthCheckResult(context.Registration.FailureStatus, $"{done} of {_pins.Length} prompts are pinned", null, data)
            : HealthCheckResult.Healthy($"{done} prompts of {data["tokens"]} tokens are pinned", data));
    }

    /// <summary>Lets everything go; called again where a container knows the pins under several types.</summary>
    public async ValueTask DisposeAsync()
    {
        // Never disposed itself: it has no timer.
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _pinning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var pin in _pins)
            pin.Release();
    }

    public void Dispose()
    {
        DisposeAsync().AsTask().GetAwaiter().GetResult();
        GC.SuppressFinalize(this);
    }

    private async Task PinAllAsync()
    {
        foreach (var pin in _pins)
        {
            await pin.PinAsync(_stopping.Token).ConfigureAwait(false);
            if (pin.Failure is { } failure && !_stopping.IsCancellationRequested)
                Log.NotPinned(_logger, failure);
        }
    }

    private static class Log
    {
        private static readonly Action<ILogger, Exception?> s_notPinned = LoggerMessage.Define(LogLevel.Error, new EventId(1, nameof(NotPinned)), "A prompt could not be pinned; chats that begin with it are answered all the same.");

        public static void NotPinned(ILogger logger, Exception failure) => s_notPinned(logger, failure);
    }
}

/// <summary>The beginning of chats of one kind, kept in a model's cache.</summary>
internal sealed class PromptPin(IModelSource<ILanguageModel> source, Func<ChatPrompt> prompt)
{
    private ModelUse<ILanguageModel>? _use;
    private KvSequence? _pinned;
    private int _tokens;

    /// <summary>How many tokens are pinned; 0: not yet.</summary>
    public int Tokens => Volatile.Read(ref _tokens);

    /// <summary>Why they are not; null: nothing went wrong.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Loads the model and pins; what fails is in <see cref="Failure"/>.</summary>
    public async Task PinAsync(CancellationToken cancellationToken)
    {
        try
        {
            _use = await source.UseAsync(cancellationToken).ConfigureAwait(false);
            if (_use.Model is not LanguageModel model)
                throw new NotSupportedException($"'{_use.Model.Information.Id}' runs in an engine whose cache pins nothing");
            _pinned = await model.PinAsync(prompt(), cacheScope: null, cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref _tokens, _pinned.Length);
        }
#pragma warning disable CA1031 // Whatever fails is told by the health check; the host goes on.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Failure = exception;
            Release();
        }
    }

    /// <summary>Lets the tokens and the model go.</summary>
    public void Release()
    {
        Volatile.Write(ref _tokens, 0);
        _pinned?.Dispose();
        _pinned = null;
        _use?.Dispose();
        _use = null;
    }
}
