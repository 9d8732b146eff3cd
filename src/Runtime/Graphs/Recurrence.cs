namespace Hearth.Runtime.Graphs;

/// <summary>Segment-level recurrence (Transformer-XL, arXiv 1901.02860): text of any length in a fixed number of positions.</summary>
/// <param name="SegmentLength">Positions that are read with one memory, at least 1.</param>
/// <param name="MemoryLength">Positions before its segment that a query sees, at least 0.</param>
internal readonly record struct Recurrence(int SegmentLength, int MemoryLength)
{
    /// <summary>How many of a sequence's first positions no later query sees, in whole segments and pages.</summary>
    /// <param name="length">Positions so far.</param>
    /// <param name="pageTokens">Positions of a page.</param>
    public int Forgettable(int length, int pageTokens)
    {
        // Segments are counted from position 0 on, so they keep their places only if whole ones go.
        var unit = ForgottenUnit(pageTokens);
        var unseen = (length / SegmentLength * SegmentLength) - MemoryLength;
        return unseen <= 0 ? 0 : unseen / unit * unit;
    }

    /// <summary>The most positions that a sequence holds when steps of so many rows extend it.</summary>
    public long MostHeld(int rows, int pageTokens) => (long)MemoryLength + SegmentLength + ForgottenUnit(pageTokens) + rows;

    /// <summary>In what multiples positions are forgotten: whole segments and whole pages.</summary>
    /// <param name="pageTokens">Positions of a page.</param>
    public int ForgottenUnit(int pageTokens)
    {
        var (a, b) = (SegmentLength, pageTokens);
        while (b != 0)
            (a, b) = (b, a % b);
        return checked(SegmentLength / a * pageTokens);
    }
}
