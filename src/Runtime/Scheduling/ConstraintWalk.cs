using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Scheduling;

/// <summary>A request's walk through its constraint; its mask is filled by an idle thread while the engine runs the step.</summary>
/// <remarks>One thread at a time accepts and asks; the filling of the mask beside it is safe.</remarks>
internal sealed class ConstraintWalk : IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly ITokenConstraint _walk;
    private readonly ulong[] _mask;
    private bool _isFilled;

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

    /// <summary>Has the mask filled by a thread of the pool, unless it is there.</summary>
    public void FillAhead() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    /// <summary>Which tokens may come next; waits for the thread that fills it, or fills it where none has begun.</summary>
    public ReadOnlySpan<ulong> Mask()
    {
        Fill();
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
    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            Fill();
        }
        catch (Exception)
        {
            // Whoever asks for the mask fills it again, and is told.
        }
    }

    private void Fill()
    {
        lock (_gate)
        {
            if (!_isFilled)
            {
                _walk.FillMask(_mask);
                _isFilled = true;
            }
        }
    }
}
