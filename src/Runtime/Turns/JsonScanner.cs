namespace Hearth.Runtime.Turns;

/// <summary>Finds where a JSON value ends while it comes in pieces; it is not checked otherwise.</summary>
internal sealed class JsonScanner
{
    private int _depth;
    private bool _isInString;
    private bool _isEscaped;
    private bool _isWord;

    /// <summary>Whether nothing of the value has come.</summary>
    public bool IsEmpty { get; private set; } = true;

    /// <summary>Makes ready for the next value.</summary>
    public void Restart()
    {
        (_depth, _isInString, _isEscaped, _isWord) = (0, false, false, false);
        IsEmpty = true;
    }

    /// <summary>Reads on.</summary>
    /// <param name="text">What follows what was read.</param>
    /// <param name="isEnd">Whether the value ends within.</param>
    /// <returns>Characters of the value, the whole text where it does not end; -1 where it is no value.</returns>
    public int Read(ReadOnlySpan<char> text, out bool isEnd)
    {
        isEnd = false;
        for (var i = 0; i < text.Length; i++)
        {
            var character = text[i];
            if (_isInString)
            {
                (_isInString, _isEscaped) = (_isEscaped || character != '"', !_isEscaped && character == '\\');
                if (!_isInString && _depth == 0)
                    return End(i + 1, out isEnd);
                continue;
            }

            if (_isWord && _depth == 0)
            {
                // A number or a word at the top ends before what cannot be of it.
                if (!char.IsAsciiLetterOrDigit(character) && character is not ('+' or '-' or '.'))
                    return End(i, out isEnd);
                continue;
            }

            switch (character)
            {
                case '"':
                    _isInString = true;
                    break;
                case '{' or '[':
                    _depth++;
                    break;
                case '}' or ']':
                    if (--_depth < 0)
                        return -1;
                    if (_depth == 0)
                        return End(i + 1, out isEnd);
                    break;
                default:
                    if (_depth == 0 && !char.IsAsciiLetterOrDigit(character) && character != '-')
                        return -1;
                    _isWord = _depth == 0;
                    break;
            }

            IsEmpty = false;
        }

        return text.Length;
    }

    private int End(int length, out bool isEnd)
    {
        isEnd = true;
        IsEmpty = false;
        return length;
    }
}
