using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Turns;

/// <summary>Reads calls in a model's syntax as they are written, piece by piece.</summary>
internal sealed class CallReader
{
    private readonly CallSyntax _syntax;
    private readonly IReadOnlyList<Tool> _tools;
    private readonly CallIds _ids;
    private readonly StringBuilder _raw = new();
    private readonly JsonScanner _json = new();
    private string _rest = "";
    private Place _place = Place.Head;
    private readonly int _first;
    private int _index;
    private Tool? _tool;
    private string _id = "";
    private string? _writtenId;
    private string _key = "";
    private bool _isString;
    private bool _isMixed;
    private bool _isFirstMember;
    private int _completeLength;

    /// <param name="syntax">How the model writes calls.</param>
    /// <param name="tools">Those that it may call.</param>
    /// <param name="ids">Names the calls.</param>
    /// <param name="firstIndex">The index of the first call.</param>
    public CallReader(CallSyntax syntax, IReadOnlyList<Tool> tools, CallIds ids, int firstIndex)
    {
        (_syntax, _tools, _ids) = (syntax, tools, ids);
        _first = _index = firstIndex;
    }

    private enum Place
    {
        /// <summary>Before the first name.</summary>
        Head,

        /// <summary>At a name.</summary>
        Name,

        /// <summary>In the arguments' JSON.</summary>
        Json,

        /// <summary>At a member's name.</summary>
        Key,

        /// <summary>In a member's value.</summary>
        Value,

        /// <summary>Behind a member's value.</summary>
        BehindValue,

        /// <summary>Behind the arguments.</summary>
        AfterArguments,

        /// <summary>Behind a call: another one, or the end.</summary>
        BehindCall,

        /// <summary>Behind the last call.</summary>
        Done,

        /// <summary>What came is no call.</summary>
        Failed,
    }

    /// <summary>The index of the call that is being read, or comes next.</summary>
    public int NextIndex => _index;

    /// <summary>Whether all calls are complete and closed.</summary>
    public bool IsDone => _place == Place.Done;

    /// <summary>Whether what came is no call, or no longer one.</summary>
    public bool HasFailed => _place == Place.Failed;

    /// <summary>Calls that were read whole.</summary>
    public int CompleteCalls { get; private set; }

    /// <summary>Whether the end may come here: every call that was begun is whole.</summary>
    public bool MayEnd => _place is Place.Done or Place.BehindCall;

    /// <summary>What was read and belongs to no complete call; behind the last call what is no call any more.</summary>
    public string Leftover => _place == Place.Done ? _rest : _raw.ToString(_completeLength, _raw.Length - _completeLength);

    /// <summary>Takes the next characters.</summary>
    public void Append(string text, List<ToolCallUpdate> updates)
    {
        _raw.Append(text);
        _rest += text;
        while (Step(updates))
        {
        }
    }

    private bool Step(List<ToolCallUpdate> updates) => _place switch
    {
        Place.Head => Expect(_syntax.Head, Place.Name),
        Place.Name => ReadName(updates),
        Place.Json => ReadJson(updates),
        Place.Key => ReadKey(updates),
        Place.Value => ReadValue(updates),
        Place.BehindValue => ReadBehindValue(updates),
        Place.AfterArguments => ReadAfterArguments(),
        Place.BehindCall => ReadBehindCall(),
        _ => false,
    };

    private bool Expect(string literal, Place then)
    {
        switch (Match(literal, out var length))
        {
            case true:
                Take(length);
                _place = then;
                return true;
            case false:
                return Fail();
            default:
                return false;
        }
    }

    private bool Fail()
    {
        _place = Place.Failed;
        return false;
    }

    private bool ReadName(List<ToolCallUpdate> updates)
    {
        var isPossible = false;
        (Tool Tool, int Length, Place Then)? found = null;
        foreach (var tool in _tools)
        {
            foreach (var (text, then) in Behind())
            {
                switch (Match(tool.Name + text, out var length))
                {
                    case true when found is null || length > found.Value.Length:
                        found = (tool, length, then);
                        break;
                    case null:
                        isPossible = true;
                        break;
                }
            }
        }

        // What may go on to be another is waited for: a call never ends with its name.
        if (isPossible || found is not { } one)
            return !isPossible && Fail();
        Take(one.Length);
        _tool = one.Tool;
        _id = _ids.Next(WrittenId(one.Tool));
        updates.Add(new ToolCallUpdate(_index, _id, _tool.Name, "", IsComplete: false));
        if (_syntax.Members is null)
        {
            _json.Restart();
        }
        else
        {
            _isFirstMember = true;
            if (one.Then == Place.BehindCall)
                Complete(updates, "{}");
        }

        _place = one.Then;
        return true;

        IEnumerable<(string, Place)> Behind() => _syntax.Members is { } members
            ? [(members.Begin, Place.Key), (members.Empty, Place.BehindCall)]
            : [(_syntax.BeforeArguments, Place.Json)];
    }

