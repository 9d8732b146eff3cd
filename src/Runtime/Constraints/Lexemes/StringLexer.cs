using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>Characters that an automaton and a range of lengths allow, as UTF-8 or as the inside of a JSON string.</summary>
/// <remarks>
/// JSON's escapes stand for characters wherever they are written; a surrogate is only written beside its other half.
/// Lengths count characters (code points). Source: RFC 8259, section 7; RFC 3629.
/// </remarks>
internal sealed class StringLexer
{
    private readonly Dictionary<Key, LexState> _states = [];
    private readonly StringLengths _lengths;
    private readonly StringExclusions? _exclusions;
    private readonly StringLexer? _withoutExclusions;
    private readonly StringLexer? _unrestricted;

    /// <summary>Creates a lexer.</summary>
    /// <param name="language">What the characters must match.</param>
    /// <param name="lengths">How many there may be.</param>
    /// <param name="isJson">Whether a closing quote ends the lexeme and escapes are read; otherwise it may end wherever the language accepts.</param>
    /// <param name="unrestricted">A lexer of the same kind for any text, which takes over where nothing is restricted any more; null: none.</param>
    public StringLexer(CharState language, StringLengths lengths, bool isJson, StringLexer? unrestricted = null)
    {
        IsJson = isJson;
        _lengths = lengths;
        _unrestricted = unrestricted;
        Start = StateOf(language, 0, default, StringExclusions.Off);
    }

    private StringLexer(StringLexer other, CharState language, StringExclusions exclusions)
    {
        IsJson = other.IsJson;
        _lengths = other._lengths;
        _withoutExclusions = other;
        _exclusions = exclusions;
        Start = StateOf(language, 0, default, exclusions.Root);
    }

    /// <summary>Whether it reads the inside of a JSON string, with the quote that closes it.</summary>
    public bool IsJson { get; }

    /// <summary>Where the characters begin; dead where none are allowed, not even no character.</summary>
    public LexState Start { get; }

    /// <summary>The same lexer without some texts; each must be allowed, and the language must be everything but for lengths.</summary>
    public StringLexer Without(CharState language, StringExclusions exclusions) => new(this, language, exclusions);

    /// <summary>Characters that were read up to a state of a lexer that counts; one that is begun counts as one.</summary>
    public static int CountOf(LexState state) => ((State)state).Count;

    /// <summary>Whether a state of a lexer stands between two characters.</summary>
    public static bool IsBetween(LexState state) => ((State)state).IsBetween;

    private LexState StateOf(CharState language, int count, Partial partial, ExclusionPlace place)
    {
        if (place.IsOff && _withoutExclusions is not null)
        {
            return _withoutExclusions.StateOf(language, count, partial, place);
        }

        count = _lengths.Normalize(count);
        if (_unrestricted is not null && language.IsEverything && _lengths.AllowsAllFrom(count))
        {
            return _unrestricted.StateOf(language, 0, partial, place);
        }

        if (!IsAlive(language, count, place))
        {
            return LexState.Dead;
        }

        var key = new Key(language, count, partial, place);
        lock (_states)
        {
            if (!_states.TryGetValue(key, out var state))
            {
                _states.Add(key, state = new State(this, key, !IsJson && partial.Kind == PartialKind.None && CanEnd(key)));
            }

            return state;
        }
    }

    private bool IsAlive(CharState language, int count, ExclusionPlace place)
        => !language.IsDead && _lengths.CanComplete(language, count) && (place.IsOff || !_exclusions!.IsExcluded(place) || count < _lengths.Most);

    private bool CanEnd(in Key key) => key.Language.IsAccepting && _lengths.Allows(key.Count) && (key.Place.IsOff || !_exclusions!.IsExcluded(key.Place));

    private LexState Advance(in Key key, int character)
        => key.Count >= _lengths.Most ? LexState.Dead : StateOf(key.Language.Next(character), key.Count + 1, default, key.Place.IsOff ? key.Place : _exclusions!.Next(key.Place, character));

    private LexState AdvanceClass(in Key key, int characterClass)
        => key.Count >= _lengths.Most ? LexState.Dead : StateOf(key.Language.IsEverything ? key.Language : key.Language.NextOfClass(characterClass), key.Count + 1, default, StringExclusions.Off);

    private bool CanAdvanceClass(in Key key, int characterClass)
        => key.Count < _lengths.Most && (key.Language.IsEverything
            || (key.Language.NextOfClass(characterClass) is { IsDead: false } next && _lengths.CanComplete(next, _lengths.Normalize(key.Count + 1))));

    // The class of all characters that a sequence may still become, if there is one and every continuation is well-formed; otherwise -1.
    private static int ClassOf(in Key key, in Partial partial)
    {
        var mask = (1 << (6 * partial.Missing)) - 1;
        if ((partial.First & mask) != 0 || (partial.Last & mask) != mask || (partial.First <= 0xDFFF && partial.Last >= 0xD800) || !key.Place.IsOff)
        {
            return -1;
        }

        if (key.Language.IsEverything)
        {
            return 0;
        }

        var found = -1;
        foreach (var c in key.Language.Automaton.ClassesIn(partial.First, partial.Last))
        {
            if (found >= 0 && c != found)
            {
                return -1;
            }

            found = c;
        }

        return found;
    }

