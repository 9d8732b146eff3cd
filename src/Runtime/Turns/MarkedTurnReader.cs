using Hearth.Runtime.Chat.Dialects;

namespace Hearth.Runtime.Turns;

/// <summary>Reads answers of models that put thoughts and calls between marks.</summary>
internal sealed class MarkedTurnReader : TurnReader
{
    private readonly ChatDialect _dialect;
    private readonly ToolSet _tools;
    private readonly CallIds _ids;
    private readonly string[] _anchored;
    private readonly string[] _marks;
    private string _rest = "";
    private Place _place;
    private CallReader? _calls;
    private bool _hasText;
    private bool _trimsStart;
    private int _nextCall;

    private enum Place
    {
        /// <summary>Nothing but white space came.</summary>
        Start,

        /// <summary>The model thinks.</summary>
        Thinking,

        /// <summary>It has thought; white space before the answer is no part of it.</summary>
        Text,

        /// <summary>It calls.</summary>
        Calling,
    }

    /// <param name="dialect">How the model writes.</param>
    /// <param name="tools">The turn's tools.</param>
    /// <param name="ids">Names calls.</param>
    /// <param name="isThinking">Whether the prompt has begun thoughts.</param>
    /// <param name="continuesText">Whether the prompt has begun the text.</param>
    public MarkedTurnReader(ChatDialect dialect, ToolSet tools, CallIds ids, bool isThinking, bool continuesText)
    {
        (_dialect, _tools, _ids) = (dialect, tools, ids);
        _place = isThinking ? Place.Thinking : continuesText ? Place.Text : Place.Start;
        _trimsStart = isThinking;
        _hasText = continuesText;
        var syntax = dialect.Calls;
        _marks = tools.Callable.Count == 0 || syntax.Mark.Length == 0 ? [] : [syntax.Mark];
        _anchored = tools.Callable.Count == 0 ? []
            : syntax.Mark.Length == 0 ? [.. tools.Callable.Select(tool => syntax.Head + tool.Name + (syntax.Members is null ? syntax.BeforeArguments[..1] : "")), CallSyntax.PythonTag]
            : [];
    }

    /// <inheritdoc/>
    public override bool IsThinking => _place == Place.Thinking;

    /// <inheritdoc/>
    public override void Append(string text, TurnPieces pieces)
    {
        if (_place == Place.Calling)
        {
            ReadCalls(text, pieces);
            return;
        }

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
            case Place.Calling when _calls is { } calls:
                CompleteCalls += calls.CompleteCalls;
                if (!calls.MayEnd || calls.Leftover.Trim().Length > 0)
                    GiveBack(calls, pieces);
                break;
            case Place.Thinking:
                pieces.Reasoning.Append(_rest);
                break;
            default:
                pieces.Text.Append(_rest);
                break;
        }

