using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>The methods of strings. On a safe string those that give text escape their arguments and stay safe.</summary>
/// <remarks>Source: Python 3.11, "String Methods"; <c>encode</c> refuses, as templates have no bytes.</remarks>
internal static class StringMethods
{
    private delegate object? Body(Interpreter interpreter, string text, BoundArguments arguments);

    public static FrozenDictionary<string, Method> All { get; } = Build().ToFrozenDictionary(m => m.Name, m => m.Method);

    private static IEnumerable<(string Name, Method Method)> Build()
    {
        yield return Text("upper", "", (_, s, _) => CaseMapping.Upper(s));
        yield return Text("lower", "", (_, s, _) => CaseMapping.Lower(s));
        yield return Text("casefold", "", (_, s, _) => CaseMapping.Fold(s));
        yield return Text("capitalize", "", (_, s, _) => CaseMapping.Capitalize(s));
        yield return Text("title", "", (_, s, _) => CaseMapping.Title(s));
        yield return Text("swapcase", "", (_, s, _) => CaseMapping.SwapCase(s));
        yield return Text("strip", "chars= /", (i, s, a) => PythonText.Strip(s, Set(i, a)));
        yield return Text("lstrip", "chars= /", (i, s, a) => PythonText.Strip(s, Set(i, a), right: false));
        yield return Text("rstrip", "chars= /", (i, s, a) => PythonText.Strip(s, Set(i, a), left: false));
        yield return Text("removeprefix", "prefix /", (_, s, a) => s.StartsWith(a.Text(0), StringComparison.Ordinal) ? s[a.Text(0).Length..] : s);
        yield return Text("removesuffix", "suffix /", (_, s, a) => s.EndsWith(a.Text(0), StringComparison.Ordinal) ? s[..^a.Text(0).Length] : s);
        yield return Text("replace", "old new count= /", (i, s, a) => Replace(i, s, a.Text(0), a.Text(1), a.Integer(2, -1)));
        yield return Text("center", "width fillchar= /", (i, s, a) => Pad(i, s, a, center: true, left: true));
        yield return Text("ljust", "width fillchar= /", (i, s, a) => Pad(i, s, a, center: false, left: false));
        yield return Text("rjust", "width fillchar= /", (i, s, a) => Pad(i, s, a, center: false, left: true));
        yield return Text("zfill", "width /", (i, s, a) => ZeroFill(i, s, a.Integer(0)));
        yield return Text("expandtabs", "tabsize=", (i, s, a) => ExpandTabs(i, s, a.Integer(0, 8)));
        yield return Text("translate", "table /", (i, s, a) => Translate(i, s, a[0]));
        yield return Text("join", "iterable /", (i, s, a) => Join(i, s, a[0]));
        yield return Text("split", "sep= maxsplit=", (i, s, a) => List(Split(i, s, a, PythonText.Split)));
        yield return Text("rsplit", "sep= maxsplit=", (i, s, a) => List(Split(i, s, a, PythonText.SplitFromEnd)));
        yield return Text("splitlines", "keepends=", (i, s, a) => List(SplitLines(i, s, a.Bool(0))));
        yield return Text("partition", "sep /", (_, s, a) => Partition(s, Separator(a.Text(0)), last: false));
        yield return Text("rpartition", "sep /", (_, s, a) => Partition(s, Separator(a.Text(0)), last: true));
        yield return Plain("format", "*items **named", (i, s, a) => BraceFormat.Apply(i, s, a.Rest, a.Named, escape: false));
        yield return Plain("format_map", "mapping /", (i, s, a) => BraceFormat.Apply(i, s, [], FromMap(a[0]), escape: false));
        yield return Plain("startswith", "prefix start= end= /", (_, s, a) => Affix(s, a, (t, p) => t.StartsWith(p, StringComparison.Ordinal), "startswith"));
        yield return Plain("endswith", "suffix start= end= /", (_, s, a) => Affix(s, a, (t, p) => t.EndsWith(p, StringComparison.Ordinal), "endswith"));
        yield return Plain("find", "sub start= end= /", (_, s, a) => Find(s, a, last: false));
        yield return Plain("rfind", "sub start= end= /", (_, s, a) => Find(s, a, last: true));
        yield return Plain("index", "sub start= end= /", (_, s, a) => Found(Find(s, a, last: false)));
        yield return Plain("rindex", "sub start= end= /", (_, s, a) => Found(Find(s, a, last: true)));
        yield return Plain("count", "sub start= end= /", (_, s, a) => Count(s, a));
        yield return Plain("encode", "encoding= errors=", (_, _, _) => throw new TemplateException("NotImplementedError", "templates have no bytes, so a string cannot be encoded"));
        yield return Plain("isalpha", "", (_, s, _) => PythonText.All(s, (c, _) => c <= UnicodeCategory.OtherLetter));
        yield return Plain("isalnum", "", (_, s, _) => PythonText.All(s, (c, p) => c <= UnicodeCategory.OtherLetter || IsNumeric(c, p)));
        yield return Plain("isdecimal", "", (_, s, _) => PythonText.All(s, (c, _) => c == UnicodeCategory.DecimalDigitNumber));
        yield return Plain("isdigit", "", (_, s, _) => PythonText.All(s, (_, p) => PythonText.DigitValue(p) >= 0));
        yield return Plain("isnumeric", "", (_, s, _) => PythonText.All(s, IsNumeric));
        yield return Plain("isspace", "", (_, s, _) => PythonText.IsAllSpace(s));
        yield return Plain("isascii", "", (_, s, _) => Ascii.IsValid(s));
        yield return Plain("isprintable", "", (_, s, _) => s.Length == 0 || PythonText.All(s, (_, p) => PythonText.IsPrintable(p)));
        yield return Plain("isidentifier", "", (_, s, _) => PythonText.IsIdentifier(s));
        yield return Plain("islower", "", (_, s, _) => Tests.IsCase(s, CaseMapping.IsLower, CaseMapping.IsUpper));
        yield return Plain("isupper", "", (_, s, _) => Tests.IsCase(s, CaseMapping.IsUpper, CaseMapping.IsLower));
        yield return Plain("istitle", "", (_, s, _) => IsTitle(s));
        yield return ("striptags", new Method(Signature.None, (i, self, _) => Html.StripTags(i, TextOf(self))));
        yield return Plain("unescape", "", (_, s, _) => System.Net.WebUtility.HtmlDecode(s));
    }

