using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Hearth.Runtime.Chat.Dialects;

namespace Hearth.Tests;

/// <summary>A model without arithmetic: a token is a UTF-16 unit, and it answers with the last line of the prompt, a word a token.</summary>
internal sealed class FakeLanguageModel : ILanguageModel, IAsyncDisposable
{
    private int _running;

    public ConcurrentQueue<GenerationRequest> Requests { get; } = [];

    public ConcurrentQueue<ChatPrompt> Chats { get; } = [];

    /// <summary>Awaited before each update; gets the update's index.</summary>
    public Func<int, CancellationToken, Task> BeforeUpdate { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Awaited before a request is admitted: its time in the queue.</summary>
    public Func<CancellationToken, Task> InQueue { get; set; } = _ => Task.CompletedTask;

    /// <summary>Units of the longest token, from which the least number of a text's tokens follows; 0: nothing is known.</summary>
    public int LongestToken { get; init; }

    /// <summary>Units of the longest text that was tokenized.</summary>
    public int LongestTokenized { get; private set; }

    /// <summary>Replaces the echo.</summary>
    public Func<string, IEnumerable<string>>? Reply { get; set; }

    public int ContextLength { get; init; } = 4096;

    public bool HasChatTemplate { get; init; } = true;

    public string? ChatTemplateFault { get; init; }

    public IReadOnlyList<string> Warnings { get; init; } = [];

    public int CachedTokens { get; init; }

    /// <summary>Tokens of each text that count as forced.</summary>
    public int ForcedTokens { get; init; }

    /// <summary>The stop sequence (a string) or the stop token (an int) that ends every text.</summary>
    public object? EndedBy { get; init; }

    /// <summary>Requests whose enumeration was left, whatever the reason.</summary>
    public int Ended => Volatile.Read(ref _ended);

    public bool IsDisposed { get; private set; }

    public Exception? Fault { get; set; }

    public ModelInformation Information => new(
        "fake", "fake", ContextLength, char.MaxValue + 1, 1000, 2000, HasChatTemplate, new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero))
    {
        ChatTemplateFault = ChatTemplateFault,
        Warnings = Warnings,
    };

    public ModelLoad Load => new(Volatile.Read(ref _running), 0, 2 * Volatile.Read(ref _running), 3, 64);

    private int _ended;

    /// <summary>As a model whose template knows tools and writes calls between tags.</summary>
    public ChatDialect Dialect { get; init; } = new("json", CallSyntax.Tagged, ToolPrompting.ByTemplate, null);

    public long LeastTokens(string text) => LongestToken == 0 ? 0 : text.Length / LongestToken;

    public IReadOnlyList<int> Tokenize(string text, bool addSpecial = true, bool parseSpecial = false)
    {
        LongestTokenized = Math.Max(LongestTokenized, text.Length);
        return [.. text.Select(unit => (int)unit)];
    }

    public IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken = default)
    {
        Chats.Enqueue(chat);
        if (ChatTemplateFault is not null)
        {
            throw new HearthException(ChatTemplateFault);
        }

        if (chat.Messages.FirstOrDefault(message => message.Role == "alien") is not null)
        {
            throw new ChatTemplateFailureException("the model's chat template refuses these messages: the template knows no role 'alien'", isRefusal: true);
        }

        return Tokenize(string.Join('\n', chat.Messages.Select(message => message.Content)));
    }

    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Requests.Enqueue(request);
        if (request.Prompt.Count > ContextLength)
        {
            throw new ContextLengthExceededException(request.Prompt.Count, ContextLength);
        }

        await InQueue(cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();

        // What is wrong with a request is told before it is admitted, as of a real model.
        var words = Words(new string([.. request.Prompt.Select(id => (char)id)])).ToList();
        request.Admitted?.Invoke();
        Interlocked.Increment(ref _running);
        try
        {
            var count = Math.Min(words.Count, request.Options.TokenLimit);
            var miss = CachedTokens > 0 ? CacheMissReason.Differs : CacheMissReason.NothingCached;
            for (var i = 0; i < count; i++)
            {
                await BeforeUpdate(i, cancellationToken);
                cancellationToken.ThrowIfCancellationRequested();
                for (var choice = 0; choice < (request.Options.ChoiceCount ?? 1); choice++)
                {
                    yield return new GenerationUpdate(words[i], [i]) { Choice = choice, LogProbabilities = Scores(words[i], i, request.Options.LogProbabilities) };
                }
            }

            await BeforeUpdate(count, cancellationToken);
            for (var choice = 0; choice < (request.Options.ChoiceCount ?? 1); choice++)
            {
                yield return new GenerationUpdate(
                    "", [], count < words.Count ? FinishReason.Length : FinishReason.Stop, new TokenUsage(request.Prompt.Count, count, CachedTokens, miss, CachedTokens) { ForcedTokens = ForcedTokens })
                {
                    Choice = choice,
                    StopSequence = EndedBy as string,
                    StopTokenId = EndedBy as int?,
                };
            }
        }
        finally
        {
            Interlocked.Decrement(ref _running);
            Interlocked.Increment(ref _ended);
        }
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }

    // Each word as likely as 1/2, the next likely ones a unit less likely each; the last is impossible.
    private static IReadOnlyList<TokenLogProbabilities> Scores(string word, int token, int? top)
        => top is null ? [] : [new TokenLogProbabilities(
            new TokenLogProbability(token, Encoding.UTF8.GetBytes(word), -0.5),
            [.. Enumerable.Range(0, top.Value).Select(i => new TokenLogProbability(token + i, Encoding.UTF8.GetBytes(i == 0 ? word : $"{word}{i}"), i == 3 ? double.NegativeInfinity : -0.5 - i))])];

    private IEnumerable<string> Words(string prompt)
    {
        var line = prompt[(prompt.LastIndexOf('\n') + 1)..];
        if (Reply is not null)
        {
            return Reply(line);
        }

        var words = new List<string>();
        var word = new StringBuilder();
        foreach (var unit in line)
        {
            word.Append(unit);
            if (unit == ' ')
            {
                words.Add(word.ToString());
                word.Clear();
            }
        }

        return word.Length > 0 ? words.Append(word.ToString()) : words;
    }
}
