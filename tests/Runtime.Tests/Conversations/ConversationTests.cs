using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversations;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversations;

/// <summary>Histories with branches, and what of them is computed again.</summary>
public sealed class ConversationTests
{
    private const string Template = """
        {%- for message in messages %}
            {%- if message.role == 'assistant' %}
                {{- '<|im_start|>assistant\n' }}
                {%- if message.reasoning_content and loop.index0 > 2 %}{{- '<think>' + message.reasoning_content + '</think>' }}{%- endif %}
                {{- message.content }}{{- '<|im_end|>\n' }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
            {%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    private static readonly GenerationOptions s_wild = new() { Temperature = 3, TopK = 0, TopP = 1, MinP = 0, MaxTokens = 9, Seed = 5 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Task<LanguageModel> Ember() => LanguageModel.LoadAsync(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { ContextLength = 2048, CacheTokens = 16384 }, cancellationToken: Token);

    private static ChatTurnRequest Says(string text, GenerationOptions? options = null) => new() { Chat = new ChatPrompt { Messages = [new("user", text)] }, Options = options ?? s_wild };

    private static ChatTurnRequest Nothing(GenerationOptions? options = null) => new() { Chat = new ChatPrompt { Messages = [] }, Options = options ?? s_wild };

    private static async Task<ConversationMessage> Read(IAsyncEnumerable<ChatUpdate> answer, Conversation conversation)
    {
        await foreach (var _ in answer)
        {
        }

        return conversation.Last!;
    }

    private static int Computed(ConversationMessage answer) => answer.Usage!.Value.PromptTokens - answer.Usage.Value.CachedPromptTokens;

    [Fact]
    public async Task Forty_turns_compute_what_is_new_and_an_edit_what_follows_it()
    {
        await using var model = await Ember();
        var conversation = new Conversation(model);
        var page = model.Cache.PageTokens;
        var answers = new List<ConversationMessage>();
        var departed = 0;
        for (var turn = 0; turn < 40; turn++)
        {
            // At such a temperature nearly every answer is in tokens that its text would not be tokenized to.
            var answer = await Read(conversation.AnswerAsync(Says($"Tell me {turn} more.", s_wild with { Seed = (ulong)turn }), cancellationToken: Token), conversation);
            if (answers.Count > 0)
            {
                // A wild answer may hold a control token, which is no text: the template cannot write it again.
                var before = answers[^1].Usage!.Value;
                var isNew = answer.Usage!.Value.PromptTokens - before.TotalTokens;
                departed += answer.Departure is null ? 0 : 1;
                Assert.InRange(Computed(answer), 1, isNew + page + (answer.Departure is null ? 0 : before.CompletionTokens));
            }

            answers.Add(answer);
        }

        Assert.InRange(departed, 0, 8);
        var edited = answers[19].Parent!;
        conversation.Edit(edited.Id, new ChatMessage("user", "Something else, please."));
        var changed = await Read(conversation.AnswerAsync(Nothing(), cancellationToken: Token), conversation);
        Assert.InRange(Computed(changed), 1, changed.Usage!.Value.PromptTokens - answers[18].Usage!.Value.TotalTokens + page);
        Assert.Equal(40, changed.Depth);
        Assert.Equal(2, conversation.Branches.Count);
    }

    [Fact]
    public async Task An_answer_made_again_computes_one_token_and_leaves_the_old_one_a_branch()
    {
        await using var model = await Ember();
        var conversation = new Conversation(model);
        var first = await Read(conversation.AnswerAsync(Says("Hello there, how are you?"), cancellationToken: Token), conversation);
        var second = await Read(conversation.RegenerateAsync(Nothing(s_wild with { Seed = 77 }), cancellationToken: Token), conversation);
        Assert.NotSame(first, second);
        Assert.Same(first.Parent, second.Parent);
        Assert.Equal(1, Computed(second));
        Assert.Equal([false, true], conversation.Branches.Select(branch => branch.IsCurrent).Order());
        conversation.RollBack(first.Id);
        Assert.Same(first, conversation.Last);
        var fork = conversation.Fork();
        var apart = await Read(fork.AnswerAsync(Says("And then?"), cancellationToken: Token), fork);
        Assert.InRange(Computed(apart), 1, apart.Usage!.Value.PromptTokens - first.Usage!.Value.TotalTokens + model.Cache.PageTokens);
        Assert.Equal(2, conversation.Messages.Count);
        Assert.Equal(4, fork.Messages.Count);
        Assert.NotEqual(conversation.Id, fork.Id);
    }

    [Fact]
    public async Task A_snapshot_keeps_branches_and_tokens()
    {
        await using var model = await Ember();
        var conversation = new Conversation(model);
        for (var turn = 0; turn < 4; turn++)
            await Read(conversation.AnswerAsync(Says($"And {turn}?", s_wild with { Seed = (ulong)turn }), cancellationToken: Token), conversation);
        await Read(conversation.RegenerateAsync(Nothing(), cancellationToken: Token), conversation);
        using var file = new MemoryStream();
        conversation.Snapshot().Save(file);
        file.Position = 0;
        var restored = Conversation.Restore(model, ConversationSnapshot.Load(file));
        Assert.Equal(conversation.Id, restored.Id);
        Assert.Equal(conversation.Messages.Select(m => (m.Id, m.Message.Role, m.Message.Content, m.Usage, m.FinishReason)), restored.Messages.Select(m => (m.Id, m.Message.Role, m.Message.Content, m.Usage, m.FinishReason)));
        Assert.Equal(conversation.Branches.Select(b => b.Last.Id).Order(), restored.Branches.Select(b => b.Last.Id).Order());
        var before = restored.Last!.Usage!.Value;
        var next = await Read(restored.AnswerAsync(Says("More."), cancellationToken: Token), restored);
        Assert.InRange(Computed(next), 1, next.Usage!.Value.PromptTokens - before.TotalTokens + model.Cache.PageTokens);
    }

    [Fact]
    public async Task Where_a_template_drops_thoughts_the_prompt_tells_of_it()
    {
        var model = new ScriptedModel(Template) { Says = "<think>hm</think>bac" };
        var conversation = new Conversation(model);
        var first = await Read(conversation.AnswerAsync(Says("ab"), cancellationToken: Token), conversation);
        Assert.Equal(("bac", "hm"), (first.Message.Content, first.Message.Reasoning));
        Assert.Null(first.Departure);
        var second = await Read(conversation.AnswerAsync(Says("cab"), cancellationToken: Token), conversation);
        Assert.Equal(first.Id, second.Departure!.MessageId);
        Assert.Contains("thoughts", second.Departure.Reason);
        Assert.Equal(model.Prompts[0].Length, second.Departure.Token);

        // Nobody waits for what will be read again.
        var third = conversation.Fork();
        Assert.True(await third.WarmAsync(cancellationToken: Token) > 0);
        Assert.Equal(0, await third.WarmAsync(cancellationToken: Token) - 1);
        await Read(third.AnswerAsync(Says("bb"), cancellationToken: Token), third);
        Assert.True(Computed(third.Last!) < 30, $"{Computed(third.Last!)} tokens were computed");
    }

    [Fact]
    public async Task Answers_keep_the_tokens_that_they_were_written_in()
    {
        var model = new ScriptedModel(Template) { Says = "ab bc" };
        var conversation = new Conversation(model);
        await Read(conversation.AnswerAsync(Says("ab"), cancellationToken: Token), conversation);
        model.Says = "abab";
        await Read(conversation.AnswerAsync(Says("<|im_end|>"), cancellationToken: Token), conversation);
        await Read(conversation.AnswerAsync(Says("bc"), cancellationToken: Token), conversation);
        Assert.Equal(model.Prompts[1].Length + 4, model.Prompts[2].AsSpan().CommonPrefixLength((int[])[.. model.Prompts[1], .. Bytes(model, "abab"), .. model.Prompts[2].AsSpan(model.Prompts[1].Length + 4)]) - (model.Prompts[2].Length - model.Prompts[1].Length - 4));
        Assert.Equal(Bytes(model, "ab bc"), model.Prompts[1][model.Prompts[0].Length..(model.Prompts[0].Length + 5)]);

        // What a user writes is no control token, whatever was taken over.
        Assert.True(model.Tokenizer.TryGetId("<|im_end|>", out var end));
        Assert.Equal(5, model.Prompts[2].Count(id => id == end));
    }

    private static int[] Bytes(ScriptedModel model, string text)
        => [.. text.Select(c => model.Tokenizer.TryGetId($"<0x{(int)c:X2}>", out var id) ? id : -1)];

    [Fact]
    public async Task What_is_cancelled_or_left_leaves_the_conversation_as_it_was()
    {
        var model = new ScriptedModel(Template) { Says = "abc" };
        var conversation = new Conversation(model);
        await foreach (var _ in conversation.AnswerAsync(Says("ab"), cancellationToken: Token))
            break;
        Assert.Empty(conversation.Messages);
        Assert.Equal(0, conversation.Count);
        model.BeforeEnd = () => throw new HearthException("no more");
        await Assert.ThrowsAsync<HearthException>(() => Read(conversation.AnswerAsync(Says("ab"), cancellationToken: Token), conversation));
        Assert.Empty(conversation.Messages);

        // Moved while it is answered, the conversation stays where it was moved to, and the answer is a branch.
        model.BeforeEnd = null;
        var first = conversation.Append(new ChatMessage("user", "a"));
        model.BeforeEnd = () => conversation.RollBack(null);
        await Read(conversation.AnswerAsync(Nothing(), cancellationToken: Token), conversation);
        Assert.Null(conversation.Last);
        Assert.Same(first, Assert.Single(conversation.Branches).Last.Parent);
    }

    [Fact]
    public async Task Bad_input_is_refused_by_name()
    {
        var model = new ScriptedModel(Template);
        var conversation = new Conversation(model);
        Assert.Throws<InvalidRequestException>(() => conversation.RollBack("nothing"));
        Assert.Throws<InvalidRequestException>(() => conversation["nothing"]);
        Assert.Throws<InvalidRequestException>(() => conversation.Edit("nothing", new ChatMessage("user", "")));
        Assert.Throws<InvalidRequestException>(() => conversation.Fork("nothing"));
        Assert.Throws<InvalidRequestException>(() => conversation.RegenerateAsync(cancellationToken: Token));
        await Assert.ThrowsAsync<InvalidRequestException>(() => Read(conversation.AnswerAsync(cancellationToken: Token), conversation));
        await Assert.ThrowsAsync<InvalidRequestException>(() => Read(conversation.AnswerAsync(Says("a", new GenerationOptions { ChoiceCount = 2 }), cancellationToken: Token), conversation));
        conversation.Append(new ChatMessage("user", "a"), "one");
        Assert.Throws<InvalidRequestException>(() => conversation.Append(new ChatMessage("user", "a"), "one"));
        await Assert.ThrowsAsync<InvalidRequestException>(() => Read(conversation.AnswerAsync(answerId: "one", cancellationToken: Token), conversation));
    }

    [Fact]
    public async Task Saved_conversations_that_are_damaged_are_refused()
    {
        var model = new ScriptedModel(Template) { Says = "ab" };
        var conversation = new Conversation(model);
        for (var turn = 0; turn < 3; turn++)
            await Read(conversation.AnswerAsync(Says("a"), cancellationToken: Token), conversation);
        conversation.Append(new ChatMessage("assistant", null) { ToolCalls = [new ToolCall("1", "f", new JsonObject { ["a"] = 1 })] });
        using var file = new MemoryStream();
        conversation.Snapshot().Save(file);
        var text = Encoding.UTF8.GetString(file.ToArray());
        var (same, refused) = (0, 0);
        var random = new Random(3);
        for (var i = 0; i < 2000; i++)
        {
            var bytes = file.ToArray();
            var at = random.Next(bytes.Length);
            if (i % 3 == 0)
                bytes = bytes[..at];
            else
                bytes[at] = i % 3 == 1 ? (byte)random.Next(256) : "0123456789-\"{}[],n"u8[random.Next(18)];
            try
            {
                Conversation.Restore(model, ConversationSnapshot.Load(new MemoryStream(bytes)));
                same++;
            }
            catch (ConversationFormatException)
            {
                refused++;
            }
        }

        Assert.True(refused > 1000 && same > 0, $"{refused} refused, {same} taken");
        var loop = text.Replace("\"parent\":null", $"\"parent\":\"{conversation.Messages[1].Id}\"", StringComparison.Ordinal);
        Assert.Throws<ConversationFormatException>(() => ConversationSnapshot.Load(new MemoryStream(Encoding.UTF8.GetBytes(loop))));
        Assert.Throws<ConversationFormatException>(() => ConversationSnapshot.Load(new MemoryStream(file.ToArray()), mostBytes: 100));
    }

    [Fact]
    public async Task Operations_in_any_order_do_what_a_plain_list_of_histories_does()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            var model = new ScriptedModel(Template);
            var conversation = new Conversation(model);

            // The plain model: of every message the texts from the first to it.
            var histories = new Dictionary<string, string[]>(StringComparer.Ordinal);
            string? last = null;
            string[] Of(string? id) => id is null ? [] : histories[id];
            string? ParentOf(string id) => conversation[id].Parent?.Id;
            for (var step = 0; step < 40; step++)
            {
                var any = histories.Count > 0 ? histories.Keys.Order(StringComparer.Ordinal).ElementAt(random.Next(histories.Count)) : null;
                var text = $"{(char)('a' + random.Next(3))}{step}";
                switch (random.Next(7))
                {
                    case 0:
                        var appended = conversation.Append(new ChatMessage("user", text));
                        histories[appended.Id] = [.. Of(last), text];
                        last = appended.Id;
                        break;
                    case 1:
                        conversation.RollBack(any);
                        last = any;
                        break;
                    case 2 when any is not null:
                        var edited = conversation.Edit(any, new ChatMessage("user", text));
                        histories[edited.Id] = [.. Of(ParentOf(any)), text];
                        last = edited.Id;
                        break;
                    case 3:
                        model.Says = text;
                        var question = text + "?";
                        var answer = await Read(conversation.AnswerAsync(Says(question), cancellationToken: Token), conversation);
                        histories[answer.Parent!.Id] = [.. Of(last), question];
                        histories[answer.Id] = [.. Of(last), question, text];
                        last = answer.Id;
                        break;
                    case 4 when conversation.Messages.Any(message => message.Message.Role == "assistant" && message.Parent is not null):
                        model.Says = text;
                        var old = conversation.Messages.Last(message => message.Message.Role == "assistant");
                        conversation.RollBack(old.Id);
                        var again = await Read(conversation.RegenerateAsync(cancellationToken: Token), conversation);
                        histories[again.Id] = [.. Of(old.Parent!.Id), text];
                        last = again.Id;
                        break;
                    case 5:
                        using (var file = new MemoryStream())
                        {
                            conversation.Snapshot().Save(file);
                            file.Position = 0;
                            conversation = Conversation.Restore(model, ConversationSnapshot.Load(file));
                        }

                        break;
                    case 6:
                        var fork = conversation.Fork(any);
                        Assert.Equal(any is null ? Of(last) : Of(any), fork.Messages.Select(message => message.Message.Content));
                        break;
                }

                Assert.Equal(Of(last), conversation.Messages.Select(message => message.Message.Content));
                Assert.Equal(histories.Count, conversation.Count);
                Assert.All(conversation.Branches, branch => Assert.Equal(Of(branch.Last.Id), branch.Last.Path().Select(message => message.Message.Content)));
                Assert.Equal(histories.Keys.Where(id => !histories.Keys.Any(other => ParentOf(other) == id)).Order(), conversation.Branches.Select(branch => branch.Last.Id).Order());
            }
        }
    }
}
