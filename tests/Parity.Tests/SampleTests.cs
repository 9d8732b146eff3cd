using System.Diagnostics;

namespace Hearth.Parity.Tests;

/// <summary>The sample as somebody starts it, on ember: the same program on both engines.</summary>
public sealed class SampleTests
{
    [Theory]
    [InlineData("llamasharp", "engine: LLamaSharp 0.30.0, backend ")]
    [InlineData("hearth", "engine: Hearth's own")]
    public async Task A_plugin_is_called_and_an_answer_typed(string engine, string first)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var path = Path.Combine(SharedFolder.Repository, "samples", "LLamaSharpSample", "bin", configuration, "net10.0", "llamasharp-sample.dll");
        var start = new ProcessStartInfo("dotnet", [path, Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), "--engine", engine]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"it ends with {process.ExitCode}: {await errors}");
        Assert.StartsWith(first, output, StringComparison.Ordinal);
        Assert.Contains("called weather.get(city: Bern)", output, StringComparison.Ordinal);
        Assert.Matches("typed: \\{.*(Bern|Lima)", output);
    }
}
