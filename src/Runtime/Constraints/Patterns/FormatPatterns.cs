namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>The grammars of string formats, as anchored patterns.</summary>
internal static class FormatPatterns
{
    private const string Hex = "[0-9A-Fa-f]";
    private const string Percent = $"%{Hex}{Hex}";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string SubDelimiters = "!$&'()*+,;=";
    private const string Unreserved = @"A-Za-z0-9._~\-";
    private const string Letter = "[A-Za-z0-9]";

    // RFC 3987, 2.2: ucschar and iprivate.
    private const string Ucs = @"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}\u{10000}-\u{1FFFD}\u{20000}-\u{2FFFD}\u{30000}-\u{3FFFD}"
        + @"\u{40000}-\u{4FFFD}\u{50000}-\u{5FFFD}\u{60000}-\u{6FFFD}\u{70000}-\u{7FFFD}\u{80000}-\u{8FFFD}\u{90000}-\u{9FFFD}"
        + @"\u{A0000}-\u{AFFFD}\u{B0000}-\u{BFFFD}\u{C0000}-\u{CFFFD}\u{D0000}-\u{DFFFD}\u{E1000}-\u{EFFFD}";

    private const string Private = @"\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}";

    /// <summary>RFC 3339, full-date, of the Gregorian calendar.</summary>
    public const string Date =
        "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
        + "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";

    /// <summary>RFC 3339, full-time; second 60 only where it is 23:59 in UTC.</summary>
    public static string Time { get; } = TimeOf();

    /// <summary>RFC 3339, date-time.</summary>
    public static string DateTime { get; } = $"{Date}[Tt]{Time}";

    /// <summary>RFC 3339, appendix A.</summary>
    public const string Duration = "P(?:(?:" + Day + "|" + Month + "|" + Year + ")(?:" + Clock + ")?|" + Clock + "|[0-9]+W)";

    /// <summary>RFC 2673, 3.2, as RFC 3986 spells it: decimal without leading zeros.</summary>
    public const string Ipv4 = $@"(?:{Octet}\.{Octet}\.{Octet}\.{Octet})";

    /// <summary>RFC 4291, 2.2, without a zone.</summary>
    public const string Ipv6 = $"(?:(?:{Group}:){{6}}{Low}|::(?:{Group}:){{5}}{Low}|{Group}?::(?:{Group}:){{4}}{Low}"
        + $"|(?:(?:{Group}:){{0,1}}{Group})?::(?:{Group}:){{3}}{Low}|(?:(?:{Group}:){{0,2}}{Group})?::(?:{Group}:){{2}}{Low}"
        + $"|(?:(?:{Group}:){{0,3}}{Group})?::{Group}:{Low}|(?:(?:{Group}:){{0,4}}{Group})?::{Low}"
        + $"|(?:(?:{Group}:){{0,5}}{Group})?::{Group}|(?:(?:{Group}:){{0,6}}{Group})?::)";

    /// <summary>RFC 4122.</summary>
    public const string Uuid = $"{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}";

    /// <summary>RFC 6901.</summary>
    public const string JsonPointer = "(?:/(?:[^~/]|~[01])*)*";

    /// <summary>draft-bhutton-relative-json-pointer-00.</summary>
    public const string RelativeJsonPointer = $@"(?:0|[1-9][0-9]*)(?:#|(?:[+\-](?:0|[1-9][0-9]*))?{JsonPointer})";

    /// <summary>RFC 1123, 2.1: labels up to 63 characters, 253 in all.</summary>
    /// <remarks>
    /// A label that begins with xn-- must be Punycode of what RFC 5892 permits, which no regular expression tells: none is
    /// allowed.
    /// </remarks>
    public const string Hostname = $@"(?=[^]{{1,253}}$)(?![Xx][Nn]--){Label}(?:\.(?![Xx][Nn]--){Label})*";

