using Hearth.Runtime.Chat;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tests.Scheduling;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Turns;

namespace Hearth.Runtime.Tests.Chat;

public sealed class ThinkingTests
{
    private static readonly Tokenizer s_marked = TinyVocabulary.SentencePiece().Add("<think>", TokenKind.UserDefined).Add("</think>", TokenKind.UserDefined).Add("\n\n").Build();
    private static readonly Tokenizer s_spelled = TinyVocabulary.SentencePiece().AddAll("</", "think", ">", ">a", "> \n", "k>b").Build();

    private static int Id(Tokenizer tokenizer, string token) => tokenizer.TryGetId(token, out var id) ? id : throw new InvalidOperationException($"there is no token '{token}'");

    private static FixedTexts Answer(Tokenizer tokenizer) => new(Id(tokenizer, "</s>"), forces: true, [Id(tokenizer, "a"), Id(tokenizer, "b"), Id(tokenizer, "c")]);

    private static HashSet<int> Allowed(ITokenConstraint walk, Tokenizer tokenizer)
    {
        var mask = new ulong[(tokenizer.VocabularySize + 70) / 64];
        mask.AsSpan().Fill(ulong.MaxValue);
        walk.FillMask(mask);
        var allowed = Enumerable.Range(0, mask.Length * 64).Where(id => (mask[id / 64] >> (id % 64) & 1) != 0).ToHashSet();

        // A mask and what is accepted are the same set.
        Assert.All(Enumerable.Range(0, tokenizer.VocabularySize), id => Assert.Equal(allowed.Contains(id), walk.Fork().TryAccept(id)));
        return allowed;
    }

    private static void Accept(ITokenConstraint walk, Tokenizer tokenizer, params string[] tokens)
    {
        foreach (var token in tokens)
            Assert.True(walk.TryAccept(Id(tokenizer, token)), token);
    }

    [Fact]
    public void Markers_are_read_off_template_and_vocabulary()
    {
        Assert.Null(ThinkingMarkers.Find(TinyVocabulary.SentencePiece().Build(), "{{ messages }}"));
        Assert.Equal(("<think>", "</think>"), (ThinkingMarkers.Find(s_marked, null)!.Open, ThinkingMarkers.Find(s_marked, null)!.Close));
        Assert.Equal("[/THINK]", ThinkingMarkers.Find(TinyVocabulary.SentencePiece().Build(), "{{ '[THINK]' }}...[/THINK]")!.Close);
        Assert.Equal("<|END_THINKING|>", ThinkingMarkers.Find(TinyVocabulary.SentencePiece().Build(), "<|START_THINKING|>")!.Close);
        Assert.Equal("</seed:think>", ThinkingMarkers.Find(TinyVocabulary.SentencePiece().Build(), "<seed:think>")!.Close);
    }

    [Fact]
    public void Thinking_that_the_prompt_leaves_open_is_free_until_its_end()
    {
        var walk = ThinkingMarkers.Find(s_marked, null)!.Behind(Answer(s_marked), [Id(s_marked, "a"), Id(s_marked, "<think>"), Id(s_marked, "<0x0A>")], mayOpen: false);
        Assert.Equal(s_marked.VocabularySize - Enumerable.Range(0, s_marked.VocabularySize).Count(s_marked.IsEndOfGeneration), Allowed(walk, s_marked).Count);
        Assert.False(walk.CanEnd);

        Accept(walk, s_marked, "c", "c", "<0x0A>", "</think>");
        Assert.Contains(Id(s_marked, "\n\n"), Allowed(walk, s_marked));
        Assert.Contains(Id(s_marked, "a"), Allowed(walk, s_marked));
        Assert.DoesNotContain(Id(s_marked, "b"), Allowed(walk, s_marked));
        Accept(walk, s_marked, "\n\n");
        var forced = new List<int>();
        walk.FindForced(forced);
        Assert.Empty(forced);
        Accept(walk, s_marked, "a");
        walk.FindForced(forced);
        Assert.Equal([Id(s_marked, "b"), Id(s_marked, "c")], forced);
        Assert.Equal([Id(s_marked, "b")], Allowed(walk, s_marked));
        Accept(walk, s_marked, "b", "c");
        Assert.True(walk.MustEnd);
    }

    [Fact]
    public void White_space_behind_the_thinking_has_an_end()
    {
        var walk = ThinkingMarkers.Find(s_marked, null)!.Behind(Answer(s_marked), [Id(s_marked, "<think>")], mayOpen: false);
        Accept(walk, s_marked, "</think>", "\n\n", "\n\n");
        Assert.Equal([Id(s_marked, "a")], Allowed(walk, s_marked));
    }

