using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Constraints.Forms;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat.Dialects;

/// <summary>Reads a model's dialect off its template: renders chats with words that no template writes, and sees what stands around them.</summary>
internal sealed partial class TemplateProbe
{
    private const string First = "hprobefnone", Second = "hprobefntwo", Question = "hprobequestion", Content = "HPROBECONTENT", Thought = "HPROBETHOUGHT";
    private const string KeyOne = "hprobekeyone", KeyTwo = "hprobekeytwo", ValueOne = "hprobevalueone", ValueTwo = "hprobevaluetwo";
    private const string FirstId = "hprobeid1", SecondId = "hprobeid2";
    private const int NumberOne = 7654321, NumberTwo = 8765432;

    private static readonly JsonObject s_strings = new() { [KeyOne] = ValueOne, [KeyTwo] = ValueTwo };
    private static readonly JsonObject s_numbers = new() { [KeyOne] = NumberOne, [KeyTwo] = NumberTwo };

    private readonly Func<ChatPrompt, string> _render;
    private readonly string[] _ends;
    private string[]? _turns;

    /// <param name="render">Renders a chat with the model's template.</param>
    /// <param name="ends">The spellings of the tokens that end a text.</param>
    public TemplateProbe(Func<ChatPrompt, string> render, IEnumerable<string> ends)
    {
        _render = render;
        _ends = [.. ends.Where(end => end.Length > 0)];
    }

    /// <summary>A model's dialect.</summary>
    /// <param name="renderer">Renders its template; null: it has none.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="source">The template's text; null: it has none.</param>
    public static ChatDialect Read(ChatPromptRenderer? renderer, Tokenizer tokenizer, string? source)
    {
        if (renderer is null || source is null)
        {
            var marks = ThinkingMarkers.Find(tokenizer, source);
            return new ChatDialect("plain", CallSyntax.Tagged, ToolPrompting.InSystemMessage, marks) { Shown = Shown(tokenizer, CallSyntax.Tagged, marks, isHarmony: false) };
        }

        var probe = new TemplateProbe(renderer.Render, tokenizer.EndOfGenerationIds.Select(tokenizer.TokenText));
        var thinking = probe.FindThoughts() is { } found ? ThinkingMarkers.Of(tokenizer, found.Open, found.Close) : ThinkingMarkers.Find(tokenizer, source);
        var (name, syntax, prompting) = probe.FindCalls(source, text => tokenizer.TryGetId(text, out _));
        var isHarmony = name == "harmony";
        return new ChatDialect(name, syntax, prompting, isHarmony ? null : thinking, isHarmony)
        {
            Shown = Shown(tokenizer, syntax, thinking, isHarmony),
            HasPythonTag = syntax.Mark.Length == 0 && tokenizer.TryGetId(CallSyntax.PythonTag, out _),
        };
    }

