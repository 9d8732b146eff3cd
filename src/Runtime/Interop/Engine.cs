using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

/// <summary>The instruction sets for which kernels are built; numbered as in hearth.h.</summary>
public enum InstructionSet
{
    /// <summary>The best that the processor has.</summary>
    Best = -1,

    /// <summary>Plain C++, on any processor.</summary>
    Scalar = 0,

    /// <summary>AVX2 with FMA and F16C.</summary>
    Avx2 = 1,

    /// <summary>AVX-512 F, BW, DQ, VL and VNNI.</summary>
    Avx512 = 2,

    /// <summary>Arm NEON, which every AArch64 processor has.</summary>
    Neon = 3,

    /// <summary>NEON with the dot product of bytes (FEAT_DotProd).</summary>
    Dotprod = 4,
}

/// <summary>What the native library found on this machine.</summary>
/// <param name="LibraryPath">The library's file.</param>
/// <param name="Processor">The processor's name.</param>
/// <param name="Processors">Processors that this process may use: its affinity, and a container's quota.</param>
/// <param name="Cores">The same with one for each physical core: the threads that an engine has unless told otherwise.</param>
/// <param name="Best">The instruction set used unless another is asked for.</param>
/// <param name="Available">All that can run here.</param>
public sealed record EngineInformation(string LibraryPath, string Processor, int Processors, int Cores, InstructionSet Best, IReadOnlyList<InstructionSet> Available);

/// <summary>The native engine's threads, shared by every model that asks for the same number of them.</summary>
/// <remarks>Safe to use from several threads; calls take turns. Engines of different thread counts work side by side as long as there are processors for all their threads.</remarks>
public sealed class Engine
{
    /// <summary>Forces an instruction set: scalar, avx2, avx512, neon or dotprod.</summary>
    public const string InstructionSetVariable = "HEARTH_ISA";

    private static readonly Lock _gate = new();
    private static readonly Dictionary<(int Threads, bool Pinned), WeakReference<Engine>> _engines = [];

    private Engine(int threads, bool pinned)
        => Handle = EngineHandle.Create(threads, ChooseInstructionSet(Environment.GetEnvironmentVariable(InstructionSetVariable), Probe().Available), pinned);

    internal EngineHandle Handle { get; }

    /// <summary>The engine with so many threads.</summary>
    /// <param name="threads">1 to 512, or 0 for one on each physical core that this process may use.</param>
    /// <param name="pinned">Whether each thread stays on one processor of the process's own affinity mask; a caller's only while its call lasts.</param>
    /// <exception cref="NativeLibraryException">The native library is missing, of another version, or cannot run here.</exception>
    public static Engine Get(int threads = 0, bool pinned = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 512);
        NativeLibraryLoader.EnsureLoaded();
        if (threads == 0)
            threads = ProbeSystem().Cores;
        lock (_gate)
        {
            if (_engines.TryGetValue((threads, pinned), out var known) && known.TryGetTarget(out var engine))
                return engine;
            engine = new Engine(threads, pinned);
            _engines[(threads, pinned)] = new WeakReference<Engine>(engine);
            return engine;
        }
    }

    /// <summary>Looks at the library and the machine.</summary>
    /// <exception cref="NativeLibraryException">The native library is missing or of another version.</exception>
    public static unsafe EngineInformation Probe()
    {
        NativeLibraryLoader.EnsureLoaded();
        var system = ProbeSystem();
        var mask = system.IsaMask;
        var available = Enum.GetValues<InstructionSet>().Where(i => i >= 0 && (mask & (1u << (int)i)) != 0).ToArray();
        return new EngineInformation(
            NativeLibraryLoader.LoadedPath ?? NativeLibraryLoader.FileName,
            Marshal.PtrToStringUTF8((nint)system.Processor) ?? "unknown",
            system.Processors,
            system.Cores,
            (InstructionSet)system.BestIsa,
            available);
    }

    /// <summary>Measures how fast this engine's threads read from memory that no cache holds.</summary>
    /// <param name="bufferBytes">Memory taken meanwhile: several times the last cache.</param>
    /// <returns>Bytes a second.</returns>
    public unsafe double MeasureReadBandwidth(long bufferBytes = 256L << 20)
    {
        double result;
        NativeStatus.Check(NativeMethods.hearth_engine_measure_bandwidth(Handle, (ulong)bufferBytes, &result));
        return result;
    }

    /// <summary>Measures what this engine's threads multiply on registers alone: the limit of every kernel.</summary>
    /// <returns>Multiply-adds a second of 8-bit codes, and of float32.</returns>
    public unsafe (double Int8, double Float32) MeasureArithmetic()
    {
        NativeArithmetic measured;
        NativeStatus.Check(NativeMethods.hearth_engine_measure_arithmetic(Handle, &measured, (nuint)sizeof(NativeArithmetic)));
        return (measured.Int8Products, measured.Float32Products);
    }

    private static unsafe NativeSystem ProbeSystem()
    {
        NativeSystem system;
        NativeStatus.Check(NativeMethods.hearth_system_probe(&system, (nuint)sizeof(NativeSystem)));
        return system;
    }

    /// <summary>The set of this name, in any case; the best where no name is given.</summary>
    /// <exception cref="NativeLibraryException">The name is of no set, or of one that is not available.</exception>
    internal static InstructionSet ChooseInstructionSet(string? name, IReadOnlyList<InstructionSet> available)
    {
        if (string.IsNullOrEmpty(name))
            return InstructionSet.Best;
        if (!Enum.TryParse<InstructionSet>(name, ignoreCase: true, out var chosen) || !Enum.IsDefined(chosen) || int.TryParse(name, out _))
            throw new NativeLibraryException($"{InstructionSetVariable} is '{name}'; known: {Names(Enum.GetValues<InstructionSet>())}");
        if (chosen != InstructionSet.Best && !available.Contains(chosen))
            throw new NativeLibraryException($"{InstructionSetVariable} is '{name}', which this processor or build does not have; available: {Names(available)}");
        return chosen;
    }

    private static string Names(IEnumerable<InstructionSet> sets) => string.Join(", ", sets).ToLowerInvariant();
}
