using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Escaping for HTML, as MarkupSafe does it.</summary>
internal static class Html
{
    /// <summary>The value as safe HTML: escaped, unless it is safe already.</summary>
    public static MarkupValue Escape(Interpreter interpreter, object? value)
    {
        if (value is MarkupValue markup)
            return markup;
        var text = Representation.Str(interpreter, value);
        if (!text.AsSpan().ContainsAny("&<>'\""))
            return new MarkupValue(text);
        interpreter.Charge(text.Length / 2);
        var result = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            _ = c switch
            {
                '&' => result.Append("&amp;"),
                '<' => result.Append("&lt;"),
                '>' => result.Append("&gt;"),
                '\'' => result.Append("&#39;"),
                '"' => result.Append("&#34;"),
                _ => result.Append(c),
            };
        }

        interpreter.ChargeText(result.Length);
        return new MarkupValue(result.ToString());
    }

    /// <summary>Text without comments and tags, white space collapsed, entities resolved.</summary>
    public static string StripTags(Interpreter interpreter, string text)
    {
        interpreter.Charge(text.Length / 4);
        var bare = Remove(Remove(text, "<!--", "-->"), "<", ">");
        return System.Net.WebUtility.HtmlDecode(string.Join(' ', PythonText.Split(bare, null, -1)));
    }

    private static string Remove(string text, string open, string close)
    {
        var result = new StringBuilder(text.Length);
        var at = 0;
        while (text.IndexOf(open, at, StringComparison.Ordinal) is var start and >= 0)
        {
            var end = text.IndexOf(close, start + open.Length, StringComparison.Ordinal);
            if (end < 0)
                break;
            result.Append(text, at, start - at);
            at = end + close.Length;
        }

        return result.Append(text, at, text.Length - at).ToString();
    }
}
