namespace Hearth.Runtime;

/// <summary>A piece of an answer as it comes. Joined, the pieces of a choice are its whole text, thoughts and calls.</summary>
public sealed record ChatUpdate
{
    /// <summary>Which of the answer's choices it is of, from 0; see <see cref="GenerationOptions.ChoiceCount"/>.</summary>
    public int Choice { get; init; }

    /// <summary>Text of the answer: whole characters; empty where none came.</summary>
    public string Text { get; init; } = "";

    /// <summary>Text of the model's thoughts, without what marks them; empty where none came.</summary>
    public string Reasoning { get; init; } = "";

    /// <summary>Pieces of calls, in order; empty where none came.</summary>
    public IReadOnlyList<ToolCallUpdate> ToolCalls { get; init; } = [];

    /// <summary>The ids generated since the update before; empty where none is new, or where the model runs elsewhere.</summary>
    public IReadOnlyList<int> TokenIds { get; init; } = [];

    /// <summary>How likely the model held each of <see cref="TokenIds"/>; empty where that was not asked for.</summary>
    public IReadOnlyList<TokenLogProbabilities> LogProbabilities { get; init; } = [];

    /// <summary>What ended the choice, in its last update only.</summary>
    public FinishReason? FinishReason { get; init; }

    /// <summary>What the choice cost, in its last update only (of a model elsewhere, of all choices in the answer's last).</summary>
    public TokenUsage? Usage { get; init; }

    /// <inheritdoc cref="GenerationUpdate.StopSequence"/>
    public string? StopSequence { get; init; }

    /// <inheritdoc cref="GenerationUpdate.StopTokenId"/>
    public int? StopTokenId { get; init; }

    /// <summary>What the caller should know of this answer, a sentence each: what of a tool's schema is not enforced, what could not be read as a call.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The prompt's tokens, in the answer's updates in this process; null where the model runs elsewhere.</summary>
    internal IReadOnlyList<int>? Prompt { get; init; }
}

/// <summary>A piece of a call. The first of a call has its name and no arguments; the others follow with pieces of these.</summary>
/// <param name="Index">Which of the choice's calls, from 0.</param>
/// <param name="Id">Names the call; the same in all its pieces.</param>
/// <param name="Name">The tool's name, in all its pieces.</param>
/// <param name="Arguments">The next characters of the arguments' JSON; empty in the first piece.</param>
/// <param name="IsComplete">Whether the arguments end here: joined they are a JSON object that fits the tool's schema.</param>
public sealed record ToolCallUpdate(int Index, string Id, string Name, string Arguments, bool IsComplete);
