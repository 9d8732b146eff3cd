using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

/// <summary>The functions of hearth.h, named as in C; each returns a status unless its line says otherwise.</summary>
internal static unsafe partial class NativeMethods
{
    internal const string Library = "hearth";

    /// <summary>The number that hearth.h must carry for these declarations to fit.</summary>
    internal const uint AbiVersion = 4;

    static NativeMethods() => NativeLibraryLoader.Register();

    /// <summary>Returns the number itself.</summary>
    [LibraryImport(Library)]
    internal static partial uint hearth_abi_version();

    /// <summary>Returns UTF-8 that lives until this thread's next call.</summary>
    [LibraryImport(Library)]
    internal static partial byte* hearth_last_error();

    [LibraryImport(Library)]
    internal static partial int hearth_system_probe(NativeSystem* system, nuint systemSize);

    [LibraryImport(Library)]
    internal static partial int hearth_engine_create(NativeEngineOptions* options, nuint optionsSize, out nint engine);

    /// <summary>Returns nothing.</summary>
    [LibraryImport(Library)]
    internal static partial void hearth_engine_destroy(nint engine);

    [LibraryImport(Library)]
    internal static partial int hearth_engine_measure_bandwidth(EngineHandle engine, ulong bufferBytes, double* bytesPerSecond);

    [LibraryImport(Library)]
    internal static partial int hearth_engine_measure_arithmetic(EngineHandle engine, NativeArithmetic* arithmetic, nuint arithmeticSize);

    [LibraryImport(Library)]
    internal static partial int hearth_model_create(EngineHandle engine, NativeProgram* program, nuint programSize, out nint model);

    /// <summary>Returns nothing.</summary>
    [LibraryImport(Library)]
    internal static partial void hearth_model_destroy(nint model);

    [LibraryImport(Library)]
    internal static partial int hearth_model_load_weight(ModelHandle model, int weight, void* data, nuint dataSize);

    [LibraryImport(Library)]
    internal static partial int hearth_model_load_rows(ModelHandle model, int weight, long firstRow, long rowCount, void* data, nuint dataSize);

    [LibraryImport(Library)]
    internal static partial int hearth_guard_create(void* address, nuint size, out nint guard);

    /// <summary>Returns nothing.</summary>
    [LibraryImport(Library)]
    internal static partial void hearth_guard_destroy(nint guard);

    [LibraryImport(Library)]
    internal static partial int hearth_guard_is_lost(GuardHandle guard, int* lost);

    [LibraryImport(Library)]
    internal static partial int hearth_model_share_weight(ModelHandle model, int weight, ModelHandle other, int otherWeight);

    [LibraryImport(Library)]
    internal static partial int hearth_model_measure(ModelHandle model, NativeModelMemory* memory, nuint memorySize);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_create(EngineHandle engine, NativeCacheOptions* options, nuint optionsSize, out nint cache);

    /// <summary>Returns nothing.</summary>
    [LibraryImport(Library)]
    internal static partial void hearth_cache_destroy(nint cache);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_page_bytes(CacheHandle cache, ulong* bytes);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_copy_page(CacheHandle cache, int source, int destination);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_read_page(CacheHandle cache, int page, void* buffer, nuint size);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_write_page(CacheHandle cache, int page, void* buffer, nuint size);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_state_bytes(CacheHandle cache, ulong* bytes);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_read_state(CacheHandle cache, int state, void* buffer, nuint size);

    [LibraryImport(Library)]
    internal static partial int hearth_cache_write_state(CacheHandle cache, int state, void* buffer, nuint size);

    /// <summary>Cache and memory may be zero handles where the program uses none.</summary>
    [LibraryImport(Library)]
    internal static partial int hearth_model_run(ModelHandle model, nint cache, nint memory, NativeStep* step, nuint stepSize);

    /// <summary>Cache and memory may be zero handles where the program uses none.</summary>
    [LibraryImport(Library)]
    internal static partial int hearth_model_probe(ModelHandle model, nint cache, nint memory, NativeStep* step, nuint stepSize, NativeProbe* probes, int probeCount);

    [LibraryImport(Library)]
    internal static partial int hearth_attention(EngineHandle engine, NativeAttentionCall* call, nuint callSize);

    [LibraryImport(Library)]
    internal static partial int hearth_dequantize(int type, void* data, nuint dataSize, float* output, nuint count);

    /// <summary>The importance may be null.</summary>
    [LibraryImport(Library)]
    internal static partial int hearth_quantize(int type, float* input, nuint count, long columns, float* importance, void* output, nuint outputSize);
}
