using System.Text;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Grammars;
using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Tests.Constraints.Grammars;

/// <summary>Small random grammars against a recognizer that tries everything.</summary>
public class RandomGrammarTests
{
    private const string Alphabet = "abé";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AllowsExactlyTheGrammarsTexts(int seed)
    {
        var random = new Random(seed);
        var (accepted, refused) = (0, 0);
        for (var round = 0; round < 250; round++)
        {
            var rules = Enumerable.Range(0, random.Next(1, 5)).Select(_ => (Part?)null).ToArray();
            for (var i = 0; i < rules.Length; i++)
            {
                rules[i] = Make(random, rules.Length, 3);
            }

            var source = string.Concat(rules.Select((rule, i) => $"{Name(i)} ::= {rule}\n"));
            var plain = new PlainRecognizer(rules!);
            PushdownMachine machine;
            try
            {
                machine = new PushdownMachine(GbnfGrammar.Compile(source));
            }
            catch (ConstraintException error)
            {
                Assert.True(plain.IsRefused, $"{error.Message}\n{source}");
                refused++;
                continue;
            }

            Assert.False(plain.IsRefused, source);
            accepted++;
            Compare(machine, machine.Start, plain, "", source, 5);
            for (var i = 0; i < 5; i++)
            {
                var text = string.Concat(Enumerable.Range(0, random.Next(6, 12)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
                var state = TextWalk.After(machine, text);
                Assert.True(plain.IsText(text) == state.CanEnd, $"{text}\n{source}");
                Assert.True(plain.IsBeginning(text) == !state.IsDead, $"{text}\n{source}");
            }
        }

        Assert.True(accepted > 60 && refused > 20, $"{accepted} accepted, {refused} refused");
    }

    private static void Compare(PushdownMachine machine, MachineState state, PlainRecognizer plain, string text, string source, int depth)
    {
        Assert.True(plain.IsText(text) == state.CanEnd, $"'{text}' {(state.CanEnd ? "may" : "may not")} end\n{source}");
        Assert.True(plain.IsBeginning(text) == !state.IsDead, $"'{text}' {(state.IsDead ? "may not" : "may")} go on\n{source}");
        if (state.IsDead || depth == 0)
        {
            return;
        }

        foreach (var character in Alphabet)
        {
            var next = state;
            foreach (var value in Encoding.UTF8.GetBytes([character]))
            {
                next = machine.Next(next, value);

                // Half a character is a beginning where the whole is: no other of the alphabet shares its first byte.
                Assert.True(next.IsDead == !plain.IsBeginning(text + character), $"'{text}{character}'\n{source}");
            }

            Compare(machine, next, plain, text + character, source, depth - 1);
        }
    }

    private static string Name(int rule) => rule == 0 ? "root" : $"r{rule}";

    private static Part Make(Random random, int rules, int depth)
    {
        switch (random.Next(depth > 0 ? 9 : 4))
        {
            case 0:
                return new Part.Text(string.Concat(Enumerable.Range(0, random.Next(3)).Select(_ => Alphabet[random.Next(Alphabet.Length)])));
            case 1:
                return new Part.Text(Alphabet[random.Next(Alphabet.Length)].ToString());
            case 2:
                return new Part.Set(string.Concat(Alphabet.Where(_ => random.Next(2) == 0).DefaultIfEmpty('a')));
            case 3:
                return new Part.Rule(random.Next(rules));
            case 4 or 5:
                return new Part.Row([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Make(random, rules, depth - 1))]);
            case 6 or 7:
                return new Part.Choice([.. Enumerable.Range(0, random.Next(2, 4)).Select(_ => Make(random, rules, depth - 1))]);
            default:
                var (least, most) = ((int, int?))(random.Next(7) switch
                {
                    0 => (0, null),
                    1 => (1, null),
                    2 => (0, 1),
                    3 => (2, null),
                    4 => (random.Next(2), random.Next(2, 4)),
                    5 => (2, 2),
                    _ => (0, 2),
                });
                return new Part.Times(Make(random, rules, depth - 1), least, most);
        }
    }

    private abstract record Part
    {
        public sealed record Text(string Value) : Part
        {
            public override string ToString() => $"\"{Value}\"";
        }

        public sealed record Set(string Characters) : Part
        {
            public override string ToString() => $"[{Characters}]";
        }

        public sealed record Rule(int Number) : Part
        {
            public override string ToString() => Name(Number);
        }

        public sealed record Row(Part[] Parts) : Part
        {
            public override string ToString() => $"({string.Join(" ", Parts.Select(part => part.ToString()))})";
        }

        public sealed record Choice(Part[] Parts) : Part
        {
            public override string ToString() => $"({string.Join(" | ", Parts.Select(part => part.ToString()))})";
        }

        public sealed record Times(Part Inner, int Least, int? Most) : Part
        {
            public override string ToString() => (Least, Most) switch
            {
                (0, null) => $"({Inner})*",
                (1, null) => $"({Inner})+",
                (0, 1) => $"({Inner})?",
                _ => Least == Most ? $"({Inner}){{{Least}}}" : $"({Inner}){{{Least},{Most}}}",
            };
        }
    }

    /// <summary>Finds by repetition until nothing changes which stretches of a text each rule may be.</summary>
    private sealed class PlainRecognizer
    {
        private readonly Part[] _rules;
        private readonly HashSet<int> _empty = [];
        private readonly Dictionary<string, (bool IsText, bool IsBeginning)> _known = [];

        public PlainRecognizer(Part[] rules)
        {
            _rules = rules;
            var ends = new HashSet<int>();
            while (Enumerable.Range(0, rules.Length).Select(i => (CanBeEmpty(rules[i]) && _empty.Add(i)) | (CanEnd(rules[i], ends) && ends.Add(i))).ToList().Contains(true))
            {
            }

            var used = new HashSet<int> { 0 };
            while (used.ToList().SelectMany(i => Calls(rules[i], first: false)).Select(used.Add).ToList().Contains(true))
            {
            }

            foreach (var rule in used)
            {
                var firsts = Calls(rules[rule], first: true).ToHashSet();
                while (firsts.ToList().SelectMany(i => Calls(rules[i], first: true)).Select(firsts.Add).ToList().Contains(true))
                {
                }

                IsRefused |= firsts.Contains(rule) || !ends.Contains(rule);
            }
        }

        /// <summary>Whether a rule that is needed calls itself before it reads, or never ends.</summary>
        public bool IsRefused { get; }

        public bool IsText(string text) => Find(text).IsText;

        public bool IsBeginning(string text) => Find(text).IsBeginning;

        private bool CanBeEmpty(Part part) => part switch
        {
            Part.Text text => text.Value.Length == 0,
            Part.Rule rule => _empty.Contains(rule.Number),
            Part.Row row => row.Parts.All(CanBeEmpty),
            Part.Choice choice => choice.Parts.Any(CanBeEmpty),
            Part.Times times => times.Least == 0 || CanBeEmpty(times.Inner),
            _ => false,
        };

        private static bool CanEnd(Part part, HashSet<int> ends) => part switch
        {
            Part.Rule rule => ends.Contains(rule.Number),
            Part.Row row => row.Parts.All(inner => CanEnd(inner, ends)),
            Part.Choice choice => choice.Parts.Any(inner => CanEnd(inner, ends)),
            Part.Times times => times.Least == 0 || CanEnd(times.Inner, ends),
            _ => true,
        };

        private IEnumerable<int> Calls(Part part, bool first)
        {
            switch (part)
            {
                case Part.Rule rule:
                    return [rule.Number];
                case Part.Row row:
                    var count = row.Parts.TakeWhile(CanBeEmpty).Count() + 1;
                    return row.Parts.Take(first ? count : int.MaxValue).SelectMany(inner => Calls(inner, first));
                case Part.Choice choice:
                    return choice.Parts.SelectMany(inner => Calls(inner, first));
                case Part.Times times:
                    return Calls(times.Inner, first);
                default:
                    return [];
            }
        }

        // For each rule and beginning: the ends up to which it is a whole text; text.Length + 1 where the text is only its beginning.
        private (bool IsText, bool IsBeginning) Find(string text)
        {
            if (_known.TryGetValue(text, out var known))
            {
                return known;
            }

            var found = new HashSet<int>[_rules.Length, text.Length + 1];
            foreach (var i in Enumerable.Range(0, found.Length))
            {
                found[i / (text.Length + 1), i % (text.Length + 1)] = [];
            }

            for (var changed = true; changed;)
            {
                changed = false;
                for (var rule = 0; rule < _rules.Length; rule++)
                {
                    for (var begin = 0; begin <= text.Length; begin++)
                    {
                        var before = found[rule, begin].Count;
                        found[rule, begin].UnionWith(Ends(_rules[rule], begin));
                        changed |= found[rule, begin].Count > before;
                    }
                }
            }

            return _known[text] = (found[0, 0].Contains(text.Length), found[0, 0].Contains(text.Length) || found[0, 0].Contains(text.Length + 1));

            HashSet<int> Ends(Part part, int begin)
            {
                var beyond = text.Length + 1;
                if (begin == beyond)
                {
                    return [beyond];
                }

                switch (part)
                {
                    case Part.Text literal:
                        var length = Math.Min(literal.Value.Length, text.Length - begin);
                        return string.CompareOrdinal(text, begin, literal.Value, 0, length) != 0 ? []
                            : literal.Value.Length > length ? [beyond] : [begin + length];
                    case Part.Set set:
                        return begin == text.Length ? [beyond] : set.Characters.Contains(text[begin]) ? [begin + 1] : [];
                    case Part.Rule rule:
                        return found[rule.Number, begin];
                    case Part.Choice choice:
                        return [.. choice.Parts.SelectMany(inner => Ends(inner, begin))];
                    case Part.Row row:
                        return row.Parts.Aggregate(new HashSet<int> { begin }, (begins, inner) => [.. begins.SelectMany(at => Ends(inner, at))]);
                    case Part.Times times:
                        var (result, places) = (new HashSet<int>(), new HashSet<int> { begin });
                        for (var count = 0; count <= (times.Most ?? times.Least + text.Length + 2); count++)
                        {
                            if (count >= times.Least)
                            {
                                result.UnionWith(places);
                            }

                            places = [.. places.SelectMany(at => Ends(times.Inner, at))];
                        }

                        return result;
                    default:
                        throw new InvalidOperationException();
                }
            }
        }
    }
}
