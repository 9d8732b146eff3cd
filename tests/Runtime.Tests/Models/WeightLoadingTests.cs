using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>How weights come from a file into the engine: each tensor is let go as soon as it is packed.</summary>
public sealed class WeightLoadingTests : IDisposable
{
    private const int Width = 32;

    // Two tables of 11 MB: the second is loaded in parts, the last of which is no multiple of anything.
    private const int Tokens = 90_001;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_table_that_is_most_of_a_model_computes_what_its_rows_say(bool mapped)
    {
        var path = Write();
        using var file = mapped ? GgufFile.Open(path) : GgufFile.Read(File.ReadAllBytes(path));
        using var compiled = CompiledProgram.Compile(Engine.Get(2), EmbedAndProject(file));
        int[] asked = [0, 15, 16, 8191, 65_535, 65_536, Tokens - 1];
        var batch = new StepBatch();
        batch.Add(0, asked, [], asked.Length);
        var logits = new float[asked.Length * Tokens];
        new StepRunner(compiled, cache: null).Run(batch, logits);
        for (var row = 0; row < asked.Length; row++)
        {
            var hidden = Row(asked[row], offset: 0);
            foreach (var token in new[] { 0, 1, 63, 64, 65_471, 65_536, Tokens - 17, Tokens - 1 })
            {
                var expected = Enumerable.Range(0, Width).Sum(i => (double)hidden[i] * Row(token, offset: 1)[i]);
                Assert.Equal(expected, logits[(row * Tokens) + token], 1e-4);
            }
        }
    }

    [Fact]
    public void Tensors_can_be_read_again_after_loading_and_loaded_again()
    {
        using var file = GgufFile.Open(Write());
        using (CompiledProgram.Compile(Engine.Get(2), EmbedAndProject(file)))
        {
        }

        using (CompiledProgram.Compile(Engine.Get(2), EmbedAndProject(file)))
        {
            var bytes = file.GetTensor("output.weight").Bytes((Tokens - 1L) * Width * sizeof(float), Width * sizeof(float));
            Assert.Equal(Row(Tokens - 1, offset: 1), MemoryMarshal.Cast<byte, float>(bytes).ToArray());
        }
    }

    [Fact]
    public void Letting_pages_go_changes_no_byte_whether_a_file_is_mapped_or_in_memory()
    {
        var path = Write();
        var bytes = File.ReadAllBytes(path);
        foreach (var file in new[] { GgufFile.Open(path), GgufFile.Read(bytes) })
        {
            using (file)
            {
                var tensor = file.GetTensor("token_embd.weight");
                var before = tensor.Bytes().ToArray();
                tensor.ReleasePages(0, tensor.ByteSize);
                tensor.ReleasePages(tensor.ByteSize - 1, 1);
                Assert.True(tensor.Bytes().SequenceEqual(before));
            }
        }
    }

    // What comes before is computed for all rows, so it must not be the head.
    [Fact]
    public void No_model_gathers_its_rows_behind_the_output_head()
    {
        var programs = 0;
        foreach (var name in ReferenceModels.Names)
        {
            using var file = GgufFile.Open(ReferenceModels.File(name));
            ModelProgram program;
            try
            {
                program = ModelFamilies.Find(file).Build(file, new StepLimits(64, 64));
            }
            catch (UnsupportedModelException)
            {
                continue;
            }

            if (program.Pooling is not null)
                continue;
            programs++;
            var gather = Array.FindIndex(program.Operations, operation => operation.Kind == Kind("Gather"));
            var head = Array.FindLastIndex(program.Operations, operation => operation.Kind == Kind("Linear"));
            Assert.True(gather >= 0 && gather < head, $"{name}: gathers at {gather}, its head is at {head}");
            Assert.Equal(program.OutputWidth, program.ValueWidths[Output(program.Operations[head])]);
        }

        Assert.True(programs > 50, $"{programs} programs");
    }

    private static int Kind(string name) => (int)Enum.Parse(typeof(ProgramBuilder).GetNestedType("Kind", System.Reflection.BindingFlags.NonPublic)!, name);

    private static unsafe int Output(NativeOperation operation) => operation.Output[0];

    private static ModelProgram EmbedAndProject(GgufFile file)
    {
        var builder = new ProgramBuilder(file);
        var hidden = builder.Gather(builder.Embed(builder.Matrix("token_embd.weight", Width, Tokens)));
        return builder.Build(builder.Linear(hidden, builder.Matrix("output.weight", Width, Tokens)), new StepLimits(16, 16));
    }

    private static float[] Row(int token, int offset)
        => [.. Enumerable.Range(0, Width).Select(i => MathF.Sin((token * 0.37f) + (i * 1.3f) + offset))];

    private string Write()
    {
        var path = _folder.File("tables.gguf");
        if (File.Exists(path))
            return path;
        using var writer = GgufWriter.Create(path);
        writer.Add("general.architecture", "llama");
        string[] names = ["token_embd.weight", "output.weight"];
        foreach (var name in names)
            writer.Declare(name, GgmlType.F32, [Width, Tokens]);
        for (var table = 0; table < names.Length; table++)
        {
            writer.Begin(names[table]);
            for (var token = 0; token < Tokens; token++)
                writer.Write(MemoryMarshal.AsBytes(Row(token, table).AsSpan()));
        }

        writer.Complete();
        return path;
    }
}
