using System.Net;
using System.Security.Cryptography;
using Hearth.Host.Service;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Models are fetched from a server that breaks off, lies and redirects.</summary>
public sealed class PullTests
{
    private static readonly byte[] s_model = [.. "GGUF"u8, .. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 7))];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Digest => Convert.ToHexStringLower(SHA256.HashData(s_model));

    [Fact]
    public async Task A_file_comes_whole_and_checked()
    {
        await using var source = await Source.StartAsync(context => Source.SendAsync(context, s_model));
        using var folder = new TemporaryFolder();
        var told = new List<(long Done, long? Total)>();
        var target = Path.Combine(folder.Path, "m.gguf");
        Assert.Equal(Digest, await ModelDownload.FetchAsync(new DownloadRequest(source.Address, target) { Sha256 = Digest, AllowsPrivate = true }, new Told(told), Token));
        Assert.Equal(s_model, await File.ReadAllBytesAsync(target, Token));
        Assert.Equal(((long)s_model.Length, s_model.Length), told[^1]);
        Assert.Equal(["m.gguf"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_break_is_gone_on_from()
    {
        var begins = new List<long>();
        await using var source = await Source.StartAsync(async context =>
        {
            var begin = Source.BeginOf(context);
            begins.Add(begin);
            await Source.SendAsync(context, s_model, breakAfter: begins.Count <= 2 ? 100_000 : null);
        });
        using var folder = new TemporaryFolder();
        var target = Path.Combine(folder.Path, "m.gguf");
        Assert.Equal(Digest, await ModelDownload.FetchAsync(new DownloadRequest(source.Address, target) { AllowsPrivate = true }, null, Token));
        Assert.Equal(3, begins.Count);
        Assert.True(begins[1] > 0 && begins[2] > begins[1], string.Join(", ", begins));
    }

    [Fact]
    public async Task What_an_earlier_pull_left_is_gone_on_from_and_checked_as_a_whole()
    {
        await using var source = await Source.StartAsync(context => Source.SendAsync(context, s_model));
        using var folder = new TemporaryFolder();
        var target = Path.Combine(folder.Path, "m.gguf");
        await File.WriteAllBytesAsync(target + ".part", s_model[..1000], Token);
        Assert.Equal(Digest, await ModelDownload.FetchAsync(new DownloadRequest(source.Address, target) { Sha256 = Digest, AllowsPrivate = true }, null, Token));

        await File.WriteAllBytesAsync(target + ".part", new byte[1000], Token);
        var error = await Assert.ThrowsAsync<HearthException>(() => ModelDownload.FetchAsync(new DownloadRequest(source.Address, target) { Sha256 = Digest, AllowsPrivate = true }, null, Token));
        Assert.Contains("SHA-256", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(target + ".part"));
    }

    [Fact]
    public async Task A_wrong_hash_is_thrown_away()
    {
        await using var source = await Source.StartAsync(context => Source.SendAsync(context, s_model));
        await FailsAsync(source, "expected 0000", request => request with { Sha256 = new string('0', 64) });
    }

    [Fact]
    public async Task What_is_no_model_is_thrown_away()
    {
        await using var source = await Source.StartAsync(context => Source.SendAsync(context, "<html>not found</html>"u8.ToArray()));
        await FailsAsync(source, "no GGUF file", request => request);
    }

    [Fact]
    public async Task More_than_is_taken_is_refused()
    {
        await using (var source = await Source.StartAsync(context => Source.SendAsync(context, s_model)))
        {
            await FailsAsync(source, "more than the 1000", request => request with { MostBytes = 1000 });
        }

        // Where nobody says how much it will be, what comes is counted.
        await using (var source = await Source.StartAsync(context => context.Response.Body.WriteAsync(s_model).AsTask()))
        {
            await FailsAsync(source, "more than the 1000", request => request with { MostBytes = 1000 });
        }
    }

    [Theory]
    [InlineData(404, "no such file")]
    [InlineData(401, "wants a token")]
    public async Task A_refusal_is_told(int status, string says)
    {
        await using var source = await Source.StartAsync(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        await FailsAsync(source, says, request => request);
    }

    [Fact]
    public async Task Redirections_end()
    {
        await using var source = await Source.StartAsync(context =>
        {
            context.Response.Redirect("/again");
            return Task.CompletedTask;
        });
        await FailsAsync(source, "redirects more than", request => request);
    }

    [Theory]
    [InlineData("http://example.com/m.gguf", "https is")]
    [InlineData("ftp://example.com/m.gguf", "not fetched")]
    [InlineData("file:///etc/passwd", "not fetched")]
    [InlineData("https://127.0.0.1/m.gguf", "private network")]
    [InlineData("https://[::1]/m.gguf", "private network")]
    [InlineData("https://[::ffff:10.0.0.1]/m.gguf", "private network")]
    [InlineData("https://169.254.169.254/latest", "private network")]
    [InlineData("https://localhost/m.gguf", "private network")]
    public async Task Addresses_that_are_not_everybodys_are_not_asked(string address, string says)
    {
        using var folder = new TemporaryFolder();
        var error = await Assert.ThrowsAsync<HearthException>(() => ModelDownload.FetchAsync(new DownloadRequest(new Uri(address), Path.Combine(folder.Path, "m.gguf")), null, Token));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2606:4700::1111", true)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("172.31.0.1", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("64:ff9b::7f00:1", false)]
    public void What_is_public_is_known(string address, bool isPublic) => Assert.Equal(isPublic, ModelDownload.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("../m")]
    [InlineData("/etc/m")]
    [InlineData("a/../../m")]
    [InlineData("")]
    public void Names_stay_in_the_folder(string name) => Assert.Throws<HearthException>(() => ModelStore.PathOf("/srv/models", name));

    [Fact]
    public async Task The_service_asks_no_private_address_unless_it_is_told_to()
    {
        using var folder = new TemporaryFolder();
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/api/pull", """{"model": "a/b:c", "stream": false}""");
        Assert.Equal((501, true), ((int)response.StatusCode, body["error"]!.GetValue<string>().Contains("ModelFolders", StringComparison.Ordinal)));
    }

    [Fact]
    public void Layouts_of_others_are_read_in_place()
    {
        using var folder = new TemporaryFolder();
        string Write(string path, string text)
        {
            var full = Path.Combine(folder.Path, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, text);
            return full;
        }

        var plain = Write("plain/x/one.gguf", "GGUF");
        Write("plain/two-00001-of-00002.gguf", "GGUF");
        Write("plain/two-00002-of-00002.gguf", "GGUF");
        Assert.Equal(["two-00001-of-00002", "x/one"], ModelSources.Find(Path.Combine(folder.Path, "plain")).Select(model => model.EffectiveId));
        Assert.Equal(plain, ModelSources.Find(Path.Combine(folder.Path, "plain"))[1].Path);

        Write("hub/models--owner--name/snapshots/abc/model-Q4.gguf", "GGUF");
        Assert.Equal(["owner/name:model-Q4"], ModelSources.Find(Path.Combine(folder.Path, "hub")).Select(model => model.EffectiveId));

        var hex = new string('a', 64);
        var blob = Write($"ollama/blobs/sha256-{hex}", "GGUF");
        Write("ollama/manifests/registry.ollama.ai/library/llama3/8b", $$"""{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:{{hex}}"}]}""");
        Write("ollama/manifests/registry.ollama.ai/someone/odd/latest", """{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../etc"}]}""");
        Write("ollama/manifests/registry.ollama.ai/someone/broken/latest", "[");
        Write("ollama/manifests/registry.ollama.ai/someone/other/latest", """{"layers": 5}""");
        var found = Assert.Single(ModelSources.Find(Path.Combine(folder.Path, "ollama")));
        Assert.Equal(("llama3:8b", blob), (found.EffectiveId, found.Path));
    }

    private static async Task FailsAsync(Source source, string says, Func<DownloadRequest, DownloadRequest> change)
    {
        using var folder = new TemporaryFolder();
        var target = Path.Combine(folder.Path, "m.gguf");
        var error = await Assert.ThrowsAsync<HearthException>(() => ModelDownload.FetchAsync(change(new DownloadRequest(source.Address, target) { AllowsPrivate = true }), null, Token));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(target));
    }

    private sealed class Told(List<(long Done, long? Total)> told) : IProgress<(long Done, long? Total)>
    {
        public void Report((long Done, long? Total) value) => told.Add(value);
    }

    /// <summary>A server on this machine.</summary>
    private sealed class Source(WebApplication app) : IAsyncDisposable
    {
        public Uri Address => new(app.Urls.First() + "/m.gguf");

        public static async Task<Source> StartAsync(RequestDelegate answer)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            var app = builder.Build();
            app.Urls.Add("http://127.0.0.1:0");
            app.Run(answer);
            await app.StartAsync(Token);
            return new Source(app);
        }

        public static long BeginOf(HttpContext context) => context.Request.GetTypedHeaders().Range?.Ranges.First().From ?? 0;

        public static async Task SendAsync(HttpContext context, byte[] file, int? breakAfter = null)
        {
            var begin = (int)BeginOf(context);
            context.Response.StatusCode = begin > 0 ? 206 : 200;
            context.Response.ContentLength = file.Length - begin;
            if (begin > 0)
            {
                context.Response.Headers.ContentRange = FormattableString.Invariant($"bytes {begin}-{file.Length - 1}/{file.Length}");
            }

            await context.Response.Body.WriteAsync(file.AsMemory(begin, Math.Min(breakAfter ?? file.Length, file.Length - begin)));
            await context.Response.Body.FlushAsync();
            if (breakAfter is not null)
            {
                // Long enough for what was sent to arrive.
                await Task.Delay(200);
                context.Abort();
            }
        }

        public async ValueTask DisposeAsync() => await app.DisposeAsync();
    }
}
