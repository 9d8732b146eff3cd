using System.Runtime.InteropServices;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Caching;

/// <summary>The cached positions of one token sequence.</summary>
/// <remarks>
/// Only the model's own steps write positions, so that what is published or saved is what the model computed: they reserve,
/// run, and commit or cancel. Not thread-safe.
/// </remarks>
public sealed class KvSequence : IDisposable
{
    private readonly KvCache _cache;
    private bool _disposed;

    internal KvSequence(KvCache cache) => _cache = cache;

    /// <summary>Positions that hold keys and values.</summary>
    public int Length => TokenList.Count;

    /// <summary>Positions in all: those held and those forgotten before them.</summary>
    public int End => Forgotten + Length;

    /// <summary>Positions that <see cref="Forget"/> let go.</summary>
    public int Forgotten { get; internal set; }

    /// <summary>The token of each position; valid until the sequence changes.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(TokenList);

    /// <summary>The page table: position p lies in page p / PageTokens. Covers reserved positions too; valid until the sequence changes.</summary>
    public ReadOnlySpan<int> Pages => CollectionsMarshal.AsSpan(PageList);

    /// <summary>Whose prefixes it starts from and adds to; null: everybody's.</summary>
    public string? Scope { get; internal init; }

    /// <summary>Where the state of the next step is, once positions are reserved for it; the default for a model that keeps none.</summary>
    internal StateMove States => State.Move(Length);

    /// <summary>What it remembers besides keys and values.</summary>
    internal SequenceState State { get; } = new();

    internal List<int> TokenList { get; } = [];

    internal List<int> PageList { get; } = [];

    /// <summary>A second sequence with the same positions; no page is copied before one of the two goes on.</summary>
    public KvSequence Fork()
    {
        ThrowIfDisposed();
        return _cache.Fork(this);
    }

    /// <summary>Forgets the positions from <paramref name="length"/> on, reserved ones included; those that <see cref="Forget"/> let go stay gone.</summary>
    /// <param name="length">0 to Length.</param>
    /// <remarks>A model that keeps states goes on from where one was kept: fewer positions are left then, see <see cref="Length"/>, and the rest is to be read again.</remarks>
    public void Truncate(int length)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        _cache.Shrink(this, length);
    }

    /// <summary>Lets the first positions go, which no later query sees; the rest count from 0 again.</summary>
    /// <param name="positions">Whole pages, at most Length.</param>
    public void Forget(int positions)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(positions);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(positions, Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(positions % _cache.PageTokens, 0);
        _cache.Forget(this, positions);
    }

    /// <summary>Makes the next positions writable: evicts, takes and copies pages as needed.</summary>
    /// <param name="count">Positions, at least 1.</param>
    /// <returns>False where too few pages are left even when all that can be evicted is; the sequence is as before then.</returns>
    internal bool TryReserve(int count)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return Length + (long)count <= _cache.Capacity && _cache.TryReserve(this, count);
    }

    /// <summary>Records that a step has written the tokens' keys and values to the next, reserved positions.</summary>
    internal void Commit(ReadOnlySpan<int> tokens)
    {
        ThrowIfDisposed();
        _cache.Commit(this, tokens);
    }

    /// <summary>Lets reserved positions go that no step has written.</summary>
    /// <remarks>A state that the step would have written in place may be spoilt: of a model that keeps states, positions after the last that was kept go, too.</remarks>
    internal void CancelReservation()
    {
        ThrowIfDisposed();
        _cache.Shrink(this, Length);
    }

    /// <summary>Offers the positions so far to later prompts that start alike; they stay cached after this sequence is gone.</summary>
    /// <param name="wholePagesOnly">Whether to leave out a partly filled last page, which this sequence would have to copy to go on.</param>
    /// <exception cref="InvalidOperationException">The sequence has forgotten its beginning: no prompt starts with what is left.</exception>
    public void Publish(bool wholePagesOnly = false)
    {
        ThrowIfDisposed();
        if (Forgotten > 0)
            throw new InvalidOperationException($"the sequence has forgotten its first {Forgotten} positions: what is left is no beginning of a prompt");
        _cache.Publish(this, wholePagesOnly);
    }

    /// <summary>Writes the tokens and the contents of their pages; <see cref="KvCache.Restore"/> reads them.</summary>
    /// <remarks>
    /// Little-endian: "HEARTHKV", version (uint32), bytes of the fingerprint (int32), fingerprint (UTF-8), positions of
    /// a page (int32), bytes of a page (int64), positions forgotten before those held (int32), tokens (int32 count, int32
    /// each), pages, of a model that keeps states (version 3 instead of 2) the bytes of a state (int64) and, where there
    /// are positions, the state, SHA-256 of all before it. The last page is written whole: whatever an earlier user left in its unused
    /// positions goes with it.
    /// </remarks>
    public void Save(Stream stream)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(stream);
        KvSequenceSnapshot.Write(this, stream);
    }

    /// <summary>Lets every page go; published ones stay cached until their room is needed.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _cache.Unregister(this);
        }
    }

    internal KvCache Cache => _cache;

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}
