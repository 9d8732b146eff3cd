using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Turns;

/// <summary>What an answer of gpt-oss may be: messages of channels, calls among them.</summary>
/// <remarks>Source: OpenAI, "OpenAI harmony response format", 2025.</remarks>
internal static class Harmony
{
    // Thoughts and remarks before the answer.
    private const int MostMessages = 16;

    /// <summary>The form of an answer; null where it may be anything.</summary>
    public static TextForm? Answer(ToolSet tools, ChatTurnRequest request)
    {
        var format = request.Options.Constraint is { } constraint ? new ConstraintForm(constraint) : null;
        if (format is null && tools.All.Count == 0)
            return null;
        TextForm final = new SequenceForm([new LiteralForm($"{HarmonyMarks.Channel}final{HarmonyMarks.Message}"), format ?? (TextForm)new FreeForm([], MayEnd: true)]);
        var answers = new List<TextForm>();
        if (request.ToolChoice.Mode != ToolChoiceMode.Required)
            answers.Add(final);
        foreach (var tool in tools.Callable)
        {
            // As models write it, and as templates write it back.
            TextForm arguments = new ConstraintForm(Constraint.JsonSchema(tool.Schema) with { Layout = JsonLayout.FreeUpTo(4) });
            answers.Add(new SequenceForm([new LiteralForm($"{HarmonyMarks.Channel}commentary{HarmonyMarks.Recipient}{tool.Name} {HarmonyMarks.Constrain}json{HarmonyMarks.Message}"), arguments]));
            answers.Add(new SequenceForm([new LiteralForm($"{HarmonyMarks.Recipient}{tool.Name}{HarmonyMarks.Channel}commentary json{HarmonyMarks.Message}"), arguments]));
        }

        // Remarks beside calls are told to the user; without tools there are none.
        string[] channels = tools.Callable.Count > 0 ? ["analysis", "commentary"] : ["analysis"];
        var before = new AlternativesForm([.. channels.Select(channel => new SequenceForm(
            [new LiteralForm($"{HarmonyMarks.Channel}{channel}{HarmonyMarks.Message}"), new FreeForm([new FreeMark(HarmonyMarks.End, IsAnchored: false, new LiteralForm(HarmonyMarks.Start))], MayEnd: false)]))]);
        return new SequenceForm(
        [
            new AlternativesForm([new SequenceForm([]), new RepeatedForm(before, new SequenceForm([]), MostMessages)]),
            new AlternativesForm(answers),
        ]);
    }
}
