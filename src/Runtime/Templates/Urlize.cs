using System.Text;
using System.Text.RegularExpressions;

namespace Hearth.Runtime.Templates;

/// <summary>The filter <c>urlize</c>: web and mail addresses in text become links.</summary>
internal static partial class Urlize
{
    private const string NoOpener = "noopener";

    [GeneratedRegex("""
        ^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})
        |([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)
        |(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}])))
        (?::[\d]{1,5})?(?:[/?\#]\S*)?$
        """, RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace | RegexOptions.CultureInvariant, 200)]
    private static partial Regex WebAddress { get; }

    [GeneratedRegex(@"^\S+@\w[\w.-]*\.\w+$", RegexOptions.CultureInvariant, 200)]
    private static partial Regex MailAddress { get; }

    [GeneratedRegex(@"^([\w.+-]{2,}:(/){0,2})$", RegexOptions.CultureInvariant, 200)]
    private static partial Regex Scheme { get; }

    public static object Apply(Interpreter interpreter, BoundArguments a)
    {
        var relations = new SortedSet<string>(PythonText.Split(a.OptionalText(4) ?? "", null, -1), StringComparer.Ordinal) { NoOpener };
        if (a.Bool(2))
            relations.Add("nofollow");
        var schemes = a[5] is null ? [] : Sequences.ToList(interpreter, a[5]).ConvertAll(s => Strings.Is(s, out var t) ? t : "");
        foreach (var scheme in schemes)
        {
            if (!Scheme.IsMatch(scheme))
                throw Raise.FilterArgument($"{Representation.Repr(scheme)} is not a valid URI scheme prefix.");
        }

        var target = a.OptionalText(3);
        var attributes = $" rel=\"{Html.Escape(interpreter, string.Join(' ', relations)).Text}\""
            + (string.IsNullOrEmpty(target) ? "" : $" target=\"{Html.Escape(interpreter, target).Text}\"");
        var text = Html.Escape(interpreter, a[0]).Text;
        var result = new StringBuilder();
        foreach (var piece in Pieces(text))
        {
            var linked = PythonText.IsSpace(piece[0]) ? piece : Link(interpreter, piece, a.OptionalInteger(1), attributes, schemes);
            interpreter.ChargeText((long)result.Length + linked.Length, linked.Length + 256);
            result.Append(linked);
        }

        return interpreter.Autoescape ? new MarkupValue(result.ToString()) : result.ToString();
    }

    private static IEnumerable<string> Pieces(string text)
    {
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            var space = PythonText.IsSpace(text[at]);
            while (at < text.Length && PythonText.IsSpace(text[at]) == space)
                at++;
            yield return text[start..at];
        }
    }

    private static string Link(Interpreter interpreter, string word, long? limit, string attributes, List<string> schemes)
    {
        interpreter.Charge(word.Length);
        var (head, middle, tail) = Trim(word);
        try
        {
            middle = Linked(middle, limit, attributes, schemes);
        }
        catch (RegexMatchTimeoutException)
        {
            throw Raise.Limit("a word takes too long to recognize as an address");
        }

        return head + middle + tail;
    }

    private static string Linked(string middle, long? limit, string attributes, List<string> schemes)
    {
        if (WebAddress.IsMatch(middle))
        {
            var url = middle.StartsWith("https://", StringComparison.Ordinal) || middle.StartsWith("http://", StringComparison.Ordinal) ? middle : "https://" + middle;
            var shown = limit is { } l && PythonText.Length(middle) > l
                ? middle[..PythonText.Offset(middle, (int)Math.Max(0, l < 0 ? PythonText.Length(middle) + l : l))] + "..."
                : middle;
            return $"<a href=\"{url}\"{attributes}>{shown}</a>";
        }

        if (middle.StartsWith("mailto:", StringComparison.Ordinal) && MailAddress.IsMatch(middle[7..]))
            return $"<a href=\"{middle}\">{middle[7..]}</a>";
        if (middle.Contains('@') && !middle.StartsWith("www.", StringComparison.Ordinal) && !middle.Contains(':') && MailAddress.IsMatch(middle))
            return $"<a href=\"mailto:{middle}\">{middle}</a>";
        foreach (var scheme in schemes)
        {
            if (middle != scheme && middle.StartsWith(scheme, StringComparison.Ordinal))
                middle = $"<a href=\"{middle}\"{attributes}>{middle}</a>";
        }

        return middle;
    }

    /// <summary>Takes opening brackets from the front and closing ones and punctuation from the end, but leaves brackets balanced.</summary>
    private static (string Head, string Middle, string Tail) Trim(string word)
    {
        var at = 0;
        while (at < word.Length && Matches(word, at, ["(", "<", "&lt;"]) is var opening and > 0)
            at += opening;
        var (head, middle, tail) = (word[..at], word[at..], "");
        var end = middle.Length;
        while (end > 0 && MatchesBefore(middle, end, [")", ">", ".", ",", "\n", "&gt;"]) is var closing and > 0)
            end -= closing;
        (middle, tail) = (middle[..end], middle[end..]);
        foreach (var (open, close) in new[] { ("(", ")"), ("<", ">"), ("&lt;", "&gt;") })
        {
            var unbalanced = middle.AsSpan().Count(open);
            if (unbalanced <= middle.AsSpan().Count(close))
                continue;
            for (var moves = Math.Min(unbalanced, tail.AsSpan().Count(close)); moves > 0; moves--)
            {
                var cut = tail.IndexOf(close, StringComparison.Ordinal) + close.Length;
                (middle, tail) = (middle + tail[..cut], tail[cut..]);
            }
        }

        return (head, middle, tail);
    }

    private static int Matches(string text, int at, string[] options)
        => options.FirstOrDefault(o => string.CompareOrdinal(text, at, o, 0, o.Length) == 0)?.Length ?? 0;

    private static int MatchesBefore(string text, int end, string[] options)
        => options.FirstOrDefault(o => end >= o.Length && string.CompareOrdinal(text, end - o.Length, o, 0, o.Length) == 0)?.Length ?? 0;
}
