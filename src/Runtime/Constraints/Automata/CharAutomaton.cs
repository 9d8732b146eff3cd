namespace Hearth.Runtime.Constraints.Automata;

/// <summary>A deterministic automaton over characters, made of an expression's derivatives as they are asked for.</summary>
/// <remarks>
/// A state of an expression with intersections or complements does not show whether a text can be completed from it: that
/// is searched for when it is asked. Safe for several threads.
/// </remarks>
internal sealed class CharAutomaton
{
    /// <summary>States that are searched at most to find out whether one can be completed.</summary>
    public const int MostStates = 20_000;

    private readonly ExpressionFactory _factory;
    private readonly Dictionary<Expression, CharState> _states = [];
    private readonly int[] _starts; // of the classes' ranges, ascending
    private readonly int[] _classes; // of each range
    private readonly int[] _representatives; // of each class
    private readonly byte[] _ascii = new byte[128];

    /// <summary>Creates the automaton of an expression.</summary>
    /// <param name="factory">That which made the expression; used by this automaton under its lock.</param>
    /// <param name="root">What a text must match as a whole.</param>
    /// <exception cref="ConstraintException">It is too complex to tell whether any text matches.</exception>
    public CharAutomaton(ExpressionFactory factory, Expression root)
    {
        _factory = factory;
        (_starts, _classes, _representatives) = CharClasses.Of(root);
        for (var i = 0; i < _ascii.Length; i++)
        {
            _ascii[i] = (byte)Math.Min(FindClass(i), byte.MaxValue);
        }

        lock (factory)
        {
            Start = StateOf(root);
        }

        _ = Start.IsDead;
    }

    /// <summary>Where every text begins; dead where no text matches.</summary>
    public CharState Start { get; }

    /// <summary>Classes of characters that behave alike.</summary>
    public int ClassCount => _representatives.Length;

    /// <summary>The class of a scalar value.</summary>
    public int ClassOf(int character) => character < 128 && _ascii[character] < byte.MaxValue ? _ascii[character] : FindClass(character);

    /// <summary>The characters of a class.</summary>
    public CharSet SetOf(int characterClass) => SetOf(c => c == characterClass);

    /// <summary>The characters of some classes.</summary>
    public CharSet SetOf(Func<int, bool> isWanted) => CharSet.FromRanges(Ranges().Where(range => isWanted(range.Class)).Select(range => (range.First, range.Last)));

    /// <summary>The classes that a range of code points meets, each perhaps several times.</summary>
    public IEnumerable<int> ClassesIn(int first, int last)
    {
        for (var i = FindRange(first); i < _starts.Length && _starts[i] <= last; i++)
        {
            yield return _classes[i];
        }
    }

    internal CharState Step(CharState state, int characterClass)
    {
        lock (_factory)
        {
            return StateOf(_factory.Derive(state.Expression, _representatives[characterClass]));
        }
    }

    internal CharState Within(CharState state, int characters)
    {
        lock (_factory)
        {
            return StateOf(_factory.Within(state.Expression, characters));
        }
    }

    private IEnumerable<(int First, int Last, int Class)> Ranges()
    {
        for (var i = 0; i < _starts.Length; i++)
        {
            yield return (_starts[i], i + 1 < _starts.Length ? _starts[i + 1] - 1 : CharSet.Last, _classes[i]);
        }
    }

    private int FindClass(int character) => _classes[FindRange(character)];

    private int FindRange(int character)
    {
        var place = Array.BinarySearch(_starts, character);
        return place >= 0 ? place : ~place - 1;
    }

    private CharState StateOf(Expression expression)
    {
        if (!_states.TryGetValue(expression, out var state))
        {
            state = new CharState(this, expression);
            _states.Add(expression, state);
        }

        return state;
    }

    // Searches for an accepting state, first where the least is missing; what leads to it is alive, and where none is found all that was seen is dead.
    internal void FindLife(CharState from)
    {
        lock (_factory)
        {
            if (from.Known != Life.Unknown)
            {
                return;
            }

            var before = new Dictionary<CharState, CharState?> { [from] = null };
            var open = new PriorityQueue<CharState, int>([(from, 0)]);
            while (open.TryDequeue(out var state, out _))
            {
                for (var c = 0; c < ClassCount; c++)
                {
                    var next = state.NextOfClass(c);
                    if (next.Known == Life.Alive)
                    {
                        for (CharState? living = state; living is not null; living = before[living])
                        {
                            living.Known = Life.Alive;
                        }

                        return;
                    }

                    if (next.Known == Life.Unknown && before.TryAdd(next, state))
                    {
                        open.Enqueue(next, next.Expression.Shortest);
                    }
                }

                if (before.Count > MostStates)
                {
                    throw new ConstraintException($"a pattern is too complex: more than {MostStates} states do not tell whether a text can match", keyword: "pattern");
                }
            }

            foreach (var state in before.Keys)
            {
                state.Known = Life.Dead;
            }
        }
    }
}

/// <summary>A state of a <see cref="CharAutomaton"/>: what may follow the characters read so far.</summary>
internal sealed class CharState
{
    private readonly CharAutomaton _automaton;
    private readonly CharState?[] _next;
    private volatile Life _life;
    private CharSet? _loop;