    // Kimi names its calls by function and number.
    private string? WrittenId(Tool tool)
        => _syntax.BeforeName.EndsWith("functions.", StringComparison.Ordinal) && _syntax.BeforeArguments.StartsWith($":{CallSyntax.Index}", StringComparison.Ordinal)
            ? $"functions.{tool.Name}:{_writtenId}" : _syntax.BeforeName.Contains(CallSyntax.Id, StringComparison.Ordinal) || _syntax.BeforeArguments.Contains(CallSyntax.Id, StringComparison.Ordinal)
                ? _writtenId : null;

    private bool ReadJson(List<ToolCallUpdate> updates)
    {
        var length = _json.Read(_rest, out var isEnd);
        if (length < 0 || (_json.IsEmpty && _rest.Length > 0))
            return Fail();
        if (length == 0)
            return false;
        var piece = _rest[..length];
        Take(length);
        if (!isEnd)
        {
            Tell(updates, piece);
            return false;
        }

        Complete(updates, piece);
        _place = Place.AfterArguments;
        return true;
    }

    private bool ReadKey(List<ToolCallUpdate> updates)
    {
        var members = _syntax.Members!;
        var isPossible = false;
        (string Key, int Length, bool IsString)? found = null;
        foreach (var (key, kinds) in _tool!.Parameters)
        {
            foreach (var (text, isString) in new[] { (members.BeforeString, true), (members.BeforeOther, false) })
            {
                if ((isString ? !kinds.Strings : !kinds.Others) || (!isString && kinds.Strings && members.BeforeString == members.BeforeOther))
                    continue;
                switch (Match(key + text, out var length))
                {
                    case true when found is null || length > found.Value.Length:
                        found = (key, length, isString);
                        break;
                    case null:
                        isPossible = true;
                        break;
                }
            }
        }

        if (isPossible || found is not { } one)
            return !isPossible && Fail();
        Take(one.Length);
        (_key, _isString) = (one.Key, one.IsString);
        _isMixed = one.IsString && members.BeforeString == members.BeforeOther && members.StringEnd.Length > 0 && _tool.Parameters[one.Key].Others;
        Tell(updates, (_isFirstMember ? "{" : ", ") + Encoding.UTF8.GetString(JsonText.Quote(_key)) + ": ");
        _isFirstMember = false;
        _json.Restart();
        _place = Place.Value;
        if (_isString && !_isMixed && members.StringEnd.Length > 0)
            Tell(updates, "\"");
        return true;
    }

    private bool ReadValue(List<ToolCallUpdate> updates)
    {
        var members = _syntax.Members!;
        if (_isString && members.StringEnd.Length > 0)
            return ReadPlainString(updates, members.StringEnd);
        if (_rest.Length > 0 && _json.IsEmpty && TryReadPython(updates, members.IsPython) is { } hasRead)
            return hasRead;
        var length = _json.Read(_rest, out var isEnd);
        if (length < 0)
            return Fail();
        if (length > 0)
        {
            Tell(updates, _rest[..length]);
            Take(length);
        }

        if (!isEnd)
            return false;
        _place = Place.BehindValue;
        return true;
    }

    // A text up to what ends it; what may be the beginning of that is held back.
    private bool ReadPlainString(List<ToolCallUpdate> updates, string end)
    {
        var at = _rest.IndexOf(end, StringComparison.Ordinal);
        if (_isMixed)
        {
            if (at < 0)
                return false;
            var text = _rest[..at];
            Tell(updates, ParseOther(text) ?? Encoding.UTF8.GetString(JsonText.Quote(text)));
        }
        else
        {
            var length = at >= 0 ? at : _rest.Length - HeldBack(_rest, end);
            if (length > 0 && char.IsHighSurrogate(_rest[length - 1]))
                length--;
            Tell(updates, Escaped(_rest[..length]));
            if (at < 0)
            {
                Take(length);
                return false;
            }

            Tell(updates, "\"");
        }

        // What ends a text is a part of what stands between members, or behind the last.
        Take(at + end.Length);
        _place = Place.BehindValue;
        return true;
    }

