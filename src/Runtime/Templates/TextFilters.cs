using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Filters over text.</summary>
internal static class TextFilters
{
    private static readonly System.Buffers.SearchValues<char> AttributeEnds = System.Buffers.SearchValues.Create(" \t\n\r\f\v/>=");

    public static IEnumerable<FunctionValue> Build()
    {
        foreach (var name in new[] { "escape", "e" })
            yield return Filters.Define(name, "s /", (i, a) => Html.Escape(i, a[0]));
        yield return Filters.Define("forceescape", "value", (i, a) => Html.Escape(i, Representation.Str(i, a[0])));
        yield return Filters.Define("safe", "value", (i, a) => new MarkupValue(Representation.Str(i, a[0])));
        yield return Filters.Define("string", "object", (i, a) => Soft(i, a[0]));
        yield return Filters.Define("upper", "s", (i, a) => Method(i, a[0], "upper"));
        yield return Filters.Define("lower", "s", (i, a) => Method(i, a[0], "lower"));
        yield return Filters.Define("capitalize", "s", (i, a) => Method(i, a[0], "capitalize"));
        yield return Filters.Define("title", "s", (i, a) => Title(i, Representation.Str(i, a[0])));
        yield return Filters.Define("trim", "value chars=", (i, a) => Method(i, a[0], "strip", a[1]));
        yield return Filters.Define("center", "value width=", (i, a) => Method(i, a[0], "center", a.Or(1, 80L)));
        yield return Filters.Define("replace", "s old new count=", Replace);
        yield return Filters.Define("striptags", "value", (i, a) => Html.StripTags(i, Representation.Str(i, a[0])));
        yield return Filters.Define("format", "value *rest **named", Format);
        yield return Filters.Define("indent", "s width= first= blank=", Indent);
        yield return Filters.Define("truncate", "s length= killwords= end= leeway=", Truncate);
        yield return Filters.Define("wordwrap", "s width= break_long_words= wrapstring= break_on_hyphens=", WordWrap);
        yield return Filters.Define("wordcount", "s", (i, a) => WordCount(i, Representation.Str(i, a[0])));
        yield return Filters.Define("urlencode", "value", UrlEncode);
        yield return Filters.Define("urlize", "value trim_url_limit= nofollow= target= rel= extra_schemes=", Urlize.Apply);
        yield return Filters.Define("xmlattr", "d autospace=", XmlAttributes);
        yield return Filters.Define("pprint", "value", (i, a) => PrettyPrint.Format(i, a[0]));
    }

    /// <summary>The value as text; a safe string stays safe.</summary>
    private static object Soft(Interpreter interpreter, object? value)
        => value is MarkupValue ? value : Representation.Str(interpreter, value);

    private static object? Method(Interpreter interpreter, object? value, string name, params object?[] arguments)
        => interpreter.Call(Attributes.Get(Soft(interpreter, value), name), CallArguments.Of(arguments));

    private static string Title(Interpreter interpreter, string text)
    {
        interpreter.ChargeText(text.Length);
        interpreter.Charge(text.Length);
        var result = new StringBuilder(text.Length);
        var start = 0;
        for (var i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && !(text[i] is '-' or '(' or '{' or '[' or '<' || PythonText.IsSpace(text[i])))
                continue;
            AppendWord(text[start..i]);
            if (i < text.Length)
                result.Append(text[i]);
            start = i + 1;
        }

        return result.ToString();

