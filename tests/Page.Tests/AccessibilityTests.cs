using Deque.AxeCore.Playwright;
using Hearth.Host.Tests;
using Microsoft.Playwright;
using static Hearth.Page.Tests.OpenPage;

namespace Hearth.Page.Tests;

/// <summary>The page for those who see it otherwise: by axe's rules, and by the keyboard alone.</summary>
[Collection(BrowserTests.Name)]
public sealed class AccessibilityTests(Browser browser)
{
    [Theory]
    [InlineData(400, ColorScheme.Light)]
    [InlineData(400, ColorScheme.Dark)]
    [InlineData(1600, ColorScheme.Light)]
    [InlineData(1600, ColorScheme.Dark)]
    public async Task Axe_finds_nothing_and_nothing_runs_over_the_side(int width, ColorScheme scheme)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["# Title\n\ntext `code` [link](https://example.com)\n\n```\n" + new string('x', 400) + "\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |"] });

        // Axe is a script put into the page, which the page's policy would refuse.
        await using var open = await browser.OpenAsync(server, width, scheme, bypassPolicy: true);
        await open.SayAsync("Hello " + new string('y', 300), 1);
        foreach (var view in new[] { "chat", "models", "live", "settings" })
        {
            await open.Page.EvaluateAsync("view => { if (!location.hash.startsWith('#' + view)) location.hash = view; }", view);
            await Expect(open.Page.Locator(view == "chat" ? ".composer" : view == "settings" ? "fieldset >> nth=0" : ".card").First).ToBeVisibleAsync();
            var found = await open.Page.RunAxe();
            Assert.Empty(found.Violations.Select(violation => $"{view}: {violation.Id}: {string.Join("; ", violation.Nodes.Select(node => node.Html))}"));
            Assert.True(await open.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - innerWidth") <= 0, view);
        }
    }

    [Fact]
    public async Task Everything_is_reached_by_the_keyboard_and_the_focus_shows()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["an answer"] });
        await using var open = await browser.OpenAsync(server);
        await open.SayAsync("Hello", 1);
        await open.Page.EvaluateAsync("() => document.activeElement.blur()");
        var reached = new List<string>();
        for (var i = 0; i < 40; i++)
        {
            await open.Page.Keyboard.PressAsync("Tab");
            var (name, shows) = await FocusAsync(open.Page);
            if (name.Length == 0)
            {
                break;
            }

            Assert.True(shows, $"the focus does not show on {name}");
            reached.Add(name);
        }

        foreach (var name in new[] { "To the content", "Chat", "Models", "Live", "Settings", "Model", "New chat", "Copy", "Edit", "Answer again", "Fork the chat here", "What the answer looked at", "Message", "Send" })
        {
            Assert.Contains(name, reached);
        }
    }

    [Theory]
    [InlineData("light", "rgb(251, 249, 246)")]
    [InlineData("dark", "rgb(22, 19, 15)")]
    public async Task The_theme_is_the_system_s_unless_it_is_chosen(string chosen, string background)
    {
        await using var server = await TestServer.StartAsync();
        await using var open = await browser.OpenAsync(server, scheme: chosen == "dark" ? ColorScheme.Light : ColorScheme.Dark, hash: "#settings");
        Task<string> Background() => open.Page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor");
        Assert.NotEqual(background, await Background());
        await open.Page.GetByRole(AriaRole.Radio, new() { Name = chosen, Exact = true }).CheckAsync();
        Assert.Equal(background, await Background());
        await open.Page.ReloadAsync();
        Assert.Equal(background, await Background());
    }

    private static async Task<(string Name, bool Shows)> FocusAsync(IPage page)
    {
        var found = await page.EvaluateAsync<System.Text.Json.JsonElement>("""
            () => {
              const element = document.activeElement;
              if (!element || element === document.body) return { name: '', shows: true };
              const style = getComputedStyle(element);
              return { name: element.getAttribute('aria-label') || element.innerText || element.tagName, shows: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
            }
            """);
        return (found.GetProperty("name").GetString()!.Trim(), found.GetProperty("shows").GetBoolean());
    }
}
