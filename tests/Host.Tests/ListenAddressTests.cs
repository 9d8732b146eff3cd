using System.Net;
using System.Net.Sockets;
using Hearth.Host.CommandLine;

namespace Hearth.Host.Tests;

/// <summary>What <c>hearth serve</c> says where it cannot listen.</summary>
public sealed class ListenAddressTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_taken_port_is_named()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var url = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";
        Assert.Equal($"hearth: cannot listen on {url}: something else listens there already\n", await ServeAsync("http://127.0.0.1:0;" + url));
    }

    [Fact]
    public async Task An_address_that_this_machine_has_not_is_named()
        => Assert.Equal("hearth: cannot listen on http://192.0.2.1:4327: this machine has no such address\n", await ServeAsync("http://192.0.2.1:4327", "--no-keys"));

    [Fact]
    public async Task What_https_lacks_is_said()
        => Assert.Contains("https needs a certificate", await ServeAsync("https://127.0.0.1:0"), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("http://nohost.invalid:4431")]
    [InlineData("http://127.0.0.1:4431/path")]
    public async Task What_is_no_address_is_refused(string urls)
        => Assert.StartsWith("hearth: --urls: ", await ServeAsync(urls), StringComparison.Ordinal);

    [Fact]
    public async Task Endpoints_of_the_web_servers_own_section_are_checked_too()
    {
        var file = _folder.Write("hearth.json", """{"Models": [{"Path": "fake.gguf"}], "Kestrel": {"Endpoints": {"A": {"Url": "nonsense"}}}}""");
        Assert.Equal($"hearth: {file}: Kestrel:Endpoints:A:Url: the address 'nonsense' is no http or https address\n", await RunAsync("serve", "--config", file));
    }

    public void Dispose() => _folder.Dispose();

    private Task<string> ServeAsync(string urls, params string[] more) => RunAsync(["serve", "--model", _folder.Write("fake.gguf", "no model"), "--urls", urls, .. more]);

    private static async Task<string> RunAsync(params string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var environment = new CommandEnvironment
        {
            Input = new MemoryStream(),
            Output = output,
            Error = error,
            Load = (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()),
        };
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        Assert.Equal(1, await HearthCommand.RunAsync(words, environment, patience.Token));
        return error.ToString().ReplaceLineEndings("\n");
    }
}
