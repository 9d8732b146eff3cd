using Hearth.Host.Tests;
using Microsoft.Playwright;

namespace Hearth.Page.Tests;

/// <summary>The tests that share one Chromium, one after the other: a second one would make both slow.</summary>
[CollectionDefinition(Name)]
public sealed class BrowserTests : ICollectionFixture<Browser>
{
    public const string Name = "browser";
}

/// <summary>One Chromium for all tests; each of them has a profile of its own.</summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly string[] Places =
        [Environment.GetEnvironmentVariable("HEARTH_CHROMIUM") ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (Array.Find(Places, File.Exists) is not { } path)
        {
            return;
        }

        // Patience of busy machines: what never comes fails all the same.
        Assertions.SetDefaultExpectTimeout(60_000);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = path, Args = ["--no-sandbox"] });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }

    /// <summary>Opens the service's page; the test is skipped where there is no Chromium. What the page must never do fails it at <see cref="OpenPage.DisposeAsync"/>.</summary>
    internal async Task<OpenPage> OpenAsync(TestServer server, int width = 1200, ColorScheme scheme = ColorScheme.Light, bool bypassPolicy = false, string hash = "")
    {
        Assert.SkipWhen(_browser is null, "Chromium is not installed");
        var context = await _browser!.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = 800 },
            ColorScheme = scheme,
            BypassCSP = bypassPolicy,
        });
        context.SetDefaultTimeout(60_000);
        var page = await context.NewPageAsync();
        var opened = new OpenPage(context, page, server.Client.BaseAddress!);
        await page.GotoAsync(new Uri(server.Client.BaseAddress!, "/" + hash).AbsoluteUri);
        return opened;
    }
}

/// <summary>The page in a browser, and what it did that it must not.</summary>
internal sealed class OpenPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _faults = [];

    public OpenPage(IBrowserContext context, IPage page, Uri service)
    {
        (_context, Page) = (context, page);
        page.PageError += (_, error) => _faults.Add("error: " + error);
        page.Console += (_, message) =>
        {
            // The browser itself reports refused requests, which are the service's to answer.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
            {
                _faults.Add("console: " + message.Text);
            }
        };
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } url && url.Authority != service.Authority)
            {
                _faults.Add("asked elsewhere: " + url);
            }
        };
    }

    public IPage Page { get; }

    public ILocator Field => Page.GetByRole(AriaRole.Textbox, new() { Name = "Message", Exact = true });

    public ILocator Answers => Page.Locator("article.assistant");

    /// <summary>Says something and waits for the whole answer, the so-manieth of the branch.</summary>
    public async Task SayAsync(string text, int answers)
    {
        await Field.FillAsync(text);
        await Field.PressAsync("Enter");
        await Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Answer again" })).ToHaveCountAsync(answers);
    }

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    public static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);

    /// <summary>Answers the next chats with events of the test's own.</summary>
    public Task AnswerAsync(params IEnumerable<string> deltas)
        => Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new()
        {
            ContentType = "text/event-stream",
            Body = string.Concat(deltas.Select(delta => $"data: {{\"choices\": [{{\"index\": 0, \"delta\": {delta}}}]}}\n\n")) + "data: [DONE]\n\n",
        }));

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        Assert.Empty(_faults);
    }
}