    // Those that ask of every character what it is; the others compare whole vectors of them.
    private static readonly FrozenSet<string> s_byCharacter =
        FrozenSet.Create("casefold", "capitalize", "title", "swapcase", "translate", "expandtabs", "unescape", "isalpha", "isalnum", "isdecimal",
            "isdigit", "isnumeric", "isspace", "isprintable", "isidentifier", "islower", "isupper", "istitle");

    private static long CostOf(string name, string text) => name switch
    {
        _ when s_byCharacter.Contains(name) => text.Length,
        "upper" or "lower" when !Ascii.IsValid(text) => text.Length,
        "upper" or "lower" or "split" or "rsplit" or "splitlines" => text.Length / 4,
        _ => text.Length / 16,
    };

    // Each character of it is looked up by its spelling.
    private static string? Set(Interpreter interpreter, BoundArguments a)
    {
        var characters = a.OptionalText(0);
        interpreter.Charge(2L * (characters?.Length ?? 0));
        return characters;
    }

    private static string TextOf(object self) => Strings.Is(self, out var text) ? text : "";

    private static (string, Method) Plain(string name, string signature, Body body)
        => (name, new Method(new Signature(signature), (i, self, a) =>
        {
            var text = TextOf(self);
            i.Charge(CostOf(name, text));
            if (self is MarkupValue && name is "format" or "format_map")
                return new MarkupValue(BraceFormat.Apply(i, text, a.Rest, name == "format" ? a.Named : FromMap(a[0]), escape: true));
            return body(i, text, a);
        }));

    private static (string, Method) Text(string name, string signature, Body body)
        => (name, new Method(new Signature(signature), (i, self, a) =>
        {
            var text = TextOf(self);
            i.Charge(CostOf(name, text));
            return self is MarkupValue ? Mark(body(i, text, name == "join" ? JoinEscaped(i, a) : Escaped(i, a))) : body(i, text, a);
        }));

    private static object? Mark(object? result) => result switch
    {
        string s => new MarkupValue(s),
        ListValue list => new ListValue(list.Items.ConvertAll(Mark)),
        TupleValue tuple => new TupleValue([.. tuple.Items.Select(Mark)]),
        _ => result,
    };

    private static BoundArguments Escaped(Interpreter interpreter, BoundArguments a)
        => a.Map(v => v is string ? Html.Escape(interpreter, v) : v);

    private static BoundArguments JoinEscaped(Interpreter interpreter, BoundArguments a)
        => a.Map(v => new ListValue(Sequences.ToList(interpreter, v).ConvertAll(x => (object?)Html.Escape(interpreter, x))));

