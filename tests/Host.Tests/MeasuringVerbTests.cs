using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Synthesis;

namespace Hearth.Host.Tests;

/// <summary>bench and doctor over the real engine: what they say of it, never how fast it was.</summary>
public sealed class MeasuringVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private Task<int> RunAsync(params string[] arguments)
        => HearthCommand.RunAsync(arguments, new CommandEnvironment { Input = Stream.Null, Output = _output, Error = _error, Load = ModelLoading.LoadAsync }, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Bench_measures_what_it_was_asked_for_and_counts_what_the_model_computes()
    {
        var path = Path.Combine(_folder.Path, "small.gguf");
        ModelSynthesizer.Write(path, new SyntheticShape(64, 2, 2, 1, 128, 512), "Q8_0");
        Assert.Equal(0, await RunAsync("bench", path, "--prompt", "40", "--generate", "3", "--sequences", "2", "--repetitions", "1", "--threads", "1", "--depth", "5", "--json"));
        var result = JsonNode.Parse(_output.ToString())!;
        Assert.Equal((40, 3, 2, 5), (result["prompt_tokens"]!.GetValue<int>(), result["generated_tokens"]!.GetValue<int>(), result["sequences"]!.GetValue<int>(), result["depth"]!.GetValue<int>()));
        Assert.True(result["prompt"]!["tokens_per_second"]!.GetValue<double>() > 0);
        Assert.True(result["generation"]!["tokens_per_second"]!.GetValue<double>() > 0);

        // Two layers of query, key, value, output (one key head of 32) and three feed-forward matrices; the last layer's
        // output and feed-forward are computed for output rows alone.
        const long Attention = (64 * 64) + (2 * 64 * 32) + (64 * 64), FeedForward = 3 * 64 * 128;
        Assert.Equal((2 * Attention) - (64 * 64) + FeedForward, result["products_per_token"]!.GetValue<long>());
        Assert.Empty(_error.ToString());
    }

    [Fact]
    public async Task Bench_leaves_out_what_it_was_not_asked_for()
    {
        var path = Path.Combine(_folder.Path, "small.gguf");
        ModelSynthesizer.Write(path, new SyntheticShape(64, 1, 2, 1, 64, 512), "F16");
        Assert.Equal(0, await RunAsync("bench", path, "--prompt", "0", "--generate", "2", "--repetitions", "1", "--threads", "1"));
        Assert.Contains("generation ", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("prompt ", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_tells_of_the_library_that_these_tests_run_on()
    {
        var status = await RunAsync("doctor", "--json");
        var report = JsonNode.Parse(_output.ToString())!;
        Assert.Equal(Runtime.Interop.Engine.Probe().LibraryPath, report["library"]!.GetValue<string>());
        Assert.Contains(report["best"]!.GetValue<string>(), report["instruction_sets"]!.AsArray().Select(set => set!.GetValue<string>()));
        Assert.InRange(report["cores"]!.GetValue<int>(), 1, report["processors"]!.GetValue<int>());
        Assert.InRange(status, 0, 1);
    }
}
