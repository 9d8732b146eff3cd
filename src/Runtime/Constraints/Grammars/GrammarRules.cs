using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>What is known of a grammar's rules before they are compiled: which can be empty, which end, which are single expressions.</summary>
/// <remarks>Takes time and memory in proportion to the grammar. Recursion follows the groups of one rule, whose nesting the parser bounds, never calls.</remarks>
internal sealed class GrammarRules
{
    /// <summary>The greatest <see cref="GrammarItem.Weight"/> of one expression.</summary>
    public const int MostWeight = 1000;

    /// <summary>The greatest <see cref="GrammarItem.Depth"/> of one expression.</summary>
    private const int MostDepth = 100;

    /// <summary>Rules that an error lists.</summary>
    private const int MostShown = 6;

    private readonly GrammarSource _source;

    private GrammarRules(GrammarSource source, GrammarRule root)
    {
        _source = source;
        Root = root;
    }

    /// <summary>Where every text begins.</summary>
    public GrammarRule Root { get; }

    /// <summary>Checks rules and finds out what the compiler needs.</summary>
    /// <exception cref="ConstraintException">There is no root, or a rule that it needs calls itself before it reads, or never ends.</exception>
    public static GrammarRules Of(GrammarSource source, IReadOnlyList<GrammarRule> all)
    {
        var root = all.FirstOrDefault(rule => rule.Name == "root") ?? throw new ConstraintException("the grammar has no rule 'root'", keyword: "root");
        var rules = new GrammarRules(source, root);
        Mark(all, item => item.IsNullable, item => item.IsNullable = true, IsEmpty);
        Mark(all, item => item.HasText, item => item.HasText = true, item => IsEmpty(item) || item is GrammarItem.Literal or GrammarItem.Set);
        var reachable = Components([root], rule => CallsOf(rule.Body!)).SelectMany(component => component).ToList();
        rules.RefuseLeftRecursion(reachable);
        rules.RefuseEndless(reachable);
        foreach (var rule in reachable)
        {
            Unwind(rule);
        }

        // What is called is weighed first; within a circle nothing is, and so nothing that calls on it is an expression.
        foreach (var rule in Components([root], rule => CallsOf(rule.Body!)).SelectMany(component => component))
        {
            Weigh(rule.Body!);
        }

        return rules;

        static bool IsEmpty(GrammarItem item) => item switch
        {
            GrammarItem.Literal literal => literal.Text.Length == 0,
            GrammarItem.Sequence => item.Parts.Length == 0,
            GrammarItem.Repeat repeat => repeat.Least == 0,
            _ => false,
        };
    }

    // Spreads a property from the items that have it by themselves: to a sequence from all its parts, to the rest from any.
    private static void Mark(IReadOnlyList<GrammarRule> rules, Func<GrammarItem, bool> has, Action<GrammarItem> mark, Predicate<GrammarItem> begins)
    {
        var above = new Dictionary<GrammarItem, GrammarItem>();
        var calls = new Dictionary<GrammarItem, List<GrammarItem>>();
        var missing = new Dictionary<GrammarItem, int>();
        var open = new Stack<GrammarItem>();
        foreach (var item in rules.SelectMany(rule => ItemsOf(rule.Body!)))
        {
            foreach (var part in item.Parts)
            {
                above[part] = item;
            }

            missing[item] = item is GrammarItem.Sequence ? item.Parts.Length : 1;
            if (item is GrammarItem.Call call)
            {
                if (!calls.TryGetValue(call.Rule.Body!, out var callers))
                {
                    calls.Add(call.Rule.Body!, callers = []);
                }

                callers.Add(item);
            }

            if (begins(item))
            {
                mark(item);
                open.Push(item);
            }
        }

        while (open.TryPop(out var item))
        {
            if (above.TryGetValue(item, out var container))
            {
                Count(container);
            }

            foreach (var caller in calls.GetValueOrDefault(item) ?? [])
            {
                Count(caller);
            }
        }

        void Count(GrammarItem item)
        {
            if (--missing[item] == 0 && !has(item))
            {
                mark(item);
                open.Push(item);
            }
        }
    }

