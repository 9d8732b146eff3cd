using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Turns;

/// <summary>What an answer may be, given a model's syntax of calls, the tools and what the caller asked for.</summary>
internal static class CallForms
{
    /// <summary>Calls of one answer.</summary>
    public const int MostCalls = 64;

    private static readonly TextForm s_nothing = new SequenceForm([]);
    private static readonly TextForm s_never = new AlternativesForm([]);

    // Short and without characters that templates or syntaxes mean something by; Mistral's are nine letters and digits.
    private static readonly TextForm s_id = new ConstraintForm(Constraint.Regex("[a-zA-Z0-9]{9}"));
    private static readonly TextForm s_index = new ConstraintForm(Constraint.Regex("0|[1-9][0-9]{0,2}"));

    /// <summary>The form of an answer behind its thoughts; null where it may be anything.</summary>
    /// <param name="syntax">How the model writes calls.</param>
    /// <param name="tools">The turn's tools.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="isPython">Whether the vocabulary has Llama's token before a call.</param>
    public static TextForm? Answer(CallSyntax syntax, ToolSet tools, ChatTurnRequest request, bool isPython)
    {
        var format = request.Options.Constraint is { } constraint ? new ConstraintForm(constraint) : null;
        if (tools.All.Count == 0)
            return null;
        if (tools.Callable.Count == 0)
            return format ?? WithoutCalls(syntax);
        var most = request.ParallelToolCalls && syntax.Separator is not null ? MostCalls : 1;
        var section = Sequence(Optional(Leading(syntax.Opening + syntax.BeforeName)), Literal(syntax.Head), Behind(syntax, tools.Callable, most));
        if (isPython)
            section = new AlternativesForm([section, Sequence(Literal(CallSyntax.PythonTag), section)]);
        if (request.ToolChoice.Mode == ToolChoiceMode.Required)
            return section;
        return format is not null ? new AlternativesForm([Sequence(Literal(syntax.ContentLead), format), section]) : Free(syntax, tools.Callable, most, section, isPython);
    }

    // Text in which no call begins.
    private static TextForm? WithoutCalls(CallSyntax syntax)
        => syntax.Mark.Length == 0 ? null : Sequence(Literal(syntax.ContentLead), new FreeForm([new FreeMark(syntax.Mark, IsAnchored: false, s_never)], MayEnd: true));

    // Text until a call begins.
    private static TextForm Free(CallSyntax syntax, IReadOnlyList<Tool> tools, int most, TextForm section, bool isPython)
    {
        var marks = new List<FreeMark>();
        var mark = syntax.Mark;
        if (mark.Length > 0)
        {
            var head = syntax.ContentGap.Length > 0 ? "" : syntax.Head[mark.Length..];
            marks.Add(new FreeMark(mark, IsAnchored: false, Sequence(Literal(head), Behind(syntax, tools, most))));
        }
        else
        {
            // Only a whole name tells a call from text that begins alike.
            marks.AddRange(tools.Select(tool => new FreeMark(
                syntax.Head + tool.Name + FixedPart(syntax), IsAnchored: true, Sequence(Arguments(syntax, tool, syntax.BeforeArguments[FixedPart(syntax).Length..]), More(syntax, tools, most)))));
            if (isPython)
                marks.Add(new FreeMark(CallSyntax.PythonTag, IsAnchored: false, Sequence(Literal(syntax.Head), Behind(syntax, tools, most))));
        }

        var free = new FreeForm(marks, MayEnd: true);
        return syntax.ContentLead.Length == 0 ? free : new AlternativesForm([Sequence(Literal(syntax.ContentLead), free), section]);
    }

    private static string FixedPart(CallSyntax syntax)
        => syntax.BeforeArguments.IndexOfAny([CallSyntax.Id, CallSyntax.Index]) is >= 0 and var at ? syntax.BeforeArguments[..at] : syntax.BeforeArguments;

    // From the first call's name on.
    private static TextForm Behind(CallSyntax syntax, IReadOnlyList<Tool> tools, int most) => Sequence(Named(syntax, tools), More(syntax, tools, most));

    // Behind a call: others, and what closes them.
    private static TextForm More(CallSyntax syntax, IReadOnlyList<Tool> tools, int most)
    {
        var closing = Literal(syntax.Closing);
        if (most == 1)
            return closing;
        var another = Sequence(Literal(syntax.Separator! + syntax.BeforeName), Named(syntax, tools));
        return Sequence(Optional(new RepeatedForm(another, s_nothing, most - 1)), closing);
    }

    private static AlternativesForm Named(CallSyntax syntax, IReadOnlyList<Tool> tools)
        => new AlternativesForm([.. tools.Select(tool => Sequence(new LiteralForm(tool.Name), Arguments(syntax, tool, syntax.BeforeArguments)))]);

    private static TextForm Arguments(CallSyntax syntax, Tool tool, string before)
        => syntax.Members is { } notation
            ? new MembersForm(tool.Schema, notation)
            : Sequence(Literal(before), new ConstraintForm(Constraint.JsonSchema(tool.Schema) with { Layout = syntax.Layout }), Literal(syntax.AfterArguments));

    private static string Leading(string text) => text[..^text.TrimStart().Length];

    private static TextForm Optional(string text) => text.Length == 0 ? s_nothing : Optional(new LiteralForm(text));

    private static AlternativesForm Optional(TextForm form) => new AlternativesForm([s_nothing, form]);

    private static TextForm Sequence(params TextForm[] parts)
    {
        TextForm[] all = [.. parts.SelectMany(part => part is SequenceForm sequence ? sequence.Parts : [part])];
        return all.Length == 1 ? all[0] : new SequenceForm(all);
    }

    // A text with the places of ids and numbers.
    private static TextForm Literal(string text)
    {
        var parts = new List<TextForm>();
        var begin = 0;
        for (var at = text.IndexOfAny([CallSyntax.Id, CallSyntax.Index]); at >= 0; at = text.IndexOfAny([CallSyntax.Id, CallSyntax.Index], begin))
        {
            if (at > begin)
                parts.Add(new LiteralForm(text[begin..at]));
            parts.Add(text[at] == CallSyntax.Id ? s_id : s_index);
            begin = at + 1;
        }

        if (begin < text.Length)
            parts.Add(new LiteralForm(text[begin..]));
        return parts.Count == 1 ? parts[0] : new SequenceForm(parts);
    }
}
