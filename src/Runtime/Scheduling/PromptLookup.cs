namespace Hearth.Runtime.Scheduling;

/// <summary>Guesses how a text goes on: as it went on where its last tokens stood before, in the prompt or in the answer.</summary>
/// <remarks>
/// Guesses cost rows of a step and change nothing else: the model says of each whether it would have chosen it. How many are
/// made follows what came of those before; where hardly any is right none are made for a while. Of one request.
/// </remarks>
/// <param name="most">Guesses of a step, at least 1.</param>
internal sealed class PromptLookup(int most)
{
    private const int LongestStart = 5;
    private const int ShortestStart = 2;
    private const int FirstLength = 4;

    // Below that share a guess costs more than it saves: a row of a step that reads the weights anyway is worth so much of a token.
    private const double LeastShare = 0.3;
    private const double EnoughGuesses = 4.3;
    private const double AfterPause = 3.5;
    private const int FirstPause = 32;
    private const int LongestPause = 512;

    private int _length = Math.Min(FirstLength, most);
    private double _guessed;
    private double _right;
    private int _pause;
    private int _nextPause = FirstPause;

    /// <summary>Guesses made so far.</summary>
    public int Guessed { get; private set; }

    /// <summary>Those of them that the model chose, too.</summary>
    public int Right { get; private set; }

    /// <summary>Finds the tokens that may come next.</summary>
    /// <param name="history">Prompt and answer so far.</param>
    /// <param name="room">The most that are of use.</param>
    /// <param name="guesses">Receives them; none where nothing is found, or guessing does not pay.</param>
    public void Guess(ReadOnlySpan<int> history, int room, List<int> guesses)
    {
        guesses.Clear();
        if (_pause > 0)
        {
            _pause--;
            return;
        }

        var count = Math.Min(_length, room);
        for (var start = Math.Min(LongestStart, history.Length - 1); start >= ShortestStart && count > 0; start--)
        {
            var found = history[..^1].LastIndexOf(history[^start..]);
            if (found >= 0)
            {
                var next = history[(found + start)..];
                guesses.AddRange(next[..Math.Min(count, next.Length)]);
                return;
            }
        }
    }

    /// <summary>Learns what came of guesses.</summary>
    /// <param name="guessed">How many were made, at least 1.</param>
    /// <param name="right">How many of them, from the first on, were right.</param>
    public void Learn(int guessed, int right)
    {
        Guessed += guessed;
        Right += right;

        // What counts is lately: half of it is forgotten in about a dozen guesses.
        const double Kept = 0.8;
        _guessed = (_guessed * Kept) + guessed;
        _right = (_right * Kept) + right;
        _length = right == guessed ? Math.Min(most, _length * 2) : Math.Clamp(right + 1, 1, most);
        if (_guessed < EnoughGuesses || _right >= LeastShare * _guessed)
        {
            if (right == guessed)
                _nextPause = FirstPause;
            return;
        }

        _pause = _nextPause;
        _nextPause = Math.Min(LongestPause, _nextPause * 2);
        (_guessed, _right) = (AfterPause, 0);
        _length = Math.Min(2, most);
    }
}
