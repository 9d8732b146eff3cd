using Hearth.Host.Tests;
using static Hearth.Page.Tests.OpenPage;

namespace Hearth.Page.Tests;

[Collection(BrowserTests.Name)]
public sealed class ChatTests(Browser browser)
{
    [Fact]
    public async Task An_answer_shows_while_it_is_being_written()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { Reply = _ => ["the beginning", " and the end"], BeforeUpdate = (index, cancelled) => index == 1 ? gate.Task.WaitAsync(cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model);
        await using var open = await browser.OpenAsync(server);
        await open.Field.FillAsync("Go on");
        await open.Field.PressAsync("Enter");

        await Expect(open.Answers).ToContainTextAsync("the beginning");
        await Expect(open.Button("Stop")).ToBeVisibleAsync();
        await Expect(open.Answers).Not.ToContainTextAsync("the end");
        gate.SetResult();
        await Expect(open.Answers).ToContainTextAsync("the beginning and the end");
        await Expect(open.Button("Send")).ToBeVisibleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stop_ends_the_answer_and_keeps_what_came(bool byKey)
    {
        var model = new FakeLanguageModel { Reply = _ => ["the beginning", " and the end"], BeforeUpdate = (index, cancelled) => index == 1 ? Task.Delay(Timeout.Infinite, cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model);
        await using var open = await browser.OpenAsync(server);
        await open.Field.FillAsync("Go on");
        await open.Field.PressAsync("Enter");
        await Expect(open.Answers).ToContainTextAsync("the beginning");
        await (byKey ? open.Field.PressAsync("Escape") : open.Button("Stop").ClickAsync());

        await Expect(open.Answers).ToContainTextAsync("stopped");
        await Expect(open.Answers).ToContainTextAsync("the beginning");
        for (var i = 0; i < 500 && model.Ended == 0; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(1, model.Ended);
    }

    [Fact]
    public async Task What_a_model_writes_is_markdown_and_never_html()
    {
        const string Written = """
            # A title

            **bold** and `code` &amp; <img src=x onerror="window.hacked=1"> <b>not bold</b>

            <script>window.hacked = 2</script>

            [bad](javascript:window.hacked=3) [good](https://example.com/a) ![picture](https://example.com/b.png)

            | a | b |
            |---|--:|
            | 1 | 2 |

            - [x] done
            - open

            ```js
            if (a < b) { }
            ```
            """;
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => [Written] });
        await using var open = await browser.OpenAsync(server);
        await open.SayAsync("Write", 1);

        var answer = open.Answers.Locator(".markdown");
        Assert.Equal("bold", await answer.Locator("strong").InnerTextAsync());
        Assert.Equal("if (a < b) { }", (await answer.Locator("pre").InnerTextAsync()).Trim());
        await Expect(answer.Locator("td")).ToHaveTextAsync(["1", "2"]);
        await Expect(answer.Locator("li input[type=checkbox]")).ToHaveCountAsync(1);
        await Expect(answer).ToContainTextAsync("<script>window.hacked = 2</script>");
        await Expect(answer).ToContainTextAsync("& <img src=x");
        await Expect(answer).ToContainTextAsync("[bad](javascript:window.hacked=3)");
        await Expect(answer.Locator("img, script, b, iframe, [onerror]")).ToHaveCountAsync(0);
        Assert.Equal(["https://example.com/a", "https://example.com/b.png"], await answer.Locator("a").EvaluateAllAsync<string[]>("links => links.map(link => link.href)"));
        Assert.True(await open.Page.EvaluateAsync<bool>("() => window.hacked === undefined"));
    }

    [Fact]
    public async Task Answering_again_and_editing_make_branches_and_a_fork_another_chat()
    {
        var answers = 0;
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => [$"answer {++answers}"] });
        await using var open = await browser.OpenAsync(server);
        await open.SayAsync("first", 1);
        await open.Button("Answer again").ClickAsync();
        await Expect(open.Answers).ToContainTextAsync("answer 2");
        await Expect(open.Answers).ToContainTextAsync("2 / 2");
        await open.Button("Branch before").ClickAsync();
        await Expect(open.Answers).ToContainTextAsync("answer 1");

        // From the field, the last message is edited.
        await open.Field.PressAsync("ArrowUp");
        var editor = open.Page.GetByLabel("Edit the message");
        await editor.FillAsync("other");
        await editor.PressAsync("Enter");
        await Expect(open.Answers).ToContainTextAsync("answer 3");
        await Expect(open.Page.Locator("article.user")).ToContainTextAsync("2 / 2");
        await Expect(open.Page.Locator(".sidebar li")).ToHaveCountAsync(1);

