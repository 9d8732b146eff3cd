using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Chat;

/// <summary>Allows everything: what follows thoughts that have a budget where the answer has no constraint.</summary>
internal sealed class FreeWalk(ThinkingMarkers markers) : ITokenConstraint
{
    /// <inheritdoc/>
    public bool CanEnd => true;

    /// <inheritdoc/>
    public bool MustEnd => false;

    /// <inheritdoc/>
    public void FillMask(Span<ulong> mask) => ThinkingWalk.FillAll(mask, markers.VocabularySize);

    /// <inheritdoc/>
    public bool TryAccept(int token) => (uint)token < (uint)markers.VocabularySize;

    /// <inheritdoc/>
    public void FindForced(List<int> tokens) => tokens.Clear();

    /// <inheritdoc/>
    public ITokenConstraint Fork() => this;
}