    // Whether any character of a range can be read and the text completed then.
    private bool CanAdvance(in Key key, int first, int last)
    {
        if (key.Count >= _lengths.Most)
        {
            return false;
        }

        if (key.Language.IsEverything)
        {
            return true;
        }

        foreach (var c in key.Language.Automaton.ClassesIn(first, last))
        {
            var next = key.Language.NextOfClass(c);
            if (!next.IsDead && _lengths.CanComplete(next, _lengths.Normalize(key.Count + 1)))
            {
                return true;
            }
        }

        return false;
    }

    private enum PartialKind : byte
    {
        None,

        /// <summary>Bytes of a UTF-8 sequence are missing.</summary>
        Utf8,

        /// <summary>Bytes of a UTF-8 sequence are missing, and whatever they are, the character is of one class: that of the range.</summary>
        Uniform,

        /// <summary>After a backslash.</summary>
        Escape,

        /// <summary>Digits of \uXXXX are missing.</summary>
        Unit,

        /// <summary>After a high surrogate: a backslash must come.</summary>
        SecondBackslash,

        /// <summary>After a high surrogate and a backslash: a u must come.</summary>
        SecondU,

        /// <summary>Digits of the low surrogate are missing: a d, one from c on, and two others.</summary>
        SecondUnit,
    }

    /// <summary>What is known of a character that is being read: it is between two code points (or units), and so many bytes or digits are missing.</summary>
    private readonly record struct Partial(PartialKind Kind, int First, int Last, int Missing);

    private readonly record struct Key(CharState Language, int Count, Partial Partial, ExclusionPlace Place);

    private sealed class State(StringLexer lexer, Key key, bool isAccepting) : LexState(isAccepting, FirstOf(key.Partial.Kind), CountOf(key.Partial.Kind))
    {
        public bool IsBetween => key.Partial.Kind == PartialKind.None;

        public int Count => key.Count + (key.Partial.Kind == PartialKind.None ? 0 : 1);

        public override StringRun? Run
            => key.Partial.Kind != PartialKind.None ? null
                : new StringRun(key.Language.Loop, lexer._lengths, key.Count, key.Language, lexer.IsJson, key.Place.IsOff ? null : lexer._exclusions!.Remaining(key.Place));

        public override LexState Within(int bytes)
            => key.Partial.Kind == PartialKind.None && key.Place.IsOff && lexer._lengths.AllowsAllFrom(key.Count) && key.Language.Within(bytes) is var alike && alike != key.Language
                ? lexer.StateOf(alike, key.Count, default, key.Place)
                : this;

        // Few bytes may go on where a character is begun.
        private static byte FirstOf(PartialKind kind) => kind switch
        {
            PartialKind.None => 0,
            PartialKind.Utf8 or PartialKind.Uniform => 0x80,
            PartialKind.Unit or PartialKind.SecondUnit => (byte)'0',
            _ => (byte)'"',
        };

        private static short CountOf(PartialKind kind) => kind switch
        {
            PartialKind.None => 256,
            PartialKind.Utf8 or PartialKind.Uniform => 0x40,
            PartialKind.Unit or PartialKind.SecondUnit => 'f' - '0' + 1,
            _ => 'u' - '"' + 1,
        };

        private protected override LexState Compute(byte value)
        {
            var partial = key.Partial;
            switch (partial.Kind)
            {
                case PartialKind.None:
                    return lexer.IsJson ? ReadJson(value) : ReadFirst(value);
                case PartialKind.Uniform:
                    return partial.Missing > 1 ? Reading(partial with { Missing = partial.Missing - 1 }) : lexer.AdvanceClass(key, partial.First);
                case PartialKind.Utf8:
                    return (value & 0xC0) == 0x80 ? Narrow(partial, value & 0x3F, 6, 6 * (partial.Missing - 1)) : Dead;
                case PartialKind.Escape:
                    return value == 'u' ? Reading(new Partial(PartialKind.Unit, 0, 0xFFFF, 4)) : Unescape(value) is >= 0 and var character ? lexer.Advance(key, character) : Dead;
                case PartialKind.Unit:
                    return HexDigit(value) is >= 0 and var digit ? Narrow(partial, digit, 4, 4 * (partial.Missing - 1)) : Dead;
                case PartialKind.SecondUnit:
                    return ReadLowSurrogate(partial, HexDigit(value));
                case PartialKind.SecondBackslash:
                    return value == '\\' ? Reading(partial with { Kind = PartialKind.SecondU }) : Dead;
                default:
                    return value == 'u' ? Reading(partial with { Kind = PartialKind.SecondUnit, Missing = 4 }) : Dead;
            }
        }

        private LexState ReadJson(byte value) => value switch
        {
            (byte)'"' => lexer.CanEnd(key) ? EndState.Instance : Dead,
            (byte)'\\' => Reading(new Partial(PartialKind.Escape, 0, CharSet.Last, 0)),
            < 0x20 => Dead,
            _ => ReadFirst(value),
        };