    private static HashSet<int> Shown(Tokenizer tokenizer, CallSyntax syntax, ThinkingMarkers? thinking, bool isHarmony)
    {
        var texts = string.Join('\n', [syntax.ToString(), thinking?.Open, thinking?.Close, CallSyntax.PythonTag, .. isHarmony ? HarmonyMarks.All : []]);
        return [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => tokenizer.KindOf(id) == TokenKind.Control && tokenizer.TokenText(id) is { Length: > 1 } text && texts.Contains(text, StringComparison.Ordinal))];
    }

    /// <summary>How calls are written, and who tells the model of them.</summary>
    /// <param name="source">The template.</param>
    /// <param name="isToken">Whether a text is a token of the vocabulary.</param>
    public (string Name, CallSyntax Calls, ToolPrompting Prompting) FindCalls(string source, Func<string, bool> isToken)
    {
        if (source.Contains("<|channel|>", StringComparison.Ordinal) && source.Contains("<|message|>", StringComparison.Ordinal) && source.Contains("<|start|>", StringComparison.Ordinal))
            return ("harmony", CallSyntax.Tagged, ToolPrompting.ByTemplate);
        if (Learn() is { } learned)
            return (learned.Members is null ? "json" : "members", learned, ToolPrompting.ByTemplate);
        var withTools = TryRender(new ChatPrompt { Messages = [new("user", Question)], Tools = Tools(First) });
        var without = TryRender(new ChatPrompt { Messages = [new("user", Question)] });
        if (withTools is null || without is null || !withTools.Contains(First, StringComparison.Ordinal))
            return ("plain", CallSyntax.Tagged, ToolPrompting.InSystemMessage);

        // The template tells of tools and drops the calls: what it says of them tells their form.
        return ("described", DescribedSyntax.Find(withTools, isToken), ToolPrompting.CallsAsText);
    }

    /// <summary>What marks thoughts where the template writes them; null where it does not.</summary>
    public (string Open, string Close)? FindThoughts()
    {
        var answer = new ChatMessage("assistant", Content) { Reasoning = Thought };
        var call = new ToolCall(FirstId, First, (JsonObject)s_strings.DeepClone());

        // Some templates keep the thoughts of turns that called only.
        foreach (var messages in new ChatMessage[][]
        {
            [answer],
            [answer with { Content = "", ToolCalls = [call] }, new ChatMessage("tool", "HPROBERESULT") { Name = First, ToolCallId = FirstId }],
        })
        {
            if (TryRender(Chat(messages)) is not { } text || text.IndexOf(Thought, StringComparison.Ordinal) is not (> 0 and var at))
                continue;
            var open = Opening().Match(text[..at].TrimEnd());
            var close = FirstMarker().Match(text[(at + Thought.Length)..].TrimStart());
            if (open.Success && close.Success)
                return (open.Value, close.Value);
        }

        return null;
    }

    private CallSyntax? Learn()
    {
        var plain = TryRender(Chat([new ChatMessage("assistant", Content)]));
        if (plain is null)
            return null;
        foreach (var content in new[] { "", null })
        {
            if (TryCalls(content, s_strings) is { } one && one.Contains(First, StringComparison.Ordinal) && Learn(plain, one, content) is { } syntax)
                return syntax with { ContentLead = LeadOf(plain), ContentGap = GapOf(syntax) };
        }

        return null;
    }

    private CallSyntax? Learn(string plain, string one, string? content)
    {
        // Where the answers part company a call begins; what both end with is not of the call.
        var begin = OutsideMarker(one, CommonPrefix(plain, one));
        if (TryRender(Chat([]) with { AddGenerationPrompt = true }) is { } prompt && prompt.Length > begin && one.StartsWith(prompt, StringComparison.Ordinal))
            begin = prompt.Length;
        var name = one.IndexOf(First, begin, StringComparison.Ordinal);
        if (name < 0)
            return null;
        var head = one[begin..name];
        var tail = CutTail(one[(name + First.Length)..], plain);
        var two = TryCalls(content, s_strings, s_strings);
        string? between = null;
        if (two is not null && two.IndexOf(Second, name, StringComparison.Ordinal) is > 0 and var second && two.AsSpan(0, name).SequenceEqual(one.AsSpan(0, name)))
            between = two[(name + First.Length)..second];
        return Literal(s_strings, tail) is { } literal ? OfJson(head, tail, between, literal) : OfMembers(head, tail, between, content, plain);
    }

    // The arguments' JSON stands in the tail as it is.
    private static CallSyntax? OfJson(string head, string tail, string? between, string json)
    {
        var at = tail.IndexOf(json, StringComparison.Ordinal);
        var before = tail[..at];
        var end = tail[(at + json.Length)..];
        if (between is null)
            return Checked(new CallSyntax { Opening = "", BeforeName = Slotted(head), BeforeArguments = Slotted(before), AfterArguments = Slotted(end), Separator = null, Closing = "" });
        if (!between.StartsWith(before, StringComparison.Ordinal) || !between.AsSpan(before.Length).StartsWith(json))
            return null;
        var rest = between[(before.Length + json.Length)..];
        var (opening, beforeName, separator, after, closing) = Divide(Slotted(head), Slotted(end), Slotted(rest));
        return Checked(new CallSyntax { Opening = opening, BeforeName = beforeName, BeforeArguments = Slotted(before), AfterArguments = after, Separator = separator, Closing = closing });
    }

    private CallSyntax? OfMembers(string head, string tail, string? between, string? content, string plain)
    {
        if (Pieces(tail, KeyOne, ValueOne, KeyTwo, ValueTwo) is not { } strings
            || TailOf(content, s_numbers, plain) is not { } numberTail || Pieces(numberTail, KeyOne, $"{NumberOne}", KeyTwo, $"{NumberTwo}") is not { } numbers
            || TailOf(content, [], plain) is not { } empty)
            return null;
        var (opening, beforeName, separator, after, closing) = (Slotted(head), "", (string?)null, "", "");
        var (endOfString, endOfOther) = (strings.End, numbers.End);
        if (between is not null)
        {
            if (Pieces(between, KeyOne, ValueOne, KeyTwo, ValueTwo) is not { } pieces)
                return null;
            (opening, beforeName, separator, after, closing) = Divide(Slotted(head), Slotted(strings.End), Slotted(pieces.End));
            endOfString = after;
        }
        else
        {
            (opening, beforeName) = ("", opening);
        }

        if (!empty.EndsWith(closing, StringComparison.Ordinal) || !endOfOther.EndsWith(closing, StringComparison.Ordinal))
            return null;
        endOfOther = endOfOther[..^closing.Length];
        var notation = new MemberNotation
        {
            Begin = strings.Begin,
            BeforeString = strings.BeforeFirst,
            BeforeOther = numbers.BeforeFirst,
            BetweenStrings = Keyed(strings.Between),
            BetweenOthers = Keyed(numbers.Between),
            EndOfString = Keyed(endOfString, KeyTwo),
            EndOfOther = Keyed(endOfOther, KeyTwo),
            Empty = empty[..^closing.Length],
            StringEnd = StringEnd(Keyed(strings.Between), Keyed(endOfString, KeyTwo)),
            IsPython = IsPython(content, plain),
        };
        return Checked(new CallSyntax
        {
            Opening = opening,
            BeforeName = beforeName,
            BeforeArguments = "",
            AfterArguments = "",
            Separator = separator,
            Closing = closing,
            Members = Quoted(notation),
        });
    }

    // Strings in quotes of a language: they are read as its literals, not up to the next quote.
    private static MemberNotation? Quoted(MemberNotation notation)
    {
        var quote = notation.StringEnd.Length > 0 && notation.StringEnd[0] is '"' or '\'' && notation.BeforeString.EndsWith(notation.StringEnd[0]) ? notation.StringEnd[0] : default;
        if (quote == default)
            return notation.StringEnd.Length > 0 ? notation : null;
        return notation with
        {
            BeforeString = notation.BeforeString[..^1],
            BetweenStrings = notation.BetweenStrings[1..],
            EndOfString = notation.EndOfString[1..],
            StringEnd = "",
            IsPython = notation.IsPython || quote == '\'',
        };
    }

    private bool IsPython(string? content, string plain) => TailOf(content, new JsonObject { [KeyOne] = true }, plain)?.Contains("True", StringComparison.Ordinal) == true
        && TailOf(content, new JsonObject { [KeyOne] = ValueOne }, plain)?.Contains($"'{ValueOne}'", StringComparison.Ordinal) == true;

    private string? TailOf(string? content, JsonObject arguments, string plain)
        => TryCalls(content, arguments) is { } text && text.IndexOf(First, CommonPrefix(plain, text), StringComparison.Ordinal) is >= 0 and var name ? CutTail(text[(name + First.Length)..], plain) : null;

    // Opening + before name, after + closing, and after + separator + before name: what each part is.
    private static (string Opening, string BeforeName, string Separator, string After, string Closing) Divide(string head, string end, string between)
    {
        var before = 0;
        while (before < Math.Min(head.Length, between.Length) && head[^(before + 1)] == between[^(before + 1)])
            before++;
        while (before > 0 && (OutsideMarker(head, head.Length - before) < head.Length - before || OutsideMarker(between, between.Length - before) < between.Length - before))
            before--;
        var after = Math.Min(CommonPrefix(end, between), between.Length - before);
        after = Math.Min(OutsideMarker(end, after), OutsideMarker(between, after));
        return (head[..^before], head[^before..], between[after..^before], end[..after], end[after..]);
    }

    // Where the marker begins within which a place lies, or the place itself: a marker may be one token, which nothing divides.
    private static int OutsideMarker(string text, int at)
    {
        var begin = at - 1;
        while (begin >= 0 && text[begin] is not ('<' or '>') && !char.IsWhiteSpace(text[begin]))
            begin--;
        if (begin < 0 || text[begin] != '<')
            return at;
        var end = at;
        while (end < text.Length && text[end] is not ('<' or '>') && !char.IsWhiteSpace(text[end]))
            end++;
        return end < text.Length && text[end] == '>' ? begin : at;
    }

    private static (string Begin, string BeforeFirst, string Between, string End)? Pieces(string text, string keyOne, string valueOne, string keyTwo, string valueTwo)
    {
        var one = text.IndexOf(keyOne, StringComparison.Ordinal);
        var valueAt = one < 0 ? -1 : text.IndexOf(valueOne, one, StringComparison.Ordinal);
        var two = valueAt < 0 ? -1 : text.IndexOf(keyTwo, valueAt, StringComparison.Ordinal);
        var last = two < 0 ? -1 : text.IndexOf(valueTwo, two, StringComparison.Ordinal);
        return last < 0 ? null
            : (text[..one], text[(one + keyOne.Length)..valueAt], text[(valueAt + valueOne.Length)..two], text[(last + valueTwo.Length)..]);
    }

    // Long enough to be told from text, and without an end that begins it anew.
    private static string StringEnd(string between, string end)
    {
        var common = between[..CommonPrefix(between, end)].Split(MemberNotation.Key)[0];
        for (var length = common.Length; length > 0; length--)
        {
            var part = common[..length];
            if (part[^1] is not ('\n' or '<') && !Enumerable.Range(1, length - 1).Any(border => part.StartsWith(part[^border..], StringComparison.Ordinal)))
                return part;
        }

        return "";
    }

    private static string Keyed(string text, string key = KeyOne) => text.Replace(key, MemberNotation.Key.ToString(), StringComparison.Ordinal);

    // Ids and numbers of calls are not the call's own text.
    private static string Slotted(string text)
    {
        text = text.Replace(FirstId, CallSyntax.Id.ToString(), StringComparison.Ordinal).Replace(SecondId, CallSyntax.Id.ToString(), StringComparison.Ordinal);
        return Numbers().Replace(text, match => match.Value.Replace("0", CallSyntax.Index.ToString(), StringComparison.Ordinal).Replace("1", CallSyntax.Index.ToString(), StringComparison.Ordinal));
    }

    // What ends the answer is no part of its calls: a token that ends texts, or what a plain answer ends with too.
    private string CutTail(string tail, string plain)
    {
        var end = _ends.Concat(Turns()).Select(spelling => tail.IndexOf(spelling, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        if (end >= 0)
            return tail[..end].TrimEnd();
        var usual = plain[(plain.LastIndexOf(Content, StringComparison.Ordinal) + Content.Length)..];
        var same = 0;
        while (same < Math.Min(usual.Length, tail.Length) && usual[^(same + 1)] == tail[^(same + 1)])
            same++;
        while (same > 0 && OutsideMarker(tail, tail.Length - same) < tail.Length - same)
            same--;
        return tail[..^same].TrimEnd();
    }

    // The markers between the turns of a chat without tools; no call has them.
    private string[] Turns()
    {
        if (_turns is null)
        {
            var text = TryRender(new ChatPrompt { Messages = [new("user", Question), new("assistant", Content), new("user", Question)] }) ?? "";
            _turns = [.. Turn().Matches(text).Select(match => match.Value).Distinct().Where(value => !value.Contains("think", StringComparison.OrdinalIgnoreCase))];
        }

        return _turns;
    }

    private static CallSyntax? Checked(CallSyntax syntax)
    {
        var isSlotted = syntax.Members is { } members && (members.ToString().Contains(CallSyntax.Id, StringComparison.Ordinal) || members.Begin.Contains(CallSyntax.Index, StringComparison.Ordinal));
        return isSlotted || (syntax.Members is null && syntax.BeforeArguments.Length == 0) ? null : syntax;
    }

    private static string? Literal(JsonObject arguments, string text)
    {
        var spaced = Constraints.JsonText.Spaced(arguments);
        return text.Contains(spaced, StringComparison.Ordinal) ? spaced : null;
    }

    private string LeadOf(string plain)
    {
        var prompt = TryRender(Chat([]) with { AddGenerationPrompt = true });
        var at = plain.IndexOf(Content, StringComparison.Ordinal);
        return prompt is not null && at > prompt.Length && plain.StartsWith(prompt, StringComparison.Ordinal) && plain[prompt.Length..at] is var lead && Word().IsMatch(lead) ? lead : "";
    }

    private string GapOf(CallSyntax syntax)
    {
        var text = TryCalls(Content, s_strings);
        var at = text?.IndexOf(Content, StringComparison.Ordinal) ?? -1;
        if (at < 0 || syntax.Head.Length > 0)
            return "";
        var name = text!.IndexOf(First, at, StringComparison.Ordinal);
        return name < 0 ? "" : text[(at + Content.Length)..name].Trim();
    }

    private string? TryCalls(string? content, params JsonObject[] arguments)
    {
        var calls = arguments.Select((one, i) => new ToolCall(i == 0 ? FirstId : SecondId, i == 0 ? First : Second, (JsonObject)one.DeepClone())).ToList();
        var results = calls.Select(call => new ChatMessage("tool", "HPROBERESULT") { Name = call.Name, ToolCallId = call.Id });
        ChatMessage turn = new("assistant", content) { ToolCalls = calls };

        // Some templates take calls only with results behind them, and some arguments as text only.
        foreach (var asText in new[] { false, true })
        {
            var message = asText
                ? turn with { ToolCalls = [.. calls.Select(call => call with { ArgumentsText = Constraints.JsonText.Spaced(call.Arguments) })] }
                : turn;
            if (TryRender(Chat([message])) is { } alone && alone.Contains(First, StringComparison.Ordinal))
                return alone;
            if (TryRender(Chat([message, .. results])) is { } text && text.Contains("HPROBERESULT", StringComparison.Ordinal))
                return text;
        }

        return null;
    }

    // Other tools are offered than those that are called, so that these names stand in calls alone.
    private static ChatPrompt Chat(IEnumerable<ChatMessage> messages)
        => new() { Messages = [new("user", Question), .. messages], AddGenerationPrompt = false, Tools = Tools("hprobetool") };

    private static JsonObject[] Tools(string name)
        => [new JsonObject
        {
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = name,
                ["description"] = "hprobe",
                ["parameters"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { [KeyOne] = new JsonObject { ["type"] = "string", ["description"] = "hprobe" } }, ["required"] = new JsonArray(KeyOne) },
            },
        }];

    private string? TryRender(ChatPrompt chat)
    {
        try
        {
            return _render(chat);
        }
        catch (HearthException)
        {
            return null;
        }
    }

    private static int CommonPrefix(string a, string b) => a.AsSpan().CommonPrefixLength(b);

    [GeneratedRegex(@"<\|[^<>\s]+>|<[^<>\s]+\|>|<\uFF5C[^<>\s]+>", RegexOptions.CultureInvariant)]
    private static partial Regex Turn();

    [GeneratedRegex(@"(?:<\|?[^<>\s]+\|?>|\[[A-Z_]+\])[a-z]*$", RegexOptions.CultureInvariant)]
    private static partial Regex Opening();

    [GeneratedRegex(@"^(?:<\|?[^<>\s]+\|?>|\[/?[A-Z_]+\])", RegexOptions.CultureInvariant)]
    private static partial Regex FirstMarker();

    [GeneratedRegex(@"(?<=[:""])[01](?=[""<,:]|$)", RegexOptions.CultureInvariant)]
    private static partial Regex Numbers();

    [GeneratedRegex(@"^[a-z]+\n$", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
