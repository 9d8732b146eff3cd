namespace Hearth.Host.Http;

/// <summary>What one request asked for and cost, as the audit, the metrics and its key's quota count it. Thread-safe.</summary>
internal sealed class RequestAccount
{
    private static readonly object Key = new();

    private readonly Lock _lock = new();
    private readonly long _asked = TimeProvider.System.GetTimestamp();
    private long _begun;
    private long _first;
    private long _seen;
    private readonly Dictionary<int, (long Tokens, long Cached)> _prompts = [];

    /// <summary>The account of a request.</summary>
    public static RequestAccount Of(HttpContext context)
    {
        if (context.Items.TryGetValue(Key, out var known))
        {
            return (RequestAccount)known!;
        }

        var account = new RequestAccount();
        context.Items[Key] = account;
        return account;
    }

    /// <summary>The model; null where it was for none.</summary>
    public string? Model { get; set; }

    public long PromptTokens => Sum(prompt => prompt.Tokens);

    public long CachedTokens => Sum(prompt => prompt.Cached);

    public long CompletionTokens { get; private set; }

    /// <summary>What ended the text, of several the last; null where nothing was generated, or nobody waited for the end.</summary>
    public string? Finish { get; private set; }

    /// <summary>Tokens of prompts and answers, those of texts that were left before their end included.</summary>
    public long Tokens => PromptTokens + CompletionTokens + Interlocked.Read(ref _seen);

    /// <summary>Says that it no longer waits for its turn.</summary>
    public void Begin() => Interlocked.CompareExchange(ref _begun, TimeProvider.System.GetTimestamp(), 0);

    /// <summary>Adds a piece of an answer.</summary>
    /// <param name="tokens">Tokens that are new with it.</param>
    /// <param name="usage">What the text cost, with its last piece.</param>
    /// <param name="finish">What ended it, with its last piece.</param>
    /// <param name="prompt">Which of the request's prompts it answers: one that has several texts is computed once.</param>
    public void Add(int tokens, TokenUsage? usage, string? finish, int prompt = 0)
    {
        Interlocked.CompareExchange(ref _first, TimeProvider.System.GetTimestamp(), 0);
        lock (_lock)
        {
            _seen += tokens;
            Finish = finish ?? Finish;
            if (usage is { } cost)
            {
                var (most, cached) = _prompts.GetValueOrDefault(prompt);
                _prompts[prompt] = (Math.Max(most, cost.PromptTokens), most > 0 ? Math.Min(cached, cost.CachedPromptTokens) : cost.CachedPromptTokens);
                CompletionTokens += cost.CompletionTokens;
                _seen = Math.Max(0, _seen - cost.CompletionTokens);
            }
        }
    }

    /// <summary>Adds texts that were embedded or ranked.</summary>
    public void AddPrompt(long tokens)
    {
        lock (_lock)
        {
            _prompts[0] = (_prompts.GetValueOrDefault(0).Tokens + tokens, 0);
        }
    }

    /// <summary>Tokens that were handed out of texts whose end did not come.</summary>
    public long UnfinishedTokens => Interlocked.Read(ref _seen);

    public TimeSpan Total => TimeProvider.System.GetElapsedTime(_asked);

    /// <summary>From the request to its turn; null where it needed none.</summary>
    public TimeSpan? Queue => _begun == 0 ? null : TimeProvider.System.GetElapsedTime(_asked, _begun);

    /// <summary>From the request to the first piece of its answer; null where none came.</summary>
    public TimeSpan? First => _first == 0 ? null : TimeProvider.System.GetElapsedTime(_asked, _first);

    private long Sum(Func<(long Tokens, long Cached), long> of)
    {
        lock (_lock)
        {
            return _prompts.Values.Sum(of);
        }
    }
}
