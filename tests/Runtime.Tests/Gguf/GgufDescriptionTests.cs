using System.Text.Json;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Gguf;

public sealed class GgufDescriptionTests
{
    [Fact]
    public void Json_holds_metadata_totals_and_tensors()
    {
        using var file = GgufFile.Open(ReferenceModels.Quantized("Q4_K_M"));
        var json = Json(file, tensors: true);
        Assert.Equal("llama", json.GetProperty("metadata").GetProperty("general.architecture").GetString());
        Assert.Equal(file.Tensors.Sum(t => t.ElementCount), json.GetProperty("parameters").GetInt64());
        Assert.Equal(file.Length, json.GetProperty("bytes").GetInt64());
        Assert.InRange(json.GetProperty("bits_per_weight").GetDouble(), 4, 6);
        var tensor = json.GetProperty("tensors").EnumerateArray().Single(t => t.GetProperty("name").GetString() == "token_embd.weight");
        Assert.Equal([256L, 256L], tensor.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64()));
        Assert.Equal(file.Tensors.Count, json.GetProperty("types").EnumerateArray().Sum(t => t.GetProperty("tensors").GetInt32()));
        Assert.False(Json(file, tensors: false).TryGetProperty("tensors", out _));
    }

    [Fact]
    public void Every_value_type_is_described()
    {
        using var file = InMemory(writer =>
        {
            foreach (var (key, value) in GgufWriterTests.EveryType)
                writer.Add(key, value);
            writer.Add("t.nan", float.NaN);
            writer.Add("a.long", Enumerable.Range(0, 1000).Select(i => $"token {i}").ToArray());
        });
        var metadata = Json(file, tensors: true).GetProperty("metadata");
        Assert.Equal(ulong.MaxValue, metadata.GetProperty("t.u64").GetUInt64());
        Assert.Equal(-100, metadata.GetProperty("t.i8").GetInt32());
        Assert.Equal("Grüße, 世界 🔥\0", metadata.GetProperty("t.text").GetString());
        Assert.Equal("NaN", metadata.GetProperty("t.nan").GetString());
        Assert.Equal("x", metadata.GetProperty("a.nested")[1][0].GetString());
        var tokens = metadata.GetProperty("a.long");
        Assert.Equal((1000, "string[1000]", 6), (tokens.GetProperty("count").GetInt32(), tokens.GetProperty("type").GetString(), tokens.GetProperty("first").GetArrayLength()));
        Assert.Contains("\"token 5\", …]", Text(file), StringComparison.Ordinal);
    }

    [Fact]
    public void Text_lists_tensors_when_asked()
    {
        using var file = GgufFile.Open(ReferenceModels.Quantized("Q6_K"));
        Assert.DoesNotContain("token_embd.weight", Text(file), StringComparison.Ordinal);
        Assert.Contains("[256, 256]", Text(file, tensors: true).Split('\n').Single(l => l.StartsWith("token_embd.weight", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Control_sequences_of_a_file_reach_no_terminal()
    {
        using var file = InMemory(writer =>
        {
            writer.Add("evil\u001b[31mkey", "\u001b]0;owned\u0007\r\u202E\u009b \"quoted\"");
            writer.Add("raw", GgufText.FromBytes([0x9B, 0xFF]));
            writer.Declare("w\u001b[2J", GgmlType.F32, 1);
            writer.WriteTensor("w\u001b[2J", new byte[4]);
        });
        var text = Text(file, tensors: true);
        Assert.DoesNotContain(text, c => c != '\n' && c != '\r' && (char.IsControl(c) || char.IsSurrogate(c) || c == '\u202E'));
        Assert.Contains("\\u001B]0;owned\\u0007\\u000D\\u202E", text, StringComparison.Ordinal);
        Assert.Equal("\uFFFD\uFFFD", Json(file, tensors: true).GetProperty("metadata").GetProperty("raw").GetString());
    }

    private static GgufFile InMemory(Action<GgufWriter> fill)
    {
        using var stream = new MemoryStream();
        using var writer = new GgufWriter(stream);
        fill(writer);
        writer.Complete();
        return GgufFile.Read(stream.ToArray());
    }

    private static string Text(GgufFile file, bool tensors = false)
    {
        using var output = new StringWriter();
        GgufDescription.WriteText(file, output, tensors);
        return output.ToString();
    }

    private static JsonElement Json(GgufFile file, bool tensors)
    {
        using var output = new StringWriter();
        GgufDescription.WriteJson(file, output, tensors);
        return JsonSerializer.Deserialize<JsonElement>(output.ToString());
    }
}
