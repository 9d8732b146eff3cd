using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Caching.Durable;

/// <summary>Prefixes that outlive the process: written in the background, found again by their tokens.</summary>
/// <remarks>Of a model whose layers keep no states. Safe to use from several threads.</remarks>
internal sealed class DurablePrefixes : IDisposable
{
    // Shorter ones are computed as soon as they are read.
    private const int LeastTokens = 64;

    // What is looked at of the tree at a time, so that its lock is held shortly.
    private const int MostPaths = 64;

    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(200);

    private readonly KvCache _cache;
    private readonly PageFolder _pages;
    private readonly ILogger _logger;
    private readonly Func<bool> _isBusy;
    private readonly Func<double?> _tokensPerSecond;
    private readonly AutoResetEvent _wanted = new(false);
    private readonly Thread _writer;
    private volatile bool _stopping;
    private long _readBytes;
    private long _readTicks;
    private long _written;
    private long _read;
    private long _declined;

    /// <summary>Opens the folder and begins to write behind.</summary>
    /// <param name="modelId">What the folder says that it is of.</param>
    /// <param name="cache">Whose prefixes these are.</param>
    /// <param name="folder">For pages of all models; each has a folder in it.</param>
    /// <param name="budget">The most bytes on disk for this model.</param>
    /// <param name="isBusy">Whether requests run: writing waits for a while then.</param>
    /// <param name="tokensPerSecond">How fast prompts are read; null: not known yet.</param>
    /// <param name="logger">Told of disks that fail.</param>
    public DurablePrefixes(string modelId, KvCache cache, string folder, long budget, Func<bool> isBusy, Func<double?> tokensPerSecond, ILogger logger)
    {
        _cache = cache;
        _isBusy = isBusy;
        _tokensPerSecond = tokensPerSecond;
        _logger = logger;
        var own = Path.Combine(folder, FolderName(cache));
        _pages = new PageFolder(own, cache.Store.PageBytes, budget)
        {
            Failed = error => _logger.LogWarning("The cache folder fails: {Message}", error.Message),
        };
        CacheFolder.Describe(own, modelId, cache.PageTokens, cache.Store.PageBytes);
        _writer = new Thread(Write) { IsBackground = true, Name = "hearth-durable", Priority = ThreadPriority.BelowNormal };
        _writer.Start();
    }

    /// <summary>What is on disk, and what was done.</summary>
    public DurableStatistics Statistics => new(_pages.Count, _pages.Bytes, Interlocked.Read(ref _written), Interlocked.Read(ref _read), Interlocked.Read(ref _declined));

    /// <summary>The name of a model's folder: what its pages fit.</summary>
    public static string FolderName(KvCache cache)
        => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{cache.ModelFingerprint}\n{cache.PageTokens}\n{cache.Store.PageBytes}"))[..12]);

    /// <summary>Says that there may be something to write.</summary>
    public void Wake()
    {
        try
        {
            _wanted.Set();
        }
        catch (ObjectDisposedException)
        {
            // The model goes, and what was worth it is written.
        }
    }

    /// <summary>Brings what is on disk of a prompt into the cache, as far as that is sooner done than computing it.</summary>
    /// <returns>Tokens that were brought in.</returns>
    public int Fetch(ReadOnlySpan<int> prompt, string? scope)
    {
        var page = _cache.PageTokens;
        var cached = _cache.FindPrefix(prompt, scope).Length / page;
        var whole = Math.Max(0, prompt.Length - 1) / page;
        if (whole <= cached)
            return 0;
        var addresses = Addresses(prompt[..(whole * page)], scope);
        var end = cached;
        while (end < whole && _pages.Contains(addresses[end]))
            end++;
        if (end == cached || !Pays(end - cached))
            return 0;

        using var sequence = _cache.CreateSequence(prompt[..((end * page) + 1)], out var match, scope);
        if (match.Length % page != 0)
            sequence.Truncate(match.Length / page * page);
        var buffer = new byte[_cache.Store.PageBytes];
        var brought = 0;
        for (var i = sequence.Length / page; i < end; i++)
        {
            var begun = System.Diagnostics.Stopwatch.GetTimestamp();
            if (!_pages.TryRead(addresses[i], buffer))
                break;
            Interlocked.Add(ref _readTicks, System.Diagnostics.Stopwatch.GetTimestamp() - begun);
            Interlocked.Add(ref _readBytes, buffer.Length);
            if (!sequence.TryReserve(page))
                break;
            _cache.Store.WritePage(sequence.Pages[i], buffer);
            sequence.Commit(prompt.Slice(i * page, page));
            brought++;
        }

        sequence.Publish(wholePagesOnly: true);
        Interlocked.Add(ref _read, brought);
        return brought * page;
    }