    private void RefuseLeftRecursion(List<GrammarRule> rules)
    {
        foreach (var component in Components(rules, rule => FirstCallsOf(rule.Body!)))
        {
            if (component.Count == 1 && !FirstCallsOf(component[0].Body!).Contains(component[0]))
            {
                continue;
            }

            // The way round, from the rule that is defined first.
            var members = component.ToHashSet();
            var start = component.MinBy(rule => rule.At)!;
            var way = new List<GrammarRule>();
            var seen = new HashSet<GrammarRule>();
            for (var rule = start; seen.Add(rule); rule = FirstCallsOf(rule.Body!).First(members.Contains))
            {
                way.Add(rule);
            }

            var next = FirstCallsOf(way[^1].Body!).First(members.Contains);
            way = [.. way.SkipWhile(rule => rule != next)];
            var names = string.Join(" → ", way.Take(MostShown).Select(rule => GbnfParser.Shown(rule.Name)));
            var at = way.MinBy(rule => rule.At)!;
            throw _source.Error(
                way.Count == 1 ? $"the rule '{names}' calls itself before it reads a character (left recursion)"
                    : $"rules call one another in a circle before they read a character (left recursion): {names} → {(way.Count > MostShown ? "…" : GbnfParser.Shown(way[0].Name))}",
                at.At,
                GbnfParser.Shown(at.Name));
        }
    }

    private void RefuseEndless(List<GrammarRule> rules)
    {
        if (rules.Where(rule => !rule.Body!.HasText).MinBy(rule => rule.At) is { } endless)
        {
            throw _source.Error($"the rule '{GbnfParser.Shown(endless.Name)}' can never end: it has no finite text", endless.At, GbnfParser.Shown(endless.Name));
        }
    }

    // A rule that calls itself only at its ends is a repetition: a ::= x a | y is x* y.
    private static void Unwind(GrammarRule rule)
    {
        var body = rule.Body!;
        if (!CallsOf(body).Contains(rule))
        {
            return;
        }

        var (rounds, ends) = (new List<GrammarItem>(), new List<GrammarItem>());
        if (Split(body))
        {
            rule.Body = SequenceOf([new GrammarItem.Repeat(body.At, EitherOf(rounds), 0, Expression.Unlimited) { IsNullable = true, HasText = true }, EitherOf(ends)]);
        }

        // Says whether every call of the rule in an item is at the item's end.
        bool Split(GrammarItem item)
        {
            if (!CallsOf(item).Contains(rule))
            {
                ends.Add(item);
                return true;
            }

            switch (item)
            {
                case GrammarItem.Call:
                    rounds.Add(new GrammarItem.Sequence(item.At) { IsNullable = true, HasText = true });
                    return true;
                case GrammarItem.Either:
                    return Array.TrueForAll(item.Parts, Split);
                case GrammarItem.Repeat { Least: 0, Most: 1 } repeat:
                    ends.Add(new GrammarItem.Sequence(item.At) { IsNullable = true, HasText = true });
                    return Split(repeat.Part);
                case GrammarItem.Sequence when Array.TrueForAll(item.Parts[..^1], part => !CallsOf(part).Contains(rule)):
                    var (outerRounds, outerEnds) = (rounds, ends);
                    (rounds, ends) = ([], []);
                    var isSplit = Split(item.Parts[^1]);
                    outerRounds.AddRange(rounds.Count == 0 ? [] : [SequenceOf([.. item.Parts[..^1], EitherOf(rounds)])]);
                    outerEnds.AddRange(ends.Count == 0 ? [] : [SequenceOf([.. item.Parts[..^1], EitherOf(ends)])]);
                    (rounds, ends) = (outerRounds, outerEnds);
                    return isSplit;
                default:
                    return false;
            }
        }
    }

    private static GrammarItem EitherOf(List<GrammarItem> items) => items.Count == 1 ? items[0] : new GrammarItem.Either(items[0].At, [.. items])
    {
        IsNullable = items.Exists(item => item.IsNullable),
        HasText = true,
    };

