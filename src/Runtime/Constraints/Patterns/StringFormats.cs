using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>The formats of strings that JSON Schema defines, as regular languages.</summary>
/// <remarks>
/// Where a format is not regular, its expression holds only texts that are valid beyond doubt, and less than all: see
/// <see cref="FormatPatterns.Hostname"/> and <see cref="RegexFormat"/>. For idn-hostname there is none.
/// Source: JSON Schema 2020-12, validation, 7.3; ip-address and host-name: draft-03, 5.23.
/// </remarks>
internal static class StringFormats
{
    // An automaton's expressions stay as long as it does, so it is made anew where it comes to more.
    private const int MostKept = 100_000;

    private static readonly Dictionary<string, Func<ExpressionFactory, Expression>?> s_formats = new(StringComparer.Ordinal)
    {
        ["date-time"] = Pattern(FormatPatterns.DateTime),
        ["date"] = Pattern(FormatPatterns.Date),
        ["time"] = Pattern(FormatPatterns.Time),
        ["duration"] = Pattern(FormatPatterns.Duration),
        ["email"] = Pattern(FormatPatterns.Email),
        ["idn-email"] = Pattern(FormatPatterns.IdnEmail),
        ["hostname"] = Pattern(FormatPatterns.Hostname),
        ["host-name"] = Pattern(FormatPatterns.Hostname),
        ["idn-hostname"] = null,
        ["ipv4"] = Pattern(FormatPatterns.Ipv4),
        ["ip-address"] = Pattern(FormatPatterns.Ipv4),
        ["ipv6"] = Pattern(FormatPatterns.Ipv6),
        ["uri"] = Pattern(FormatPatterns.Uri),
        ["uri-reference"] = Pattern(FormatPatterns.UriReference),
        ["iri"] = Pattern(FormatPatterns.Iri),
        ["iri-reference"] = Pattern(FormatPatterns.IriReference),
        ["uri-template"] = Pattern(FormatPatterns.UriTemplate),
        ["uuid"] = Pattern(FormatPatterns.Uuid),
        ["json-pointer"] = Pattern(FormatPatterns.JsonPointer),
        ["relative-json-pointer"] = Pattern(FormatPatterns.RelativeJsonPointer),
        ["regex"] = RegexFormat.Make,
    };

    private static readonly ConcurrentDictionary<string, (ExpressionFactory Factory, CharAutomaton Automaton)> s_automata = new(StringComparer.Ordinal);

    /// <summary>The names of the formats.</summary>
    public static IEnumerable<string> Names => s_formats.Keys;

    /// <summary>Whether a standard says which texts have a format; any other name only annotates.</summary>
    public static bool IsKnown(string name) => s_formats.ContainsKey(name);

    /// <summary>The texts of a format.</summary>
    /// <param name="name">The format.</param>
    /// <param name="factory">What the expression is made with.</param>
    /// <param name="expression">All its texts.</param>
    /// <returns>Whether there is an expression of them; where not, and the name is known, it must be refused.</returns>
    public static bool TryGet(string name, ExpressionFactory factory, [NotNullWhen(true)] out Expression? expression)
    {
        expression = s_formats.TryGetValue(name, out var make) && make is not null ? make(factory) : null;
        return expression is not null;
    }

    /// <summary>An automaton of a format's texts, made once and shared; null where <see cref="TryGet"/> finds none.</summary>
    public static CharAutomaton? Automaton(string name)
    {
        if (s_automata.TryGetValue(name, out var known) && known.Factory.Count < MostKept)
        {
            return known.Automaton;
        }

        var factory = new ExpressionFactory();
        if (!TryGet(name, factory, out var expression))
        {
            return null;
        }

        known = (factory, new CharAutomaton(factory, expression));
        s_automata[name] = known;
        return known.Automaton;
    }

    private static Func<ExpressionFactory, Expression> Pattern(string pattern) => factory => EcmaPattern.Parse(pattern, factory, anchored: true);
}