        private LexState ReadFirst(byte value) => value switch
        {
            < 0x80 => lexer.Advance(key, value),
            >= 0xC2 and < 0xE0 => Reading(new Partial(PartialKind.Utf8, (value & 0x1F) << 6, ((value & 0x1F) << 6) | 0x3F, 1)),
            >= 0xE0 and < 0xF0 => Reading(new Partial(PartialKind.Utf8, Math.Max(0x800, (value & 0x0F) << 12), ((value & 0x0F) << 12) | 0xFFF, 2)),
            >= 0xF0 and < 0xF5 => Reading(new Partial(PartialKind.Utf8, Math.Max(0x10000, (value & 0x07) << 18), Math.Min(CharSet.Last, ((value & 0x07) << 18) | 0x3FFFF), 3)),
            _ => Dead,
        };

        // Of a low surrogate's digits the first says nothing, and the second has two bits of the character.
        private LexState ReadLowSurrogate(Partial partial, int digit) => partial.Missing switch
        {
            4 => digit == 0xD ? Reading(partial with { Missing = 3 }) : Dead,
            3 => digit >= 0xC ? Narrow(partial, digit - 0xC, 2, 8) : Dead,
            _ => digit >= 0 ? Narrow(partial, digit, 4, 4 * (partial.Missing - 1)) : Dead,
        };

        // The next bits of a character, from the highest missing ones, and how many are missing behind them.
        private LexState Narrow(Partial partial, int bits, int width, int shift)
        {
            var missing = partial.Missing - 1;
            var mask = (1 << (shift + width)) - 1;

            // Both ends of the range share the bits above.
            var first = (partial.Last & ~mask) | (bits << shift);
            var last = first | ((1 << shift) - 1);
            first = Math.Max(first, partial.First);
            last = Math.Min(last, partial.Last);
            if (first > last)
            {
                return Dead;
            }

            if (missing > 0)
            {
                return Reading(partial with { First = first, Last = last, Missing = missing });
            }

            return partial.Kind switch
            {
                PartialKind.Utf8 => first is >= 0xD800 and <= 0xDFFF ? Dead : lexer.Advance(key, first),
                PartialKind.Unit when first is >= 0xD800 and <= 0xDBFF => Reading(new Partial(PartialKind.SecondBackslash, 0x10000 + ((first - 0xD800) << 10), 0x103FF + ((first - 0xD800) << 10), 0)),
                PartialKind.Unit => first is >= 0xDC00 and <= 0xDFFF ? Dead : lexer.Advance(key, first),
                _ => lexer.Advance(key, first),
            };
        }

        private LexState Reading(Partial partial)
        {
            var (first, last) = (partial.First, partial.Last);
            if (partial.Kind == PartialKind.Utf8 && ClassOf(key, partial) is >= 0 and var uniform)
            {
                partial = new Partial(PartialKind.Uniform, uniform, uniform, partial.Missing);
            }

            var isPossible = partial.Kind switch
            {
                PartialKind.Utf8 => CanReadScalar(first, last),
                PartialKind.Uniform => lexer.CanAdvanceClass(key, partial.First),
                PartialKind.Escape => lexer.CanAdvance(key, 0, CharSet.Last),
                PartialKind.Unit => CanReadScalar(first, last) || CanReadPair(first, last),
                _ => lexer.CanAdvance(key, first, last),
            };
            return isPossible ? lexer.StateOf(key.Language, key.Count, partial, key.Place) : Dead;
        }

        private bool CanReadScalar(int first, int last)
            => (first < 0xD800 && lexer.CanAdvance(key, first, Math.Min(last, 0xD7FF))) || (last > 0xDFFF && lexer.CanAdvance(key, Math.Max(first, 0xE000), last));

        private bool CanReadPair(int first, int last)
            => Math.Max(first, 0xD800) is var low && Math.Min(last, 0xDBFF) is var high && low <= high
                && lexer.CanAdvance(key, 0x10000 + ((low - 0xD800) << 10), 0x103FF + ((high - 0xD800) << 10));

        private static int Unescape(byte value) => value switch
        {
            (byte)'"' or (byte)'\\' or (byte)'/' => value,
            (byte)'b' => '\b',
            (byte)'f' => '\f',
            (byte)'n' => '\n',
            (byte)'r' => '\r',
            (byte)'t' => '\t',
            _ => -1,
        };

        private static int HexDigit(byte value) => char.IsAsciiHexDigit((char)value) ? Convert.ToInt32(((char)value).ToString(), 16) : -1;
    }
}

/// <summary>Of a state between two characters: those after which only the count has changed.</summary>
/// <param name="Loop">The characters that lead back to the same language.</param>
/// <param name="Lengths">How many characters there may be.</param>
/// <param name="Count">How many were read, normalized.</param>
/// <param name="Language">What must follow.</param>
/// <param name="IsJson">Whether a quote ends the text.</param>
/// <param name="Excluded">Texts that must not follow as they are; null: none. The language is everything then.</param>
internal sealed record StringRun(CharSet Loop, StringLengths Lengths, int Count, CharState Language, bool IsJson, IEnumerable<string>? Excluded);
