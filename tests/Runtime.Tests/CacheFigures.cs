using System.Diagnostics;
using System.Globalization;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Conversations;
using Hearth.Runtime.Scheduling;
using Hearth.Runtime.Tests.Scheduling;
using Hearth.Runtime.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests;

/// <summary>The figures of docs/scheduling.md; run by <c>--explicit only</c>, since they measure and prove nothing.</summary>
public sealed class CacheFigures
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    public async Task A_thousand_forks_of_four_thousand_tokens()
    {
        await using var model = await LanguageModel.LoadAsync(
            ReferenceModels.File("llama-gqa-base"), new ModelOptions { CacheTokens = 64_000, ContextLength = 4096 }, cancellationToken: Token);
        int[] prompt = [.. Enumerable.Range(0, 4000).Select(i => (i * 31) % model.Information.VocabularySize)];
        await Read(model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { MaxTokens = 0 } }, Token));
        using var parent = model.Cache.Pin(prompt);
        for (var round = 0; round < 5; round++)
        {
            var (memory, pages) = (GC.GetTotalMemory(forceFullCollection: true), model.Cache.GetStatistics().FreePages);
            var begin = Stopwatch.GetTimestamp();
            var forks = new KvSequence[1000];
            for (var i = 0; i < forks.Length; i++)
                forks[i] = parent.Fork();
            var time = Stopwatch.GetElapsedTime(begin);
            var more = GC.GetTotalMemory(forceFullCollection: true) - memory;
            Print($"{forks.Length} forks of {parent.Length} tokens: {time.TotalMilliseconds:0.0} ms, {pages - model.Cache.GetStatistics().FreePages} pages, {more / 1024} KiB of managed memory ({more / forks.Length} bytes each)");
            foreach (var fork in forks)
                fork.Dispose();
        }
    }

    [Fact(Explicit = true)]
    public async Task Forty_turns_with_an_edit_at_the_twentieth()
    {
        await using var model = await LanguageModel.LoadAsync(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { ContextLength = 4096, CacheTokens = 32768 }, cancellationToken: Token);
        var conversation = new Conversation(model);
        var (computed, fresh, longest, prompts) = (0L, 0L, 0, 0L);
        var before = 0;
        for (var turn = 0; turn < 40; turn++)
        {
            var usage = await Say($"Tell me {turn} more.");
            (computed, fresh) = (computed + usage.PromptTokens - usage.CachedPromptTokens, fresh + usage.PromptTokens - before);
            longest = Math.Max(longest, usage.PromptTokens - usage.CachedPromptTokens - (usage.PromptTokens - before));
            (prompts, before) = (prompts + usage.PromptTokens, usage.TotalTokens);
        }

        Print($"40 turns, prompts of {prompts} tokens together: {fresh} new ones, {computed} computed, at most {longest} more than new in a turn");
        var edited = conversation.Messages[40];
        conversation.Edit(edited.Id, new ChatMessage("user", "Something else, please."));
        var after = conversation.Messages.Count;
        TokenUsage last = default;
        await foreach (var update in conversation.AnswerAsync(new ChatTurnRequest { Chat = new ChatPrompt { Messages = [] }, Options = Options(77) }, cancellationToken: Token))
            last = update.Usage ?? last;
        Print($"the twenty-first question edited ({after} messages): a prompt of {last.PromptTokens} tokens, {last.PromptTokens - last.CachedPromptTokens} computed");

        async Task<TokenUsage> Say(string text)
        {
            TokenUsage usage = default;
            var turn = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [new("user", text)] }, Options = Options(text.Length) };
            await foreach (var update in conversation.AnswerAsync(turn, cancellationToken: Token))
                usage = update.Usage ?? usage;
            return usage;
        }

        static GenerationOptions Options(int seed) => new() { Temperature = 0, MaxTokens = 40, Seed = (ulong)seed };
    }

    // Counted in rows that the engine computed, which no neighbour on the machine changes.
    [Theory(Explicit = true)]
    [InlineData(4)]
    [InlineData(16)]
    [InlineData(64)]
    public async Task Clients_with_one_that_floods(int clients)
    {
        var results = new List<double>();
        foreach (var floods in new[] { false, true })
        {
            var store = new FakePageStore(32, 4096);
            var runner = new FakeRunner(store) { MaxRows = 512, MaxOutputRows = 64 };
            var options = new StepLoopOptions { ContextLength = 8192, TokenBudget = 256, MaxConcurrentSequences = 16, QueueCapacity = 2000 };
            await using var loop = new StepLoop(runner, store, options, _ => false, TimeProvider.System, NullLogger.Instance);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var random = new Random(clients);
            var flood = floods ? Enumerable.Range(0, 300).Select(i => Drain(loop, Request(random, "flood", 600, 100), end.Token)).ToList() : [];
            var rows = new System.Collections.Concurrent.ConcurrentBag<long>();
            await Task.WhenAll(Enumerable.Range(1, clients - 1).Select(client => Task.Run(async () =>
            {
                var own = new Random(client);
                for (var i = 0; i < 6; i++)
                {
                    var begin = runner.Rows;
                    await Drain(loop, Request(own, $"client {client}", own.Next(20, 200), own.Next(8, 40)), Token);
                    rows.Add(runner.Rows - begin);
                }
            })));
            await end.CancelAsync();
            await Task.WhenAll(flood);
            var sorted = rows.Order().ToList();
            results.Add(sorted.Average());
            Print($"{clients} clients{(floods ? ", one floods with 300 requests" : "")}: rows computed during a request of the others: mean {sorted.Average():0}, median {sorted[sorted.Count / 2]}, 95 % {sorted[sorted.Count * 95 / 100]}");
        }

        Print($"{clients} clients: {results[1] / results[0]:0.00} times");
    }

    private static GenerationRequest Request(Random random, string client, int prompt, int most) => new()
    {
        Prompt = [.. Enumerable.Range(0, prompt).Select(_ => random.Next(1, FakeModel.Vocabulary))],
        Client = client,
        Options = new GenerationOptions { Temperature = 0, MaxTokens = most, IgnoreEndOfText = true },
    };

    private static async Task Drain(StepLoop loop, GenerationRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var _ in loop.Submit(request, new LetterDecoder(), cancellationToken))
            {
            }
        }
        catch (OperationCanceledException)
        {
            // The measurement is over.
        }
    }

    private static async Task Read(IAsyncEnumerable<GenerationUpdate> updates)
    {
        await foreach (var _ in updates)
        {
        }
    }

    private static void Print(FormattableString line) => TestContext.Current.TestOutputHelper!.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
