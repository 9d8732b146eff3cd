using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>The engine's pages where some layers keep no values of their own.</summary>
public sealed class EnginePageStoreTests
{
    private const int PageTokens = 8;

    private static readonly CacheLayer[] s_layers = [new(1, 64, 0), new(2, 32, 96)];

    [Theory]
    [InlineData(CacheType.F32, CacheType.F32, 4 * (64 + 64 + 192))]
    [InlineData(CacheType.F16, CacheType.F16, 2 * (64 + 64 + 192))]
    [InlineData(CacheType.Q8_0, CacheType.F16, (34 * 4) + (2 * 192))]
    [InlineData(CacheType.Q4_0, CacheType.Q8_0, (18 * 4) + (34 * 6))]
    public void A_layer_whose_values_lie_in_its_keys_takes_the_bytes_of_its_keys(CacheType keys, CacheType values, int perToken)
    {
        using var store = new EnginePageStore(Engine.Get(1), s_layers, PageTokens, 3, keys, values);
        Assert.Equal(perToken, EnginePageStore.BytesPerToken(s_layers, keys, values));
        Assert.Equal(PageTokens * perToken, store.PageBytes);
    }

    [Fact]
    public void A_sequence_of_such_layers_is_saved_and_restored_byte_for_byte()
    {
        using var store = new EnginePageStore(Engine.Get(1), s_layers, PageTokens, 6);
        var cache = new KvCache(store, "model");
        using var sequence = cache.CreateSequence();
        Assert.True(sequence.TryReserve(11));
        var contents = new byte[2][];
        for (var i = 0; i < contents.Length; i++)
        {
            contents[i] = new byte[store.PageBytes];
            new Random(i).NextBytes(contents[i]);
            store.WritePage(sequence.Pages[i], contents[i]);
        }

        sequence.Commit([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        var stream = new MemoryStream();
        sequence.Save(stream);
        stream.Position = 0;
        using var restored = cache.Restore(stream);
        Assert.Equal(sequence.Tokens.ToArray(), restored.Tokens.ToArray());
        for (var i = 0; i < contents.Length; i++)
        {
            Assert.NotEqual(sequence.Pages[i], restored.Pages[i]);
            var page = new byte[store.PageBytes];
            store.ReadPage(restored.Pages[i], page);
            Assert.Equal(contents[i], page);
        }
    }
}
