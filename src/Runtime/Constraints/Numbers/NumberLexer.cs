using System.Numerics;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Numbers;

/// <summary>JSON's spellings of the numbers of some ranges, exactly: 10, 10.0 and 1e1 are one number.</summary>
/// <remarks>
/// A state says whether a number of the ranges can still be written: which numbers begin with the digits so far, or which
/// exponents are left. Not regular, since an exponent may make up for any number of digits, so states are made as they
/// are asked for; digits and exponents are bounded (<see cref="MostDigits"/>, <see cref="MostExponent"/>). A number that has as many digits
/// ends as soon as one of the ranges lets it, on the shortest way. Source: RFC 8259, section 6.
/// </remarks>
internal sealed class NumberLexer
{
    /// <summary>Digits that a number may have before its exponent, where its value matters: zeros behind the point before all others, and digits from the first other one on.</summary>
    public const int MostDigits = 400;

    /// <summary>The greatest exponent, either way, where the number's value matters.</summary>
    public const int MostExponent = 9999;

    /// <summary>Digits that are looked ahead for the end of a number that has <see cref="MostDigits"/>.</summary>
    private const int MostMore = 64;

    /// <summary>Digits of numbers whose states are remembered, where digits are told apart.</summary>
    private const int MostRemembered = 5;

    private readonly NumberRange[] _ranges;
    private readonly NumberRange[] _positive;
    private readonly NumberRange[] _negative;
    private readonly bool _isAll;
    private readonly bool _isOnlyMultiple;
    private readonly bool _isPlain;
    private readonly Dictionary<NumberText, LexState> _states = [];

    private NumberLexer(NumberRange[] ranges)
    {
        _ranges = ranges;
        _isAll = Array.Exists(ranges, range => range.IsAll);
        _isOnlyMultiple = ranges is [{ Least: null, Most: null, NotMultiples: [], Multiple.Digits.IsOne: true }];
        _isPlain = Array.TrueForAll(ranges, range => range.IsPlain);
        _positive = [.. ranges.Select(range => range.NotNegative()).OfType<NumberRange>()];
        _negative = [.. ranges.Select(range => range.Mirror().NotNegative()).OfType<NumberRange>()];
    }

    private enum Phase : byte
    {
        Start,
        Minus,
        Zero,
        Whole,
        Point,
        Fraction,
        E,
        Sign,
        Exponent,
    }

    /// <summary>The state before a number.</summary>
    /// <param name="ranges">The number lies in one of them; at least one has a member.</param>
    /// <returns>A state for the numbers that may have a point or exponent, and one for those that may not; each only where there are such ranges.</returns>
    public static IEnumerable<LexState> Start(IEnumerable<NumberRange> ranges)
        => ranges.GroupBy(range => range.IsPlain).Select(group => new NumberLexer([.. group]).StateOf(default));

    private LexState StateOf(NumberText text)
    {
        if (_isAll)
        {
            text = new NumberText { Phase = text.Phase };
        }

        if (text.Length > MostRemembered)
        {
            return IsPossible(text) ? new State(this, text, IsAccepted(text), isTransient: true) : LexState.Dead;
        }

        lock (_states)
        {
            if (_states.TryGetValue(text, out var known))
            {
                return known;
            }
        }

        var state = IsPossible(text) ? new State(this, text, IsAccepted(text), isTransient: false) : LexState.Dead;
        lock (_states)
        {
            _states.TryAdd(text, state);
            return _states[text];
        }
    }

    private bool IsAccepted(in NumberText text)
        => text.Phase is Phase.Zero or Phase.Whole or Phase.Fraction or Phase.Exponent
            && (_isAll || Contains(new ExactNumber(text.IsNegative ? -text.Digits : text.Digits, text.SignedExponent - text.Scale)));

    private bool Contains(ExactNumber value) => Array.Exists(_ranges, range => range.Contains(value));

    private bool IsPossible(NumberText text)
    {
        if (_isAll || text.Phase == Phase.Start)
        {
            return true;
        }

        var ranges = text.IsNegative ? _negative : _positive;
        if (text.Phase < Phase.E)
        {
            return text.Digits.IsZero
                ? Array.Exists(ranges, range => _isPlain && text.Phase == Phase.Zero ? range.Contains(ExactNumber.Zero) : range.HasMember())
                : Array.Exists(ranges, range => range.HasMemberThatBegins(text.Digits));
        }

        return text.Digits.IsZero
            ? Array.Exists(ranges, range => range.Contains(ExactNumber.Zero))
            : Array.Exists(ranges, range => range.ExponentsOf(text.Digits) is var (first, last) && CanReach(text, first + text.Scale, last + text.Scale));
    }

