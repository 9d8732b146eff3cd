using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Hearth.Host.Tests.House;

namespace Hearth.Host.Tests;

/// <summary>The samples as somebody starts them, on ember.</summary>
public sealed class SampleTests
{
    private static async Task<string> RunAsync(string project, string assembly)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var path = Path.Combine(SourceTree.Root, "samples", project, "bin", configuration, "net10.0", assembly + ".dll");
        var start = new ProcessStartInfo("dotnet", [path, Path.Combine(SourceTree.Root, "models", "ember.gguf")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{assembly} ends with {process.ExitCode}: {await errors}");
        return output;
    }

    [Fact]
    public async Task An_agent_with_two_plugins_calls_them()
    {
        var output = await RunAsync("AgentSample", "agent-sample");
        Assert.Contains("called weather.get(city: Bern)", output, StringComparison.Ordinal);
        Assert.Contains("called timer.set(minutes: 7)", output, StringComparison.Ordinal);
        Assert.Equal(2, output.Split("assistant: ").Length - 1);
    }

    [Fact]
    public async Task Records_are_read_out_of_texts()
    {
        // What a demo model reads is its own affair; that it is a record of known cities is not.
        var lines = (await RunAsync("ExtractionSample", "extraction-sample")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.All(lines, line => Assert.Matches(@" -> (.*, -?\d+, (Elsewhere|Oslo|Zagreb)|cut by the token limit: \{.*)$", line));
    }

    [Fact]
    public async Task An_agent_of_Agent_Framework_asks_before_it_calls()
    {
        var output = await RunAsync("AgentFrameworkSample", "agent-framework-sample");
        Assert.Contains("approved: get_weather", output, StringComparison.Ordinal);
        Assert.Contains("agent: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_pins_what_its_prompts_begin_with()
    {
        var output = await RunAsync("WorkerSample", "worker-sample");
        Assert.Matches(@"ready: 1 prompts of \d+ tokens are pinned", output);
        foreach (var minutes in new[] { 7, 12, 25 })
            Assert.Contains($"timer.set({minutes})", output, StringComparison.Ordinal);

        // Before the first order nobody had asked anything.
        var tokens = int.Parse(Regex.Match(output, @"prompts of (\d+) tokens").Groups[1].Value, CultureInfo.InvariantCulture);
        var cached = Regex.Matches(output, @"\((\d+) of \d+ prompt tokens were cached").Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(3, cached.Count);
        Assert.All(cached, count => Assert.True(count >= tokens, $"{count} of {tokens}"));
    }

    [Fact]
    public async Task Notes_are_found_by_meaning()
    {
        var lines = (await RunAsync("EmbeddingSample", "embedding-sample")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("Hearth keeps local models warm. -> Hearth keeps local language models warm. (", lines[1], StringComparison.Ordinal);
    }
}
