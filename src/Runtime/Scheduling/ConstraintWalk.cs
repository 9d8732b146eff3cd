using System.Runtime.ExceptionServices;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Scheduling;

/// <summary>A request's walk through its constraint; its mask is filled by an idle thread while the engine runs the step.</summary>
/// <remarks>One thread at a time accepts and asks; the filling of the mask beside it is safe.</remarks>
internal sealed class ConstraintWalk : IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly ITokenConstraint _walk;
    private readonly ulong[] _mask;
    private readonly object _signal = new();
    private volatile bool _isReady;
    private bool _isFilled;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Takes over a walk.</summary>
    /// <param name="walk">Where the text begins.</param>
    /// <param name="vocabularySize">Logits of the model.</param>
    public ConstraintWalk(ITokenConstraint walk, int vocabularySize)
    {
        _walk = walk;
        _mask = new ulong[(vocabularySize + 63) / 64];
        MustEnd = walk.MustEnd;
    }

    /// <summary>Whether nothing can be appended.</summary>
    public bool MustEnd { get; private set; }

    /// <summary>Whether <see cref="Mask"/> answers at once, be it by a failure.</summary>
    public bool IsReady => _isReady;

    /// <summary>Waits until <see cref="IsReady"/>, for so long at most.</summary>
    /// <returns>Whether it is.</returns>
    public bool WaitReady(TimeSpan patience)
    {
        lock (_signal)
        {
            // Woken once at most: nobody accepts a token while somebody waits.
            return _isReady || (Monitor.Wait(_signal, patience) && _isReady);
        }
    }

    /// <summary>Has the mask filled by a thread of the pool, unless it is there.</summary>
    public void FillAhead() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    /// <summary>Which tokens may come next; waits for the thread that fills it, or fills it where none has begun.</summary>
    public ReadOnlySpan<ulong> Mask()
    {
        Fill();
        Volatile.Read(ref _failure)?.Throw();
        return _mask;
    }

    /// <summary>Goes on by a token.</summary>
    /// <returns>False where the constraint forbids it.</returns>
    public bool TryAccept(int token)
    {
        lock (_gate)
        {
            if (!_walk.TryAccept(token))
            {
                return false;
            }

            _isFilled = false;
            _failure = null;
            _isReady = false;
            MustEnd = _walk.MustEnd;
            return true;
        }
    }

    /// <inheritdoc cref="ITokenConstraint.FindForced"/>
    public void FindForced(List<int> tokens)
    {
        lock (_gate)
        {
            _walk.FindForced(tokens);
        }
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute() => Fill();

    // What fails is told to whoever asks for the mask; it may have taken long, and is not tried again.
    private void Fill()
    {
        lock (_gate)
        {
            if (_isFilled)
            {
                return;
            }

            try
            {
                _walk.FillMask(_mask);
            }
            catch (Exception exception)
            {
                Volatile.Write(ref _failure, ExceptionDispatchInfo.Capture(exception));
            }

            _isFilled = true;
            lock (_signal)
            {
                _isReady = true;
                Monitor.PulseAll(_signal);
            }
        }
    }
}