        await open.Answers.GetByLabel("Fork the chat here").ClickAsync();
        await Expect(open.Page.Locator(".sidebar li")).ToHaveCountAsync(2);
        await Expect(open.Answers).ToContainTextAsync("answer 3");
        await Expect(open.Page.Locator(".branches")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Chats_are_there_after_the_page_is_opened_again()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["remembered"] });
        await using var open = await browser.OpenAsync(server);
        await open.SayAsync("Keep this", 1);
        await open.Page.ReloadAsync();
        await Expect(open.Answers).ToContainTextAsync("remembered");
        await Expect(open.Page.Locator(".sidebar li")).ToContainTextAsync("Keep this");
    }

    [Fact]
    public async Task Thoughts_fold_away_and_calls_wait_for_their_result()
    {
        await using var server = await TestServer.StartAsync();
        await using var open = await browser.OpenAsync(server);
        await open.AnswerAsync(
            """{"reasoning_content": "Where is "}""", """{"reasoning_content": "she?"}""",
            """{"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}""",
            """{"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\": \"Oslo\"}"}}]}""");
        await open.SayAsync("How warm is it?", 1);

        var thoughts = open.Answers.Locator("details");
        Assert.False(await thoughts.EvaluateAsync<bool>("details => details.open"));
        await thoughts.Locator("summary").ClickAsync();
        await Expect(thoughts).ToContainTextAsync("Where is she?");
        await Expect(open.Answers.Locator(".call")).ToContainTextAsync("get_weather");
        await Expect(open.Answers.Locator(".call pre")).ToContainTextAsync("\"city\": \"Oslo\"");

        await open.Page.UnrouteAsync("**/v1/chat/completions");
        var sent = open.Page.WaitForRequestAsync("**/v1/chat/completions");
        await open.Page.GetByLabel("Its result").FillAsync("18 degrees");
        await open.Button("Hand over").ClickAsync();
        var body = System.Text.Json.Nodes.JsonNode.Parse((await sent).PostData!)!["messages"]!;
        Assert.Equal("call_1", body[1]!["tool_calls"]![0]!["id"]!.GetValue<string>());
        Assert.Equal(("tool", "call_1", "18 degrees"), (body[2]!["role"]!.GetValue<string>(), body[2]!["tool_call_id"]!.GetValue<string>(), body[2]!["content"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Of_a_long_answer_what_is_complete_is_not_drawn_again()
    {
        // 10,000 tokens behind 200 messages.
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { ContextLength = 10_000_000, Reply = _ => ["short"] });
        await using var open = await browser.OpenAsync(server, width: 400);
        await open.Page.EvaluateAsync("""
            async () => {
              const chats = await import('/page/chats.js');
              let chat = chats.create(), parent = null, node;
              for (let i = 0; i < 200; i++) {
                [chat, node] = chats.add(chat, parent, { role: i % 2 ? 'assistant' : 'user', content: `message ${i}\n\n- a\n- b` });
                parent = node.id;
              }
              chats.put(chat);
              location.hash = `#chat/${chat.id}`;
            }
            """);
        await Expect(open.Page.Locator("article")).ToHaveCountAsync(200);
        await open.Page.EvaluateAsync("""
            () => {
              // The answer's first paragraph and the message before it are marked as soon as there are two paragraphs.
              const observer = new MutationObserver(() => {
                const answer = [...document.querySelectorAll('article')].at(201);
                const blocks = answer?.querySelectorAll('.markdown > *') ?? [];
                if (blocks.length >= 3 && answer.querySelector('.actions') === null) {
                  observer.disconnect();
                  blocks[0].marked = true;
                  window.redrawn = 0;
                  new MutationObserver(changes => { window.redrawn += changes.length; }).observe(blocks[0], { childList: true, characterData: true, subtree: true });
                  new MutationObserver(changes => { window.redrawn += changes.length; }).observe([...document.querySelectorAll('article')].at(150), { childList: true, characterData: true, subtree: true });
                  window.seen = () => blocks[0].isConnected && blocks[0].marked;
                }
              });
              observer.observe(document.body, { childList: true, subtree: true });
              const whole = window.fetch;
              window.fetch = (path, options) => path !== '/v1/chat/completions' ? whole(path, options) : Promise.resolve(new Response(new ReadableStream({
                async start(controller) {
                  const encoder = new TextEncoder();
                  for (let i = 0; i < 10000; i++) {
                    controller.enqueue(encoder.encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: i % 50 === 49 ? ' end.\n\n' : ` word${i}` } }] })}\n\n`));
                    if (i % 100 === 99) await new Promise(resolve => setTimeout(resolve, 5));
                    if (i === 9899) window.before = [window.redrawn, window.seen?.()];
                  }
                  controller.enqueue(encoder.encode('data: [DONE]\n\n'));
                  controller.close();
                },
              })));
            }
            """);
        await open.Field.FillAsync("Write much");
        await open.Field.PressAsync("Enter");
        await Expect(open.Page.Locator("article").Nth(201)).ToContainTextAsync("word9998");
        await Expect(open.Page.Locator("article").Nth(201)).ToContainTextAsync("10,000 tokens");
        await Expect(open.Page.Locator("article").Nth(201).Locator(".markdown > p")).ToHaveCountAsync(200);
        Assert.Equal("[0,true]", await open.Page.EvaluateAsync<string>("() => JSON.stringify(window.before)"));
        Assert.True(await open.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - innerWidth") <= 0);
    }
}