        _rest = "";
    }

    private bool Step(TurnPieces pieces) => _place switch
    {
        Place.Start => ReadStart(),
        Place.Thinking => ReadThoughts(pieces),
        Place.Text => ReadText(pieces),
        _ => false,
    };

    private bool ReadStart()
    {
        if (_dialect.Thinking is { } thinking && _rest.TrimStart() is var begin)
        {
            if (begin.StartsWith(thinking.Open, StringComparison.Ordinal))
            {
                _rest = begin[thinking.Open.Length..];
                _place = Place.Thinking;
                _trimsStart = true;
                return true;
            }

            if (thinking.Open.StartsWith(begin, StringComparison.Ordinal))
                return false;
        }

        _place = Place.Text;
        return true;
    }

    private bool ReadThoughts(TurnPieces pieces)
    {
        if (_trimsStart)
        {
            _rest = _rest.TrimStart('\n', '\r');
            if (_rest.Length == 0)
                return false;
            _trimsStart = false;
        }

        var close = _dialect.Thinking!.Close;
        var at = _rest.IndexOf(close, StringComparison.Ordinal);
        if (at >= 0)
        {
            pieces.Reasoning.Append(_rest.AsSpan(0, at).TrimEnd());
            _rest = _rest[(at + close.Length)..];
            _place = Place.Text;
            _trimsStart = true;
            return true;
        }

        // White space at the end may stand before the mark.
        var held = CallReader.HeldBack(_rest, close);
        var length = _rest.AsSpan(0, _rest.Length - held).TrimEnd().Length;
        pieces.Reasoning.Append(_rest.AsSpan(0, length));
        _rest = _rest[length..];
        return false;
    }

    private bool ReadText(TurnPieces pieces)
    {
        if (_trimsStart)
        {
            _rest = _rest.TrimStart();
            if (_rest.Length == 0)
                return false;
            _trimsStart = false;
        }

        if (_dialect.Calls.ContentLead is { Length: > 0 } lead && !_hasText)
        {
            if (_rest.StartsWith(lead, StringComparison.Ordinal))
            {
                _rest = _rest[lead.Length..];
                _hasText = true;
                return true;
            }

            if (lead.StartsWith(_rest, StringComparison.Ordinal))
                return false;
        }

        if (!_hasText && _anchored.Length > 0 && _rest.TrimStart() is var begin)
        {
            if (Array.Exists(_anchored, text => begin.StartsWith(text, StringComparison.Ordinal)))
                return Call(begin.StartsWith(CallSyntax.PythonTag, StringComparison.Ordinal) ? begin[CallSyntax.PythonTag.Length..] : begin, pieces);
            if (Array.Exists(_anchored, text => text.StartsWith(begin, StringComparison.Ordinal)))
                return false;
        }

        var (at, length) = Find();
        if (at >= 0)
        {
            pieces.Text.Append(_rest.AsSpan(0, at).TrimEnd());
            var gap = _dialect.Calls.ContentGap.Length > 0 ? length : 0;
            return Call(_rest[(at + gap)..], pieces);
        }

        Release(pieces);
        return false;
    }

    private (int At, int Length) Find()
    {
        foreach (var mark in _marks)
        {
            if (_rest.IndexOf(mark, StringComparison.Ordinal) is >= 0 and var at)
                return (at, mark.Length);
        }

        return (-1, 0);
    }

    // What may be the beginning of a mark is held back, and white space, which before calls is no text.
    private void Release(TurnPieces pieces)
    {
        var length = _rest.Length - (_marks.Length == 0 ? 0 : _marks.Max(mark => CallReader.HeldBack(_rest, mark)));
        if (_marks.Length > 0)
            length = _rest.AsSpan(0, length).TrimEnd().Length;
        pieces.Text.Append(_rest.AsSpan(0, length));
        _hasText |= length > 0;
        _rest = _rest[length..];
    }

    private bool Call(string text, TurnPieces pieces)
    {
        _place = Place.Calling;
        _calls = new CallReader(_dialect.Calls, _tools.Callable, _ids, _nextCall);
        _rest = "";
        ReadCalls(text, pieces);
        return _place != Place.Calling;
    }

    private void ReadCalls(string text, TurnPieces pieces)
    {
        var calls = _calls!;
        calls.Append(text, pieces.Calls);
        if (!calls.HasFailed && !calls.IsDone)
            return;
        CompleteCalls += calls.CompleteCalls;
        _nextCall += calls.CompleteCalls;
        _hasText = true;
        _place = Place.Text;
        _calls = null;
        if (calls.IsDone)
        {
            _trimsStart = true;
            _rest = calls.Leftover;
            return;
        }

        GiveBack(calls, pieces);
    }

    private static void GiveBack(CallReader calls, TurnPieces pieces)
    {
        pieces.Text.Append(calls.Leftover);
        pieces.Warnings.Add(calls.HasFailed
            ? "what the model wrote could not be read as a call of a tool; it is left in the text"
            : "the answer ended within a call of a tool; what there is of it is left in the text");
        pieces.Calls.RemoveAll(call => call.Index >= calls.NextIndex);
    }
}
