using Hearth.Host.Service;
using Hearth.Host.Tests;
using Microsoft.Playwright;
using static Hearth.Page.Tests.OpenPage;

namespace Hearth.Page.Tests;

/// <summary>Keys, models, the cache's map, the lens and settings.</summary>
[Collection(BrowserTests.Name)]
public sealed class ServiceViewTests(Browser browser)
{
    [Fact]
    public async Task The_key_is_asked_for_and_kept_in_the_tab_only()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["let in"] }, configuration: """{"ApiKeys": ["secret"]}""");
        await using var open = await browser.OpenAsync(server);
        await open.Page.GetByLabel("API key").FillAsync("wrong");
        await open.Button("Go on").ClickAsync();
        await Expect(open.Page.GetByLabel("API key")).ToHaveValueAsync("");
        await open.Page.GetByLabel("API key").FillAsync("secret");
        await open.Button("Go on").ClickAsync();
        await open.SayAsync("Hello", 1);

        await Expect(open.Answers).ToContainTextAsync("let in");
        Assert.Equal("secret", await open.Page.EvaluateAsync<string>("() => sessionStorage.getItem('hearth.key')"));
        Assert.DoesNotContain("secret", await open.Page.EvaluateAsync<string>("() => JSON.stringify(localStorage)"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_is_loaded_and_unloaded()
    {
        await using var server = await TestServer.StartAsync(
            [new ModelConfiguration { Id = "first", Path = "first.gguf" }, new ModelConfiguration { Id = "second", Path = "second.gguf", OnDemand = true }],
            (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()));
        await using var open = await browser.OpenAsync(server, hash: "#models");
        var card = open.Page.Locator(".card", new() { HasText = "second" });
        await Expect(card).ToContainTextAsync("not loaded");
        await card.GetByRole(AriaRole.Button, new() { Name = "Load" }).ClickAsync();
        await Expect(card.Locator(".badge")).ToHaveTextAsync("ready");
        await card.GetByRole(AriaRole.Button, new() { Name = "Unload" }).ClickAsync();
        await Expect(card.Locator(".badge")).ToHaveTextAsync("not loaded");
        await Expect(open.Page.Locator(".card", new() { HasText = "first" })).ToContainTextAsync("stays loaded");
    }

    [Fact]
    public async Task Settings_go_with_the_request()
    {
        await using var server = await TestServer.StartAsync();
        await using var open = await browser.OpenAsync(server, hash: "#settings");
        await open.Page.GetByLabel("Temperature").FillAsync("0.5");
        await open.Page.GetByLabel("System prompt").FillAsync("Be brief.");
        await open.Page.GetByLabel("Tools").FillAsync("[1]");
        await open.Page.GetByLabel("Stop at").FillAsync("END");
        await Expect(open.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("No JSON of tools");
        await open.Page.GetByLabel("Tools").FillAsync("");
        await open.Page.GetByLabel("Tools").BlurAsync();
        await open.Page.GetByRole(AriaRole.Link, new() { Name = "Chat", Exact = true }).ClickAsync();
        var sent = open.Page.WaitForRequestAsync("**/v1/chat/completions");
        await open.SayAsync("Hello", 1);

        var body = System.Text.Json.Nodes.JsonNode.Parse((await sent).PostData!)!;
        Assert.Equal(0.5, body["temperature"]!.GetValue<double>());
        Assert.Equal("""["END"]""", body["stop"]!.ToJsonString());
        Assert.Equal("Be brief.", body["messages"]![0]!["content"]!.GetValue<string>());
        Assert.Null(body["top_p"]);
        Assert.Null(body["tools"]);
    }

    [Fact]
    public async Task Ember_chats_and_its_attention_and_cache_show()
    {
        await using var server = await TestServer.StartAsync(
            [new ModelConfiguration { Id = "ember", Path = Ember.Path, ContextLength = 512, MaxSequences = 2 }],
            async (model, _, cancelled) => await LanguageModel.LoadAsync(model.Path, model.ToOptions(), cancellationToken: cancelled));
        await using var open = await browser.OpenAsync(server);
        await open.SayAsync("Tell me a story.", 1);
        await open.Answers.GetByLabel("What the answer looked at").ClickAsync();
        var tokens = open.Page.GetByRole(AriaRole.Option);
        await Expect(open.Page.Locator(".token.answered").First).ToBeVisibleAsync();
        await Expect(open.Page.Locator(".best tbody tr")).ToHaveCountAsync(8);
        await open.Page.Locator(".token.chosen").FocusAsync();
        await open.Page.Keyboard.PressAsync("Home");
        await Expect(tokens.First).ToHaveAttributeAsync("aria-selected", "true");
        Assert.Equal("100.0 %", await tokens.First.GetAttributeAsync("title"));
        await open.Page.Keyboard.PressAsync("Escape");

        await open.Page.GetByRole(AriaRole.Link, new() { Name = "Live" }).ClickAsync();
        await Expect(open.Page.Locator(".cache-map")).ToHaveAttributeAsync("aria-label", new System.Text.RegularExpressions.Regex("^0 pages in use, [1-9]"));
        Assert.True(await open.Page.EvaluateAsync<bool>("""
            () => {
              const canvas = document.querySelector('.cache-map');
              const context = canvas.getContext('2d');
              const colours = new Set();
              for (const [x, y] of [[3, 3], [canvas.width - 40, 3]]) colours.add(context.getImageData(x, y, 1, 1).data.join());
              return !colours.has('0,0,0,255');
            }
            """));
    }
}
