namespace Hearth.Runtime.Caching;

/// <summary>Free pages and reference counts; pure bookkeeping over page numbers.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class PagePool
{
    private readonly int[] _free;
    private readonly int[] _references;

    public PagePool(int pageCount)
    {
        _references = new int[pageCount];
        _free = new int[pageCount];
        for (var i = 0; i < pageCount; i++)
        {
            _free[i] = pageCount - 1 - i;
        }

        FreeCount = pageCount;
    }

    public int PageCount => _references.Length;

    public int FreeCount { get; private set; }

    public ReadOnlySpan<int> FreePages => _free.AsSpan(0, FreeCount);

    public int References(int page) => _references[page];

    /// <summary>Hands a free page out with one reference; there must be one.</summary>
    public int Take()
    {
        var page = _free[--FreeCount];
        _references[page] = 1;
        return page;
    }

    /// <summary>Adds a reference; returns how many there are then.</summary>
    public int Retain(int page) => ++_references[page];

    /// <summary>Takes a reference away; returns how many are left. A page without any is free.</summary>
    public int Release(int page)
    {
        var left = --_references[page];
        if (left == 0)
        {
            _free[FreeCount++] = page;
        }

        return left;
    }
}
