using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

/// <summary>A handle of the library; zero is none. The library counts who uses what, so the order of disposal is free.</summary>
internal abstract class NativeHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;
}

/// <summary>A thread pool and an instruction set.</summary>
internal sealed class EngineHandle : NativeHandle
{
    internal static unsafe EngineHandle Create(int threads, InstructionSet isa, bool pinned)
    {
        var options = new NativeEngineOptions { Threads = threads, Isa = (int)isa, Pinned = pinned ? 1 : 0 };
        var engine = new EngineHandle();
        NativeStatus.Check(NativeMethods.hearth_engine_create(&options, (nuint)sizeof(NativeEngineOptions), out var raw));
        engine.SetHandle(raw);
        return engine;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.hearth_engine_destroy(handle);
        return true;
    }
}

/// <summary>A program with its weights.</summary>
internal sealed class ModelHandle : NativeHandle
{
    internal static unsafe ModelHandle Create(EngineHandle engine, NativeProgram* program)
    {
        var model = new ModelHandle();
        NativeStatus.Check(NativeMethods.hearth_model_create(engine, program, (nuint)sizeof(NativeProgram), out var raw));
        model.SetHandle(raw);
        return model;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.hearth_model_destroy(handle);
        return true;
    }
}

/// <summary>The memory of a KV cache.</summary>
internal sealed class CacheHandle : NativeHandle
{
    internal static unsafe CacheHandle Create(EngineHandle engine, NativeCacheOptions* options)
    {
        var cache = new CacheHandle();
        NativeStatus.Check(NativeMethods.hearth_cache_create(engine, options, (nuint)sizeof(NativeCacheOptions), out var raw));
        cache.SetHandle(raw);
        return cache;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.hearth_cache_destroy(handle);
        return true;
    }
}
