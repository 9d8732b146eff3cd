using System.Text;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>Ends the thoughts of an answer in channels after so many tokens, and lets no others begin.</summary>
/// <remarks>Thoughts are the messages of the channel "analysis". Source: OpenAI, "OpenAI harmony response format", 2025.</remarks>
internal sealed class HarmonyBudgetWalk : ITokenConstraint
{
    private static readonly byte[] s_thoughts = Encoding.UTF8.GetBytes("analysis");

    private static readonly byte[] s_message = Encoding.UTF8.GetBytes(HarmonyMarks.Message);

    private readonly ITokenConstraint? _answer;
    private readonly Marks _marks;
    private readonly int _budget;
    private Place _place;
    private byte[] _header = [];
    private int _thoughts;

    /// <summary>Begins at an answer's begin.</summary>
    /// <param name="answer">What the answer may be; null: anything.</param>
    /// <param name="marks">What structures it.</param>
    /// <param name="budget">The most tokens of thoughts, at least 0.</param>
    public HarmonyBudgetWalk(ITokenConstraint? answer, Marks marks, int budget) => (_answer, _marks, _budget) = (answer, marks, budget);

    private HarmonyBudgetWalk(HarmonyBudgetWalk other)
    {
        (_answer, _marks, _budget) = (other._answer?.Fork(), other._marks, other._budget);
        (_place, _header, _thoughts) = (other._place, other._header, other._thoughts);
    }

    private enum Place
    {
        /// <summary>Between messages.</summary>
        Between,

        /// <summary>In a message that is no thought; marks within it are its text.</summary>
        Body,

        /// <summary>Behind the mark of a channel, whose name is being written.</summary>
        Header,

        /// <summary>In thoughts.</summary>
        Thoughts,
    }

    /// <inheritdoc/>
    public bool CanEnd => _place != Place.Thoughts && _answer?.CanEnd != false;

    /// <inheritdoc/>
    public bool MustEnd => _answer?.MustEnd == true;

    private bool IsSpent => _thoughts >= _budget;

    // Where the answer's constraint wants something else first, the rest of a character for instance, that comes before the end.
    private bool MustClose => _place == Place.Thoughts && IsSpent && _answer?.Fork().TryAccept(_marks.End) != false;

    /// <inheritdoc/>
    public void FillMask(Span<ulong> mask)
    {
        if (MustClose)
        {
            mask.Clear();
            mask[_marks.End / 64] |= 1UL << (_marks.End % 64);
            return;
        }

        if (_answer is null)
            ThinkingWalk.FillAll(mask, _marks.VocabularySize);
        else
            _answer.FillMask(mask);
        if (_place == Place.Header && IsSpent)
        {
            foreach (var token in _marks.Beginnings(_header))
                mask[token / 64] &= ~(1UL << (token % 64));
        }
    }

    /// <inheritdoc/>
    public bool TryAccept(int token)
    {
        if ((uint)token >= (uint)_marks.VocabularySize
            || (token != _marks.End && MustClose)
            || (_place == Place.Header && IsSpent && _marks.Begins(_header, token))
            || _answer?.TryAccept(token) == false)
            return false;
        switch (_place)
        {
            case Place.Thoughts or Place.Body when token == _marks.End:
                _place = Place.Between;
                break;
            case Place.Thoughts:
                _thoughts++;
                break;
            case Place.Header when token == _marks.Message || EndsHeader(token):
                _place = _header.AsSpan().IndexOf(s_thoughts) >= 0 ? Place.Thoughts : Place.Body;
                break;
            case Place.Between when token == _marks.Channel:
                (_place, _header) = (Place.Header, []);
                break;
        }

        return true;
    }

    // A mark may be spelled by other tokens than its own.
    private bool EndsHeader(int token)
    {
        _header = [.. _header, .. _marks.Bytes(token)];
        return _header.AsSpan().EndsWith(s_message);
    }

    /// <inheritdoc/>
    public void FindForced(List<int> tokens)
    {
        tokens.Clear();
        if (MustClose)
            tokens.Add(_marks.End);
        else
            _answer?.FindForced(tokens);
    }

    /// <inheritdoc/>
    public ITokenConstraint Fork() => new HarmonyBudgetWalk(this);

    /// <summary>The tokens of a vocabulary that structure answers.</summary>
    internal sealed class Marks
    {
        private readonly Tokenizer _tokenizer;
        private readonly Lazy<int[]> _beginnings;

        private Marks(Tokenizer tokenizer, int channel, int message, int end)
        {
            (_tokenizer, Channel, Message, End) = (tokenizer, channel, message, end);
            _beginnings = new Lazy<int[]>(() => [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(token => Begins([], token))]);
        }

        public int Channel { get; }

        public int Message { get; }

        public int End { get; }

        public int VocabularySize => _tokenizer.VocabularySize;

        /// <summary>The marks of a vocabulary; null where one of them is no token.</summary>
        public static Marks? Find(Tokenizer tokenizer)
            => tokenizer.TryGetId(HarmonyMarks.Channel, out var channel) && tokenizer.TryGetId(HarmonyMarks.Message, out var message) && tokenizer.TryGetId(HarmonyMarks.End, out var end)
                ? new Marks(tokenizer, channel, message, end) : null;

        public ReadOnlySpan<byte> Bytes(int token) => _tokenizer.TokenBytes(token);

        /// <summary>The tokens with which the name of thoughts' channel would begin or go on behind a part of it.</summary>
        public IEnumerable<int> Beginnings(byte[] header)
            => header.Length == 0 ? _beginnings.Value : Enumerable.Range(0, _tokenizer.VocabularySize).Where(token => Begins(header, token));

        /// <summary>Whether a token is one of <see cref="Beginnings"/>.</summary>
        public bool Begins(ReadOnlySpan<byte> header, int token)
        {
            var bytes = Bytes(token);
            if (bytes.IsEmpty || header.Length >= s_thoughts.Length || !s_thoughts.AsSpan().StartsWith(header))
                return false;
            var rest = s_thoughts.AsSpan(header.Length);
            return bytes.StartsWith(rest) || rest.StartsWith(bytes);
        }
    }
}
