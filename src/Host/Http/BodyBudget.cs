using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Memory for the bodies of all requests together, and a turn for those that are large.</summary>
/// <remarks>
/// A body takes several times its size while it is parsed, checked and tokenized. So large ones go through one at a time,
/// and what they took is given back to the system once nobody has sent one for a moment.
/// </remarks>
internal sealed class BodyBudget(LiveConfiguration configuration) : IDisposable
{
    /// <summary>Bytes of a body that count for nothing: so many connections as the service has cannot fill memory with so little.</summary>
    public const int FreeBytes = 64 * 1024;

    /// <summary>Bytes from which on a body waits for its turn.</summary>
    public const int LargeBytes = 1 << 20;

    private static readonly TimeSpan QuietTime = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Timer _tidy = new(_ => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true));
    private long _used;

    /// <summary>Bytes of bodies that are held now.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Begins a body of which nothing has come yet.</summary>
    public Share Begin() => new(this);

    public void Dispose()
    {
        _tidy.Dispose();
        _turn.Dispose();
    }

    /// <summary>One request's part of the budget, until it is disposed. Not thread-safe.</summary>
    internal sealed class Share(BodyBudget budget) : IDisposable
    {
        private long _bytes;
        private bool _hasTurn;

        /// <summary>Takes what a body has grown to.</summary>
        /// <exception cref="ApiException">All bodies together would be more than the service reads at a time.</exception>
        public void GrowTo(long bytes)
        {
            var counted = Math.Max(0, bytes - FreeBytes);
            if (Interlocked.Add(ref budget._used, counted - _bytes) > budget.Limit)
            {
                Interlocked.Add(ref budget._used, _bytes - counted);
                throw new ApiException(StatusCodes.Status503ServiceUnavailable, $"the service is reading {budget.Limit >> 20} MiB of request bodies already (Limits:AllBodiesBytes)")
                {
                    Code = "too_many_bodies",
                    RetryAfter = 1,
                };
            }

            _bytes = counted;
        }

        /// <summary>Waits until no other large body is being worked on.</summary>
        public async Task TakeTurnAsync(long bytes, CancellationToken cancellationToken)
        {
            if (bytes >= LargeBytes)
            {
                await budget._turn.WaitAsync(cancellationToken);
                _hasTurn = true;

                // What the one before left is more than the collector would let lie for long, but it does not know of the next.
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true);
            }
        }

        public void Dispose()
        {
            Interlocked.Add(ref budget._used, -Interlocked.Exchange(ref _bytes, 0));
            if (_hasTurn)
            {
                _hasTurn = false;
                budget._turn.Release();
                budget._tidy.Change(QuietTime, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private long Limit => configuration.Current.Limits.AllBodiesBytes;
}
