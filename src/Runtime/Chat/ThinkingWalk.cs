using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>Lets a model think as it likes and begins a constraint behind it.</summary>
/// <remarks>The text cannot end while the model thinks. Between the end of the thinking and the answer there may be two tokens of white space.</remarks>
internal sealed class ThinkingWalk : ITokenConstraint
{
    private const int MostBlanks = 2;

    private readonly ITokenConstraint _answer;
    private readonly ThinkingMarkers _markers;
    private readonly Tokenizer _tokenizer;
    private Place _place;
    private readonly int? _budget;
    private byte[] _tail;
    private int _blanks;
    private int _thoughts;
    private int _closed;

    private enum Place
    {
        /// <summary>The model may begin to think, or to answer.</summary>
        Start,

        /// <summary>It thinks.</summary>
        Thinking,

        /// <summary>It has thought; white space may come before the answer.</summary>
        Gap,

        /// <summary>It answers.</summary>
        Answer,
    }

    /// <summary>Begins.</summary>
    /// <param name="answer">The constraint of the answer.</param>
    /// <param name="markers">What begins and ends the thinking.</param>
    /// <param name="tokenizer">Spells tokens.</param>
    /// <param name="isThinking">Whether the prompt has begun it.</param>
    /// <param name="budget">The most tokens of thoughts, after which they are ended; null: any number.</param>
    public ThinkingWalk(ITokenConstraint answer, ThinkingMarkers markers, Tokenizer tokenizer, bool isThinking, int? budget = null)
    {
        (_answer, _markers, _tokenizer, _budget) = (answer, markers, tokenizer, budget);
        (_place, _tail) = (isThinking ? Place.Thinking : Place.Start, []);
    }

    private ThinkingWalk(ThinkingWalk other)
    {
        (_answer, _markers, _tokenizer, _budget) = (other._answer.Fork(), other._markers, other._tokenizer, other._budget);
        (_place, _tail, _blanks, _thoughts, _closed) = (other._place, other._tail, other._blanks, other._thoughts, other._closed);
    }

    /// <inheritdoc/>
    public bool CanEnd => _place != Place.Thinking && _answer.CanEnd;

    /// <inheritdoc/>
    public bool MustEnd => _place == Place.Answer && _answer.MustEnd;

    /// <inheritdoc/>
    public void FillMask(Span<ulong> mask)
    {
        if (_place == Place.Thinking)
        {
            if (MustClose)
            {
                mask.Clear();
                Set(mask, _markers.Closing[_closed]);
            }
            else
            {
                FillFree(mask);
            }

            return;
        }

        _answer.FillMask(mask);
        if (_place == Place.Start)
            Set(mask, _markers.OpenToken!.Value);
        if (_place == Place.Gap && _blanks < MostBlanks)
        {
            foreach (var blank in _markers.Blanks)
                Set(mask, blank);
        }
    }

    /// <inheritdoc/>
    public bool TryAccept(int token)
    {
        if (_place == Place.Thinking)
            return MustClose ? TryClose(token) : TryThink(token);
        if (_place == Place.Start && token == _markers.OpenToken)
        {
            _place = Place.Thinking;
            return true;
        }

        if (_answer.TryAccept(token))
        {
            _place = Place.Answer;
            return true;
        }

        if (_place != Place.Gap || _blanks == MostBlanks || !Bytes(token, out var bytes) || bytes.IsEmpty || !ThinkingMarkers.IsBlank(bytes))
            return false;
        _blanks++;
        return true;
    }

    /// <inheritdoc/>
    public void FindForced(List<int> tokens)
    {
        if (_place == Place.Answer)
        {
            _answer.FindForced(tokens);
            return;
        }

        tokens.Clear();
        if (_place == Place.Thinking && MustClose)
            tokens.AddRange(_markers.Closing.AsSpan(_closed));
    }

    /// <inheritdoc/>
    public ITokenConstraint Fork() => new ThinkingWalk(this);

    // The tokens that end the thoughts have begun, or begin now.
    private bool MustClose => _closed > 0 || _thoughts >= _budget;

    private bool TryClose(int token)
    {
        if (token != _markers.Closing[_closed])
            return false;
        if (++_closed == _markers.Closing.Length)
        {
            // The white space behind the mark was written with it.
            (_place, _blanks) = (Place.Gap, MostBlanks);
        }

        return true;
    }

    private void FillFree(Span<ulong> mask)
    {
        FillAll(mask, _tokenizer.VocabularySize);
        foreach (var end in _markers.Ends)
            Clear(mask, end);
        foreach (var token in _markers.Overlong)
        {
            if (FindClose(_tokenizer.TokenBytes(token), out var rest) && !ThinkingMarkers.IsBlank(rest))
                Clear(mask, token);
        }
    }

    private bool TryThink(int token)
    {
        if (!Bytes(token, out var bytes) || _tokenizer.IsEndOfGeneration(token))
            return false;
        if (!FindClose(bytes, out var rest))
        {
            byte[] text = [.. _tail, .. bytes];
            _tail = text[Math.Max(0, text.Length - (_markers.CloseBytes.Length - 1))..];
            _thoughts++;
            return true;
        }

        if (!ThinkingMarkers.IsBlank(rest))
            return false;
        _place = Place.Gap;
        return true;
    }

    private bool Bytes(int token, out ReadOnlySpan<byte> bytes)
    {
        var isKnown = (uint)token < (uint)_tokenizer.VocabularySize;
        bytes = isKnown ? _tokenizer.TokenBytes(token) : [];
        return isKnown;
    }

    // Whether the end of the thinking is complete with a token; what the token holds behind it.
    private bool FindClose(ReadOnlySpan<byte> token, out ReadOnlySpan<byte> rest)
    {
        Span<byte> text = stackalloc byte[256];
        var length = _tail.Length + token.Length;
        text = length <= text.Length ? text[..length] : new byte[length];
        _tail.CopyTo(text);
        token.CopyTo(text[_tail.Length..]);
        var at = text.IndexOf(_markers.CloseBytes);
        rest = at < 0 ? [] : token[(at + _markers.CloseBytes.Length - _tail.Length)..];
        return at >= 0;
    }

    /// <summary>Allows every token.</summary>
    internal static void FillAll(Span<ulong> mask, int vocabularySize)
    {
        mask.Clear();
        var whole = vocabularySize / 64;
        mask[..Math.Min(whole, mask.Length)].Fill(ulong.MaxValue);
        if (whole < mask.Length)
            mask[whole] = (1UL << (vocabularySize % 64)) - 1;
    }

    private static void Set(Span<ulong> mask, int token) => mask[token / 64] |= 1UL << (token % 64);

    private static void Clear(Span<ulong> mask, int token) => mask[token / 64] &= ~(1UL << (token % 64));
}