    private static List<KeyValuePair<string, object?>> FromMap(object? value)
    {
        if (value is not MapValue map)
            throw Raise.Type($"format_map() argument must be a mapping, not {TypeNames.Of(value)}");
        return [.. map.Items.Where(i => i.Key is string).Select(i => new KeyValuePair<string, object?>((string)i.Key!, i.Value))];
    }

    private static bool IsNumeric(UnicodeCategory category, int codePoint)
        => category is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber
            || PythonText.NumericValue(codePoint) >= 0;

    public static ListValue List(List<string> parts) => new(parts.ConvertAll(p => (object?)p));

    private static string Separator(string separator) => separator.Length > 0 ? separator : throw Raise.Value("empty separator");

    private static List<string> Split(Interpreter interpreter, string text, BoundArguments a, Func<string, string?, long, List<string>> split)
    {
        var separator = a.OptionalText(0);
        var maximum = a.Integer(1, -1);
        if (separator is not null)
            Separator(separator);
        var pieces = separator is null ? text.Length / 2 : text.AsSpan().Count(separator);
        if (pieces > interpreter.Limits.MaxCollectionLength)
            maximum = maximum < 0 ? interpreter.Limits.MaxCollectionLength : Math.Min(maximum, interpreter.Limits.MaxCollectionLength);
        var parts = split(text, separator, maximum);
        interpreter.ChargeCollection(parts.Count);
        return parts;
    }

    public static List<string> SplitLines(Interpreter interpreter, string text, bool keepEnds = false)
    {
        if (text.Length > interpreter.Limits.MaxCollectionLength)
            interpreter.ChargeCollection(text.AsSpan().Count('\n') + (long)text.AsSpan().Count('\r'));
        return PythonText.SplitLines(text, keepEnds);
    }

    private static TupleValue Partition(string text, string separator, bool last)
    {
        var at = last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        if (at < 0)
            return last ? new TupleValue(["", "", text]) : new TupleValue([text, "", ""]);
        return new TupleValue([text[..at], separator, text[(at + separator.Length)..]]);
    }

    /// <summary><c>str.replace</c>; an empty <paramref name="old"/> stands between all characters.</summary>
    public static string Replace(Interpreter interpreter, string text, string old, string @new, long count)
    {
        if (old.Length == 0)
            return Intersperse(interpreter, text, @new, count);
        var found = text.AsSpan().Count(old);
        if (count >= 0)
            found = (int)Math.Min(found, count);
        interpreter.ChargeText(text.Length + (found * ((long)@new.Length - old.Length)));
        interpreter.Charge(found);
        if (found == 0)
            return text;
        var result = new StringBuilder();
        var at = 0;
        for (; found > 0; found--)
        {
            var next = text.IndexOf(old, at, StringComparison.Ordinal);
            result.Append(text, at, next - at).Append(@new);
            at = next + old.Length;
        }

        return result.Append(text, at, text.Length - at).ToString();
    }

    private static string Intersperse(Interpreter interpreter, string text, string @new, long count)
    {
        var left = count < 0 ? long.MaxValue : count;
        interpreter.ChargeText(text.Length + (Math.Min(left, text.Length + 1L) * @new.Length));
        interpreter.Charge(text.Length);
        var result = new StringBuilder();
        foreach (var character in PythonText.Characters(text))
        {
            if (left-- > 0)
                result.Append(@new);
            result.Append(character);
        }

        return left > 0 ? result.Append(@new).ToString() : result.ToString();
    }

    public static string Join(Interpreter interpreter, string separator, object? iterable)
    {
        if (!Sequences.IsIterable(iterable))
            throw Raise.Type("can only join an iterable");
        var result = new StringBuilder();
        var index = 0;
        foreach (var item in Sequences.Iterate(iterable))
        {
            if (!Strings.Is(item, out var part))
                throw Raise.Type($"sequence item {index}: expected str instance, {TypeNames.Of(item)} found");
            var added = part.Length + (index == 0 ? 0 : separator.Length);
            interpreter.ChargeText((long)result.Length + added, added);
            interpreter.Charge(2);
            if (index++ > 0)
                result.Append(separator);
            result.Append(part);
        }

        return result.ToString();
    }

