using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Caching;

/// <summary>How keys or values are stored in the cache; numbered as GGUF's tensor types.</summary>
public enum CacheType
{
    /// <summary>32-bit floats: for comparisons.</summary>
    F32 = 0,

    /// <summary>16-bit floats: the default.</summary>
    F16 = 1,

    /// <summary>4.5 bits a value in blocks of 32.</summary>
    Q4_0 = 2,

    /// <summary>8.5 bits a value in blocks of 32.</summary>
    Q8_0 = 8,

    /// <summary>bfloat16.</summary>
    BF16 = 30,
}

/// <summary>The engine's memory for keys and values.</summary>
/// <remarks>Memory is taken from the system as pages are first written. Safe to use from several threads, as <see cref="IPageStore"/> says; a page is written by one at a time.</remarks>
internal sealed unsafe class EnginePageStore : IPageStore, IDisposable
{
    /// <summary>Takes address space for a pool.</summary>
    /// <param name="engine">The engine whose models use it.</param>
    /// <param name="layers">What each layer holds; none for a model that caches nothing, whose pages are empty.</param>
    /// <param name="pageTokens">Positions of a page: a power of two from 8 to 256.</param>
    /// <param name="pageCount">Pages.</param>
    /// <param name="keyType">How keys are stored.</param>
    /// <param name="valueType">How values are stored.</param>
    /// <param name="stateWidths">Floats of a state for each operation that keeps one; null or empty: none does.</param>
    /// <param name="stateCount">States, at least 1 where there are such operations.</param>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    /// <exception cref="UnsupportedModelException">A quantized type's blocks do not fit the width of the heads.</exception>
    /// <exception cref="OutOfModelMemoryException">The address space cannot be had.</exception>
    public EnginePageStore(Engine engine, IReadOnlyList<CacheLayer> layers, int pageTokens, int pageCount, CacheType keyType = CacheType.F16, CacheType valueType = CacheType.F16,
        IReadOnlyList<long>? stateWidths = null, int stateCount = 0)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(layers);
        PageTokens = pageTokens;
        PageCount = pageCount;
        long[] widths = [.. stateWidths ?? []];
        if (layers.Count == 0 && widths.Length == 0)
            return;
        StateCount = widths.Length == 0 ? 0 : stateCount;
        foreach (var layer in layers)
        {
            RequireBlocks(keyType, layer.KeyWidth, "keys");
            RequireBlocks(valueType, layer.ValueWidth, "values");
        }

        var shapes = layers.Select(l => new NativeCacheLayer { KvHeads = l.KvHeads, KeyWidth = l.KeyWidth, ValueWidth = l.ValueWidth }).ToArray();
        fixed (NativeCacheLayer* native = shapes)
        fixed (long* states = widths)
        {
            var options = new NativeCacheOptions
            {
                Layers = native,
                LayerCount = shapes.Length,
                KeyType = (int)keyType,
                ValueType = (int)valueType,
                PageTokens = pageTokens,
                PageCount = pageCount,
                StateWidths = states,
                StateLayerCount = widths.Length,
                StateCount = StateCount,
            };
            Handle = CacheHandle.Create(engine.Handle, &options);
        }

        ulong bytes;
        NativeStatus.Check(NativeMethods.hearth_cache_page_bytes(Handle, &bytes));
        PageBytes = (long)bytes;
        NativeStatus.Check(NativeMethods.hearth_cache_state_bytes(Handle, &bytes));
        StateBytes = (long)bytes;
    }

    /// <inheritdoc/>
    public int PageTokens { get; }

    /// <inheritdoc/>
    public int PageCount { get; }

    /// <inheritdoc/>
    public long PageBytes { get; }

    /// <inheritdoc/>
    public int StateCount { get; }

    /// <inheritdoc/>
    public long StateBytes { get; }

    /// <summary>The engine's handle; null where nothing is cached.</summary>
    internal CacheHandle? Handle { get; }

    /// <summary>Bytes that one position takes over all layers.</summary>
    /// <param name="layers">What each layer holds.</param>
    /// <param name="keyType">How keys are stored.</param>
    /// <param name="valueType">How values are stored.</param>
    public static long BytesPerToken(IReadOnlyList<CacheLayer> layers, CacheType keyType, CacheType valueType)
    {
        ArgumentNullException.ThrowIfNull(layers);
        return layers.Sum(l => (Bits(keyType) * l.KvHeads * l.KeyWidth / 16) + (Bits(valueType) * l.KvHeads * l.ValueWidth / 16));
    }

    /// <inheritdoc/>
    public void CopyPage(int source, int destination)
    {
        if (Handle is not null)
            NativeStatus.Check(NativeMethods.hearth_cache_copy_page(Handle, source, destination));
    }

    /// <inheritdoc/>
    public void ReadPage(int page, Span<byte> buffer)
    {
        if (PageBytes == 0)
            return;
        fixed (byte* data = buffer)
            NativeStatus.Check(NativeMethods.hearth_cache_read_page(Handle!, page, data, (nuint)buffer.Length));
    }

    /// <inheritdoc/>
    public void WritePage(int page, ReadOnlySpan<byte> buffer)
    {
        if (PageBytes == 0)
            return;
        fixed (byte* data = buffer)
            NativeStatus.Check(NativeMethods.hearth_cache_write_page(Handle!, page, data, (nuint)buffer.Length));
    }

    /// <inheritdoc/>
    public void ReadState(int state, Span<byte> buffer)
    {
        if (StateCount == 0)
            throw new NotSupportedException("this store keeps no states");
        fixed (byte* data = buffer)
            NativeStatus.Check(NativeMethods.hearth_cache_read_state(Handle!, state, data, (nuint)buffer.Length));
    }

    /// <inheritdoc/>
    public void WriteState(int state, ReadOnlySpan<byte> buffer)
    {
        if (StateCount == 0)
            throw new NotSupportedException("this store keeps no states");
        fixed (byte* data = buffer)
            NativeStatus.Check(NativeMethods.hearth_cache_write_state(Handle!, state, data, (nuint)buffer.Length));
    }

    /// <inheritdoc/>
    public void Dispose() => Handle?.Dispose();

    private static void RequireBlocks(CacheType type, int width, string what)
    {
        const int Block = 32;
        if (type is CacheType.Q8_0 or CacheType.Q4_0 && width % Block != 0)
            throw new UnsupportedModelException($"a cache of {what} as {type}, whose blocks hold {Block} values, for heads of {width} values", ["F16", "BF16", "F32"]);
    }

    // Twice the bits of a value, so that half bits stay whole.
    private static long Bits(CacheType type) => type switch
    {
        CacheType.F32 => 64,
        CacheType.F16 or CacheType.BF16 => 32,
        CacheType.Q8_0 => 17,
        CacheType.Q4_0 => 9,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "the cache holds F32, F16, BF16, Q8_0 or Q4_0"),
    };
}
