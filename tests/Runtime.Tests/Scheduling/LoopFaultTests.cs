using System.Diagnostics.Metrics;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>What readers and watchers see of a loop in which something goes wrong.</summary>
public sealed class LoopFaultTests
{
    private static readonly GenerationOptions s_endless = new() { Temperature = 0, IgnoreEndOfText = true };

    private static (StepLoop Loop, FakeRunner Runner) Start(Func<int, bool>? isEnd = null, string modelId = "")
    {
        var store = new FakePageStore(4, 64);
        var runner = new FakeRunner(store);
        var options = new StepLoopOptions { ContextLength = 200, ModelId = modelId };
        return (new StepLoop(runner, store, options, isEnd ?? (_ => false), TimeProvider.System, NullLogger.Instance), runner);
    }

    private static async Task<int> Count(IAsyncEnumerable<GenerationUpdate> generation)
    {
        var tokens = 0;
        await foreach (var update in generation)
            tokens += update.TokenIds.Count;
        return tokens;
    }

    [Fact]
    public async Task A_loop_that_ended_by_a_fault_of_its_own_shows_it_and_refuses_what_comes()
    {
        var (loop, _) = Start(_ => throw new InvalidOperationException("no such token"));
        await using var _ = loop;
        Assert.Null(loop.Fault);
        var error = await Assert.ThrowsAsync<HearthException>(() => Count(loop.Submit(new GenerationRequest { Prompt = [1] }, new LetterDecoder())));
        Assert.Equal("no such token", error.InnerException!.Message);
        Assert.Equal("no such token", loop.Fault!.Message);
        Assert.Throws<HearthException>(() => loop.Submit(new GenerationRequest { Prompt = [1] }, new LetterDecoder()));
    }

    [Fact]
    public async Task Disposing_is_no_fault()
    {
        var (loop, _) = Start();
        await loop.DisposeAsync();
        Assert.Null(loop.Fault);
    }

    [Fact]
    public async Task Readers_of_one_failed_step_are_each_given_an_exception_of_their_own()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        using var gate = new ManualResetEventSlim();
        var entered = new TaskCompletionSource();
        runner.BeforeRun = _ =>
        {
            entered.TrySetResult();
            gate.Wait();
        };
        var held = Count(loop.Submit(new GenerationRequest { Prompt = [5], Options = s_endless with { MaxTokens = 1 } }, new LetterDecoder()));
        await entered.Task;
        var both = Enumerable.Range(1, 2).Select(i => Count(loop.Submit(new GenerationRequest { Prompt = [i], Options = s_endless }, new LetterDecoder()))).ToArray();
        runner.BeforeRun = batch => throw new OutOfModelMemoryException("no memory is left");
        gate.Set();
        await held;
        var errors = await Task.WhenAll(both.Select(reader => Assert.ThrowsAsync<OutOfModelMemoryException>(() => reader)));
        Assert.Equal(["no memory is left", "no memory is left"], errors.Select(error => error.Message));
        Assert.NotSame(errors[0], errors[1]);
    }

    [Fact]
    public async Task Whoever_listens_to_the_metrics_may_look_at_the_loop_from_another_thread()
    {
        var looked = 0;
        StepLoop? watched = null;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Hearth")
                l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, _, tags, _) =>
        {
            if (!tags.Contains(new KeyValuePair<string, object?>("hearth.model", "watched")) || Volatile.Read(ref watched) is not { } loop)
                return;
            if (Task.Run(() => loop.Load).Wait(TimeSpan.FromSeconds(5)))
                Interlocked.Increment(ref looked);
            else
                Interlocked.Add(ref looked, -1000);
        });
        listener.Start();
        var (loop, _) = Start(modelId: "watched");
        await using var _ = loop;
        Volatile.Write(ref watched, loop);
        Assert.Equal(2, await Count(loop.Submit(new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 2 } }, new LetterDecoder())));
        Volatile.Write(ref watched, null);
        Assert.True(looked > 0, $"{looked}");
    }

    [Fact]
    public async Task A_prompt_without_room_waits_without_touching_the_cache_until_somebody_makes_room()
    {
        var store = new FakePageStore(4, 8);
        var runner = new FakeRunner(store);
        await using var loop = new StepLoop(runner, store, new StepLoopOptions { ContextLength = 32 }, _ => false, TimeProvider.System, NullLogger.Instance);
        await Count(loop.Submit(new GenerationRequest { Prompt = [1, 2, 3, 4, 5], Options = s_endless with { MaxTokens = 0 } }, new LetterDecoder()));

        // The first takes a page after another as it goes on; the second has no room beside it before it ends.
        var versions = new List<long>();
        using var gate = new ManualResetEventSlim();
        runner.BeforeRun = batch =>
        {
            gate.Wait();
            if (batch.Tokens[0] != 1)
                versions.Add(loop.Cache.Version);
        };
        var first = Count(loop.Submit(new GenerationRequest { Prompt = [9, 9, 9, 9, 9, 9], Options = s_endless with { MaxTokens = 13 } }, new LetterDecoder()));
        var second = Count(loop.Submit(new GenerationRequest { Prompt = [1, 2, 3, 4, 5, .. Enumerable.Repeat(6, 20)], Options = s_endless with { MaxTokens = 1 } }, new LetterDecoder()));
        gate.Set();
        Assert.Equal(13, await first);
        Assert.Equal(1, await second);
        Assert.True(versions.Count >= 13);

        // A prefix that is offered while it waits is a reason to look again; looking is none.
        Assert.InRange(versions.Distinct().Count(), 1, 4);
    }
}
