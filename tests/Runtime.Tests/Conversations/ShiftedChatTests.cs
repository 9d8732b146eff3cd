using Hearth.Runtime.Conversations;

namespace Hearth.Runtime.Tests.Conversations;

/// <summary>Chats that do not fit lose whole messages, never the system's or the question, and say so.</summary>
public sealed class ShiftedChatTests
{
    private const string Template = """
        {%- for message in messages %}
            {%- if message.role == 'assistant' and loop.first %}{{- raise_exception('begins with an answer') }}{%- endif %}
            {{- '[' + message.role + ':' + message.content + ']' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '[assistant:' }}{%- endif %}
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ChatTurnRequest Turn(IEnumerable<ChatMessage> messages, int? most = 10, FullContext? full = FullContext.Shift)
        => new() { Chat = new ChatPrompt { Messages = [.. messages] }, Options = new GenerationOptions { MaxTokens = most, OnFull = full } };

    private static IEnumerable<ChatMessage> Talk(int turns)
        => Enumerable.Range(0, turns).SelectMany(i => (ChatMessage[])[new("user", $"question {i}"), new("assistant", $"answer {i}")]);

    private static ScriptedModel Model(int context) => new(Template) { ContextLength = context, Says = "yes" };

    private static string Text(ScriptedModel model, IEnumerable<int> prompt) => model.Tokenizer.Decode([.. prompt.Skip(1)], includeControl: true).TrimStart();

    private static async Task<(string Prompt, ChatUpdate Last, List<string> Warnings)> Ask(ScriptedModel model, ChatTurnRequest turn)
    {
        var (warnings, last) = (new List<string>(), (ChatUpdate?)null);
        await foreach (var update in model.ChatAsync(turn, Token))
        {
            warnings.AddRange(update.Warnings);
            last = update;
        }

        return (Text(model, model.Prompts[^1]), last!, warnings);
    }

    [Fact]
    public async Task The_oldest_messages_go_and_the_answer_says_so()
    {
        var model = Model(500);
        ChatMessage[] messages = [new("system", "be brief"), .. Talk(30), new("user", "and now?")];
        var whole = model.TokenizeChat(new ChatPrompt { Messages = messages }).Count;
        Assert.InRange(whole, 600, 2000);
        var (prompt, _, warnings) = await Ask(model, Turn(messages));
        Assert.StartsWith("[system:be brief][user:question ", prompt, StringComparison.Ordinal);
        Assert.EndsWith("[user:and now?][assistant:", prompt, StringComparison.Ordinal);
        Assert.DoesNotContain("question 0]", prompt, StringComparison.Ordinal);
        Assert.InRange(model.Prompts[^1].Length, 100, 490);
        var asked = model.Requests[^1];
        Assert.Equal(whole - model.Prompts[^1].Length, asked.LeftOutTokens);
        Assert.Contains($"({asked.LeftOutTokens} tokens) were left out", Assert.Single(warnings), StringComparison.Ordinal);

        // What goes next is there already: each form is one that the template writes, and shorter.
        Assert.NotEmpty(asked.ShorterPrompts);
        Assert.All(asked.ShorterPrompts, shorter => Assert.StartsWith("[system:be brief][user:", Text(model, shorter), StringComparison.Ordinal));
        Assert.Equal(asked.ShorterPrompts.Select(shorter => shorter.Count).Order().Reverse(), asked.ShorterPrompts.Select(shorter => shorter.Count));
        Assert.EndsWith("[system:be brief][user:and now?][assistant:", Text(model, asked.ShorterPrompts[^1]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_left_begins_alike_for_many_turns()
    {
        var model = Model(500);
        var begins = new List<string>();
        for (var turns = 1; turns < 60; turns++)
        {
            var (prompt, _, _) = await Ask(model, Turn([new("system", "be brief"), .. Talk(turns), new("user", "and now?")]));
            Assert.True(model.Prompts[^1].Length <= 490);
            begins.Add(prompt[..prompt.IndexOf(']', prompt.IndexOf("user:", StringComparison.Ordinal))]);
        }

        Assert.InRange(begins.Distinct().Count(), 3, 15);
        Assert.Equal(begins.Distinct().Count() - 1, begins.Zip(begins.Skip(1)).Count(pair => pair.First != pair.Second));
    }

    [Fact]
    public async Task Behind_one_question_older_calls_and_results_go_in_pairs()
    {
        var model = Model(400);
        ChatMessage[] messages = [new("user", "do it"), .. Enumerable.Range(0, 30).SelectMany(i => (ChatMessage[])[new("assistant", $"call {i}"), new("tool", $"result {i}")])];
        var (prompt, _, _) = await Ask(model, Turn(messages));
        Assert.StartsWith("[user:do it][assistant:call ", prompt, StringComparison.Ordinal);
        Assert.EndsWith("result 29\n</tool_response>][assistant:", prompt, StringComparison.Ordinal);
        Assert.DoesNotContain("result 0]", prompt, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_fits_stays_whole_and_what_cannot_fit_is_refused()
    {
        var model = Model(500);
        var (_, _, warnings) = await Ask(model, Turn([.. Talk(2), new("user", "and now?")]));
        Assert.Empty(warnings);
        Assert.Equal((0, 0), (model.Requests[^1].LeftOutTokens, model.Requests[^1].ShorterPrompts.Count));

        // Where the answer may fill the context, shorter forms are at hand.
        await Ask(model, Turn([.. Talk(4), new("user", "and now?")], most: null));
        Assert.Equal(0, model.Requests[^1].LeftOutTokens);
        Assert.NotEmpty(model.Requests[^1].ShorterPrompts);
        await Assert.ThrowsAsync<ContextLengthExceededException>(() => Ask(model, Turn([.. Talk(3), new("user", new string('x', 600))])));
        await Assert.ThrowsAsync<ContextLengthExceededException>(() => Ask(model, Turn([new("user", new string('x', 600))])));

        // Larger than what is left for it beside an answer, but it fits.
        await Ask(model, Turn([new("user", new string('x', 430))], most: null));
        Assert.Equal(0, model.Requests[^1].LeftOutTokens);

        // Nothing is left out unasked.
        await Ask(model, Turn([.. Talk(30), new("user", "and now?")], full: null));
        Assert.InRange(model.Prompts[^1].Length, 600, 2000);
        Assert.Empty(model.Requests[^1].ShorterPrompts);
    }

    [Fact]
    public async Task A_long_chat_is_not_rendered_again_and_again()
    {
        var model = Model(500);
        await Ask(model, Turn([new("system", "be brief"), .. Talk(4000), new("user", "and now?")]));
        Assert.InRange(model.Prompts[^1].Length, 50, 490);
        Assert.InRange(model.Rendered, 2, 40);
    }

    [Fact]
    public async Task A_conversation_goes_on_and_says_from_where_it_departs()
    {
        var model = Model(300);
        var conversation = new Conversation(model);
        var departures = new List<string>();
        for (var turn = 0; turn < 40; turn++)
        {
            await foreach (var _ in conversation.AnswerAsync(Turn([new("user", $"question {turn}")]), cancellationToken: Token))
            {
            }

            if (conversation.Last!.Departure is { } departure)
                departures.Add(departure.Reason);
        }

        Assert.Equal(80, conversation.Messages.Count);
        Assert.InRange(departures.Count, 2, 12);
        Assert.All(departures, reason => Assert.Contains("the context was full", reason, StringComparison.Ordinal));
    }
}