    private static string Pad(Interpreter interpreter, string text, BoundArguments a, bool center, bool left)
    {
        var fill = a.Text(1, " ");
        if (PythonText.Length(fill) != 1)
            throw Raise.Type("The fill character must be exactly one character long");
        var length = PythonText.Length(text);
        var missing = Math.Max(0, a.Integer(0) - length);
        var before = !center ? (left ? missing : 0) : (missing / 2) + (missing & a.Integer(0) & 1);
        return interpreter.Concat(interpreter.Concat(interpreter.Repeat(fill, before), text), interpreter.Repeat(fill, missing - before));
    }

    private static string ZeroFill(Interpreter interpreter, string text, long width)
    {
        var zeros = interpreter.Repeat("0", width - PythonText.Length(text));
        var sign = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        return interpreter.Concat(text[..sign] + zeros, text[sign..]);
    }

    private static string ExpandTabs(Interpreter interpreter, string text, long size)
    {
        interpreter.Charge(text.Length);
        var result = new StringBuilder();
        var column = 0L;
        foreach (var character in PythonText.Characters(text))
        {
            if (character == "\t")
            {
                var spaces = size > 0 ? size - (column % size) : 0;
                column += spaces;
                interpreter.ChargeText(result.Length + spaces, spaces);
                result.Append(' ', (int)spaces);
                continue;
            }

            column = character is "\n" or "\r" ? 0 : column + 1;
            result.Append(character);
        }

        return result.ToString();
    }

    private static string Translate(Interpreter interpreter, string text, object? table)
    {
        if (table is not MapValue map)
            throw Raise.Type($"'{TypeNames.Of(table)}' object is not subscriptable");
        var result = new StringBuilder();
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            if (!map.TryGet((long)c, out var mapped))
                result.Append(text, i, width);
            else if (Strings.Is(mapped, out var replacement))
                result.Append(replacement);
            else if (mapped is long code and >= 0 and <= 0x10FFFF)
                PythonText.AppendCodePoint(result, (int)code);
            else if (mapped is not null)
                throw Raise.Type("character mapping must return integer, None or str");
            interpreter.ChargeText(result.Length, 1);
            i += width;
        }

        return result.ToString();
    }

    /// <summary>The part of a text that start and end arguments name; null where they cross.</summary>
    private static string? Part(string text, BoundArguments a, out long from)
    {
        from = 0;
        if (a[1] is null && a[2] is null)
            return text;
        var length = PythonText.Length(text);
        (from, var count, _) = Sequences.Bounds(length, a[1], a[2], null);
        if (a[1] is not null && Arithmetic.ToIndex(a[1]) > length)
            return null;
        if (count == 0 && a[1] is not null)
            from = Arithmetic.ToIndex(a[1]) is var start && start < 0 ? Math.Max(0, start + length) : start;
        var offset = PythonText.Offset(text, (int)from);
        return text[offset..PythonText.Offset(text, (int)(from + count))];
    }

    private static bool Affix(string text, BoundArguments a, Func<string, string, bool> matches, string name)
    {
        var part = Part(text, a, out _);
        if (a[0] is not TupleValue options)
        {
            return Strings.Is(a[0], out var affix)
                ? part is not null && matches(part, affix)
                : throw Raise.Type($"{name} first arg must be str or a tuple of str, not {TypeNames.Of(a[0])}");
        }

        foreach (var option in options.Items)
        {
            if (!Strings.Is(option, out var candidate))
                throw Raise.Type($"tuple for {name} must only contain str, not {TypeNames.Of(option)}");
            if (part is not null && matches(part, candidate))
                return true;
        }

        return false;
    }

    private static long Find(string text, BoundArguments a, bool last)
    {
        var wanted = a.Text(0);
        if (Part(text, a, out var from) is not { } part)
            return -1;
        var at = last && wanted.Length == 0 ? part.Length
            : last ? part.LastIndexOf(wanted, StringComparison.Ordinal) : part.IndexOf(wanted, StringComparison.Ordinal);
        return at < 0 ? -1 : from + PythonText.Position(part, at);
    }

    private static long Found(long at) => at >= 0 ? at : throw Raise.Value("substring not found");

    private static long Count(string text, BoundArguments a)
    {
        var wanted = a.Text(0);
        if (Part(text, a, out _) is not { } part)
            return 0L;
        return wanted.Length == 0 ? PythonText.Length(part) + 1L : (long)part.AsSpan().Count(wanted);
    }

    private static bool IsTitle(string text)
    {
        bool afterCased = false, found = false;
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            i += width;
            var isLower = CaseMapping.IsLower(c);
            var isCased = CaseMapping.IsCased(c);
            if (isCased && isLower != afterCased)
                return false;
            found |= isCased;
            afterCased = isCased;
        }

        return found;
    }
}
