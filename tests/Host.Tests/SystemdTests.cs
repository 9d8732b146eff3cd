using System.Net.Sockets;
using System.Text;
using Hearth.Host.Service;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Hearth.Host.Tests;

/// <summary>What systemd is told, over a socket of its kind.</summary>
[Collection(EnvironmentTests.Name)]
public sealed class SystemdTests
{
    [Fact]
    public async Task Ready_comes_with_the_models_and_the_state_of_loading_before()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd's socket is Linux's");
        using var systemd = new NotifySocket();
        var gate = new TaskCompletionSource();
        await using (var server = await TestServer.StartAsync(load: async (_, progress, cancelled) =>
        {
            progress!.Report(0.5);
            await gate.Task.WaitAsync(cancelled);
            return new FakeLanguageModel();
        }))
        {
            Assert.Matches(@"^STATUS=loading fake: 0 %\nEXTEND_TIMEOUT_USEC=\d+$", await systemd.ReceiveAsync());
            Assert.Matches(@"^STATUS=loading fake: 50 %\nEXTEND_TIMEOUT_USEC=\d+$", await systemd.ReceiveAsync());
            Assert.Equal(503, (int)(await server.Client.GetAsync("/health")).StatusCode);
            gate.SetResult();
            Assert.StartsWith("READY=1\n", await systemd.ReceiveAsync(), StringComparison.Ordinal);
            await server.UntilReadyAsync();
        }

        Assert.Matches(@"^STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=15000000$", await systemd.ReceiveAsync());
    }

    [Fact]
    public async Task The_watchdog_is_told_until_a_models_loop_ends_by_a_fault_and_then_the_service_ends()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd's socket is Linux's");
        using var systemd = new NotifySocket();
        Environment.SetEnvironmentVariable("WATCHDOG_USEC", "1500000");
        try
        {
            var model = new FakeLanguageModel();
            await using var server = await TestServer.StartAsync(model);
            await systemd.UntilAsync("WATCHDOG=1");
            await systemd.UntilAsync("WATCHDOG=1");
            model.Fault = new InvalidOperationException("broken");
            await systemd.UntilAsync("STATUS=the loop of model fake ended by a fault");
            await server.App.WaitForShutdownAsync().WaitAsync(TimeSpan.FromSeconds(20));
            Assert.Contains("fake", server.Services.GetRequiredService<ModelCatalog>().Failure!.Message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("WATCHDOG_USEC", null);
        }
    }

    [Fact]
    public async Task A_broken_model_is_never_ready()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd's socket is Linux's");
        using var systemd = new NotifySocket();
        await using (var server = await TestServer.StartAsync(load: (_, _, _) => throw new ModelFormatException("no GGUF file", "fake.gguf")))
        {
            await server.App.WaitForShutdownAsync().WaitAsync(TimeSpan.FromSeconds(20));
        }

        var said = new List<string>();
        do
        {
            said.Add(await systemd.ReceiveAsync());
        }
        while (!said[^1].StartsWith("STOPPING", StringComparison.Ordinal));
        Assert.DoesNotContain(said, message => message.Contains("READY", StringComparison.Ordinal));
        Assert.Contains("STATUS=model fake cannot be loaded: fake.gguf: no GGUF file", said);
    }

    /// <summary>A socket like systemd's, named by NOTIFY_SOCKET while it lives.</summary>
    private sealed class NotifySocket : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

        public NotifySocket()
        {
            var path = Path.Combine(_folder.Path, "notify");
            _socket.Bind(new UnixDomainSocketEndPoint(path));
            Environment.SetEnvironmentVariable("NOTIFY_SOCKET", path);
        }

        public async Task UntilAsync(string message)
        {
            while (await ReceiveAsync() != message)
            {
            }
        }

        public async Task<string> ReceiveAsync()
        {
            var buffer = new byte[4096];
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            return Encoding.UTF8.GetString(buffer, 0, await _socket.ReceiveAsync(buffer, patience.Token));
        }

        public void Dispose()
        {
            Environment.SetEnvironmentVariable("NOTIFY_SOCKET", null);
            _socket.Dispose();
            _folder.Dispose();
        }
    }
}