    /// <summary>Writes what is worth it now; returns how many pages were written.</summary>
    public int Flush()
    {
        var written = 0;
        while (_cache.TakeUnwritten(LeastTokens, MostPaths) is { Count: > 0 } paths)
        {
            foreach (var (tokens, scope) in paths)
                written += Write(tokens, scope);
        }

        return written;
    }

    /// <summary>Writes a cached prefix now and keeps it on disk whatever comes after it.</summary>
    /// <param name="tokens">Cached; whole pages of them are kept.</param>
    /// <param name="scope">Whose prefix it is; null: everybody's.</param>
    /// <returns>Tokens that are kept.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public int Pin(int[] tokens, string? scope)
    {
        Write(tokens, scope);
        var whole = tokens.Length / _cache.PageTokens;
        var addresses = Addresses(tokens.AsSpan(0, whole * _cache.PageTokens), scope);
        if (!addresses.All(_pages.Contains))
            throw new IOException("the prefix could not be written to the cache folder: its disk is full or fails, or it is larger than its budget");
        _pages.Pins.Add(addresses);
        return addresses.Length * _cache.PageTokens;
    }

    public void Dispose()
    {
        _stopping = true;
        _wanted.Set();
        _writer.Join();
        _pages.Dispose();
        _wanted.Dispose();
    }

    private PageAddress[] Addresses(ReadOnlySpan<int> tokens, string? scope)
    {
        var page = _cache.PageTokens;
        var addresses = new PageAddress[tokens.Length / page];
        var at = PageAddress.Root(_cache.ModelFingerprint, page, _cache.Store.PageBytes, scope);
        for (var i = 0; i < addresses.Length; i++)
            addresses[i] = at = at.Next(tokens.Slice(i * page, page));
        return addresses;
    }

    // A page is read where that is sooner done than computing it, by what was measured of both. Until both are known it is tried.
    private bool Pays(int pages)
    {
        var bytes = Interlocked.Read(ref _readBytes);
        if (_tokensPerSecond() is not { } tokens || bytes < _cache.Store.PageBytes)
            return true;
        var bytesPerSecond = bytes / Math.Max(1e-9, System.Diagnostics.Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _readTicks)).TotalSeconds);
        if (_cache.Store.PageBytes / bytesPerSecond < _cache.PageTokens / tokens)
            return true;
        Interlocked.Add(ref _declined, pages);

        // Disks have slow hours: what was measured long ago counts for less and less.
        Interlocked.Exchange(ref _readBytes, Interlocked.Read(ref _readBytes) / 2);
        Interlocked.Exchange(ref _readTicks, Interlocked.Read(ref _readTicks) / 2);
        return false;
    }

    private int Write(int[] tokens, string? scope)
    {
        using var pinned = _cache.Pin(tokens, scope);
        var whole = pinned.Length / _cache.PageTokens;
        var addresses = Addresses(tokens.AsSpan(0, whole * _cache.PageTokens), scope);
        var buffer = new byte[_cache.Store.PageBytes];
        var written = 0;
        for (var i = 0; i < whole; i++)
        {
            if (_pages.Contains(addresses[i]))
                continue;
            _cache.Store.ReadPage(pinned.Pages[i], buffer);
            if (!_pages.TryWrite(addresses[i], buffer))
                break;
            written++;
        }

        Interlocked.Add(ref _written, written);
        return written;
    }

    private void Write()
    {
        while (!_stopping)
        {
            _wanted.WaitOne();
            try
            {
                // A little later there is more to write at once, and maybe nobody who waits for the memory's bandwidth.
                for (var i = 0; i < 10 && !_stopping && (i == 0 || _isBusy()); i++)
                    Thread.Sleep(s_rest);
                Flush();
            }
            catch (Exception error)
            {
                _logger.LogError(error, "Writing prefixes failed");
            }
        }
    }
}

/// <summary>What a cache folder holds of a model, and what was done since it was loaded.</summary>
/// <param name="Pages">Pages on disk.</param>
/// <param name="Bytes">Their bytes, and what is around them.</param>
/// <param name="WrittenPages">Pages written since.</param>
/// <param name="ReadPages">Pages read since.</param>
/// <param name="DeclinedPages">Pages that were there and computed all the same, because the disk was slower.</param>
public readonly record struct DurableStatistics(int Pages, long Bytes, long WrittenPages, long ReadPages, long DeclinedPages);
