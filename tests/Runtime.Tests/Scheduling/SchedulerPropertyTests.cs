using FsCheck.Xunit;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Sampling;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Random arrivals, cancellations and failures; every request must give what it gives alone.</summary>
public sealed class SchedulerPropertyTests
{
    private const int End = 0;

    [Property(MaxTest = 80)]
    public void Batched_equals_alone_for_every_schedule_and_the_books_balance_after_each_step(int seed)
    {
        var world = new World(seed);
        for (var i = 0; i < 40; i++)
        {
            world.Arrive();
            world.Step();
        }

        for (var i = 0; i < 5000 && world.Step() != StepOutcome.Idle; i++)
        {
        }

        world.AssertAllEnded();
    }

    private sealed class World
    {
        private readonly Random _random;
        private readonly KvCache _cache;
        private readonly RequestQueue _queue = new(1000, "test");
        private readonly Scheduler _scheduler;
        private readonly FakeRunner _runner;
        private readonly List<(GenerationRequest Asked, ScheduledRequest Request)> _requests = [];
        private readonly HashSet<ScheduledRequest> _failed = [];
        private readonly int _contextLength;
        private readonly int _budget;
        private bool _failNext;

        public World(int seed)
        {
            _random = new Random(seed);
            var store = new FakePageStore(4, _random.Next(6, 40));
            _cache = new KvCache(store);
            _contextLength = (int)Math.Min(_cache.Capacity, _random.Next(20, 200));
            _budget = _random.Next(1, 40);
            _runner = new FakeRunner(store) { MaxRows = 32, MaxOutputRows = _random.Next(1, 12), BeforeRun = _ => FailIfAsked() };
            var options = new StepLoopOptions
            {
                ContextLength = _contextLength,
                TokenBudget = _budget,
                MaxConcurrentSequences = _random.Next(1, 12),
                CachePrefixes = _random.Next(4) != 0,
            };
            _scheduler = new Scheduler(_runner, _cache, _queue, options, TimeProvider.System, NullLogger.Instance);
        }

        public void Arrive()
        {
            for (var i = _random.Next(3); i > 0; i--)
            {
                var asked = Expected.Request(_random.Next(), maxPrompt: Math.Min(30, _contextLength), maxTokens: 30);
                asked = asked with
                {
                    Client = _random.Next(3) switch { 0 => null, 1 => "one", _ => "two" },
                    Priority = _random.Next(5) == 0 ? 1 : asked.Priority,
                    Options = asked.Options with { DraftTokens = _random.Next(2) * _random.Next(9) },
                };
                var parameters = SamplingParameters.Resolve(asked.Options, FakeModel.Vocabulary);
                var request = new ScheduledRequest([.. asked.Prompt], asked, parameters, _contextLength, new TextEnds(t => t == End, asked.Options.IgnoreEndOfText, [], new Lazy<int[]>([End])));
                _queue.Enqueue(request);
                _requests.Add((asked, request));
            }

            if (_requests.Count > 0 && _random.Next(6) == 0)
            {
                var (_, request) = _requests[_random.Next(_requests.Count)];
                request.RequestCancellation();
            }

            _failNext = _random.Next(25) == 0;
        }

        public StepOutcome Step()
        {
            var outcome = _scheduler.Step();
            Assert.Empty(KvCacheInvariants.FindViolations(_cache.CaptureState()));
            Assert.True(_runner.LargestStep <= _budget);
            Assert.All(_requests, r => Assert.Equal(r.Request.State.IsAdmitted(), r.Request.Sequence is not null));
            Assert.Equal(_requests.Count(r => r.Request.State.IsAdmitted()), _scheduler.AdmittedCount);
            if (outcome == StepOutcome.Failed)
            {
                _failed.UnionWith(_requests.Where(r => r.Request.State == RequestState.Failed).Select(r => r.Request));
            }

            return outcome;
        }

        public void AssertAllEnded()
        {
            Assert.Equal((0, 0), (_cache.GetStatistics().UsedPages, _cache.GetStatistics().Sequences));
            foreach (var (asked, request) in _requests)
            {
                var (expected, reason) = Expected.Generate(asked, _contextLength, t => t == End);
                var given = new List<int>();
                while (request.Tokens.TryRead(out var token))
                {
                    given.Add(token.Id);
                }

                if (request.State == RequestState.Completed)
                {
                    Assert.Equal(expected, given);
                    Assert.Equal(reason, request.FinishReason);
                }
                else
                {
                    Assert.True(request.State == RequestState.Cancelled ? request.CancelRequested : _failed.Contains(request), $"{request.State}");
                    Assert.Equal(expected.Take(given.Count), given);
                }
            }
        }

        private void FailIfAsked()
        {
            if (_failNext)
            {
                _failNext = false;
                throw new InvalidOperationException("a step failed");
            }
        }
    }
}
