using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Kernels;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Conversion;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>A trained GPT-2-style model (it sorts letters): every tensor on its way, beside those that its authors' framework stored.</summary>
public sealed class NanoGptTests : IDisposable
{
    private const int Sequences = 3;
    private const int Length = 11;
    private const int Heads = 3;
    private const int HeadWidth = 16;

    // Single precision on both sides; only the order of sums differs.
    private const double Bound = 1e-11;

    private readonly CheckpointFolder _folder = new();

    /// <summary>The stored tensors that are [sequences, positions, width], each with the operation that computes it: its kind, which of that kind, which output.</summary>
    public static TheoryData<string, string, int, int> Intermediates => new()
    {
        { "tok_emb", "Embed", 0, 0 },
        { "x", "Add", 0, 0 },
        { "ln1", "LayerNorm", 0, 0 },
        { "y", "Attention", 0, 0 },
        { "yProj", "Linear", 1, 0 },
        { "attnResid", "Add", 1, 0 },
        { "ln2", "LayerNorm", 1, 0 },
        { "gelu", "Linear", 2, 0 },
        { "mlp", "Linear", 3, 0 },
        { "mlpResid", "Add", 2, 0 },
        { "block0", "Add", 2, 0 },
        { "block1", "Add", 4, 0 },
        { "block2", "Add", 6, 0 },
        { "ln_f", "LayerNorm", 6, 0 },
        { "lm_head", "Linear", 12, 0 },
    };

    [Theory]
    [MemberData(nameof(Intermediates))]
    public void Every_value_equals_the_stored_one(string name, string kind, int which, int output)
        => AssertClose(Stored(name), Run(program => Value(program, kind, which, output)));

    [Fact]
    public void Position_embeddings_equal_the_stored_ones_for_every_sequence()
    {
        var stored = Stored("pos_emb");
        AssertClose([.. stored, .. stored, .. stored], Run(program => Value(program, "Embed", 1, 0)));
    }

    [Theory]
    [InlineData("q", 0)]
    [InlineData("k", 1)]
    [InlineData("v", 2)]
    public void Queries_keys_and_values_equal_the_stored_ones(string name, int output)
        => AssertClose(ByPosition(Stored(name)), Run(program => Value(program, "Linear", 0, output)));

    [Fact]
    public void The_stored_projection_is_queries_keys_and_values_side_by_side()
    {
        var parts = Enumerable.Range(0, 3).Select(output => Run(program => Value(program, "Linear", 0, output))).ToArray();
        var width = Heads * HeadWidth;
        var joined = Enumerable.Range(0, Sequences * Length).SelectMany(row => parts.SelectMany(part => part[(row * width)..((row + 1) * width)])).ToArray();
        AssertClose(Stored("qkv"), joined);
    }

    [Fact]
    public void The_feed_forward_layer_before_its_activation_equals_the_stored_one()
        => AssertClose(Stored("fc"), Run(
            program => Value(program, "Linear", 2, 0),
            operations => operations[Find(operations, "Linear", 2)].Parameters.Function = (int)ActivationFunction.None));

    [Fact]
    public unsafe void Attention_probabilities_equal_the_stored_ones()
    {
        var (queries, keys) = (Run(program => Value(program, "Linear", 0, 0)), Run(program => Value(program, "Linear", 0, 1)));
        // Values that are rows of the identity make the output the probabilities themselves.
        var identity = new float[Length * Heads * Length];
        for (var key = 0; key < Length; key++)
        {
            for (var head = 0; head < Heads; head++)
                identity[(((key * Heads) + head) * Length) + key] = 1;
        }

        var (stored, size) = (Stored("attSm"), Length * Heads * HeadWidth);
        for (var sequence = 0; sequence < Sequences; sequence++)
        {
            var probabilities = new float[Length * Heads * Length];
            Attention.MultiHead(
                queries.AsSpan(sequence * size, size), keys.AsSpan(sequence * size, size), identity, probabilities,
                new AttentionOptions { Heads = Heads, KeyWidth = HeadWidth, ValueWidth = Length });
            for (var head = 0; head < Heads; head++)
            {
                for (var query = 0; query < Length; query++)
                {
                    for (var key = 0; key < Length; key++)
                        Assert.Equal(stored[(((((sequence * Heads) + head) * Length) + query) * Length) + key], probabilities[(((query * Heads) + head) * Length) + key], 1e-6);
                }
            }
        }
    }

