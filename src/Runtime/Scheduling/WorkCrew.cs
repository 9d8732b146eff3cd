namespace Hearth.Runtime.Scheduling;

/// <summary>Does independent pieces of work on the calling thread and on idle threads of the pool at once.</summary>
/// <remarks>
/// Allocates nothing per run. A helper that comes late finds no piece left and goes, so that no run waits for a thread that
/// has not begun. One caller at a time.
/// </remarks>
internal sealed class WorkCrew
{
    private const int IndexBits = 16;
    private const ulong IndexMask = (1 << IndexBits) - 1;

    private readonly Action<int, int> _work;
    private readonly Helper[] _helpers;
    private ulong _state; // the run's number, its pieces, the next of them
    private int _done;

    /// <summary>Gathers a crew.</summary>
    /// <param name="workers">Threads at a time, the caller's own among them; at least 1.</param>
    /// <param name="work">Does a piece, given its index and the worker's, 0 to workers - 1; must not throw.</param>
    public WorkCrew(int workers, Action<int, int> work)
    {
        _work = work;
        _helpers = [.. Enumerable.Range(1, workers - 1).Select(worker => new Helper(this, worker))];
    }

    /// <summary>Does all pieces; returns when they are done.</summary>
    /// <param name="pieces">How many, 0 to 65535.</param>
    public void Run(int pieces)
    {
        Volatile.Write(ref _done, 0);
        var run = (Volatile.Read(ref _state) >> (2 * IndexBits)) + 1;
        Volatile.Write(ref _state, (run << (2 * IndexBits)) | ((ulong)pieces << IndexBits));
        for (var i = 0; i < Math.Min(_helpers.Length, pieces - 1); i++)
        {
            _helpers[i].Call();
        }

        DoPieces(0);
        var wait = default(SpinWait);
        while (Volatile.Read(ref _done) < pieces)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void DoPieces(int worker)
    {
        while (TryTake(out var piece))
        {
            _work(piece, worker);
            Interlocked.Increment(ref _done);
        }
    }

    // Run, pieces and next are one number, so that whoever took a long breath cannot take a piece of a later run twice.
    private bool TryTake(out int piece)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            piece = (int)(state & IndexMask);
            if (piece >= (int)((state >> IndexBits) & IndexMask))
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
            {
                return true;
            }
        }
    }

    private sealed class Helper(WorkCrew crew, int worker) : IThreadPoolWorkItem
    {
        private int _isCalled;

        public void Call()
        {
            if (Interlocked.Exchange(ref _isCalled, 1) == 0)
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }
        }

        public void Execute()
        {
            crew.DoPieces(worker);
            Volatile.Write(ref _isCalled, 0);
        }
    }
}