    /// <summary>RFC 5321, 4.1.2, Mailbox. Of address literals only those with a registered tag.</summary>
    public static string Email { get; } = $"(?:[{MailText}]+(?:\\.[{MailText}]+)*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")@(?:{MailLabel}(?:\\.{MailLabel})*|{MailLiteral()})";

    /// <summary>RFC 6531, 3.3, Mailbox.</summary>
    /// <remarks>
    /// Of a U-label only its characters are checked, by the categories that RFC 5892 permits: not the rules that look at
    /// their neighbours or directions.
    /// </remarks>
    public static string IdnEmail { get; } = $"(?:[{MailText}\\u{{80}}-\\u{{10FFFF}}]+(?:\\.[{MailText}\\u{{80}}-\\u{{10FFFF}}]+)*"
        + $"|\"(?:[ !#-\\[\\]-~\\u{{80}}-\\u{{10FFFF}}]|\\\\[ -~])*\")@(?:{IdnLabel}(?:\\.{IdnLabel})*|{MailLiteral()})";

    /// <summary>RFC 6570, with erratum 6937 (the apostrophe is a literal).</summary>
    public const string UriTemplate = $@"(?:[!#$&-;=?-\[\]_a-z~{Ucs}{Private}]|{Percent}|\{{[+#./;?&=,!@|]?{Variable}(?:,{Variable})*\}})*";

    /// <summary>RFC 3986.</summary>
    public static string Uri { get; } = UriOf("", "", isReference: false);

    /// <summary>RFC 3986, URI-reference.</summary>
    public static string UriReference { get; } = UriOf("", "", isReference: true);

    /// <summary>RFC 3987.</summary>
    public static string Iri { get; } = UriOf(Ucs, Private, isReference: false);

    /// <summary>RFC 3987, IRI-reference.</summary>
    public static string IriReference { get; } = UriOf(Ucs, Private, isReference: true);

    private const string Day = "[0-9]+D";
    private const string Month = $"[0-9]+M(?:{Day})?";
    private const string Year = $"[0-9]+Y(?:{Month})?";
    private const string Minute = "[0-9]+M(?:[0-9]+S)?";
    private const string Clock = $"T(?:[0-9]+H(?:{Minute})?|{Minute}|[0-9]+S)";

    private const string Group = $"(?:{Hex}{{1,4}})";
    private const string Low = $"(?:{Group}:{Group}|{Ipv4})";

    private const string MailText = @"A-Za-z0-9!#$%&'*+/=?\^_`{|}~\-";
    private const string MailLabel = $@"{Letter}(?:[A-Za-z0-9\-]*{Letter})?";
    private const string MailOctet = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})";

    private const string Label = $@"(?:{Letter}(?:[A-Za-z0-9\-]{{0,61}}{Letter})?)";

    private const string IdnCharacter = @"A-Za-z0-9\p{Ll}\p{Lo}\p{Lm}\p{Nd}";
    private const string IdnLabel = $@"[{IdnCharacter}](?:[{IdnCharacter}\p{{Mn}}\p{{Mc}}\-]*[{IdnCharacter}\p{{Mn}}\p{{Mc}}])?";

    private const string Variable = $@"(?:[A-Za-z0-9_]|{Percent})(?:\.?(?:[A-Za-z0-9_]|{Percent}))*(?:\*|:[1-9][0-9]{{0,3}})?";

    // A leap second's offset is given by its hour and minute, each apart: the texts of the one and of the other intersect.
    // Choices are told apart digit by digit, so that few are open at a time.
    private static string TimeOf()
    {
        const string Fraction = @"(?:\.[0-9]+)?";
        const string Hour = "(?:[01][0-9]|2[0-3])";
        var carries = ByDigits(24, hour => $@":59:60{Fraction}\+{(hour + 1) % 24:00}:00");
        var hours = ByDigits(24, hour => $@":[0-5][0-9]:60{Fraction}(?:\+{hour:00}|-{23 - hour:00}):[0-5][0-9]");
        var minutes = ByDigits(60, minute => $":60{Fraction}(?:{(minute < 59 ? $@"\+[0-2][0-9]:{minute + 1:00}|" : "")}-[0-2][0-9]:{59 - minute:00})");
        return $@"(?:{Hour}:[0-5][0-9]:[0-5][0-9]{Fraction}(?:[Zz]|[+\-]{Hour}:[0-5][0-9])|23:59:60{Fraction}[Zz]"
            + $"|{carries}|(?={hours}$)[0-2][0-9]:{minutes})";

        static string ByDigits(int count, Func<int, string> rest)
            => $"(?:{string.Join('|', Enumerable.Range(0, count).GroupBy(n => n / 10, n => $"{n % 10}{rest(n)}").Select(tens => $"{tens.Key}(?:{string.Join('|', tens)})"))})";
    }

    // RFC 5321, 4.1.3: :: stands for two groups at least, and six or, before an IPv4 address, four may be written.
    private static string MailLiteral()
    {
        var ipv4 = $@"{MailOctet}(?:\.{MailOctet}){{3}}";
        var choices = new List<string> { $"{Group}(?::{Group}){{7}}", $"{Group}(?::{Group}){{5}}:{ipv4}" };
        for (var before = 0; before <= 6; before++)
        {
            var start = before == 0 ? "::" : $"{Group}(?::{Group}){{{before - 1}}}::";
            choices.Add(before == 6 ? start : $"{start}(?:{Group}(?::{Group}){{0,{5 - before}}})?");
            if (before <= 4)
            {
                choices.Add($"{start}(?:{Group}:){{0,{4 - before}}}{ipv4}");
            }
        }

        return $@"\[(?:{ipv4}|[Ii][Pp][Vv]6:(?:{string.Join('|', choices)}))\]";
    }

    private static string UriOf(string more, string moreInQuery, bool isReference)
    {
        var inUser = $"(?:[{Unreserved}{SubDelimiters}:{more}]|{Percent})";
        var inName = $"(?:[{Unreserved}{SubDelimiters}{more}]|{Percent})";
        var inPath = $"(?:[{Unreserved}{SubDelimiters}:@{more}]|{Percent})";
        var inFirst = $"(?:[{Unreserved}{SubDelimiters}@{more}]|{Percent})";
        var inQuery = $"(?:[{Unreserved}{SubDelimiters}:@/?{more}{moreInQuery}]|{Percent})";
        var inFragment = $"(?:[{Unreserved}{SubDelimiters}:@/?{more}]|{Percent})";
        var literal = $@"\[(?:{Ipv6}|[Vv]{Hex}+\.[{Unreserved}{SubDelimiters}:]+)\]";
        var authority = $"(?:{inUser}*@)?(?:{literal}|{inName}*)(?::[0-9]*)?";
        var segments = $"(?:/{inPath}*)*";
        var absolute = $"/(?:{inPath}+{segments})?";
        var end = $@"(?:\?{inQuery}*)?(?:#{inFragment}*)?";
        var whole = $@"[A-Za-z][A-Za-z0-9+.\-]*:(?://{authority}{segments}|{absolute}|{inPath}+{segments}|){end}";
        return isReference ? $"(?:{whole}|(?://{authority}{segments}|{absolute}|{inFirst}+{segments}|){end})" : whole;
    }
}
