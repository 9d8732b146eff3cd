using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.Tests;

public sealed class QuantizeVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task A_model_is_quantized_and_told_of_as_JSON()
    {
        var (model, quantized) = (await SynthesizeAsync("F16"), Path.Combine(_folder.Path, "out.gguf"));
        Assert.Equal(0, await RunAsync("quantize", model, quantized, "q4_k", "--json", "--threads", "2"));

        var result = JsonNode.Parse(_output.ToString())!;
        Assert.Equal("Q4_K_M", result["type"]!.GetValue<string>());
        Assert.Equal(new FileInfo(quantized).Length, result["output_bytes"]!.GetValue<long>());
        Assert.InRange(result["bits_per_weight"]!.GetValue<double>(), 4.5, 7);
        var query = result["tensors"]!.AsArray().Single(tensor => tensor!["name"]!.GetValue<string>() == "blk.0.attn_q.weight")!;
        Assert.Equal(("F16", "Q4_K"), (query["from"]!.GetValue<string>(), query["to"]!.GetValue<string>()));
        Assert.True(query["mean_squared_error"]!.GetValue<double>() > 0);
        using var file = GgufFile.Open(quantized);
        Assert.Equal(15u, file.Metadata.Get<uint>("general.file_type"));
        Assert.Equal(GgmlType.Q6_K, file.GetTensor("output.weight").Type);
    }

    [Fact]
    public async Task Types_of_output_and_embeddings_can_be_asked_for()
    {
        var (model, quantized) = (await SynthesizeAsync("F16"), Path.Combine(_folder.Path, "out.gguf"));
        Assert.Equal(0, await RunAsync("quantize", model, quantized, "Q4_0", "--output-type", "q8_0", "--embedding-type", "F16", "--pure"));

        using var file = GgufFile.Open(quantized);
        Assert.Equal((GgmlType.Q8_0, GgmlType.F16), (file.GetTensor("output.weight").Type, file.GetTensor("token_embd.weight").Type));
        Assert.Equal(GgmlType.Q4_0, file.GetTensor("blk.0.ffn_down.weight").Type);
        Assert.Contains("bits a weight", _output.ToString(), StringComparison.Ordinal);
        Assert.Empty(_error.ToString());
    }

    [Fact]
    public async Task A_wrong_type_is_named_with_those_that_are_right()
    {
        Assert.Equal(2, await RunAsync("quantize", await SynthesizeAsync("F16"), "out.gguf", "Q7_X"));
        Assert.Contains("'Q7_X'", _error.ToString(), StringComparison.Ordinal);
        Assert.Contains("Q4_K_M", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_input_is_not_overwritten()
    {
        var model = await SynthesizeAsync("F16");
        var before = await File.ReadAllBytesAsync(model, TestContext.Current.CancellationToken);
        Assert.Equal(1, await RunAsync("quantize", model, model, "Q8_0"));
        Assert.Contains("would overwrite the input", _error.ToString(), StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(model, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_quantized_model_is_quantized_again_only_when_asked()
    {
        var (model, quantized) = (await SynthesizeAsync("Q8_0"), Path.Combine(_folder.Path, "out.gguf"));
        Assert.Equal(1, await RunAsync("quantize", model, quantized, "Q4_0"));
        Assert.Contains("quantized already (Q8_0)", _error.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(quantized));

        Assert.Equal(0, await RunAsync("quantize", model, quantized, "Q4_0", "--requantize"));
        Assert.True(File.Exists(quantized));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private async Task<string> SynthesizeAsync(string type)
    {
        var path = Path.Combine(_folder.Path, $"{type}.gguf");
        Assert.Equal(0, await RunAsync("synth", "--type", type, "--shape", "256,1,2,1,256,300", path));
        return path;
    }

    private Task<int> RunAsync(params string[] arguments)
    {
        var environment = new CommandEnvironment
        {
            Input = Stream.Null,
            Output = _output,
            Error = _error,
            Load = (_, _, _) => throw new InvalidOperationException("no model is loaded"),
        };
        return HearthCommand.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
    }
}
