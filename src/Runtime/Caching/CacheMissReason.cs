namespace Hearth.Runtime;

/// <summary>Why fewer prompt tokens than hoped came from the cache.</summary>
public enum CacheMissReason
{
    /// <summary>Nothing was lost: the prompt but for its last token, which is always computed, came from the cache, or all that the cache held of it did and the prompt goes on from there.</summary>
    None,

    /// <summary>Nothing that starts alike was ever computed here.</summary>
    NothingCached,

    /// <summary>What is cached continues with another token, see <see cref="TokenUsage.FirstDifferentToken"/>.</summary>
    Differs,

    /// <summary>What was cached had to make room.</summary>
    Evicted,

    /// <summary>More is cached, but the model's layers go on from states, and the last that was kept is of an earlier position.</summary>
    StateNotKept,
}
