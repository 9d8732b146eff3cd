using System.Text;

namespace Hearth.Runtime.Turns;

/// <summary>What a stretch of an answer came to: text, thoughts, pieces of calls.</summary>
internal sealed class TurnPieces
{
    public StringBuilder Text { get; } = new();

    public StringBuilder Reasoning { get; } = new();

    public List<ToolCallUpdate> Calls { get; } = [];

    public List<string> Warnings { get; } = [];
}

/// <summary>Reads one choice of an answer as it comes: which of it is thought, text or a call. Nothing of it is lost.</summary>
internal abstract class TurnReader
{
    /// <summary>Whether what comes next are thoughts.</summary>
    public abstract bool IsThinking { get; }

    /// <summary>Calls whose arguments are complete.</summary>
    public int CompleteCalls { get; protected set; }

    /// <summary>Takes the next characters.</summary>
    public abstract void Append(string text, TurnPieces pieces);

    /// <summary>Takes note of the end: what was held back is told.</summary>
    /// <param name="pieces">Receives the rest.</param>
    public abstract void End(TurnPieces pieces);
}
