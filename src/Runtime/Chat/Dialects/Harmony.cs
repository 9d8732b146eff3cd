using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Chat.Dialects;

/// <summary>What an answer of gpt-oss may be: messages of channels, calls among them.</summary>
/// <remarks>Source: OpenAI, "OpenAI harmony response format", 2025.</remarks>
internal static class Harmony
{
    public const string Start = "<|start|>assistant", Channel = "<|channel|>", Message = "<|message|>", End = "<|end|>", Constrain = "<|constrain|>";
    public const string Recipient = " to=functions.";

    /// <summary>What structures an answer.</summary>
    public static string[] Marks { get; } = [Start, Channel, Message, End, Constrain];

    // Thoughts and remarks before the answer.
    private const int MostMessages = 16;

    /// <summary>The form of an answer; null where it may be anything.</summary>
    public static TextForm? Answer(ToolSet tools, ChatTurnRequest request)
    {
        var format = request.Options.Constraint is { } constraint ? new ConstraintForm(constraint) : null;
        if (format is null && tools.All.Count == 0)
            return null;
        TextForm final = new SequenceForm([new LiteralForm($"{Channel}final{Message}"), format ?? (TextForm)new FreeForm([], MayEnd: true)]);
        var answers = new List<TextForm>();
        if (request.ToolChoice.Mode != ToolChoiceMode.Required)
            answers.Add(final);
        foreach (var tool in tools.Callable)
        {
            // As models write it, and as templates write it back.
            TextForm arguments = new ConstraintForm(Constraint.JsonSchema(tool.Schema) with { Layout = JsonLayout.FreeUpTo(4) });
            answers.Add(new SequenceForm([new LiteralForm($"{Channel}commentary{Recipient}{tool.Name} {Constrain}json{Message}"), arguments]));
            answers.Add(new SequenceForm([new LiteralForm($"{Recipient}{tool.Name}{Channel}commentary json{Message}"), arguments]));
        }

        // Remarks beside calls are told to the user; without tools there are none.
        string[] channels = tools.Callable.Count > 0 ? ["analysis", "commentary"] : ["analysis"];
        var before = new AlternativesForm([.. channels.Select(channel => new SequenceForm(
            [new LiteralForm($"{Channel}{channel}{Message}"), new FreeForm([new FreeMark(End, IsAnchored: false, new LiteralForm(Start))], MayEnd: false)]))]);
        return new SequenceForm(
        [
            new AlternativesForm([new SequenceForm([]), new RepeatedForm(before, new SequenceForm([]), MostMessages)]),
            new AlternativesForm(answers),
        ]);
    }
}
