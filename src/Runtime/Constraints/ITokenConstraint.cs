namespace Hearth.Runtime.Constraints;

/// <summary>The walk of one sequence through a constraint: which tokens may come next, and what is forced.</summary>
/// <remarks>
/// Its state is a function of the accepted tokens alone, so that preemption, forks and restores need nothing else. Not
/// thread-safe; different walks of one compiled constraint may be used at the same time.
/// </remarks>
internal interface ITokenConstraint
{
    /// <summary>Whether the text may end here.</summary>
    bool CanEnd { get; }

    /// <summary>Whether the text must end here: nothing can be appended.</summary>
    bool MustEnd { get; }

    /// <summary>Says which tokens may come next, those that end a text among them where <see cref="CanEnd"/>.</summary>
    /// <param name="mask">Receives bit id % 64 of word id / 64 for each token of the vocabulary; words beyond it are cleared.</param>
    void FillMask(Span<ulong> mask);

    /// <summary>Takes a token that was chosen or forced.</summary>
    /// <returns>Whether the constraint allows it; if not, nothing has changed.</returns>
    bool TryAccept(int token);

    /// <summary>The tokens that must come next, spelled as the model's tokenizer spells them behind what was accepted.</summary>
    /// <param name="tokens">Receives them; none where there is a choice, or where the seam would be spelled oddly.</param>
    /// <remarks>They are not accepted by this call.</remarks>
    void FindForced(List<int> tokens);

    /// <summary>A walk that goes on from here by itself.</summary>
    ITokenConstraint Fork();
}