    private static GrammarItem.Sequence SequenceOf(GrammarItem[] items) => new(items[0].At, items)
    {
        IsNullable = Array.TrueForAll(items, item => item.IsNullable),
        HasText = true,
    };

    private static void Weigh(GrammarItem item)
    {
        foreach (var part in item.Parts)
        {
            Weigh(part);
        }

        var isExpression = Array.TrueForAll(item.Parts, part => part.Weight >= 0);
        var weight = item switch
        {
            GrammarItem.Literal literal => literal.Text.Length,
            GrammarItem.Set => 1,
            GrammarItem.Call call => call.Rule.Body!.Weight,
            GrammarItem.Repeat repeat when repeat.IsCountedSet => -1,
            _ => isExpression ? item.Parts.Sum(part => (long)part.Weight + 1) : -1,
        };
        item.Depth = item switch
        {
            GrammarItem.Call call => call.Rule.Body!.Depth,
            GrammarItem.Either or GrammarItem.Repeat => item.Parts.Max(part => part.Depth) + 1,
            GrammarItem.Sequence => item.Parts.Select(part => part.Depth).DefaultIfEmpty().Max(),
            _ => 0,
        };
        item.Weight = weight <= MostWeight && item.Depth <= MostDepth ? (int)weight : -1;
    }

    private static IEnumerable<GrammarItem> ItemsOf(GrammarItem item)
    {
        var open = new Stack<GrammarItem>([item]);
        while (open.TryPop(out var next))
        {
            yield return next;
            for (var i = next.Parts.Length - 1; i >= 0; i--)
            {
                open.Push(next.Parts[i]);
            }
        }
    }

    private static IEnumerable<GrammarRule> CallsOf(GrammarItem item) => ItemsOf(item).OfType<GrammarItem.Call>().Select(call => call.Rule);

    // The rules that an item may call before it has read anything.
    private static IEnumerable<GrammarRule> FirstCallsOf(GrammarItem item)
    {
        var open = new Stack<GrammarItem>([item]);
        while (open.TryPop(out var next))
        {
            if (next is GrammarItem.Call call)
            {
                yield return call.Rule;
                continue;
            }

            foreach (var part in next.Parts)
            {
                open.Push(part);
                if (next is GrammarItem.Sequence && !part.IsNullable)
                {
                    break;
                }
            }
        }
    }

    // Rules that reach one another, those that are called first. Source: R. Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972.
    private static List<List<GrammarRule>> Components(IEnumerable<GrammarRule> starts, Func<GrammarRule, IEnumerable<GrammarRule>> callsOf)
    {
        var components = new List<List<GrammarRule>>();
        var numbers = new Dictionary<GrammarRule, (int Number, int Lowest)>();
        var done = new HashSet<GrammarRule>();
        var members = new Stack<GrammarRule>();
        var open = new Stack<(GrammarRule Rule, IEnumerator<GrammarRule> Calls)>();
        foreach (var start in starts)
        {
            Open(start);
            while (open.TryPeek(out var top))
            {
                if (top.Calls.MoveNext())
                {
                    var called = top.Calls.Current;
                    if (!Open(called) && !done.Contains(called))
                    {
                        Lower(top.Rule, numbers[called].Number);
                    }

                    continue;
                }

                open.Pop();
                var (number, lowest) = numbers[top.Rule];
                if (open.TryPeek(out var caller))
                {
                    Lower(caller.Rule, lowest);
                }

                if (number == lowest)
                {
                    var component = new List<GrammarRule>();
                    do
                    {
                        component.Add(members.Pop());
                        done.Add(component[^1]);
                    }
                    while (component[^1] != top.Rule);
                    components.Add(component);
                }
            }
        }

        return components;

        bool Open(GrammarRule rule)
        {
            if (!numbers.TryAdd(rule, (numbers.Count, numbers.Count)))
            {
                return false;
            }

            members.Push(rule);
            open.Push((rule, callsOf(rule).GetEnumerator()));
            return true;
        }

        void Lower(GrammarRule rule, int lowest)
        {
            var own = numbers[rule];
            numbers[rule] = (own.Number, Math.Min(own.Lowest, lowest));
        }
    }
}