    [Fact]
    public async Task The_lens_shows_the_stored_probabilities()
    {
        var (stored, ids) = (Stored("attSm"), Stored("idx"));
        await using var model = await LanguageModel.LoadAsync(Convert());
        for (var sequence = 0; sequence < Sequences; sequence++)
        {
            int[] text = [.. ids.AsSpan(sequence * Length, Length).ToArray().Select(id => (int)id)];
            var maps = AttentionProbe.Run(model, text);
            Assert.Equal(3, maps.Layers.Count);
            Assert.Equal(text.Select(id => id.ToString(System.Globalization.CultureInfo.InvariantCulture)), maps.Tokens.Select(token => token.Text));
            var size = Heads * Length * Length;
            var first = maps.Layers[0].Weights.ToArray();
            Assert.Equal(size, first.Length);
            for (var i = 0; i < size; i++)
                Assert.Equal(stored[(sequence * size) + i], first[i], 1e-6);
        }
    }

    [Fact]
    public void Output_probabilities_equal_the_stored_ones()
    {
        var logits = Run(program => Value(program, "Linear", 12, 0));
        var probabilities = new float[logits.Length];
        for (var row = 0; row < Sequences * Length; row++)
            TensorPrimitives.SoftMax(logits.AsSpan(row * 3, 3), probabilities.AsSpan(row * 3, 3));
        AssertClose(Stored("probs"), probabilities);
    }

