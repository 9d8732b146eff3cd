using System.Text;

namespace Hearth.Ember.Data;

/// <summary>A stretch of the rendered text and how much it matters to predict it: 0 for what the assistant does not say.</summary>
public sealed record Segment(string Text, float Weight);

/// <summary>Renders dialogues exactly as chat_template.jinja does (scripts/ember/check-template compares the two).</summary>
public static class ChatTemplate
{
    public const string ToolIntroduction = "Answer with a tool call when one of these tools helps:\n<tools>\n";

    public static string Jinja { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "chat_template.jinja"));

    /// <summary>Text of the dialogue; with addGenerationPrompt it ends where the assistant is to answer.</summary>
    public static List<Segment> Render(Dialogue dialogue, bool addGenerationPrompt = false)
    {
        var segments = new List<Segment>();
        var prompt = new StringBuilder();
        var turns = dialogue.Turns;
        bool hasSystem = turns[0].Role == "system";
        if (hasSystem || dialogue.Tools.Count > 0)
        {
            prompt.Append("<|im_start|>system\n");
            if (hasSystem) prompt.Append(turns[0].Content);
            if (dialogue.Tools.Count > 0)
            {
                if (hasSystem) prompt.Append("\n\n");
                prompt.Append(ToolIntroduction);
                foreach (var tool in dialogue.Tools) prompt.Append(PythonJson.Write(tool)).Append('\n');
                prompt.Append("</tools>");
            }
            prompt.Append("<|im_end|>\n");
        }
        foreach (var turn in turns.Skip(hasSystem ? 1 : 0))
        {
            prompt.Append("<|im_start|>").Append(turn.Role).Append('\n');
            if (turn.Role != "assistant")
            {
                prompt.Append(turn.Content).Append("<|im_end|>\n");
                continue;
            }
            segments.Add(new(prompt.ToString(), 0));
            prompt.Clear();
            segments.AddRange(CallText.Segments(turn, dialogue.Tools));
            prompt.Append('\n');
        }
        if (addGenerationPrompt) prompt.Append("<|im_start|>assistant\n");
        segments.Add(new(prompt.ToString(), 0));
        return segments;
    }

    /// <summary>What the assistant writes in one turn, without the end marker.</summary>
    public static string Reply(Turn turn)
    {
        var calls = turn.Calls.Select(c => $"<tool_call>{{\"name\": \"{c.Name}\", \"arguments\": {PythonJson.Write(c.Arguments)}}}</tool_call>");
        return string.Join('\n', (turn.Content.Length > 0 ? [turn.Content] : Array.Empty<string>()).Concat(calls));
    }
}
