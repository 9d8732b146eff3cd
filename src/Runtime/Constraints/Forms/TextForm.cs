using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Constraints.Forms;

/// <summary>A text composed of constraints: pieces in a row, alternatives, free text up to a mark.</summary>
/// <remarks>A description only. Immutable; compared by <see cref="Key"/>.</remarks>
internal abstract record TextForm
{
    private string? _key;

    /// <summary>Describes the form whole; equal forms have equal ones.</summary>
    public string Key
    {
        get
        {
            if (_key is null)
            {
                var text = new StringBuilder();
                Write(text);
                _key = text.ToString();
            }

            return _key;
        }
    }

    /// <summary>Appends what the form is, so that no two forms read alike.</summary>
    internal abstract void Write(StringBuilder text);

    private protected static void WriteText(StringBuilder text, string value) => text.Append(value.Length.ToString(CultureInfo.InvariantCulture)).Append(':').Append(value);

    private protected static void WriteAll(StringBuilder text, char kind, IEnumerable<TextForm> forms)
    {
        text.Append(kind).Append('(');
        foreach (var form in forms)
            form.Write(text);
        text.Append(')');
    }
}

/// <summary>One text; control tokens of the vocabulary that it spells are meant, not their characters.</summary>
internal sealed record LiteralForm(string Text) : TextForm
{
    internal override void Write(StringBuilder text) => WriteText(text.Append('l'), Text);
}

/// <summary>A text of a constraint.</summary>
internal sealed record ConstraintForm(Constraint Constraint) : TextForm
{
    internal override void Write(StringBuilder text)
    {
        text.Append('c').Append(CultureInfo.InvariantCulture, $"{(int)Constraint.Kind},{Constraint.Layout.LongestRun},");
        WriteText(text, Constraint.Layout.Comma + Constraint.Layout.Colon);
        WriteText(text, Constraint.Source);
    }
}

/// <summary>The members of an object that is valid under a schema, each in a notation of its own instead of JSON's.</summary>
internal sealed record MembersForm(string Schema, MemberNotation Notation) : TextForm
{
    internal override void Write(StringBuilder text)
    {
        WriteText(text.Append('m'), Schema);
        WriteText(text, Notation.ToString());
    }
}

/// <summary>Pieces one after another.</summary>
internal sealed record SequenceForm(IReadOnlyList<TextForm> Parts) : TextForm
{
    internal override void Write(StringBuilder text) => WriteAll(text, 's', Parts);
}

/// <summary>One of several.</summary>
internal sealed record AlternativesForm(IReadOnlyList<TextForm> Forms) : TextForm
{
    internal override void Write(StringBuilder text) => WriteAll(text, 'a', Forms);
}

/// <summary>A form once or several times.</summary>
/// <param name="Item">What is repeated.</param>
/// <param name="Separator">What stands between two.</param>
/// <param name="Most">The most times, at least 1.</param>
internal sealed record RepeatedForm(TextForm Item, TextForm Separator, int Most) : TextForm
{
    internal override void Write(StringBuilder text)
    {
        text.Append('r').Append(Most);
        WriteAll(text, ',', [Item, Separator]);
    }
}

/// <summary>Any text and any tokens, up to a mark that decides what follows.</summary>
/// <param name="Marks">What ends it; maybe nothing.</param>
/// <param name="MayEnd">Whether the whole text may end before any mark.</param>
internal sealed record FreeForm(IReadOnlyList<FreeMark> Marks, bool MayEnd) : TextForm
{
    internal override void Write(StringBuilder text)
    {
        text.Append('f').Append(MayEnd ? 1 : 0).Append('(');
        foreach (var mark in Marks)
        {
            WriteText(text.Append(mark.IsAnchored ? '^' : '.'), mark.Text);
            mark.Then.Write(text);
        }

        text.Append(')');
    }
}

/// <summary>What ends free text.</summary>
/// <param name="Text">The mark. Written as characters it counts as well as by control tokens.</param>
/// <param name="IsAnchored">Whether it counts at the beginning only.</param>
/// <param name="Then">What must follow.</param>
internal sealed record FreeMark(string Text, bool IsAnchored, TextForm Then);

/// <summary>How the members of an object are written where that is not JSON.</summary>
/// <remarks><see cref="Key"/> in a text stands for the member's name.</remarks>
internal sealed record MemberNotation
{
    /// <summary>Stands for the member's name.</summary>
    public const char Key = '\uE002';

    /// <summary>Before the first member.</summary>
    public required string Begin { get; init; }

    /// <summary>Between a name and a value that is a string.</summary>
    public required string BeforeString { get; init; }

    /// <summary>Between a name and another value.</summary>
    public required string BeforeOther { get; init; }

    /// <summary>Behind a value that is a string, another member following.</summary>
    public required string BetweenStrings { get; init; }

    /// <summary>Behind another value, another member following.</summary>
    public required string BetweenOthers { get; init; }

    /// <summary>Behind the last value, a string.</summary>
    public required string EndOfString { get; init; }

    /// <summary>Behind the last value, of another kind.</summary>
    public required string EndOfOther { get; init; }

    /// <summary>The whole where there is no member.</summary>
    public required string Empty { get; init; }

    /// <summary>What ends a string's text; the text itself does not hold it. Empty: strings are JSON's, with quotes.</summary>
    public required string StringEnd { get; init; }

    /// <summary>Whether true, false and null are written as Python writes them.</summary>
    public bool IsPython { get; init; }
}
