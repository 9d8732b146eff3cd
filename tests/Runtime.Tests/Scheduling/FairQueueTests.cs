using Hearth.Runtime.Sampling;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Clients take turns by their tokens; estimates tell what comes.</summary>
public sealed class FairQueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ScheduledRequest Request(string? client, int tokens, int priority = 0)
    {
        var asked = new GenerationRequest { Prompt = [.. Enumerable.Repeat(1, tokens)], Client = client, Priority = priority, Options = new GenerationOptions { MaxTokens = 1, Temperature = 0 } };
        return new ScheduledRequest([.. asked.Prompt], asked, SamplingParameters.Resolve(asked.Options, FakeModel.Vocabulary), 1000, new TextEnds(_ => false, true, [], new Lazy<int[]>([])));
    }

    private static List<ScheduledRequest> Drain(RequestQueue queue)
    {
        var order = new List<ScheduledRequest>();
        while (queue.Peek() is { } next)
        {
            Assert.True(queue.TryRemove(next));
            queue.NoteServed(next.Turn);
            order.Add(next);
        }

        return order;
    }

    [Fact]
    public void One_client_that_floods_leaves_the_others_their_turns()
    {
        var queue = new RequestQueue(1000, "test");
        for (var i = 0; i < 50; i++)
            queue.Enqueue(Request("flood", 99));
        for (var i = 0; i < 3; i++)
            queue.Enqueue(Request("other", 99));
        var places = Drain(queue).Select((request, place) => (request.Client, place)).Where(entry => entry.Client == "other").Select(entry => entry.place).ToArray();
        Assert.Equal([1, 3, 5], places);
    }

    [Fact]
    public void Turns_are_counted_in_tokens_and_priority_comes_first()
    {
        var queue = new RequestQueue(1000, "test");
        for (var i = 0; i < 4; i++)
            queue.Enqueue(Request("long", 299));
        for (var i = 0; i < 8; i++)
            queue.Enqueue(Request("short", 99));
        queue.Enqueue(Request("long", 99, priority: 1));
        var order = Drain(queue);
        Assert.Equal(1, order[0].Priority);
        Assert.InRange(order.Skip(1).Take(6).Count(request => request.Client == "short"), 3, 5);
    }

    [Fact]
    public void Without_clients_the_order_is_that_of_arrival_and_places_are_told()
    {
        var queue = new RequestQueue(1000, "test");
        var requests = Enumerable.Range(1, 9).Select(i => Request(null, i * 7)).ToArray();
        foreach (var request in requests)
            queue.Enqueue(request);
        Assert.Equal(9, queue.PlaceOf(null, 0));
        Assert.Equal(0, queue.PlaceOf(null, 1));
        Assert.Equal(9, queue.PlaceOf("new", -1));
        Assert.Equal(requests, Drain(queue));
    }

    [Fact]
    public void Random_arrivals_serve_every_client_within_a_request_of_its_share()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            var queue = new RequestQueue(100_000, "test");
            string[] clients = ["a", "b", "c"];
            foreach (var client in clients)
            {
                for (var i = random.Next(60, 200); i > 0; i--)
                    queue.Enqueue(Request(client, random.Next(1, 80)));
            }

            // As long as all have something to be served.
            var served = clients.ToDictionary(client => client, _ => 0);
            var left = Drain(queue);
            var counts = clients.ToDictionary(client => client, client => left.Count(request => request.Client == client));
            foreach (var request in left)
            {
                served[request.Client!] += request.Cost;
                if (--counts[request.Client!] == 0)
                    break;
                Assert.InRange(served.Values.Max() - served.Values.Min(), 0, 2 * 81);
            }
        }
    }

    [Fact]
    public async Task A_full_queue_tells_when_to_come_again_once_it_knows()
    {
        var store = new FakePageStore(4, 64);
        using var gate = new ManualResetEventSlim(true);
        var runner = new FakeRunner(store) { BeforeRun = _ => gate.Wait(Token) };
        await using var loop = new StepLoop(runner, store, new StepLoopOptions { ContextLength = 100, MaxConcurrentSequences = 1, QueueCapacity = 1 }, _ => false, TimeProvider.System, NullLogger.Instance);
        var request = new GenerationRequest { Prompt = [1, 2, 3], Options = new GenerationOptions { MaxTokens = 3, Temperature = 0 } };
        Assert.Null(loop.Estimate(request).TimeToFirstToken);
        await foreach (var _ in loop.Submit(request, new LetterDecoder(), Token))
        {
        }

        gate.Reset();
        var first = loop.Submit(request, new LetterDecoder(), Token);
        while (loop.Load.RunningRequests == 0)
            await Task.Delay(5, Token);
        var second = loop.Submit(request, new LetterDecoder(), Token);
        Assert.NotNull(Assert.Throws<QueueFullException>(() => loop.Submit(request, new LetterDecoder(), Token)).RetryAfter);
        var estimate = loop.Estimate(request);
        Assert.Equal((3, 1), (estimate.PromptTokens, estimate.QueuePlace));
        Assert.NotNull(estimate.TimeToFirstToken);
        gate.Set();
        foreach (var left in new[] { first, second })
        {
            await foreach (var _ in left)
            {
            }
        }
    }

    [Fact]
    public async Task An_estimate_tells_what_the_request_then_costs()
    {
        var store = new FakePageStore(4, 64);
        await using var loop = new StepLoop(new FakeRunner(store), store, new StepLoopOptions { ContextLength = 100 }, _ => false, TimeProvider.System, NullLogger.Instance);
        var random = new Random(1);
        for (var i = 0; i < 60; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(1, 3))];
            var request = new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { MaxTokens = random.Next(9), Temperature = 0 } };
            var state = loop.Cache.CaptureState();
            var estimate = loop.Estimate(request);
            Assert.Equal(state.References, loop.Cache.CaptureState().References);
            GenerationUpdate? last = null;
            await foreach (var update in loop.Submit(request, new LetterDecoder(), Token))
                last = update;
            var usage = last!.Usage!.Value;
            Assert.Equal((usage.PromptTokens, usage.CachedPromptTokens, usage.CacheMiss), (estimate.PromptTokens, estimate.CachedPromptTokens, estimate.CacheMiss));
            Assert.True(estimate.CacheBytes <= estimate.MostCacheBytes);
            Assert.Equal(0, estimate.QueuePlace);
        }
    }

    [Fact]
    public async Task Who_comes_first_takes_the_place_of_who_comes_last_and_both_say_what_they_say_alone()
    {
        var store = new FakePageStore(4, 64);
        await using var loop = new StepLoop(new FakeRunner(store) { BeforeRun = _ => Thread.Sleep(1) }, store, new StepLoopOptions { ContextLength = 200, MaxConcurrentSequences = 2 }, _ => false, TimeProvider.System, NullLogger.Instance);
        var flood = Enumerable.Range(0, 4).Select(i => new GenerationRequest { Prompt = [i, 2, 3], Client = "flood", Options = new GenerationOptions { MaxTokens = 60, Temperature = 0 } }).ToArray();
        var running = flood.Select(request => (Request: request, Generation: loop.Submit(request, new LetterDecoder(), Token))).ToList();
        while (loop.Load.RunningRequests < 2)
            await Task.Delay(1, Token);
        var urgent = new GenerationRequest { Prompt = [5, 6], Client = "other", Priority = 3, Options = new GenerationOptions { MaxTokens = 5, Temperature = 0 } };
        var other = loop.Submit(urgent, new LetterDecoder(), Token);
        running.Add((urgent, other));
        foreach (var (request, generation) in running.AsEnumerable().Reverse())
        {
            var tokens = new List<int>();
            await foreach (var update in generation)
                tokens.AddRange(update.TokenIds);
            Assert.Equal(Expected.Generate(request, 200, _ => false).Tokens, tokens);
            if (request == urgent)
                Assert.True(loop.Load.WaitingRequests >= 1, "it waited for those that flood");
        }
    }
}
