using System.Net;
using System.Text.RegularExpressions;
using Hearth.Host.Page;

namespace Hearth.Host.Tests;

public sealed class PageFileTests
{
    // Every file that another one names, from the page itself on.
    private static readonly Regex Named = new(@"(?:\b(?:src|href)=""|from '|import ')([^""'#]+)[""']");

    public static TheoryData<string, string> Types => new()
    {
        { "/", "text/html" },
        { "/page/app.css", "text/css" },
        { "/page/app.js", "text/javascript" },
        { "/page/vendor/marked.js", "text/javascript" },
        { "/page/icon.svg", "image/svg+xml" },
        { "/page/vendor/licences.txt", "text/plain" },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public async Task A_file_has_its_type_and_a_policy(string path, string type)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(type, response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("require-trusted-types-for 'script'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("*", policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_browser_has_is_not_sent_again()
    {
        await using var server = await TestServer.StartAsync();
        using var first = await server.Client.GetAsync("/page/app.js");
        var tag = first.Headers.ETag!;

        async Task<HttpResponseMessage> Ask(string known)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/page/app.js");
            request.Headers.TryAddWithoutValidation("If-None-Match", known);
            return await server.Client.SendAsync(request);
        }

        foreach (var known in new[] { tag.Tag, $"\"other\", W/{tag.Tag}", "*" })
        {
            using var again = await Ask(known);
            Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
            Assert.Equal(tag, again.Headers.ETag);
            Assert.Empty(await again.Content.ReadAsByteArrayAsync());
        }

        using var stale = await Ask("\"other\"");
        Assert.Equal(HttpStatusCode.OK, stale.StatusCode);
        Assert.True(first.Headers.CacheControl!.NoCache);
    }

    [Fact]
    public async Task Head_tells_of_a_file_and_sends_none()
    {
        await using var server = await TestServer.StartAsync();
        using var head = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/"));
        using var get = await server.Client.GetAsync("/");

        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(get.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        Assert.Equal(get.Headers.ETag, head.Headers.ETag);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Every_file_that_the_page_names_is_served_by_the_service_itself()
    {
        await using var server = await TestServer.StartAsync();
        var pending = new Queue<string>(["/"]);
        var seen = new HashSet<string>(pending);
        while (pending.TryDequeue(out var path))
        {
            using var response = await server.Client.GetAsync(path);
            Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode}");
            if (path.Contains("/vendor/", StringComparison.Ordinal) || !(path == "/" || path.EndsWith(".js", StringComparison.Ordinal)))
            {
                continue;
            }

            foreach (Match match in Named.Matches(await response.Content.ReadAsStringAsync()))
            {
                var name = match.Groups[1].Value;
                Assert.DoesNotContain(":", name, StringComparison.Ordinal);
                Assert.False(name.StartsWith("//", StringComparison.Ordinal), name);
                var target = new Uri(new Uri(server.Client.BaseAddress!, path), name).AbsolutePath;
                if (target.StartsWith("/page/", StringComparison.Ordinal) && seen.Add(target))
                {
                    pending.Enqueue(target);
                }
            }
        }

        Assert.Contains("/page/app.js", seen);
        Assert.Contains("/page/chat.js", seen);
        Assert.Contains("/page/vendor/marked.js", seen);
    }

    [Fact]
    public async Task No_file_turns_a_text_into_html()
    {
        await using var server = await TestServer.StartAsync();
        var own = typeof(PageFile).Assembly.GetManifestResourceNames().Where(name => name.StartsWith("page/", StringComparison.Ordinal) && name.EndsWith(".js", StringComparison.Ordinal) && !name.Contains("/vendor/", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(own);
        foreach (var name in own)
        {
            var text = await server.Client.GetStringAsync("/" + name);
            Assert.DoesNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text);
        }
    }

    [Fact]
    public async Task The_page_is_open_where_keys_are_asked_for_and_what_it_shows_is_not()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"ApiKeys": ["secret"]}""");
        foreach (var path in new[] { "/", "/page/app.js", "/page/vendor/preact.js" })
        {
            using var response = await server.Client.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        foreach (var path in new[] { "/hearth/status", "/hearth/cache", "/page/none.js" })
        {
            using var response = await server.Client.GetAsync(path);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        }
    }

    [Theory]
    [InlineData("/page/none.js", HttpStatusCode.NotFound)]
    [InlineData("/page/", HttpStatusCode.NotFound)]
    [InlineData("/page/..%2fhearth.dll", HttpStatusCode.NotFound)]
    [InlineData("/page/index.html", HttpStatusCode.NotFound)]
    public async Task Nothing_else_is_there(string path, HttpStatusCode status)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.GetAsync(path);
        Assert.Equal(status, response.StatusCode);
    }

    [Fact]
    public async Task Other_methods_are_refused()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync("/", new StringContent(""));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
    }
}
