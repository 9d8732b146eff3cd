namespace Hearth.Runtime.Caching;

/// <summary>Memory for keys and values, in numbered pages that each hold a fixed number of positions of every layer.</summary>
/// <remarks>Who owns which page is decided by <c>KvCache</c>; this only holds and moves contents. Called from any thread, also while a step runs that does not write the pages in question.</remarks>
internal interface IPageStore
{
    /// <summary>Positions that a page holds.</summary>
    int PageTokens { get; }

    /// <summary>Pages that there are.</summary>
    int PageCount { get; }

    /// <summary>Bytes of one page over all layers.</summary>
    long PageBytes { get; }

    /// <summary>Copies one page's contents over another's.</summary>
    void CopyPage(int source, int destination);

    /// <summary>Copies a page out; buffer has PageBytes bytes.</summary>
    void ReadPage(int page, Span<byte> buffer);

    /// <summary>Copies a page in; buffer has PageBytes bytes.</summary>
    void WritePage(int page, ReadOnlySpan<byte> buffer);

    /// <summary>How many of the first tokens of a prompt the store still has the keys and values of.</summary>
    /// <param name="tokens">Those whose pages were written, at least 0.</param>
    /// <returns>All of them for a store that loses nothing; less where contents are found by tokens, and some had to make room.</returns>
    int Held(ReadOnlySpan<int> tokens) => tokens.Length;

    /// <summary>Why <see cref="Held"/> is less than what was written.</summary>
    CacheMissReason LossReason => CacheMissReason.Evicted;

    /// <summary>States that there are; 0 for a model that keeps none.</summary>
    int StateCount => 0;

    /// <summary>Bytes of one state.</summary>
    long StateBytes => 0;

    /// <summary>Copies a state out; buffer has StateBytes bytes.</summary>
    void ReadState(int state, Span<byte> buffer) => throw new NotSupportedException("this store keeps no states");

    /// <summary>Copies a state in; buffer has StateBytes bytes.</summary>
    void WriteState(int state, ReadOnlySpan<byte> buffer) => throw new NotSupportedException("this store keeps no states");
}
