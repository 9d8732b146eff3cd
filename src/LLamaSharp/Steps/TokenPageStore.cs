using Hearth.Runtime;
using Hearth.Runtime.Caching;

namespace Hearth.LLamaSharp.Steps;

/// <summary>Pages that are counted and hold nothing: the scheduler's books for a cache that llama.cpp keeps by tokens.</summary>
/// <remarks>As many positions are given out as llama.cpp has cells, so that what the books allow fits there.</remarks>
internal sealed class TokenPageStore(LlamaStepRunner runner, int pageTokens, int pageCount) : IPageStore
{
    /// <inheritdoc/>
    public int PageTokens => pageTokens;

    /// <inheritdoc/>
    public int PageCount => pageCount;

    /// <inheritdoc/>
    public long PageBytes => 0;

    /// <inheritdoc/>
    public CacheMissReason LossReason => runner.KeepsStates ? CacheMissReason.StateNotKept : CacheMissReason.Evicted;

    /// <inheritdoc/>
    public int Held(ReadOnlySpan<int> tokens) => runner.Held(tokens);

    /// <inheritdoc/>
    public void CopyPage(int source, int destination)
    {
        // Tokens are what is copied, and the sequence has them already.
    }

    /// <inheritdoc/>
    public void ReadPage(int page, Span<byte> buffer) => throw NoSnapshots();

    /// <inheritdoc/>
    public void WritePage(int page, ReadOnlySpan<byte> buffer) => throw NoSnapshots();

    private static UnsupportedModelException NoSnapshots() => new("saving or restoring a sequence of the engine llamasharp", ["Hearth's own engine"]);
}
