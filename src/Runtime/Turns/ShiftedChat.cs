using System.Globalization;
using Hearth.Runtime.Chat;

namespace Hearth.Runtime.Turns;

/// <summary>The prompts of a turn whose context may shift.</summary>
/// <param name="Prompt">What the answer begins behind.</param>
internal sealed record ShiftedPrompts(IReadOnlyList<int> Prompt)
{
    /// <summary>The same with more and more messages left out.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Shorter { get; init; } = [];

    /// <summary>Tokens that <see cref="Prompt"/> is without.</summary>
    public int LeftOutTokens { get; init; }

    /// <summary>What the caller should know of that; null where nothing was left out.</summary>
    public string? Warning { get; init; }
}

/// <summary>Leaves whole messages out of chats that do not fit.</summary>
/// <remarks>
/// Kept are the system messages at the begin, the tools, and the last question with what follows it; of a long row of calls and
/// results behind that question older ones go, too. What is left is rendered anew by the model's template, so the prompt is one
/// that the template writes. Messages go in units of half the context, not one by one: so the prompts of many turns begin alike,
/// and what the cache has of them holds.
/// </remarks>
internal static class ShiftedChat
{
    // What a template writes around a message, about.
    private const int Around = 8;

    // Beginnings that a template may refuse, one after another.
    private const int MostTries = 16;

    /// <summary>The prompts of a turn.</summary>
    /// <param name="model">Answers.</param>
    /// <param name="request">The turn; its chat with the variables that the template takes.</param>
    /// <param name="cancellationToken">Stops a template that takes long.</param>
    /// <exception cref="ContextLengthExceededException">The chat does not fit even with every message left out that may be.</exception>
    public static ShiftedPrompts Prompts(ILanguageModel model, ChatTurnRequest request, CancellationToken cancellationToken)
    {
        var chat = request.Chat;
        var context = model.Information.ContextLength;
        var limit = request.Options.TokenLimit;
        var budget = context - Math.Min(limit, context / 4);
        var unit = Math.Max(1, budget / 2);
        ContextLengthExceededException? tooLong = null;
        List<Cut> cuts = [];
        var whole = Render(chat.Messages, -1);
        if (whole?.Tokens.Count <= budget && whole.Tokens.Count + (long)limit <= context)
            return With(whole, []);

        cuts = Cut.All(chat.Messages, [.. chat.Messages.Select(message => SizeOf(model, message, cancellationToken))]);
        var chosen = whole?.Tokens.Count <= budget ? whole : Choose();
        var shorter = new List<IReadOnlyList<int>>();
        for (var at = chosen.Index; Next(at) is { } next; at = next.Index)
        {
            if (next.Tokens.Count < (shorter.Count > 0 ? shorter[^1] : chosen.Tokens).Count)
                shorter.Add(next.Tokens);
        }

        return With(chosen, shorter);

        ShiftedPrompts With(Rendered prompt, List<IReadOnlyList<int>> others)
        {
            if (prompt.History is { } history)
                chat.History!.Take(history, prompt.Index >= 0);
            if (prompt.Index < 0)
                return new ShiftedPrompts(prompt.Tokens) { Shorter = others };
            var cut = cuts[prompt.Index];
            var left = whole is null ? cut.Dropped : whole.Tokens.Count - prompt.Tokens.Count;
            return new ShiftedPrompts(prompt.Tokens)
            {
                Shorter = others,
                LeftOutTokens = (int)Math.Min(left, int.MaxValue),
                Warning = string.Create(
                    CultureInfo.InvariantCulture,
                    $"the context of {context} tokens would be full: {cut.DroppedMessages} earlier messages ({(whole is null ? "about " : "")}{left} tokens) were left out"),
            };
        }

        // The fewest units of messages without which it fits. A chat that only grows comes to the same choice for many turns.
        Rendered Choose()
        {
            for (var units = 1L; cuts.Count > 0; units++)
            {
                var index = cuts.FindIndex(cut => cut.Dropped >= units * unit);
                var isLast = index < 0 || index == cuts.Count - 1;
                index = index < 0 ? cuts.Count - 1 : index;

                // What is hopelessly long is not rendered.
                if ((isLast || cuts[index].Left <= 2L * context) && FirstFrom(index) is { } found && found.Tokens.Count <= (found.Index == cuts.Count - 1 ? context : budget))
                    return found;
                if (isLast)
                    break;
            }

            return whole?.Tokens.Count <= context ? whole : throw tooLong ?? new ContextLengthExceededException(whole?.Tokens.Count ?? context + 1L, context);
        }

        Rendered? Next(int index)
        {
            if (index == cuts.Count - 1)
                return null;
            var dropped = index < 0 ? 0 : cuts[index].Dropped;
            var next = cuts.FindIndex(cut => cut.Dropped >= ((dropped / unit) + 1L) * unit);
            return FirstFrom(next < 0 ? cuts.Count - 1 : next);
        }

        // Some templates refuse a chat that begins so; one that begins at a later message may do.
        Rendered? FirstFrom(int index)
        {
            for (var end = Math.Min(cuts.Count, index + MostTries); index < end; index++)
            {
                if (Render(cuts[index].Of(chat.Messages), index) is { } prompt)
                    return prompt;
            }

            return null;
        }

        Rendered? Render(IReadOnlyList<ChatMessage> messages, int index)
        {
            var history = chat.History is { } written ? new WrittenHistory { Texts = written.Texts } : null;
            try
            {
                return new Rendered(index, ChatTurn.Tokenize(model, chat with { Messages = messages, History = history }, cancellationToken), history);
            }
            catch (ContextLengthExceededException exception)
            {
                tooLong = exception;
                return null;
            }
            catch (ChatTemplateFailureException) when (index >= 0)
            {
                return null;
            }
        }
    }

