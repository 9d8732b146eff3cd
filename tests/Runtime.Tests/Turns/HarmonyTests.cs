using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Chat;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tests.Constraints.Walks;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Turns;

namespace Hearth.Runtime.Tests.Turns;

/// <summary>Answers in channels.</summary>
public sealed class HarmonyTests
{
    private static readonly Tokenizer s_tokenizer = MakeTokenizer();

    private static Tokenizer MakeTokenizer()
    {
        var vocabulary = TinyVocabulary.SentencePiece();
        foreach (var token in new[] { "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|constrain|>", "<|return|>", "<|call|>" })
            vocabulary.Add(token, TokenKind.Control);
        foreach (var piece in new[] { "assistant", "analysis", "commentary", "final", "functions", ".", "json", "look_up", "{\"", "\"}", "\": ", "\": \"", "key" })
            vocabulary.Add(piece.Replace(' ', TinyVocabulary.Escaped));
        return vocabulary.Build();
    }

    private static ChatTurnRequest Request(ToolChoice choice, Constraint? format = null) => new()
    {
        Chat = new ChatPrompt
        {
            Messages = [new("user", "Hello")],
            Tools = [(JsonObject)JsonNode.Parse("""{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"key": {"type": "string", "maxLength": 4}}, "required": ["key"]}}}""")!],
        },
        ToolChoice = choice,
        Options = new GenerationOptions { Constraint = format },
    };

    private static (string Text, string Thoughts, List<string> Calls, List<string> Warnings) Read(string text, ChatTurnRequest request, int size)
    {
        var reader = new HarmonyReader(ToolSet.Read(request, TestContext.Current.CancellationToken), new CallIds(request.Chat), continuesText: false);
        var (content, thoughts, calls, warnings) = (new StringBuilder(), new StringBuilder(), new List<StringBuilder>(), new List<string>());
        for (var at = 0; at < text.Length; at += size)
        {
            var pieces = new TurnPieces();
            reader.Append(text.Substring(at, Math.Min(size, text.Length - at)), pieces);
            if (at + size >= text.Length)
                reader.End(pieces);
            content.Append(pieces.Text);
            thoughts.Append(pieces.Reasoning);
            warnings.AddRange(pieces.Warnings);
            foreach (var piece in pieces.Calls)
            {
                if (piece.Index == calls.Count)
                    calls.Add(new StringBuilder(piece.Name + " "));
                calls[piece.Index].Append(piece.Arguments).Append(piece.IsComplete ? "." : "");
            }
        }

        return (content.ToString(), thoughts.ToString(), [.. calls.Select(call => call.ToString())], warnings);
    }

    [Theory]
    [InlineData("<|channel|>analysis<|message|>Hm <b>.<|end|><|start|>assistant<|channel|>final<|message|>Yes!", "Yes!", "Hm <b>.", null)]
    [InlineData("<|channel|>final<|message|>Yes!", "Yes!", "", null)]
    [InlineData("<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{\"key\": \"a}\"}", "I look.", "A", "look_up {\"key\": \"a}\"}.")]
    [InlineData(" to=functions.look_up<|channel|>commentary json<|message|>{\"key\": \"b\"}<|call|>", "", "", "look_up {\"key\": \"b\"}.")]
    [InlineData("No channels here.", "No channels here.", "", null)]
    [InlineData("<|channel|>commentary to=functions.unknown <|constrain|>json<|message|>{}", "{}", "", null)]
    public void An_answer_is_read_channel_by_channel(string text, string content, string thoughts, string? call)
    {
        foreach (var size in new[] { 1, 5, 1000 })
        {
            var read = Read(text, Request(ToolChoice.Auto), size);
            Assert.Equal((content, thoughts), (read.Text, read.Thoughts));
            Assert.Equal(call is null ? [] : [call], read.Calls);
            Assert.Empty(read.Warnings);
        }
    }

    [Fact]
    public void A_call_that_is_cut_stays_text()
    {
        var read = Read("<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{\"key\": \"a", Request(ToolChoice.Auto), 1000);
        Assert.Equal("<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{\"key\": \"a", read.Text);
        Assert.Single(read.Warnings);
    }

