using System.Runtime.InteropServices;

namespace Hearth.Runtime.Scheduling;

/// <summary>What of a request's tokens stays where they fill the context, and what goes.</summary>
/// <remarks>
/// Only says which tokens are left. Whoever holds their pages lets those behind the first that changed go and has the rest read
/// again: keys and values of what is kept depend on what is dropped in every layer but the first, so that turning the keys to
/// their new places would give another text than that of the prompt as it is now. Of one request; by one thread at a time.
/// </remarks>
internal sealed class ContextShift
{
    /// <summary>Tokens of a prompt's beginning that stay where nothing else is said: attention rests on the first (arXiv 2309.17453).</summary>
    private const int Sinks = 4;

    private readonly int _contextLength;
    private readonly int _kept;
    private readonly IReadOnlyList<IReadOnlyList<int>> _shorter;
    private int _next;
    private int _promptTokens;

    /// <summary>Takes a checked prompt; one that is longer than the context is shortened at once.</summary>
    /// <param name="prompt">Tokens; may be changed.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="contextLength">Positions that one sequence may have.</param>
    /// <exception cref="InvalidRequestException">What is to stay leaves too little of the context for the rest.</exception>
    public ContextShift(List<int> prompt, GenerationRequest request, int contextLength)
    {
        _contextLength = contextLength;
        _shorter = request.ShorterPrompts;
        _promptTokens = prompt.Count;
        var options = request.Options;
        var asked = options.KeptTokens switch { null => Math.Min(Sinks, MostKept), -1 => prompt.Count, var tokens => tokens.Value };
        if (asked > MostKept)
        {
            throw new InvalidRequestException(
                nameof(options.KeptTokens), $"must leave room in a context of {contextLength} tokens that shifts: at most {MostKept} can stay, found {asked}");
        }

        // What no shorter form of the prompt leaves out is its head: of a chat system messages and tools.
        var head = _shorter.Count > 0 ? CollectionsMarshal.AsSpan(prompt).CommonPrefixLength([.. _shorter[^1]]) : 0;
        _kept = Math.Min(MostKept, Math.Max(asked, head));
        Dropped = request.LeftOutTokens;
        if (prompt.Count > contextLength)
        {
            Fit(prompt, Math.Min(options.TokenLimit, (contextLength - _kept) / 4));
        }
    }

    /// <summary>Tokens that went so far.</summary>
    public int Dropped { get; private set; }

    private int MostKept => _contextLength - Math.Max(1, _contextLength / 4);

    /// <summary>Whether a text has no room for another token.</summary>
    public bool IsFull(int tokens) => tokens >= _contextLength;

    /// <summary>Makes room in a full context.</summary>
    /// <param name="history">Prompt and text; changed.</param>
    /// <returns>How many tokens went, at least 1.</returns>
    public int Apply(List<int> history)
    {
        var before = history.Count;
        if (!TryShorten(history, MostKept))
        {
            // No whole message is left to go. The text's own beginning goes before the question does, unless that fills the context.
            Drop(history, _promptTokens <= _contextLength / 2 ? Math.Max(_kept, _promptTokens) : _kept, (keep, count) => (count - keep + 1) / 2);
        }

        Dropped += before - history.Count;
        return before - history.Count;
    }

    // A prompt alone: by units of half of what may go, so that the next prompt of the same text begins alike for a while.
    private void Fit(List<int> prompt, int reserve)
    {
        var before = prompt.Count;
        if (!TryShorten(prompt, _contextLength))
        {
            Drop(prompt, _kept, (keep, count) =>
            {
                var unit = Math.Max(1, (_contextLength - keep) / 2);
                return (count - (_contextLength - reserve) + unit - 1) / unit * unit;
            });
        }

        Dropped += before - prompt.Count;
    }

    /// <summary>Puts the first shorter prompt that leaves room in the place of the prompt.</summary>
    /// <returns>Whether there is room now; where not, the shortest one is in its place.</returns>
    private bool TryShorten(List<int> history, int most)
    {
        while (_next < _shorter.Count)
        {
            var shorter = _shorter[_next++];
            var length = history.Count - _promptTokens + shorter.Count;
            if (shorter.Count < _promptTokens && (length <= most || _next == _shorter.Count))
            {
                history.RemoveRange(0, _promptTokens);
                history.InsertRange(0, shorter);
                _promptTokens = shorter.Count;
                return length <= most;
            }
        }

        return false;
    }

    private void Drop(List<int> history, int keep, Func<int, int, int> howMany)
    {
        keep = Math.Min(keep, history.Count - 1);
        var count = Math.Clamp(howMany(keep, history.Count), 1, history.Count - keep);
        history.RemoveRange(keep, count);
        _promptTokens -= Math.Clamp(_promptTokens - keep, 0, count);
    }
}