    private static string? ParseOther(string text)
    {
        try
        {
            return JsonNode.Parse(text) is var node && node?.GetValueKind() != JsonValueKind.String ? JsonText.Spaced(node) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // Python's words, which templates write for values whatever models do, and its other quotes; null where it is none of them.
    private bool? TryReadPython(List<ToolCallUpdate> updates, bool hasQuotes)
    {
        foreach (var (word, json) in new[] { ("True", "true"), ("False", "false"), ("None", "null") })
        {
            if (_rest[0] != word[0])
                continue;
            if (Match(word, out var length) is not true)
                return Match(word, out _) is null ? false : Fail();
            Take(length);
            Tell(updates, json);
            _place = Place.BehindValue;
            return true;
        }

        if (!hasQuotes || _rest[0] != '\'')
            return null;
        var end = _rest.IndexOf('\'', 1);
        if (end < 0)
            return false;
        Tell(updates, Encoding.UTF8.GetString(JsonText.Quote(_rest[1..end])));
        Take(end + 1);
        _place = Place.BehindValue;
        return true;
    }

    private bool ReadBehindValue(List<ToolCallUpdate> updates)
    {
        var members = _syntax.Members!;
        var ended = _isString ? members.StringEnd.Length : 0;
        var between = (_isString ? members.BetweenStrings : members.BetweenOthers)[ended..].Replace(MemberNotation.Key.ToString(), _key, StringComparison.Ordinal);
        var last = (_isString ? members.EndOfString : members.EndOfOther)[ended..].Replace(MemberNotation.Key.ToString(), _key, StringComparison.Ordinal);
        var goesOn = Match(between, out var length);
        var ends = Match(last, out var lastLength);
        if (ends is true && (goesOn is not true || lastLength > length))
        {
            Take(lastLength);
            Complete(updates, "}");
            _place = Place.BehindCall;
            return true;
        }

        if (goesOn is true && ends is not null)
        {
            Take(length);
            _place = Place.Key;
            return true;
        }

        return goesOn is false && ends is false && Fail();
    }

    private bool ReadAfterArguments()
    {
        if (Match(_syntax.AfterArguments, out var length) is not true and var match)
            return match is false && Fail();
        Take(length);
        _place = Place.BehindCall;
        return true;
    }

    private bool ReadBehindCall()
    {
        _completeLength = _raw.Length - _rest.Length;
        if (_syntax.Separator is { } separator)
        {
            switch (Match(separator + _syntax.BeforeName, out var length))
            {
                case true:
                    Take(length);
                    _place = Place.Name;
                    return true;
                case null when _rest.Length > 0:
                    return false;
            }
        }

        if (Match(_syntax.Closing, out var closing) is not true and var match)
            return match is false && Fail();
        if (_rest.Length == 0 && _syntax.Separator is not null)
            return false;
        Take(closing);
        _completeLength = _raw.Length - _rest.Length;
        _place = Place.Done;
        return false;
    }

    private void Tell(List<ToolCallUpdate> updates, string arguments)
    {
        if (arguments.Length > 0)
            updates.Add(new ToolCallUpdate(_index, _id, _tool!.Name, arguments, IsComplete: false));
    }

    private void Complete(List<ToolCallUpdate> updates, string arguments)
    {
        updates.Add(new ToolCallUpdate(_index, _id, _tool!.Name, arguments, IsComplete: true));
        _index++;
        CompleteCalls = _index - _first;
    }

    private void Take(int length) => _rest = _rest[length..];

    // Whether a text stands at the begin of what is left: null while too little has come.
    private bool? Match(string literal, out int length)
    {
        length = 0;
        foreach (var character in literal)
        {
            if (character is CallSyntax.Id or CallSyntax.Index)
            {
                var begin = length;
                while (length < _rest.Length && length - begin < 64 && char.IsAsciiLetterOrDigit(_rest[length]))
                    length++;
                if (length == _rest.Length)
                    return null;
                if (length == begin)
                    return false;
                _writtenId = _rest[begin..length];
                continue;
            }

            if (length == _rest.Length)
                return null;
            if (_rest[length] != character)
                return false;
            length++;
        }

        return true;
    }

    /// <summary>Characters at the end of a text that may be the beginning of another.</summary>
    public static int HeldBack(ReadOnlySpan<char> text, ReadOnlySpan<char> mark)
    {
        for (var length = Math.Min(text.Length, mark.Length - 1); length > 0; length--)
        {
            if (mark.StartsWith(text[^length..]))
                return length;
        }

        return 0;
    }

    private static string Escaped(string text) => Encoding.UTF8.GetString(JsonText.Quote(text).AsSpan()[1..^1]);
}
