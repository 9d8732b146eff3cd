using Hearth.Runtime.Caching;
using Hearth.Runtime.Scheduling;
using Hearth.Runtime.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Guesses change when tokens come, never which.</summary>
public sealed class PromptLookupTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void What_followed_the_last_tokens_before_is_guessed()
    {
        var guesses = new List<int>();
        new PromptLookup(3).Guess([1, 2, 3, 4, 5, 6, 9, 2, 3], 8, guesses);
        Assert.Equal([4, 5, 6], guesses);
        new PromptLookup(8).Guess([7, 7, 7, 7], 8, guesses);
        Assert.Equal([7], guesses);
        new PromptLookup(8).Guess([1, 2, 3, 4], 8, guesses);
        Assert.Empty(guesses);
        new PromptLookup(8).Guess([1, 2, 3, 1, 2], 0, guesses);
        Assert.Empty(guesses);
        new PromptLookup(8).Guess([1], 8, guesses);
        Assert.Empty(guesses);
    }

    [Fact]
    public void Where_guesses_are_wrong_none_are_made_for_a_while_and_where_they_are_right_more()
    {
        int[] history = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 1, 2];
        var guesses = new List<int>();
        var good = new PromptLookup(16);
        for (var i = 0; i < 4; i++)
        {
            good.Guess(history, 64, guesses);
            good.Learn(guesses.Count, guesses.Count);
        }

        good.Guess(history, 64, guesses);
        Assert.Equal(16, guesses.Count);
        var bad = new PromptLookup(16);
        var made = 0;
        for (var i = 0; i < 200; i++)
        {
            bad.Guess(history, 64, guesses);
            made += guesses.Count;
            if (guesses.Count > 0)
                bad.Learn(guesses.Count, 0);
        }

        Assert.InRange(made, 8, 60);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    public async Task Texts_are_the_same_token_for_token_with_and_without(float temperature)
    {
        var (accepted, drafted) = (0, 0);
        for (var seed = 0; seed < 60; seed++)
        {
            // Among few tokens the same few come one after another again and again.
            var random = new Random(seed);
            var options = new GenerationOptions
            {
                Temperature = temperature,
                Seed = (ulong)seed,
                MaxTokens = random.Next(8, 60),
                LogitBias = Enumerable.Range(1, 1 + random.Next(3)).ToDictionary(token => token * 3, _ => 30f),
                RepetitionPenalty = random.Next(3) == 0 ? 1.2f : null,
                LogProbabilities = random.Next(3) == 0 ? 2 : null,
                MinTokens = random.Next(2) == 0 ? 7 : null,
                StopTokenIds = random.Next(3) == 0 ? [6] : [],
            };
            int[] prompt = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(1, 4) * 3)];
            var without = await Generate(options with { DraftTokens = 0 }, prompt);
            var with = await Generate(options with { DraftTokens = 1 + random.Next(12) }, prompt);
            Assert.Equal(without.Tokens, with.Tokens);
            Assert.Equal(without.Reason, with.Reason);
            Assert.Equal(without.Scores, with.Scores);
            Assert.Equal(0, without.Usage.DraftedTokens);
            Assert.InRange(with.Usage.AcceptedTokens, 0, with.Usage.DraftedTokens);
            Assert.True(with.Steps <= without.Steps);
            accepted += with.Usage.AcceptedTokens;
            drafted += with.Usage.DraftedTokens;
        }

        Assert.True(accepted > 100, $"{accepted} of {drafted} guesses were right");
    }

    [Fact]
    public async Task Ember_says_the_same_with_guesses_and_without()
    {
        await using var model = await LanguageModel.LoadAsync(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { PrefixCaching = false }, cancellationToken: Token);
        var accepted = 0;
        string[] texts = ["Hello! Who are you?", "What is the weather in Bern?", "Repeat: timer city name list. timer city name list", "a b c a b c a b c a b"];
        for (var i = 0; i < 24; i++)
        {
            var chat = new ChatPrompt { Messages = [new ChatMessage("user", texts[i % texts.Length] + new string('!', i / 8))] };
            var options = new GenerationOptions { Temperature = i % 3 == 2 ? 1 : 0, Seed = (ulong)i, MaxTokens = 80, IgnoreEndOfText = true };
            var without = await Say(chat, options);
            var with = await Say(chat, options with { DraftTokens = 6 });
            Assert.Equal(without.Tokens, with.Tokens);
            accepted += with.Accepted;
        }

        Assert.True(accepted > 100, $"{accepted} guesses were right");

        async Task<(List<int> Tokens, int Accepted)> Say(ChatPrompt chat, GenerationOptions options)
        {
            var (tokens, last) = (new List<int>(), (GenerationUpdate?)null);
            await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = model.TokenizeChat(chat, Token), Options = options }, Token))
            {
                tokens.AddRange(update.TokenIds);
                last = update;
            }

            return (tokens, last!.Usage!.Value.AcceptedTokens);
        }
    }

    private static async Task<(List<int> Tokens, List<double> Scores, FinishReason Reason, TokenUsage Usage, int Steps)> Generate(GenerationOptions options, int[] prompt)
    {
        var store = new FakePageStore(4, 64);
        var runner = new FakeRunner(store);
        await using var loop = new StepLoop(runner, store, new StepLoopOptions { ContextLength = 200, TokenBudget = 16 }, token => token == 0, TimeProvider.System, NullLogger.Instance);
        var (tokens, scores) = (new List<int>(), new List<double>());
        GenerationUpdate? last = null;
        await foreach (var update in loop.Submit(new GenerationRequest { Prompt = prompt, Options = options }, new LetterDecoder(), Token))
        {
            tokens.AddRange(update.TokenIds);
            scores.AddRange(update.LogProbabilities.Select(place => place.Token.LogProbability));
            last = update;
        }

        Assert.Empty(KvCacheInvariants.FindViolations(loop.Cache.CaptureState()));
        return (tokens, scores, last!.FinishReason!.Value, last.Usage!.Value, runner.Steps);
    }
}