    private static int SizeOf(ILanguageModel model, ChatMessage message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Around + Count(message.Content) + message.ToolCalls.Sum(call => Around + Count(call.Name) + Count(call.ArgumentsText ?? call.Arguments.ToJsonString()));

        int Count(string? text) => string.IsNullOrEmpty(text) ? 0 : model.Tokenize(text, addSpecial: false).Count;
    }

    /// <summary>A prompt as it came out.</summary>
    private sealed record Rendered(int Index, IReadOnlyList<int> Tokens, WrittenHistory? History);

    /// <summary>A chat without some of its messages.</summary>
    /// <param name="Head">Messages at the begin that stay.</param>
    /// <param name="Question">One behind them that stays; negative: none.</param>
    /// <param name="Begin">The first of those at the end that stay.</param>
    /// <param name="Dropped">Tokens of the others, about.</param>
    /// <param name="Left">Tokens of those that stay, about.</param>
    private sealed record Cut(int Head, int Question, int Begin, long Dropped, long Left)
    {
        public int DroppedMessages => Begin - Head - (Question < 0 ? 0 : 1);

        public IReadOnlyList<ChatMessage> Of(IReadOnlyList<ChatMessage> messages)
            => [.. messages.Take(Head), .. Question < 0 ? [] : new[] { messages[Question] }, .. messages.Skip(Begin)];

        /// <summary>All that may be made, from the one with the fewest messages gone on.</summary>
        public static List<Cut> All(IReadOnlyList<ChatMessage> messages, int[] sizes)
        {
            var (cuts, head, question) = (new List<Cut>(), 0, -1);
            while (head < messages.Count && messages[head].Role is "system" or "developer")
                head++;
            for (var i = head; i < messages.Count; i++)
                question = messages[i].Role == "user" ? i : question;
            var total = sizes.Sum(size => (long)size);
            var before = 0L;
            for (var begin = head; begin < messages.Count; before += sizes[begin++])
            {
                // Behind the question an answer's calls stand before their results: what is left begins with an answer.
                if (begin > head && begin <= question && messages[begin].Role == "user")
                    cuts.Add(new Cut(head, -1, begin, before, total - before));
                else if (begin > Math.Max(question, head) + 1 && messages[begin].Role == "assistant")
                    cuts.Add(new Cut(head, question, begin, before - (question < 0 ? 0 : sizes[question]), total - before + (question < 0 ? 0 : sizes[question])));
            }

            return cuts;
        }
    }
}
