using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;

namespace Hearth.Host.Tests;

/// <summary>Engines by name, in a program that refers to LLamaSharp's and has no backend of it.</summary>
public sealed class OtherEngineTests : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }

    private Task<int> RunAsync(params string[] arguments)
        => HearthCommand.RunAsync(arguments, new CommandEnvironment { Input = Stream.Null, Output = _output, Error = _error, Load = ModelLoading.LoadAsync }, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Doctor_tells_of_every_engine_and_what_it_lacks()
    {
        await RunAsync("doctor", "--json");
        var found = JsonNode.Parse(_output.ToString())!["engine_llamasharp"]!.GetValue<string>();
        Assert.Contains("LLamaSharp.Backend.Cpu", found, StringComparison.Ordinal);
        Assert.Contains("0.30.0", found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_backend_the_package_to_add_is_named()
    {
        Assert.Equal(1, await RunAsync("generate", Ember.Path, "--engine", "llamasharp", "--prompt", "Hello"));
        Assert.Contains("Add a backend package of the same version", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_that_is_not_there_is_told_with_those_that_are()
    {
        Assert.Equal(1, await RunAsync("generate", Ember.Path, "--engine", "vllm", "--prompt", "Hello"));
        Assert.Contains("there is no engine 'vllm' here; there are: hearth, llamasharp", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_the_own_engine_has_is_refused_by_name()
    {
        Assert.Equal(1, await RunAsync("perplexity", Ember.Path, "--engine", "llamasharp", "--input", Ember.Path));
        Assert.Contains("perplexity is Hearth's own engine's", _error.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await RunAsync("generate", Ember.Path, "--gpu-layers", "3", "--prompt", "Hello"));
        Assert.Contains("GpuLayers has a meaning for other engines only", _error.ToString(), StringComparison.Ordinal);
    }
}