    [Fact]
    public void Whatever_a_model_would_rather_say_its_calls_fit()
    {
        var random = new Random(3);
        var compiler = new ConstraintCompiler(s_tokenizer, s_tokenizer.VocabularySize);
        var ended = 0;
        foreach (var request in new[] { Request(ToolChoice.Required), Request(ToolChoice.Auto), Request(ToolChoice.None), Request(ToolChoice.Auto, Constraint.Choices(["yes", "no"])) })
        {
            var compiled = compiler.Compile(Constraint.Composed(Harmony.Answer(ToolSet.Read(request, TestContext.Current.CancellationToken), request)!), TestContext.Current.CancellationToken);
            for (var i = 0; i < 40; i++)
            {
                var tokens = new List<int>();
                if (RandomWalk.Generate(compiled, random, 800, tokens) is null)
                    continue;
                ended++;
                var text = s_tokenizer.Decode([.. tokens], includeControl: true, continuesText: true);
                var (content, _, calls, warnings) = Read(text, request, random.Next(1, 20));
                Assert.Empty(warnings);
                if (request.ToolChoice == ToolChoice.Required)
                    Assert.Single(calls);
                if (request.ToolChoice == ToolChoice.None)
                    Assert.Empty(calls);
                if (request.Options.Constraint is not null && calls.Count == 0)
                    Assert.True(content.EndsWith("yes", StringComparison.Ordinal) || content.EndsWith("no", StringComparison.Ordinal), content);
                Assert.All(calls, call => Assert.InRange(JsonNode.Parse(call["look_up ".Length..^1])!["key"]!.GetValue<string>().EnumerateRunes().Count(), 0, 4));
            }
        }

        Assert.InRange(ended, 80, 160);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(25)]
    public void Thoughts_end_after_their_budget(int budget)
    {
        var random = new Random(7);
        var compiler = new ConstraintCompiler(s_tokenizer, s_tokenizer.VocabularySize);
        var marks = HarmonyBudgetWalk.Marks.Find(s_tokenizer)!;
        var (ended, thought) = (0, 0);
        foreach (var request in new[] { Request(ToolChoice.Required), Request(ToolChoice.Auto), Request(ToolChoice.Auto, Constraint.Choices(["yes", "no"])) })
        {
            var compiled = compiler.Compile(Constraint.Composed(Harmony.Answer(ToolSet.Read(request, TestContext.Current.CancellationToken), request)!), TestContext.Current.CancellationToken);
            for (var i = 0; i < 40; i++)
            {
                var walk = new HarmonyBudgetWalk(compiled.Start(), marks, budget);
                var (tokens, mask, forced) = (new List<int>(), new ulong[compiled.Vocabulary.MaskLength], new List<int>());
                while (!walk.MustEnd && tokens.Count < 1500 && !(walk.CanEnd && random.Next(4) == 0))
                {
                    walk.FillMask(mask);
                    var allowed = RandomWalk.TokensOf(mask).Where(token => token == marks.End || !s_tokenizer.IsEndOfGeneration(token)).ToList();
                    if (allowed.Count == 0)
                    {
                        Assert.True(walk.CanEnd);
                        break;
                    }

                    walk.FindForced(forced);
                    if (forced.Count > 0)
                        Assert.Contains(forced[0], allowed);
                    var fork = walk.Fork();
                    var token = allowed[random.Next(allowed.Count)];
                    Assert.True(walk.TryAccept(token) && fork.TryAccept(token));
                    tokens.Add(token);
                }

                // No longer than the budget, but for the bytes of a character that it would cut.
                var (count, isThought, isBody, header) = (0, false, false, (string?)null);
                for (var at = 0; at < tokens.Count; at++)
                {
                    if ((isThought || isBody) && tokens[at] == marks.End)
                        isThought = isBody = false;
                    else if (isThought)
                        count++;
                    else if (header is null)
                        header = !isBody && tokens[at] == marks.Channel ? "" : null;
                    else if (tokens[at] == marks.Message || (header += s_tokenizer.Decode([tokens[at]], includeControl: true, continuesText: true)).EndsWith("<|message|>", StringComparison.Ordinal))
                        (isThought, isBody, header) = (header.Contains("analysis", StringComparison.Ordinal), !header.Contains("analysis", StringComparison.Ordinal), null);
                }

                Assert.InRange(count, 0, budget == 0 ? 0 : budget + 3);
                thought += count;
                ended += walk.CanEnd ? 1 : 0;
            }
        }

        Assert.InRange(ended, 40, 120);
        Assert.Equal(budget > 0, thought > 0);
    }

    [Fact]
    public void A_free_answer_has_a_budget_too()
    {
        var walk = new HarmonyBudgetWalk(answer: null, HarmonyBudgetWalk.Marks.Find(s_tokenizer)!, budget: 2);
        var mask = new ulong[(s_tokenizer.VocabularySize + 63) / 64];
        foreach (var spelling in new[] { "<|channel|>", "analysis", "<|message|>", "key", "json" })
            Assert.True(walk.TryAccept(Id(spelling)), spelling);
        Assert.False(walk.CanEnd);
        walk.FillMask(mask);
        Assert.Equal([Id("<|end|>")], RandomWalk.TokensOf(mask));
        Assert.False(walk.TryAccept(Id("key")));
        foreach (var spelling in new[] { "<|end|>", "<|start|>", "assistant", "<|channel|>" })
            Assert.True(walk.TryAccept(Id(spelling)), spelling);
        walk.FillMask(mask);
        Assert.DoesNotContain(Id("analysis"), RandomWalk.TokensOf(mask));
        Assert.False(walk.TryAccept(Id("analysis")));
        foreach (var spelling in new[] { "final", "<|message|>", "analysis", "key" })
            Assert.True(walk.TryAccept(Id(spelling)), spelling);
        Assert.True(walk.CanEnd);

        static int Id(string spelling) => s_tokenizer.TryGetId(spelling, out var id) ? id : throw new ArgumentException(spelling);
    }
}
