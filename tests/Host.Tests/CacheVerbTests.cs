using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;

namespace Hearth.Host.Tests;

/// <summary>hearth cache, on a folder that the demo model wrote.</summary>
public sealed class CacheVerbTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var environment = new CommandEnvironment
        {
            Input = Stream.Null,
            Output = output,
            Error = error,
            Load = async (model, _, cancellationToken) => await LanguageModel.LoadAsync(model.Path, model.ToOptions() with { ContextLength = 1024 }, cancellationToken: cancellationToken),
        };
        var code = await HearthCommand.RunAsync(["cache", .. arguments], environment, Token);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public async Task A_prompt_is_pinned_listed_verified_let_go_and_dropped()
    {
        using var folder = new TemporaryFolder();
        var system = string.Join(' ', Enumerable.Range(0, 60).Select(i => $"Rule {i}."));
        var (code, output, error) = await RunAsync("pin", Ember.Path, "--folder", folder.Path, "--system", system);
        Assert.Equal((0, ""), (code, error));
        Assert.EndsWith("tokens are pinned", output.Trim(), StringComparison.Ordinal);
        var listed = JsonNode.Parse((await RunAsync("list", folder.Path, "--json")).Output)!;
        Assert.Equal("ember", listed["model"]!.GetValue<string>());
        var pinned = listed["pinned_pages"]!.GetValue<int>();
        Assert.Equal(int.Parse(output.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture), pinned * listed["page_tokens"]!.GetValue<int>());
        Assert.True(listed["pages"]!.GetValue<int>() >= pinned && pinned > 1);
        Assert.Contains($"{pinned} pinned", (await RunAsync("list", folder.Path)).Output, StringComparison.Ordinal);
        (code, output, _) = await RunAsync("verify", folder.Path, "ember");
        Assert.Equal(0, code);
        Assert.Contains("0 damaged", output, StringComparison.Ordinal);

        var file = Directory.GetFiles(folder.Path, "*.pages", SearchOption.AllDirectories)[0];
        var bytes = await File.ReadAllBytesAsync(file, Token);
        bytes[200] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Token);
        (code, output, _) = await RunAsync("verify", folder.Path);
        Assert.Equal(1, code);
        Assert.Contains("1 damaged", output, StringComparison.Ordinal);

        Assert.Equal(0, (await RunAsync("unpin", folder.Path)).Code);
        Assert.Contains(" 0 pinned", (await RunAsync("list", folder.Path)).Output, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync("drop", folder.Path)).Code);
        (code, _, error) = await RunAsync("drop", folder.Path, "nobody");
        Assert.Equal(1, code);
        Assert.Contains("'nobody'", error, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("drop", folder.Path, "--all")).Code);
        Assert.Equal("", (await RunAsync("list", folder.Path)).Output);
    }
}