        void AppendWord(string word)
        {
            if (word.Length == 0)
                return;
            var first = PythonText.WidthAt(word, 0);
            result.Append(CaseMapping.Upper(word[..first])).Append(CaseMapping.Lower(word[first..]));
        }
    }

    private static object Replace(Interpreter interpreter, BoundArguments a)
    {
        var count = a[3] is null ? -1 : Arithmetic.ToIndex(a[3]);
        if (interpreter.Autoescape && (a[1] is MarkupValue || (a[2] is MarkupValue && a[0] is not MarkupValue) || a[0] is MarkupValue))
        {
            var safe = Html.Escape(interpreter, a[0]).Text;
            var (from, to) = (Html.Escape(interpreter, a[1]).Text, Html.Escape(interpreter, a[2]).Text);
            return new MarkupValue(StringMethods.Replace(interpreter, safe, from, to, count));
        }

        return StringMethods.Replace(
            interpreter,
            Representation.Str(interpreter, a[0]),
            Representation.Str(interpreter, a[1]),
            Representation.Str(interpreter, a[2]),
            count);
    }

    private static object Format(Interpreter interpreter, BoundArguments a)
    {
        if (a.Rest.Count > 0 && a.Named.Count > 0)
            throw Raise.FilterArgument("can't handle positional and keyword arguments at the same time");
        var map = new MapValue();
        foreach (var (name, value) in a.Named)
            map.Set(name, value);
        object? values = a.Named.Count > 0 ? map : new TupleValue([.. a.Rest]);
        return PercentFormat.Apply(interpreter, a[0], Representation.Str(interpreter, a[0]), values);
    }

    private static object Indent(Interpreter interpreter, BoundArguments a)
    {
        if (!Strings.Is(a[0], out var text))
        {
            throw a[0] switch
            {
                UndefinedValue u => u.Error(),
                ListValue => new TemplateException("AttributeError", "'list' object has no attribute 'splitlines'"),
                _ => Raise.Type($"unsupported operand type(s) for +=: '{TypeNames.Of(a[0])}' and 'str'"),
            };
        }

        var width = a.Or(1, 4L);
        if (!Strings.Is(width, out var indentation))
            indentation = interpreter.Repeat(" ", Arithmetic.ToIndex(width));
        else if (a[0] is MarkupValue)
            indentation = width is MarkupValue ? indentation : Html.Escape(interpreter, indentation).Text;
        var blank = a.Bool(3);
        var lines = StringMethods.SplitLines(interpreter, text + "\n");
        var result = new StringBuilder();
        for (var i = 0; i < lines.Count; i++)
        {
            var indent = i == 0 ? a.Bool(2) : blank || lines[i].Length > 0;
            var added = (indent ? indentation.Length : 0) + lines[i].Length + 1;
            interpreter.ChargeText((long)result.Length + added, added);
            if (i > 0)
                result.Append('\n');
            if (indent)
                result.Append(indentation);
            result.Append(lines[i]);
        }

        return a[0] is MarkupValue ? new MarkupValue(result.ToString()) : result.ToString();
    }

    private static object? Truncate(Interpreter interpreter, BoundArguments a)
    {
        var length = a.Integer(1, 255);
        var end = a.Text(3, "...");
        var leeway = a[4] is null ? 5 : Arithmetic.ToIndex(a[4]);
        if (length < PythonText.Length(end))
            throw new TemplateException("AssertionError", $"expected length >= {PythonText.Length(end)}, got {length}");
        if (leeway < 0)
            throw new TemplateException("AssertionError", $"expected leeway >= 0, got {leeway}");
        interpreter.Charge(Sequences.TextCost(a[0]));
        if ((Sequences.Length(a[0]) ?? throw Raise.Type($"object of type '{TypeNames.Of(a[0])}' has no len()")) <= length + Math.Min(leeway, int.MaxValue))
            return a[0];
        if (!Strings.Is(a[0], out var text))
            throw Raise.Type($"unsupported operand type(s) for +: '{TypeNames.Of(a[0])}' and 'str'");
        var cut = text[..PythonText.Offset(text, (int)(length - PythonText.Length(end)))];
        if (!a.Bool(2))
            cut = PythonText.SplitFromEnd(cut, " ", 1)[0];
        return a[0] is MarkupValue ? new MarkupValue(cut + Html.Escape(interpreter, a.Or(3, "...")).Text) : cut + end;
    }

    private static string WordWrap(Interpreter interpreter, BoundArguments a)
    {
        if (!Strings.Is(a[0], out var text))
            throw a[0] is UndefinedValue u ? u.Error() : new TemplateException("AttributeError", $"'{TypeNames.Of(a[0])}' object has no attribute 'splitlines'");
        var wrap = new TextWrap(a.Integer(1, 79), a.Bool(2, true), a.Bool(4, true));
        var separator = a.OptionalText(3) ?? "\n";
        interpreter.ChargeText(text.Length * 4L, text.Length * 16L);
        var lines = StringMethods.SplitLines(interpreter, text).Select(l => string.Join(separator, wrap.Wrap(l)));
        var result = string.Join(separator, lines);
        interpreter.ChargeText(result.Length);
        return result;
    }

    private static long WordCount(Interpreter interpreter, string text)
    {
        interpreter.Charge(text.Length / 2);
        var count = 0L;
        var inWord = false;
        for (var i = 0; i < text.Length; i += PythonText.WidthAt(text, i))
        {
            var isWord = PythonText.IsWord(text, i);
            if (isWord && !inWord)
                count++;
            inWord = isWord;
        }

        return count;
    }

    private static string UrlEncode(Interpreter interpreter, BoundArguments a)
    {
        if (Strings.Is(a[0], out _) || !Sequences.IsIterable(a[0]))
            return UrlQuote(interpreter, a[0], forQuery: false);
        var pairs = a[0] is MapValue map ? new ViewValue(map, ViewKind.Items) : a[0];
        var parts = new List<object?>();
        foreach (var pair in Sequences.ToList(interpreter, pairs))
        {
            var items = Sequences.ToList(interpreter, pair);
            if (items.Count != 2)
                throw Raise.Value($"{(items.Count < 2 ? "not enough" : "too many")} values to unpack (expected 2)");
            parts.Add($"{UrlQuote(interpreter, items[0], true)}={UrlQuote(interpreter, items[1], true)}");
        }

        return StringMethods.Join(interpreter, "&", new ListValue(parts));
    }

    private static string UrlQuote(Interpreter interpreter, object? value, bool forQuery)
    {
        var text = Representation.Str(interpreter, value);
        interpreter.ChargeText(text.Length * 3L);
        var result = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !forQuery))
                result.Append(c);
            else if (c == ' ' && forQuery)
                result.Append('+');
            else
                result.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return result.ToString();
    }

    private static object XmlAttributes(Interpreter interpreter, BoundArguments a)
    {
        if (a[0] is not MapValue map)
            throw a[0] is UndefinedValue u ? u.Error() : new TemplateException("AttributeError", $"'{TypeNames.Of(a[0])}' object has no attribute 'items'");
        var parts = new List<object?>();
        foreach (var (key, value) in map.Items)
        {
            if (value is null or UndefinedValue)
                continue;
            if (!Strings.Is(key, out var name))
                throw Raise.Type($"expected string or bytes-like object, got '{TypeNames.Of(key)}'");
            if (name.AsSpan().ContainsAny(AttributeEnds))
                throw Raise.Value($"Invalid character in attribute name: {Representation.Repr(name)}");
            parts.Add($"{Html.Escape(interpreter, key).Text}=\"{Html.Escape(interpreter, value).Text}\"");
        }

        var text = StringMethods.Join(interpreter, " ", new ListValue(parts));
        if (a.Bool(1, true) && text.Length > 0)
            text = " " + text;
        return interpreter.Autoescape ? new MarkupValue(text) : text;
    }
}
