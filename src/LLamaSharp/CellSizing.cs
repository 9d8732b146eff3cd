using Hearth.Runtime;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;

namespace Hearth.LLamaSharp;

/// <summary>How large llama.cpp's cache is made. It takes all of the memory at once, so there is no room for everything that might come.</summary>
/// <param name="PageCount">Pages of <see cref="CacheSizing.PageTokens"/> positions.</param>
/// <param name="ContextLength">Tokens that one sequence may hold.</param>
internal readonly record struct CellSizing(int PageCount, int ContextLength)
{
    private const int Least = 16384;
    private const int LongestUnasked = 32768;

    /// <summary>Decides from the options, the file and the machine's memory.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="metadata">The file's.</param>
    /// <param name="trained">Positions that the model was made for.</param>
    /// <param name="maxSequences">Sequences that run at a time.</param>
    /// <param name="isOnGpu">Whether the cache may lie elsewhere than in this machine's memory.</param>
    /// <exception cref="OutOfModelMemoryException">What is asked for does not fit.</exception>
    public static CellSizing Decide(ModelOptions options, GgufMetadata metadata, int trained, int maxSequences, bool isOnGpu)
    {
        var context = ModelLoader.Checked(options.ContextLength ?? Math.Max(1, trained), 1, 1 << 28, nameof(ModelOptions.ContextLength));
        var perToken = BytesPerToken(metadata, options.KeyType ?? CacheType.F16, options.ValueType ?? CacheType.F16);
        var budget = isOnGpu ? long.MaxValue : MemoryLimit.Find().Available / 2;
        long tokens;
        if (options.CacheTokens is { } asked)
        {
            tokens = ModelLoader.Checked(asked, CacheSizing.PageTokens, int.MaxValue - CacheSizing.PageTokens, nameof(ModelOptions.CacheTokens));
            Require(tokens, "CacheTokens");
        }
        else if (options.ContextLength is { } wished)
        {
            tokens = Math.Max(wished, Math.Min((long)wished * maxSequences, Least));
            Require(wished, "ContextLength");
            tokens = Math.Max(wished, Math.Min(tokens, budget / perToken));
        }
        else
        {
            tokens = Math.Min((long)context * maxSequences, Math.Max(Least, Math.Min(context, LongestUnasked)));
            tokens = Math.Max(CacheSizing.PageTokens, Math.Min(tokens, budget / perToken));
        }

        var pages = (int)Math.Clamp((tokens + CacheSizing.PageTokens - 1) / CacheSizing.PageTokens, 1, CacheSizing.MostPages);
        return new CellSizing(pages, (int)Math.Min(context, (long)pages * CacheSizing.PageTokens));

        void Require(long wanted, string option)
        {
            if (wanted * perToken > budget)
                throw new OutOfModelMemoryException($"{option} asks for {wanted} tokens, which take {wanted * perToken >> 20} MiB of llama.cpp's cache; half of the memory, {budget >> 20} MiB, holds {budget / perToken}. Ask for less, or a smaller cache type.");
        }
    }

    // What attention of the usual kind takes; a model that keeps less is given room for more.
    private static long BytesPerToken(GgufMetadata metadata, CacheType keys, CacheType values)
    {
        var architecture = metadata.Get("general.architecture", "");
        var layers = Math.Max(1, metadata.Get($"{architecture}.block_count", 1L));
        var heads = Math.Max(1, Most("attention.head_count", 1));
        var kvHeads = Most("attention.head_count_kv", heads);
        var width = metadata.Get($"{architecture}.embedding_length", 0L) / heads;
        var keyWidth = metadata.Get($"{architecture}.attention.key_length", width);
        var valueWidth = metadata.Get($"{architecture}.attention.value_length", width);
        return Math.Max(1, (long)(layers * kvHeads * ((keyWidth * Bytes(keys)) + (valueWidth * Bytes(values)))));

        // A number, or one a layer.
        long Most(string key, long otherwise) => metadata.Find($"{architecture}.{key}") switch
        {
            null => otherwise,
            Array { Length: > 0 } list => list.Cast<object>().Max(number => Convert.ToInt64(number, System.Globalization.CultureInfo.InvariantCulture)),
            IConvertible number => Convert.ToInt64(number, System.Globalization.CultureInfo.InvariantCulture),
            _ => otherwise,
        };
    }

    private static double Bytes(CacheType type) => type switch
    {
        CacheType.F32 => 4,
        CacheType.Q8_0 => 34 / 32.0,
        CacheType.Q4_0 => 18 / 32.0,
        _ => 2,
    };
}
