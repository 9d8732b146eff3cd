using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>Turns rules into nodes: what is regular into lexemes as long as may be, the rest into calls.</summary>
internal sealed class GrammarCompiler
{
    /// <summary>Times that what may be empty is repeated by the machine, which then follows all of them at once.</summary>
    private const int MostEmptyTimes = 256;

    private readonly GrammarSource _source;
    private readonly GrammarLexemes _lexemes = new();
    private readonly Dictionary<GrammarRule, Place> _starts = [];
    private readonly Queue<GrammarRule> _open = new();

    private GrammarCompiler(GrammarSource source) => _source = source;

    /// <summary>The node before a text of the root.</summary>
    /// <exception cref="ConstraintException">What may be empty is counted too often.</exception>
    public static Node Compile(GrammarSource source, GrammarRules rules)
    {
        var compiler = new GrammarCompiler(source);
        var start = compiler.StartOf(rules.Root);
        while (compiler._open.TryDequeue(out var rule))
        {
            compiler.Add(compiler._starts[rule], rule.Body!, Node.End);
        }

        return start;
    }

    private Place StartOf(GrammarRule rule)
    {
        if (!_starts.TryGetValue(rule, out var start))
        {
            _starts.Add(rule, start = new Place());
            _open.Enqueue(rule);
        }

        return start;
    }

    private Place PlaceBefore(GrammarItem item, Node then)
    {
        var place = new Place();
        Add(place, item, then);
        return place;
    }

    // Adds the ways from a place through an item. Recursion follows groups, whose nesting is bounded.
    private void Add(Place place, GrammarItem item, Node then)
    {
        if (item is GrammarItem.Literal { Text: "" } or GrammarItem.Sequence { Parts.Length: 0 })
        {
            place.Add(Edge.Go(then));
            return;
        }

        if (_lexemes.Find(item) is { } lexeme)
        {
            place.Add(Edge.Read(lexeme, then));
            return;
        }

        switch (item)
        {
            case GrammarItem.Call call:
                place.Add(Edge.Call(StartOf(call.Rule), then));
                break;
            case GrammarItem.Sequence:
                AddSequence(place, item.Parts, then);
                break;
            case GrammarItem.Either:
                AddEither(place, item.Parts, then);
                break;
            case GrammarItem.Repeat repeat:
                AddRepeat(place, repeat, then);
                break;
            default:
                throw new InvalidOperationException("texts and sets are always lexemes");
        }
    }

    private void AddSequence(Place place, GrammarItem[] parts, Node then)
    {
        // Neighbours that are one lexeme, or single parts.
        var pieces = new List<(LexState? Lexeme, GrammarItem? Item)>();
        var run = new List<GrammarItem>();
        var weight = 0;
        foreach (var part in parts)
        {
            if (part.Weight < 0 || weight + part.Weight > GrammarRules.MostWeight)
            {
                EndRun();
            }

            if (part.Weight < 0)
            {
                pieces.Add((null, part));
            }
            else
            {
                run.Add(part);
                weight += part.Weight;
            }
        }

        EndRun();
        for (var i = pieces.Count - 1; i >= 0; i--)
        {
            var from = i == 0 ? place : new Place();
            if (pieces[i].Lexeme is { } lexeme)
            {
                from.Add(Edge.Read(lexeme, then));
            }
            else
            {
                Add(from, pieces[i].Item!, then);
            }

            then = from;
        }

        void EndRun()
        {
            if (run.Count > 1 && _lexemes.FindSequence(run) is { } lexeme)
            {
                pieces.Add((lexeme, null));
            }
            else
            {
                pieces.AddRange(run.Select(part => ((LexState?)null, (GrammarItem?)part)));
            }

            run.Clear();
            weight = 0;
        }
    }

    private void AddEither(Place place, GrammarItem[] parts, Node then)
    {
        // Long lists of texts are one lexeme however long.
        var texts = parts.OfType<GrammarItem.Literal>().Where(part => part.Text.Length > 0).Select(part => part.Text).ToList();
        var isList = texts.Sum(text => (long)text.Length) > GrammarRules.MostWeight;
        if (isList)
        {
            place.Add(Edge.Read(GrammarLexemes.OfTexts(texts), then));
        }

        var run = new List<GrammarItem>();
        var weight = 0;
        foreach (var part in parts)
        {
            if (isList && part is GrammarItem.Literal { Text.Length: > 0 })
            {
                continue;
            }

            if (part.Weight < 0)
            {
                Add(place, part, then);
                continue;
            }

            if (weight + part.Weight > GrammarRules.MostWeight)
            {
                EndRun();
            }

            run.Add(part);
            weight += part.Weight;
        }

        EndRun();

        void EndRun()
        {
            if (run.Count > 1 && _lexemes.FindEither(run) is { } lexeme)
            {
                place.Add(Edge.Read(lexeme, then));
            }
            else
            {
                run.ForEach(part => Add(place, part, then));
            }

            run.Clear();
            weight = 0;
        }
    }

    private void AddRepeat(Place place, GrammarItem.Repeat repeat, Node then)
    {
        var (part, most) = (repeat.Part, repeat.Most);
        var least = part.IsNullable ? 0 : repeat.Least;
        if (most == 1)
        {
            Add(place, part, then);
            place.Add(Edge.Go(then));
        }
        else if (most == Expression.Unlimited && least <= 1)
        {
            // One round leads to the place behind it, which leads on, or to the next round.
            var behind = new Place();
            var round = PlaceBefore(part, behind);
            behind.Add(Edge.Go(then));
            behind.Add(Edge.Go(round));
            place.Add(Edge.Go(least == 0 ? behind : round));
        }
        else if (part.IsNullable && most > MostEmptyTimes)
        {
            throw _source.Error($"what may be empty is repeated up to {most} times: more than {MostEmptyTimes} are not supported, but any number (*) is", repeat.At, "{");
        }
        else
        {
            var lexeme = _lexemes.Find(part);
            place.Add(Edge.Go(new CountedPlace(lexeme, lexeme is null ? PlaceBefore(part, Node.End) : null, least, most, then)));
        }
    }

    /// <summary>A place in a rule.</summary>
    private sealed class Place : Node
    {
        private readonly List<Edge> _ways = [];

        /// <summary>Adds a way on, before the machine starts.</summary>
        public void Add(Edge edge) => _ways.Add(edge);

        private protected override IEnumerable<Edge> Expand() => _ways;
    }

    /// <summary>A place before one of a number of rounds; made round by round, as a text reaches them.</summary>
    private sealed class CountedPlace(LexState? lexeme, Node? round, int least, int most, Node then) : Node
    {
        private readonly Lock _lock = new();
        private CountedPlace? _next;

        private protected override IEnumerable<Edge> Expand()
        {
            if (least == 0)
            {
                yield return Edge.Go(then);
            }

            var next = Next();
            yield return lexeme is null ? Edge.Call(round!, next) : Edge.Read(lexeme, next);
        }

        // The machine's last round leads on without a place of its own.
        private Node Next()
        {
            if (most == 1)
            {
                return then;
            }

            if (least == 0 && most == Expression.Unlimited)
            {
                return this;
            }

            lock (_lock)
            {
                return _next ??= new CountedPlace(lexeme, round, Math.Max(least - 1, 0), most == Expression.Unlimited ? most : most - 1, then);
            }
        }
    }
}