    [Fact]
    public void A_chats_answer_may_begin_to_think_itself()
    {
        var markers = ThinkingMarkers.Find(s_marked, null)!;
        int[] prompt = [Id(s_marked, "a")];
        var walk = markers.Behind(Answer(s_marked), prompt, mayOpen: true);
        Assert.Equal([Id(s_marked, "a"), Id(s_marked, "<think>")], Allowed(walk, s_marked).Order());
        Accept(walk, s_marked, "<think>", "b", "</think>", "a", "b", "c");
        Assert.True(walk.MustEnd);

        walk = markers.Behind(Answer(s_marked), prompt, mayOpen: true);
        Accept(walk, s_marked, "a");
        Assert.Equal([Id(s_marked, "b")], Allowed(walk, s_marked));

        // A completion's prompt has no thinking of its own; nor has a chat whose prompt has ended it.
        Assert.Equal([Id(s_marked, "a")], Allowed(markers.Behind(Answer(s_marked), prompt, mayOpen: false), s_marked));
        Assert.Equal([Id(s_marked, "a")], Allowed(markers.Behind(Answer(s_marked), [Id(s_marked, "<think>"), Id(s_marked, "</think>"), Id(s_marked, "\n\n")], mayOpen: true), s_marked));
    }

    [Fact]
    public void An_end_that_is_spelled_in_pieces_is_found_and_no_token_runs_over_it()
    {
        var walk = ThinkingMarkers.Find(s_spelled, "<think>")!.Behind(Answer(s_spelled), s_spelled.Encode("<think>", addSpecial: false), mayOpen: false);
        Accept(walk, s_spelled, "a", ">a", "</", "a", "</");
        Assert.Contains(Id(s_spelled, ">a"), Allowed(walk, s_spelled));
        Accept(walk, s_spelled, "think");
        Assert.DoesNotContain(Id(s_spelled, ">a"), Allowed(walk, s_spelled));
        var other = walk.Fork();
        Accept(walk, s_spelled, ">");
        Assert.Contains(Id(s_spelled, "a"), Allowed(walk, s_spelled));
        Assert.DoesNotContain(Id(s_spelled, "b"), Allowed(walk, s_spelled));
        Accept(other, s_spelled, "> \n", "a", "b", "c");
        Assert.True(other.MustEnd);
    }

    [Fact]
    public void Thoughts_beyond_their_budget_are_ended()
    {
        var markers = ThinkingMarkers.Find(s_marked, null)!;
        foreach (var budget in new[] { 0, 1, 3 })
        {
            var walk = markers.Behind(Answer(s_marked), [Id(s_marked, "<think>")], mayOpen: false, budget);
            for (var i = 0; i < budget; i++)
                Accept(walk, s_marked, "c");

            // Nothing but the end may come now, and it is known without asking the model.
            Assert.Equal([markers.Closing[0]], Allowed(walk, s_marked));
            var forced = new List<int>();
            walk.FindForced(forced);
            Assert.Equal(markers.Closing, forced);
            var fork = walk.Fork();
            Assert.All(forced, token => Assert.True(walk.TryAccept(token)));
            Assert.Equal([Id(s_marked, "a")], Allowed(walk, s_marked));
            Assert.True(fork.TryAccept(forced[0]));
            Assert.Equal([forced[1]], Allowed(fork, s_marked));
        }

        // A model that ends them itself is left alone.
        var early = markers.Behind(Answer(s_marked), [Id(s_marked, "<think>")], mayOpen: false, 3);
        Accept(early, s_marked, "c", "</think>");
        Assert.Contains(Id(s_marked, "a"), Allowed(early, s_marked));

        // Without a constraint of the answer the text behind them is free.
        var free = markers.Behind(new FreeWalk(markers), [Id(s_marked, "<think>")], mayOpen: false, 0);
        Assert.All(markers.Closing, token => Assert.True(free.TryAccept(token)));
        Assert.Equal(s_marked.VocabularySize, Allowed(free, s_marked).Count);
        Assert.True(free.CanEnd);
    }

    [Theory]
    [InlineData(false, "<think>\nHm, b\n</think>\n\nYes.", "Hm, b", "Yes.")]
    [InlineData(true, "Hm\n", "Hm", "")]
    [InlineData(true, "\nHm < c\n\n</think>\n\n Yes </think>", "Hm < c", "Yes </think>")]
    [InlineData(false, "  No thoughts, <thin", "", "  No thoughts, <thin")]
    [InlineData(false, "<think></think>Yes", "", "Yes")]
    public void Thoughts_and_text_are_told_apart_however_they_are_cut(bool isBegun, string answer, string thoughts, string text)
    {
        foreach (var size in new[] { 1, 2, 5, 100 })
        {
            var dialect = new ChatDialect("test", CallSyntax.Tagged, ToolPrompting.ByTemplate, ThinkingMarkers.Find(s_marked, null));
            var request = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [new("user", "a")] } };
            var reader = new MarkedTurnReader(dialect, ToolSet.Read(request, TestContext.Current.CancellationToken), new CallIds(request.Chat), isBegun, continuesText: false);
            var pieces = new TurnPieces();
            for (var at = 0; at < answer.Length; at += size)
                reader.Append(answer.Substring(at, Math.Min(size, answer.Length - at)), pieces);
            reader.End(pieces);
            Assert.Equal((thoughts, text), (pieces.Reasoning.ToString().TrimEnd(), pieces.Text.ToString()));
        }
    }
}
