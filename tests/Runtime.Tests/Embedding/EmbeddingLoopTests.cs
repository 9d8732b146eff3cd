using Hearth.Runtime.Embedding;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Embedding;

public sealed class EmbeddingLoopTests
{
    private static EmbeddingLoop Start(Runner runner, int capacity = 100)
        => new(runner, PoolingKind.Last, store: null, capacity, NullLogger.Instance);

    // A text's vector in this test: its sum and its length.
    private static float[] Expected(int[] text) => [text.Sum(), text.Length];

    [Fact]
    public async Task Every_text_of_many_callers_gets_its_own_vector()
    {
        await using var loop = Start(new Runner(), capacity: 200);
        var random = new Random(5);
        var jobs = Enumerable.Range(0, 200)
            .Select(_ => Enumerable.Range(0, random.Next(1, 6)).Select(_ => Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(50)).ToArray()).ToArray())
            .ToArray();
        var vectors = await Task.WhenAll(jobs.Select(texts => Task.Run(() => loop.SubmitAsync(texts, CancellationToken.None))));
        for (var job = 0; job < jobs.Length; job++)
            Assert.Equal(jobs[job].Select(Expected), vectors[job]);
        Assert.Equal((0, 0), (loop.Load.RunningRequests, loop.Load.WaitingRequests));
    }

    [Fact]
    public async Task A_failed_request_has_no_more_of_its_texts_computed_and_others_go_on()
    {
        using var gate = new ManualResetEventSlim();
        var runner = new Runner { BeforeRun = _ => gate.Wait() };
        await using var loop = Start(runner);
        var held = loop.SubmitAsync([[1]], CancellationToken.None);
        await runner.Entered.Task;

        // Three steps of 16 rows each; then a request of somebody else.
        var failing = loop.SubmitAsync([.. Enumerable.Repeat(Enumerable.Repeat(9, 16).ToArray(), 3)], CancellationToken.None);
        var other = loop.SubmitAsync([[2, 3]], CancellationToken.None);
        var runs = new List<int>();
        runner.BeforeRun = batch =>
        {
            gate.Wait();
            runs.Add(batch.Tokens[0]);
            if (batch.Tokens[0] == 9)
                throw new InvalidOperationException("the device is gone");
        };
        gate.Set();
        await held;
        var error = await Assert.ThrowsAsync<HearthException>(() => failing);
        Assert.Equal("the device is gone", error.InnerException!.Message);
        Assert.Equal([Expected([2, 3])], await other);
        Assert.Equal([9, 2], runs.SkipWhile(token => token == 1));
    }

    [Fact]
    public async Task Requests_of_one_failed_step_are_each_given_an_exception_of_their_own()
    {
        using var gate = new ManualResetEventSlim();
        var runner = new Runner { BeforeRun = _ => gate.Wait() };
        await using var loop = Start(runner);
        var held = loop.SubmitAsync([[1]], CancellationToken.None);
        await runner.Entered.Task;
        var both = new[] { loop.SubmitAsync([[2]], CancellationToken.None), loop.SubmitAsync([[3]], CancellationToken.None) };
        runner.BeforeRun = batch => throw new OutOfModelMemoryException("no memory is left");
        gate.Set();
        await held;
        var errors = await Task.WhenAll(both.Select(job => Assert.ThrowsAsync<OutOfModelMemoryException>(() => job)));
        Assert.Equal(["no memory is left", "no memory is left"], errors.Select(error => error.Message));
        Assert.NotSame(errors[0], errors[1]);
    }

    [Fact]
    public async Task A_cancelled_requests_texts_are_taken_back()
    {
        using var gate = new ManualResetEventSlim();
        var rows = 0;
        var runner = new Runner();
        runner.BeforeRun = batch =>
        {
            gate.Wait();
            rows += batch.RowCount;
        };
        await using var loop = Start(runner);
        var held = loop.SubmitAsync([[1]], CancellationToken.None);
        while (loop.Load.RunningRequests == 0)
            await Task.Delay(1);
        using var cancellation = new CancellationTokenSource();
        var cancelled = loop.SubmitAsync([[2, 2, 2]], cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        gate.Set();
        await held;
        Assert.Equal([Expected([4])], await loop.SubmitAsync([[4]], CancellationToken.None));
        Assert.Equal(2, rows);
    }

    [Fact]
    public async Task A_full_queue_and_a_disposed_loop_say_so()
    {
        using var gate = new ManualResetEventSlim();
        var loop = Start(new Runner { BeforeRun = _ => gate.Wait() }, capacity: 1);
        var running = loop.SubmitAsync([[1]], CancellationToken.None);
        while (loop.Load.RunningRequests == 0)
            await Task.Delay(1);
        var waiting = loop.SubmitAsync([[2]], CancellationToken.None);
        await Assert.ThrowsAsync<QueueFullException>(() => loop.SubmitAsync([[3]], CancellationToken.None));
        var disposed = loop.DisposeAsync();
        gate.Set();
        await disposed;
        await running;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.SubmitAsync([[4]], CancellationToken.None));
    }

    [Fact]
    public async Task A_fault_of_the_loop_itself_ends_its_requests_and_shows_and_not_the_process()
    {
        // No text should be as long as this one; the loop finds out where it plans the step.
        await using var loop = new EmbeddingLoop(new Runner(), PoolingKind.Last, new Scheduling.FakePageStore(4, 1), 10, NullLogger.Instance);
        var error = await Assert.ThrowsAsync<HearthException>(() => loop.SubmitAsync([[1, 2, 3, 4, 5]], CancellationToken.None));
        Assert.NotNull(error.InnerException);
        Assert.NotNull(loop.Fault);
        await Assert.ThrowsAsync<HearthException>(() => loop.SubmitAsync([[1]], CancellationToken.None));
    }

    private sealed class Runner : IStepRunner
    {
        public int VocabularySize => 2;

        public int MaxRows => 16;

        public int MaxOutputRows => 8;

        public Action<StepBatch>? BeforeRun { get; set; }

        public TaskCompletionSource Entered { get; } = new();

        public void Run(StepBatch batch, Span<float> logits)
        {
            var before = BeforeRun;
            Entered.TrySetResult();
            before?.Invoke(batch);
            Assert.Equal(batch.OutputCount * 2, logits.Length);
            for (var i = 0; i < batch.Sequences.Count; i++)
            {
                var (begin, count) = (batch.Sequences[i].RowBegin, batch.Sequences[i].RowCount);
                logits[2 * i] = batch.Tokens.Skip(begin).Take(count).Sum();
                logits[(2 * i) + 1] = count;
            }
        }
    }
}
