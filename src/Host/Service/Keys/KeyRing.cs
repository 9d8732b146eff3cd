using System.Security.Cryptography;

namespace Hearth.Host.Service;

/// <summary>The keys that count now: those of the configuration, and those of the key file as it stands.</summary>
/// <remarks>
/// The file is looked at again when it changed, at most once a second: what was revoked opens nothing a second later. A file
/// that cannot be read leaves the keys before it in force. Where keys were asked for once, they are until the service ends,
/// whatever becomes of the file.
/// </remarks>
internal sealed class KeyRing
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly KeyFile? _file;
    private volatile ApiKey[] _plain;
    private volatile ApiKey[] _named;
    private (DateTime Written, long Bytes) _seen;
    private long _looked;
    private volatile bool _isRequired;

    /// <exception cref="HearthException">The file cannot be read, or nobody has a key and the service is reachable from elsewhere.</exception>
    public KeyRing(ServiceConfiguration configuration, ILogger<KeyRing> logger, TimeProvider? time = null)
    {
        (_time, _logger) = (time ?? TimeProvider.System, logger);
        _file = configuration.KeyFile is { } path ? new KeyFile(path) : null;
        _plain = [.. configuration.ApiKeys.Select(Plain)];
        _seen = Look();
        _named = [.. _file?.Read() ?? []];
        _looked = _time.GetTimestamp();
        Never = configuration.RequireKeys == false;
        _isRequired = !Never && (configuration.RequireKeys == true || _plain.Length > 0 || _named.Length > 0 || configuration.OpenAddress is not null);
        if (_isRequired && configuration.OpenAddress is { } address && _plain.Length == 0 && !_named.Any(key => key.Opens(_time.GetUtcNow())))
        {
            throw new HearthException(
                $"{address} can be reached from other machines and nobody has a key{(_file is null ? "" : $" ({_file.Path})")}: 'hearth keys add NAME' makes one, --no-keys (RequireKeys: false) lets everybody ask");
        }

        WarnOfReaders();
    }

    /// <summary>Whether requests must bring a key.</summary>
    public bool IsRequired => _isRequired;

    /// <summary>Whether each bearer has a name of its own, so that what there is is told to bearers only.</summary>
    public bool HasNames
    {
        get
        {
            Refresh();
            return _isRequired && _named.Length > 0;
        }
    }

    private bool Never { get; }

    /// <summary>The key that was sent, if it opens anything.</summary>
    /// <remarks>All keys are compared, each whole: how long it takes tells nothing of any.</remarks>
    public ApiKey? Find(string sent)
    {
        Refresh();
        var digest = ApiKey.DigestOf(sent);
        var now = _time.GetUtcNow();
        ApiKey? found = null;
        foreach (var keys in new[] { _plain, _named })
        {
            foreach (var key in keys)
            {
                found = CryptographicOperations.FixedTimeEquals(key.Digest, digest) ? key : found;
            }
        }

        return found?.Opens(now) == true ? found : null;
    }

    /// <summary>Looks at the file now, whenever that was done last.</summary>
    /// <param name="configuration">Whose keys without a name count from now on; null: those before.</param>
    public void Reload(ServiceConfiguration? configuration = null)
    {
        lock (_lock)
        {
            if (configuration is not null)
            {
                _plain = [.. configuration.ApiKeys.Select(Plain)];
                _isRequired |= !Never && _plain.Length > 0;
            }

            ReadAgain();
        }
    }

    private static ApiKey Plain(string key, int index)
    {
        var digest = ApiKey.DigestOf(key);
        return new ApiKey { Id = Convert.ToHexStringLower(digest), Name = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"ApiKeys:{index}"), Digest = digest, Verbs = KeyVerbs.All };
    }

    private void Refresh()
    {
        if (_file is null || _time.GetElapsedTime(Interlocked.Read(ref _looked)) < LookInterval)
        {
            return;
        }

        lock (_lock)
        {
            if (_time.GetElapsedTime(_looked) >= LookInterval)
            {
                Interlocked.Exchange(ref _looked, _time.GetTimestamp());
                if (Look() != _seen)
                {
                    ReadAgain();
                }
            }
        }
    }

    private void ReadAgain()
    {
        if (_file is null)
        {
            return;
        }

        _seen = Look();
        try
        {
            _named = [.. _file.Read()];
            _isRequired |= !Never && _named.Length > 0;
            _logger.LogInformation("{Path}: {Count} keys", _file.Path, _named.Count(key => key.Revoked is null));
            WarnOfReaders();
        }
        catch (HearthException exception)
        {
            _logger.LogError("{Message}; the keys before it stay in force", exception.Message);
        }
    }

    private (DateTime, long) Look()
    {
        try
        {
            return _file is not null && new FileInfo(_file.Path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : default;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    private void WarnOfReaders()
    {
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!OperatingSystem.IsWindows() && _file is not null && File.Exists(_file.Path) && (File.GetUnixFileMode(_file.Path) & Others) != 0)
        {
            _logger.LogWarning("{Path} can be read or written by others than its owner; it is for 0600", _file.Path);
        }
    }
}
