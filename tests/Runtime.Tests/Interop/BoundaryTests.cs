using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Tests.Interop;

/// <summary>Both sides of the C boundary mean the same bytes.</summary>
public sealed class BoundaryTests
{
    [Fact]
    public void Elements_of_arrays_have_the_sizes_that_the_library_asserts()
    {
        Assert.Equal(160, Unsafe.SizeOf<NativeOperation>());
        Assert.Equal(24, Unsafe.SizeOf<NativeWeight>());
        Assert.Equal(48, Unsafe.SizeOf<StepSequence>());
        Assert.Equal(8, Unsafe.SizeOf<StateCheckpoint>());
        Assert.Equal(12, Unsafe.SizeOf<NativeCacheLayer>());
        Assert.Equal(32, Unsafe.SizeOf<NativeProbe>());
    }

    [Fact]
    public void Parameters_of_operations_begin_where_the_library_reads_them()
    {
        Assert.Equal(64, (int)Marshal.OffsetOf<NativeOperation>(nameof(NativeOperation.Parameters)));
        Assert.Equal(36, (int)Marshal.OffsetOf<NativeAttentionParameters>(nameof(NativeAttentionParameters.Scale)));
        Assert.Equal(76, (int)Marshal.OffsetOf<NativeAttentionParameters>(nameof(NativeAttentionParameters.ValuesInKeys)));
        Assert.Equal(16, (int)Marshal.OffsetOf<NativeRopeParameters>(nameof(NativeRopeParameters.Base)));
    }

    // Everything that crosses is a number, a pointer, a handle or a struct of such.
    [Fact]
    public void Every_import_is_blittable_or_a_handle()
    {
        var imports = typeof(NativeMethods).GetMethods(BindingFlags.Static | BindingFlags.NonPublic).Where(m => m.Name.StartsWith("hearth_", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(imports);
        foreach (var parameter in imports.SelectMany(m => m.GetParameters()))
        {
            var type = parameter.ParameterType;
            var fits = type.IsPointer || type.IsPrimitive || typeof(SafeHandle).IsAssignableFrom(type) || (type.IsByRef && type.GetElementType()!.IsPrimitive);
            Assert.True(fits, $"{parameter.Member.Name}: {parameter.Name} is a {type}");
        }
    }

    [Fact]
    public void The_library_is_of_the_version_that_is_declared() => Assert.Equal(NativeMethods.AbiVersion, NativeMethods.hearth_abi_version());

    [Fact]
    public void Probing_names_the_library_and_an_instruction_set_that_can_run()
    {
        var found = Engine.Probe();
        Assert.True(File.Exists(found.LibraryPath), found.LibraryPath);
        Assert.Contains(found.Best, found.Available);
        Assert.Contains(InstructionSet.Scalar, found.Available);
        Assert.InRange(found.Processors, 1, 512);
    }

    [Theory]
    [InlineData(null, InstructionSet.Best)]
    [InlineData("", InstructionSet.Best)]
    [InlineData("best", InstructionSet.Best)]
    [InlineData("scalar", InstructionSet.Scalar)]
    [InlineData("DotProd", InstructionSet.Dotprod)]
    public void An_instruction_set_is_chosen_by_its_name(string? name, InstructionSet expected)
        => Assert.Equal(expected, Engine.ChooseInstructionSet(name, [InstructionSet.Scalar, InstructionSet.Neon, InstructionSet.Dotprod]));

    [Theory]
    [InlineData("sse", "known: scalar, avx2, avx512, neon, dotprod, best")]
    [InlineData("4", "known: ")]
    [InlineData("avx2", "available: scalar, neon")]
    [InlineData("dotprod", "available: scalar, neon")]
    public void An_instruction_set_that_is_not_there_is_refused_with_those_that_are(string name, string said)
    {
        var error = Assert.Throws<NativeLibraryException>(() => Engine.ChooseInstructionSet(name, [InstructionSet.Scalar, InstructionSet.Neon]));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public unsafe void A_null_handle_comes_back_as_an_error_not_a_crash()
    {
        ulong bytes;
        var status = NativeMethods.hearth_cache_page_bytes(new CacheHandle(), &bytes);
        Assert.Throws<ArgumentException>(() => NativeStatus.Check(status));
    }

    [Fact]
    public void Candidates_lie_beside_the_program_in_the_folder_of_the_platform()
        => Assert.Contains(NativeLibraryLoader.Candidates(), c => c.EndsWith(Path.Combine("native", NativeLibraryLoader.FileName), StringComparison.Ordinal));
}
