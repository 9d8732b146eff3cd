using System.Collections.Concurrent;
using System.Text.Json;

namespace Hearth.Host.Service;

/// <summary>How many tokens each key has used within this minute and this day, for those whose tokens are limited.</summary>
/// <remarks>
/// What a request takes is known at its end: the one that passes a limit is answered, the next is refused. The day's sums are
/// kept in the state folder, where there is one, so that a restart gives nobody a second day. A day is one of UTC; where the
/// clock jumps to another, whichever, a new one begins.
/// </remarks>
internal sealed class KeyUsage(ServiceConfiguration configuration, ILogger<KeyUsage> logger, TimeProvider? time = null) : BackgroundService
{
    private const string FileName = "usage.json";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly ConcurrentDictionary<string, Used> _byKey = new(StringComparer.Ordinal);
    private int _isChanged;
    private bool _hasFailed;

    private string? File => configuration.StateFolder is { } folder ? Path.Combine(folder, FileName) : null;

    /// <summary>How long a key has to wait until it may ask again; null where it may now.</summary>
    /// <param name="key">Who asks.</param>
    /// <param name="limit">What it has used up, in words.</param>
    public TimeSpan? WaitOf(ApiKey key, out string limit)
    {
        limit = "";
        if (!key.Limits.CountsTokens || !_byKey.TryGetValue(key.Id, out var used))
        {
            return null;
        }

        lock (used)
        {
            Turn(used);
            if (used.Today >= key.Limits.TokensPerDay)
            {
                limit = $"the {key.Limits.TokensPerDay} tokens of this day";
                return TimeSpan.FromDays(1) - _time.GetUtcNow().TimeOfDay;
            }

            if (used.ThisMinute >= key.Limits.TokensPerMinute)
            {
                limit = $"the {key.Limits.TokensPerMinute} tokens of this minute";
                return Minute - _time.GetElapsedTime(used.MinuteBegan);
            }

            return null;
        }
    }

    /// <summary>Adds what a request took.</summary>
    public void Add(ApiKey key, long tokens)
    {
        if (!key.Limits.CountsTokens || tokens <= 0)
        {
            return;
        }

        var used = _byKey.GetOrAdd(key.Id, _ => new Used { Day = Today, MinuteBegan = _time.GetTimestamp() });
        lock (used)
        {
            Turn(used);
            used.Today += tokens;
            used.ThisMinute += tokens;
        }

        Interlocked.Exchange(ref _isChanged, 1);
    }

    /// <summary>Writes the day's sums, where any changed.</summary>
    public void Save()
    {
        if (File is not { } file || Interlocked.Exchange(ref _isChanged, 0) == 0)
        {
            return;
        }

        try
        {
            Directory.CreateDirectory(configuration.StateFolder!);
            var stored = new StoredUsage { Days = _byKey.ToDictionary(pair => pair.Key, pair => new StoredDay(pair.Value.Day, pair.Value.Today), StringComparer.Ordinal) };
            OwnedFile.Replace(file, JsonSerializer.SerializeToUtf8Bytes(stored, KeyJson.Default.StoredUsage));
            _hasFailed = false;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Interlocked.Exchange(ref _isChanged, 1);
            if (!_hasFailed)
            {
                logger.LogError("{File}: what keys have used cannot be kept: {Message}", file, exception.Message);
            }

            _hasFailed = true;
        }
    }

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        Load();
        return base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Save();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(SaveInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                Save();
            }
        }
        catch (OperationCanceledException)
        {
            // What came since is written when the service stops.
        }
    }

    private DateOnly Today => DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);

    private void Load()
    {
        if (File is not { } file || !System.IO.File.Exists(file))
        {
            return;
        }

        try
        {
            var stored = JsonSerializer.Deserialize(System.IO.File.ReadAllBytes(file), KeyJson.Default.StoredUsage);
            foreach (var (id, day) in stored?.Days ?? [])
            {
                _byKey[id] = new Used { Day = day.Day, Today = day.Tokens, MinuteBegan = _time.GetTimestamp() };
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            logger.LogError("{File}: what keys have used cannot be read: {Message}; the day begins anew", file, exception.Message);
        }
    }

    private void Turn(Used used)
    {
        if (used.Day != Today)
        {
            (used.Day, used.Today) = (Today, 0);
        }

        if (_time.GetElapsedTime(used.MinuteBegan) >= Minute)
        {
            (used.MinuteBegan, used.ThisMinute) = (_time.GetTimestamp(), 0);
        }
    }

    private sealed class Used
    {
        public DateOnly Day { get; set; }

        public long Today { get; set; }

        public long MinuteBegan { get; set; }

        public long ThisMinute { get; set; }
    }
}

/// <summary>The file of the day's sums, by the keys' ids.</summary>
internal sealed record StoredUsage
{
    public required Dictionary<string, StoredDay> Days { get; init; }
}

/// <summary>What a key used on a day.</summary>
internal sealed record StoredDay(DateOnly Day, long Tokens);
