using System.Text.RegularExpressions;
using Hearth.Runtime.Chat.Dialects;

namespace Hearth.Runtime.Turns;

/// <summary>Reads answers whose parts are messages of channels: analysis is thought, calls go to a function, all else is text.</summary>
/// <param name="tools">The turn's tools.</param>
/// <param name="ids">Names calls.</param>
/// <param name="continuesText">Whether the prompt has begun the final message.</param>
internal sealed partial class HarmonyReader(ToolSet tools, CallIds ids, bool continuesText) : TurnReader
{
    private static readonly string[] s_ends = [HarmonyMarks.End, "<|call|>", "<|return|>"];

    private readonly JsonScanner _json = new();
    private string _rest = "";
    private Place _place = continuesText ? Place.Text : Place.Header;
    private string _header = "";
    private string _id = "";
    private string _name = "";
    private string _arguments = "";
    private int _index;

    private enum Place
    {
        Header,
        Thinking,
        Text,
        Call,
    }

    /// <inheritdoc/>
    public override bool IsThinking => _place == Place.Thinking;

    /// <inheritdoc/>
    public override void Append(string text, TurnPieces pieces)
    {
        _rest += text;
        while (Step(pieces))
        {
        }
    }

    /// <inheritdoc/>
    public override void End(TurnPieces pieces)
    {
        switch (_place)
        {
            case Place.Call:
                pieces.Text.Append(_header).Append(_arguments).Append(_rest);
                pieces.Calls.RemoveAll(call => call.Index >= _index);
                pieces.Warnings.Add("the answer ended within a call of a tool; what there is of it is left in the text");
                break;
            case Place.Thinking:
                pieces.Reasoning.Append(_rest);
                break;
            case Place.Header when _rest.Trim() is "" or HarmonyMarks.Start:
                break;
            default:
                pieces.Text.Append(_rest);
                break;
        }

        _rest = "";
    }

    private bool Step(TurnPieces pieces) => _place switch
    {
        Place.Header => ReadHeader(pieces),
        Place.Call => ReadArguments(pieces),
        _ => ReadBody(_place == Place.Thinking ? pieces.Reasoning : pieces.Text),
    };

    private bool ReadHeader(TurnPieces pieces)
    {
        var begin = _rest.TrimStart();
        if (begin.Length == 0)
            return false;
        string[] beginnings = [HarmonyMarks.Start, HarmonyMarks.Channel, HarmonyMarks.Recipient.TrimStart()];
        if (!Array.Exists(beginnings, one => begin.StartsWith(one, StringComparison.Ordinal) || one.StartsWith(begin, StringComparison.Ordinal)))
        {
            // No message of a channel: text, whole.
            _place = Place.Text;
            return true;
        }

        var at = _rest.IndexOf(HarmonyMarks.Message, StringComparison.Ordinal);
        if (at < 0)
            return false;
        _header = _rest[..(at + HarmonyMarks.Message.Length)];
        _rest = _rest[_header.Length..];
        if (RecipientName().Match(_header) is { Success: true } match && tools.Callable.Any(tool => tool.Name == match.Groups[1].Value))
        {
            (_place, _name, _id, _arguments) = (Place.Call, match.Groups[1].Value, ids.Next(), "");
            _json.Restart();
            pieces.Calls.Add(new ToolCallUpdate(_index, _id, _name, "", IsComplete: false));
            return true;
        }

        _place = _header.Contains("analysis", StringComparison.Ordinal) ? Place.Thinking : Place.Text;
        return true;
    }

    private bool ReadBody(System.Text.StringBuilder target)
    {
        foreach (var end in s_ends)
        {
            if (_rest.IndexOf(end, StringComparison.Ordinal) is >= 0 and var at)
            {
                target.Append(_rest.AsSpan(0, at));
                _rest = _rest[(at + end.Length)..];
                _place = Place.Header;
                return true;
            }
        }

        var length = _rest.Length - s_ends.Max(end => CallReader.HeldBack(_rest, end));
        target.Append(_rest.AsSpan(0, length));
        _rest = _rest[length..];
        return false;
    }

    private bool ReadArguments(TurnPieces pieces)
    {
        var text = _arguments.Length == 0 ? _rest.TrimStart() : _rest;
        var length = _json.Read(text, out var isEnd);
        if (length < 0)
        {
            pieces.Warnings.Add("what the model wrote could not be read as a call of a tool; it is left in the text");
            pieces.Calls.RemoveAll(call => call.Index >= _index);
            _rest = _header + _arguments + text;
            pieces.Text.Append(_rest);
            _rest = "";
            _place = Place.Text;
            return false;
        }

        if (length == 0)
            return false;
        _arguments += text[..length];
        _rest = text[length..];
        pieces.Calls.Add(new ToolCallUpdate(_index, _id, _name, text[..length], isEnd));
        if (!isEnd)
            return false;
        _index++;
        CompleteCalls++;
        _place = Place.Header;
        if (s_ends.FirstOrDefault(end => _rest.StartsWith(end, StringComparison.Ordinal)) is { } ended)
            _rest = _rest[ended.Length..];
        return true;
    }

    [GeneratedRegex(@"to=functions\.([A-Za-z0-9_.:/-]+)", RegexOptions.CultureInvariant)]
    private static partial Regex RecipientName();
}