    internal CharState(CharAutomaton automaton, Expression expression)
    {
        _automaton = automaton;
        _next = new CharState?[automaton.ClassCount];
        Expression = expression;
        _life = expression.Kind == ExpressionKind.Nothing ? Life.Dead : expression.IsNullable || !expression.IsBoolean ? Life.Alive : Life.Unknown;
        IsEverything = expression.IsEverything;
        IsOpen = IsEverything || Opens(expression) || (expression.Kind == ExpressionKind.Either && Array.Exists(expression.Parts, Opens));

        static bool Opens(Expression part) => part is { Kind: ExpressionKind.Sequence, IsBoolean: false } && part.Parts[0].IsEverything;
    }

    internal CharAutomaton Automaton => _automaton;

    internal Expression Expression { get; }

    /// <summary>Whether the text may end here.</summary>
    public bool IsAccepting => Expression.IsNullable;

    /// <summary>Whether no text can be completed from here.</summary>
    /// <exception cref="ConstraintException">That is too complex to tell.</exception>
    public bool IsDead
    {
        get
        {
            if (_life == Life.Unknown)
            {
                _automaton.FindLife(this);
            }

            return _life == Life.Dead;
        }
    }

    internal Life Known
    {
        get => _life;
        set => _life = value;
    }

    /// <summary>Whether whatever follows matches.</summary>
    public bool IsEverything { get; }

    /// <summary>Whether any text can go on from here to one that matches, as where a pattern may be found anywhere.</summary>
    public bool IsOpen { get; }

    /// <summary>The characters after which the state is the same.</summary>
    public CharSet Loop
    {
        get
        {
            return _loop ??= IsEverything ? CharSet.Any : Find();

            CharSet Find()
            {
                var loops = new bool[_next.Length];
                for (var c = 0; c < _next.Length; c++)
                {
                    loops[c] = NextOfClass(c) == this;
                }

                return _automaton.SetOf(c => loops[c]);
            }
        }
    }

    /// <summary>A state that reads and accepts alike for so many characters, the same one for states that differ in large counts only.</summary>
    public CharState Within(int characters) => Expression.IsBoolean || Expression.Counts < 2 ? this : _automaton.Within(this, characters);

    /// <summary>The state after a scalar value; perhaps a dead one.</summary>
    public CharState Next(int character) => IsEverything ? this : NextOfClass(_automaton.ClassOf(character));

    /// <summary>Whether any of a range of code points can be read.</summary>
    public bool CanRead(int first, int last)
    {
        if (IsEverything)
        {
            return true;
        }

        foreach (var c in _automaton.ClassesIn(first, last))
        {
            if (!NextOfClass(c).IsDead)
            {
                return true;
            }
        }

        return false;
    }

    internal CharState NextOfClass(int characterClass)
    {
        var next = Volatile.Read(ref _next[characterClass]);
        if (next is null)
        {
            next = _automaton.Step(this, characterClass);
            Volatile.Write(ref _next[characterClass], next);
        }

        return next;
    }
}

/// <summary>Whether a text can be completed from a state.</summary>
internal enum Life
{
    Unknown,
    Alive,
    Dead,
}

/// <summary>Characters that no set of an expression tells apart.</summary>
internal static class CharClasses
{
    // Of sets times ranges.
    private const long MostWork = 20_000_000;

    /// <summary>Splits all code points into ranges, each of one class.</summary>
    /// <returns>The ranges' first code points, their classes, and a member of each class. Surrogates count as members of their neighbours' classes: no text holds them.</returns>
    public static (int[] Starts, int[] Classes, int[] Representatives) Of(Expression root)
    {
        var sets = new List<CharSet>();
        var known = new HashSet<CharSet>();
        var seen = new HashSet<Expression>();
        var open = new Stack<Expression>([root]);
        while (open.TryPop(out var expression))
        {
            if (!seen.Add(expression))
            {
                continue;
            }

            if (expression.Set is { } set && !set.Equals(CharSet.Any) && known.Add(set))
            {
                sets.Add(set);
            }

            foreach (var part in expression.Parts)
            {
                open.Push(part);
            }
        }

        int[] starts = [.. Bounds(sets)];

        // All are of one class first; each set splits the classes that it holds a part of.
        var classes = new int[starts.Length];
        var count = 1;
        var work = 0L;
        var split = new Dictionary<int, int>();
        foreach (var set in sets)
        {
            split.Clear();
            foreach (var (first, last) in set.Ranges())
            {
                for (var i = Array.BinarySearch(starts, first); i < starts.Length && starts[i] <= last; i++)
                {
                    if (!split.TryGetValue(classes[i], out var inside))
                    {
                        split.Add(classes[i], inside = count++);
                    }

                    classes[i] = inside;
                    work++;
                }
            }

            if (work > MostWork)
            {
                throw new ConstraintException("a pattern is too complex: it tells too many sets of characters apart", keyword: "pattern");
            }
        }

        split.Clear();
        var representatives = new List<int>();
        for (var i = 0; i < starts.Length; i++)
        {
            if (split.TryAdd(classes[i], split.Count))
            {
                representatives.Add(starts[i]);
            }

            classes[i] = split[classes[i]];
        }

        return (starts, classes, [.. representatives]);
    }

    private static IEnumerable<int> Bounds(List<CharSet> sets)
    {
        var bounds = new List<int> { 0, 0xE000 };
        foreach (var set in sets)
        {
            foreach (var (first, last) in set.Ranges())
            {
                bounds.Add(first);
                bounds.Add(last + 1);
            }
        }

        bounds.Sort();
        for (var i = 0; i < bounds.Count; i++)
        {
            if (bounds[i] is not (0xD800 or CharSet.Last + 1) && (i == 0 || bounds[i] != bounds[i - 1]))
            {
                yield return bounds[i];
            }
        }
    }
}
