namespace Hearth.Runtime.Sampling;

/// <summary>Makes recent tokens less (or more) likely: repetition (CTRL, arXiv 1909.05858), presence and frequency penalties.</summary>
/// <remarks>Keeps counts of the tokens in the window, so that its cost is that of the window and not of the vocabulary.</remarks>
internal sealed class Penalties
{
    private readonly float _repetition;
    private readonly float _presence;
    private readonly float _frequency;
    private readonly Dictionary<int, int> _counts = [];
    private readonly Queue<int>? _recent;
    private readonly int _window;

    public Penalties(SamplingParameters parameters, ReadOnlySpan<int> prompt)
    {
        _repetition = parameters.RepetitionPenalty;
        _presence = parameters.PresencePenalty;
        _frequency = parameters.FrequencyPenalty;
        _window = parameters.PenaltyWindow;
        if (_window >= 0)
        {
            _recent = new Queue<int>();
            prompt = prompt[Math.Max(0, prompt.Length - _window)..];
        }

        foreach (var token in prompt)
        {
            Accept(token);
        }
    }

    /// <summary>Takes a token into the window; the oldest leaves a full one.</summary>
    public void Accept(int token)
    {
        if (_recent is not null)
        {
            if (_recent.Count == _window)
            {
                Forget(_recent.Dequeue());
            }

            _recent.Enqueue(token);
        }

        _counts[token] = _counts.GetValueOrDefault(token) + 1;
    }

    /// <summary>Changes the logits of the tokens in the window.</summary>
    public void Apply(Span<float> logits)
    {
        foreach (var (token, count) in _counts)
        {
            if ((uint)token < (uint)logits.Length)
            {
                var logit = logits[token];
                logit = logit > 0 ? logit / _repetition : logit * _repetition;
                logits[token] = logit - _presence - (_frequency * count);
            }
        }
    }

    private void Forget(int token)
    {
        var left = _counts[token] - 1;
        if (left == 0)
        {
            _counts.Remove(token);
        }
        else
        {
            _counts[token] = left;
        }
    }
}
