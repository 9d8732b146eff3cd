namespace Hearth.Runtime.Caching;

/// <summary>Hashes of the prefixes evicted last, to tell "was evicted" from "was never here".</summary>
/// <param name="capacity">Hashes remembered; the oldest is forgotten first.</param>
internal sealed class EvictedPrefixes(long capacity)
{
    private readonly HashSet<ulong> _hashes = [];
    private readonly Queue<ulong> _order = new();

    public void Add(ulong pathHash)
    {
        if (!_hashes.Add(pathHash))
        {
            return;
        }

        _order.Enqueue(pathHash);
        if (_order.Count > capacity)
        {
            _hashes.Remove(_order.Dequeue());
        }
    }

    /// <summary>Whether a page that went on from a path with more than <paramref name="found"/> of the next tokens was evicted.</summary>
    public bool Contains(ulong pathHash, ReadOnlySpan<int> next, int found)
    {
        if (_hashes.Count == 0)
        {
            return false;
        }

        for (var i = 0; i < next.Length; i++)
        {
            pathHash = TokenHash.Extend(pathHash, next[i]);
            if (i >= found && _hashes.Contains(pathHash))
            {
                return true;
            }
        }

        return false;
    }
}