    // How many digits more the shortest number has that begins so, an exponent apart; none where there is no such number of digits.
    private int FewestMore(NumberText text)
    {
        if (IsAccepted(text) || (!_isPlain && text.Phase is Phase.Zero or Phase.Whole or Phase.Fraction && IsPossible(text with { Phase = Phase.E })))
        {
            return 0;
        }

        var ranges = text.IsNegative ? _negative : _positive;
        var more = 1;
        while (more <= MostMore && !Array.Exists(ranges, range => range.HasMemberOfDigits(text.Digits, more)))
        {
            more++;
        }

        return more;
    }

    // Whether an exponent of an interval can still be written.
    private static bool CanReach(in NumberText text, int first, int last)
    {
        if (text.Phase == Phase.E)
        {
            return Meets(-MostExponent, MostExponent);
        }

        if (text.Phase == Phase.Sign || text.Exponent == 0)
        {
            return text.IsExponentNegative ? Meets(-MostExponent, 0) : Meets(0, MostExponent);
        }

        // Further digits: ten times as much, and up to nine more.
        for (var (low, high) = (text.Exponent, text.Exponent); low <= MostExponent; low *= 10, high = (high * 10) + 9)
        {
            if (text.IsExponentNegative ? Meets(-Math.Min(high, MostExponent), -low) : Meets(low, Math.Min(high, MostExponent)))
            {
                return true;
            }
        }

        return false;

        bool Meets(int from, int to) => first <= last && Math.Max(first, from) <= Math.Min(last, to);
    }

    private readonly record struct NumberText
    {
        public Phase Phase { get; init; }

        public bool IsNegative { get; init; }

        /// <summary>All digits before the exponent as one number.</summary>
        public BigInteger Digits { get; init; }

        /// <summary>How many of them there are, without zeros before the first.</summary>
        public int Length { get; init; }

        /// <summary>How many of them stand behind the point.</summary>
        public int Scale { get; init; }

        public bool IsExponentNegative { get; init; }

        public int Exponent { get; init; }

        public int SignedExponent => IsExponentNegative ? -Exponent : Exponent;
    }

    private sealed class State(NumberLexer lexer, NumberText text, bool isAccepting, bool isTransient) : LexState(isAccepting)
    {
        public override bool IsTransient => isTransient;

        private protected override LexState Compute(byte value)
        {
            var digit = value - '0';
            if (digit is < 0 or > 9)
            {
                return value switch
                {
                    (byte)'-' when text.Phase == Phase.Start => lexer.StateOf(text with { Phase = Phase.Minus, IsNegative = true }),
                    (byte)'-' or (byte)'+' when text.Phase == Phase.E => lexer.StateOf(text with { Phase = Phase.Sign, IsExponentNegative = value == '-' }),
                    (byte)'.' when !lexer._isPlain && text.Phase is (Phase.Zero or Phase.Whole) => lexer.StateOf(text with { Phase = Phase.Point }),
                    (byte)'e' or (byte)'E' when !lexer._isPlain && text.Phase is (Phase.Zero or Phase.Whole or Phase.Fraction) => lexer.StateOf(text with { Phase = Phase.E }),
                    _ => Dead,
                };
            }

            return text.Phase switch
            {
                Phase.Start or Phase.Minus => WithDigit(digit, digit == 0 ? Phase.Zero : Phase.Whole),
                Phase.Whole => WithDigit(digit, Phase.Whole),
                Phase.Point or Phase.Fraction => WithDigit(digit, Phase.Fraction),
                Phase.E or Phase.Sign or Phase.Exponent => WithExponent(digit),
                _ => Dead,
            };
        }

        private LexState WithDigit(int digit, Phase phase)
        {
            var scale = phase == Phase.Fraction ? text.Scale + 1 : text.Scale;
            if (lexer._isAll)
            {
                return lexer.StateOf(text with { Phase = phase });
            }

            // Whether a number is an integer depends on the zeros at its end alone.
            var digits = lexer._isOnlyMultiple && digit != 0 ? 1 : (text.Digits * 10) + digit;
            var next = text with { Phase = phase, Digits = digits, Length = digits.IsZero || lexer._isOnlyMultiple ? 0 : text.Length + 1, Scale = scale };
            if (scale > (digits.IsZero ? MostDigits : 2 * MostDigits))
            {
                return Dead;
            }

            return text.Length < MostDigits || lexer.FewestMore(next) < lexer.FewestMore(text) ? lexer.StateOf(next) : Dead;
        }

        private LexState WithExponent(int digit)
        {
            var exponent = (text.Exponent * 10) + digit;
            return lexer._isAll || exponent <= MostExponent ? lexer.StateOf(text with { Phase = Phase.Exponent, Exponent = exponent }) : Dead;
        }
    }
}
