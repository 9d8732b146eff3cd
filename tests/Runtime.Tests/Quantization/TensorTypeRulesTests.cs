using System.Globalization;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Quantization;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Quantization;

public sealed class TensorTypeRulesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Models() =>
        ["llama-32", "llama-32-tied", "llama-80", "mixtral-32", "qwen3moe-24", "falcon-32", "gpt2-12"];

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_mix_gives_every_tensor_of_a_deep_model_the_references_type(string model)
    {
        var path = _folder.File("model.gguf");
        DeepModels.Write(model, path);
        using var file = GgufFile.Open(path);
        var compared = 0;
        foreach (var (mix, expected) in Expected(model))
        {
            var types = TensorTypeRules.Choose(file, new QuantizationOptions { Mix = QuantizationMix.Parse(mix) });
            var found = types.ToDictionary(t => t.Key, t => GgmlTypes.Of(t.Value.Type).Name, StringComparer.Ordinal);
            Assert.Equal(Sorted(expected).Select(t => $"{mix} {t.Key} {t.Value}"), Sorted(found).Select(t => $"{mix} {t.Key} {t.Value}"));
            compared++;
        }

        Assert.Equal(19, compared);
    }

    [Fact]
    public void Pure_gives_every_matrix_one_type_but_for_those_asked_for()
    {
        var path = _folder.File("model.gguf");
        DeepModels.Write("llama-32", path);
        using var file = GgufFile.Open(path);
        var options = new QuantizationOptions { Mix = QuantizationMix.Parse("q4_k"), Pure = true, EmbeddingType = GgmlType.Q8_0 };
        var types = TensorTypeRules.Choose(file, options);
        Assert.Equal(GgmlType.Q8_0, types["token_embd.weight"].Type);
        Assert.Equal(GgmlType.F32, types["blk.3.attn_norm.weight"].Type);
        Assert.All(types.Where(t => t.Key.Contains("attn_v", StringComparison.Ordinal) || t.Key == "output.weight"), t => Assert.Equal(GgmlType.Q4_K, t.Value.Type));
    }

    [Theory]
    [InlineData("Q4_K", "Q4_K_M")]
    [InlineData("q5_k", "Q5_K_M")]
    [InlineData("Q3_K", "Q3_K_M")]
    [InlineData("q2_k", "Q2_K")]
    public void Short_names_stand_for_what_users_expect(string name, string mix) => Assert.Equal(mix, QuantizationMix.Parse(name).Name);

    [Fact]
    public void A_name_of_no_mix_is_refused_with_those_there_are()
    {
        var exception = Assert.Throws<UnsupportedModelException>(() => QuantizationMix.Parse("IQ1_S"));
        Assert.Contains("'IQ1_S'", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Q4_K_M", exception.Message, StringComparison.Ordinal);
        Assert.Throws<UnsupportedModelException>(() => QuantizationMix.ParseType("I32"));
    }

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<KeyValuePair<string, string>> Sorted(Dictionary<string, string> types) => types.OrderBy(t => t.Key, StringComparer.Ordinal);

    /// <summary>The fixture's answers for a model: mix by mix, the type of each tensor.</summary>
    private static Dictionary<string, Dictionary<string, string>> Expected(string model)
    {
        var mixes = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        Dictionary<string, string>? current = null;
        foreach (var line in File.ReadLines(SharedFolder.Fixture("quantization", "types.txt")))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!line.StartsWith(' '))
                current = words[0] == model ? mixes[words[1]] = new(StringComparer.Ordinal) : null;
            else if (current is not null)
                Expand(words, current);
        }

        return mixes;
    }

    private static void Expand(string[] words, Dictionary<string, string> types)
    {
        if (words.Length == 2)
        {
            types.Add(words[1], words[0]);
            return;
        }

        foreach (var range in words[2].Split(','))
        {
            var ends = range.Split('-').Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray();
            for (var layer = ends[0]; layer <= ends[^1]; layer++)
                types.Add($"blk.{layer}.{words[1]}", words[0]);
        }
    }
}