    [Fact]
    public async Task The_model_sorts()
    {
        await using var model = await LanguageModel.LoadAsync(Convert());
        foreach (var letters in new int[][] { [2, 0, 1, 1, 0, 2], [0, 0, 0, 2, 1, 0], [2, 2, 1, 1, 0, 0], [1, 2, 0, 0, 2, 1] })
        {
            var sorted = new List<int>();
            await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = letters, Options = new GenerationOptions { MaxTokens = 5, Temperature = 0 } }))
                sorted.AddRange(update.TokenIds);
            // The context ends with the fifth of the six sorted letters read.
            Assert.Equal(letters.Order().Take(5), sorted);
        }
    }

    public void Dispose() => _folder.Dispose();

    private static void AssertClose(float[] expected, float[] actual)
        => Assert.InRange(ReferenceLogitsTests.Error(actual, expected), 0, Bound);

    /// <summary>Runs the three inputs as three sequences of one step and returns one value of the program for all rows.</summary>
    private float[] Run(Func<ModelProgram, int> choose, Action<NativeOperation[]>? change = null)
    {
        using var file = GgufFile.Open(Convert());
        var whole = ModelFamilies.Find(file).Build(file, new StepLimits(64, 64));
        change?.Invoke(whole.Operations);
        using var compiled = CompiledProgram.Compile(Engine.Get(1), Returning(whole, choose(whole)));
        using var store = new EnginePageStore(compiled.Engine, compiled.Program.CacheLayers, 16, Sequences, CacheType.F32, CacheType.F32);
        var batch = new StepBatch();
        var ids = Stored("idx");
        for (var sequence = 0; sequence < Sequences; sequence++)
            batch.Add(0, [.. ids.AsSpan(sequence * Length, Length).ToArray().Select(id => (int)id)], [sequence], Length);
        var result = new float[Sequences * Length * compiled.Program.OutputWidth];
        new StepRunner(compiled, store.Handle).Run(batch, result);
        return result;
    }

    // What is computed before the program gathers its output rows is gathered by an operation more.
    private static unsafe ModelProgram Returning(ModelProgram program, int value)
    {
        var gather = Find(program.Operations, "Gather", 0);
        var at = Array.FindIndex(program.Operations, operation => operation.Output[0] == value || operation.Output[1] == value || operation.Output[2] == value);
        if (at > gather)
            return new ModelProgram(program.Operations, program.ValueWidths, [.. program.Weights], [.. program.CacheLayers], [], value, program.Limits);
        var more = program.Operations[gather];
        more.Input[0] = value;
        more.Output[0] = program.ValueWidths.Length;
        return new ModelProgram(
            [.. program.Operations, more], [.. program.ValueWidths, program.ValueWidths[value]], [.. program.Weights], [.. program.CacheLayers], [], program.ValueWidths.Length, program.Limits);
    }

    private static unsafe int Value(ModelProgram program, string kind, int which, int output) => program.Operations[Find(program.Operations, kind, which)].Output[output];

    private static int Find(NativeOperation[] operations, string kind, int which)
    {
        var number = (int)Enum.Parse(typeof(ProgramBuilder).GetNestedType("Kind", System.Reflection.BindingFlags.NonPublic)!, kind);
        return Enumerable.Range(0, operations.Length).Where(i => operations[i].Kind == number).ElementAt(which);
    }

    // [sequences, heads, positions, width] as rows of all heads.
    private static float[] ByPosition(float[] values)
    {
        var result = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var (column, position, head, sequence) = (i % HeadWidth, i / HeadWidth % Length, i / (HeadWidth * Length) % Heads, i / (HeadWidth * Length * Heads));
            result[(((((sequence * Length) + position) * Heads) + head) * HeadWidth) + column] = values[i];
        }

        return result;
    }

    private static float[] Stored(string name) => Floats(Json("gpt-nano-sort-t0-partials.json")[name]!);

    private static float[] Floats(JsonNode tensor) => MemoryMarshal.Cast<byte, float>(System.Convert.FromBase64String(tensor["data"]!.GetValue<string>())).ToArray();

    private static JsonObject Json(string file) => JsonNode.Parse(File.ReadAllText(SharedFolder.Require("assets", "nano-gpt-sort", file)))!.AsObject();

    /// <summary>The asset as a GPT-2 checkpoint, converted; its authors' linear layers are [outputs, inputs], a checkpoint's [inputs, outputs].</summary>
    private string Convert()
    {
        if (File.Exists(_folder.Output))
            return _folder.Output;
        var source = Json("gpt-nano-sort-model.json");
        var config = source["config"]!;
        _folder.Write("config.json", new JsonObject
        {
            ["architectures"] = new JsonArray("GPT2LMHeadModel"),
            ["activation_function"] = "gelu_new",
            ["layer_norm_epsilon"] = 1e-5,
            ["n_positions"] = config["block_size"]!.DeepClone(),
            ["n_embd"] = config["n_embd"]!.DeepClone(),
            ["n_layer"] = config["n_layer"]!.DeepClone(),
            ["n_head"] = config["n_head"]!.DeepClone(),
        });
        foreach (var (name, tensor) in source.Where(pair => pair.Key != "config"))
        {
            var values = Floats(tensor!);
            long[] shape = [.. tensor!["shape"]!.AsArray().Select(extent => extent!.GetValue<long>())];
            if (name.EndsWith(".weight", StringComparison.Ordinal) && name.Contains(".c_", StringComparison.Ordinal))
                (values, shape) = ([.. Enumerable.Range(0, values.Length).Select(i => values[((i % (int)shape[0]) * (int)shape[1]) + (i / (int)shape[0])])], [shape[1], shape[0]]);
            _folder.Add(name, values, shape);
        }

        ModelConverter.Convert(_folder.Save().Path, _folder.Output);
        return _folder.Output;
    }
}
