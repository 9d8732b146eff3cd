using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>One of some sequences of tokens, as a constraint; what it does not say is left to the real ones.</summary>
internal sealed class FixedTexts(int end, bool forces, params int[][] texts) : ITokenConstraint
{
    private List<int> _taken = [];

    /// <summary>Called where a mask is filled.</summary>
    public Action? Filling { get; set; }

    public bool CanEnd => texts.Any(text => text.AsSpan().SequenceEqual(_taken.ToArray()));

    public bool MustEnd => !Possible().Any();

    public void FillMask(Span<ulong> mask)
    {
        Filling?.Invoke();
        mask.Clear();
        foreach (var token in Possible().Concat(CanEnd ? [end] : []))
            mask[token / 64] |= 1UL << (token % 64);
    }

    public bool TryAccept(int token)
    {
        if (!Possible().Contains(token))
            return token == end && CanEnd;
        _taken.Add(token);
        return true;
    }

    public void FindForced(List<int> tokens)
    {
        tokens.Clear();
        if (!forces)
            return;
        var ahead = (FixedTexts)Fork();
        while (!ahead.CanEnd && ahead.Possible().Distinct().ToList() is [var only])
        {
            tokens.Add(only);
            ahead.TryAccept(only);
        }
    }

    public ITokenConstraint Fork() => new FixedTexts(end, forces, texts) { _taken = [.. _taken], Filling = Filling };

    private IEnumerable<int> Possible() => texts.Where(text => text.Length > _taken.Count && text.AsSpan(0, _taken.Count).SequenceEqual(_taken.ToArray())).Select(text => text[_taken.Count]);
}
