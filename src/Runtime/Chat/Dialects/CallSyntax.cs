using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Chat.Dialects;

/// <summary>How a model writes calls of tools: the texts around names and arguments.</summary>
/// <remarks>In the texts <see cref="Id"/> and <see cref="Index"/> stand for what differs from call to call. Immutable.</remarks>
internal sealed record CallSyntax
{
    /// <summary>Stands for a call's id.</summary>
    public const char Id = '\uE000';

    /// <summary>Stands for the number of a call.</summary>
    public const char Index = '\uE001';

    /// <summary>Llama 3's token before calls, which its models write as often as not.</summary>
    public const string PythonTag = "<|python_tag|>";

    /// <summary>The JSON form for models whose templates know no tools; also Hermes' and Qwen's own.</summary>
    public static CallSyntax Tagged { get; } = new()
    {
        Opening = "",
        BeforeName = "<tool_call>\n{\"name\": \"",
        BeforeArguments = "\", \"arguments\": ",
        AfterArguments = "}\n</tool_call>",
        Separator = "\n",
        Closing = "",
    };

    /// <summary>Before the first call.</summary>
    public required string Opening { get; init; }

    /// <summary>Before each name.</summary>
    public required string BeforeName { get; init; }

    /// <summary>Between a name and the arguments' JSON; empty where <see cref="Members"/> says how arguments are written.</summary>
    public required string BeforeArguments { get; init; }

    /// <summary>Behind the arguments' JSON; likewise.</summary>
    public required string AfterArguments { get; init; }

    /// <summary>Between two calls; null: there is one at most.</summary>
    public required string? Separator { get; init; }

    /// <summary>Behind the last call.</summary>
    public required string Closing { get; init; }

    /// <summary>How arguments are written where that is not one JSON object; null: it is.</summary>
    public MemberNotation? Members { get; init; }

    /// <summary>White space in the arguments' JSON.</summary>
    public JsonLayout Layout { get; init; } = JsonLayout.Spaced;

    /// <summary>What a text without calls begins with, where the model says so.</summary>
    public string ContentLead { get; init; } = "";

    /// <summary>What stands between a text and the calls behind it, white space apart.</summary>
    public string ContentGap { get; init; } = "";

    /// <summary>What begins the first call, without white space before it.</summary>
    public string Head => (Opening + BeforeName).TrimStart();

    /// <summary>What cannot be but the beginning of a call, wherever it stands; empty where only a whole name tells, and at the beginning alone.</summary>
    public string Mark => ContentGap.Length > 0 ? ContentGap : MarkOf(Head);

    // Up to where the arguments' JSON or other words begin: "<tool_call>", "[TOOL_CALLS]", "<function=".
    private static string MarkOf(string head)
    {
        if (head.Length == 0 || char.IsLetterOrDigit(head[0]) && !head.Contains('[', StringComparison.Ordinal) || head[0] is '{' or '"')
            return "";
        if (head[0] == '[' && (head.Length == 1 || !char.IsAsciiLetterUpper(head[1])))
            return "";
        var depth = 0;
        for (var i = 0; i < head.Length; i++)
        {
            depth += head[i] == '<' ? 1 : head[i] == '>' && depth > 0 ? -1 : 0;
            if (depth == 0 && i > 0 && (char.IsWhiteSpace(head[i]) || head[i] is '{' or Id or Index || (head[i] == '[' && head[i - 1] is '>' or ']' && !IsSplit(head, i))))
                return head[..i];
        }

        return head;
    }

    // A mark may itself be made of brackets, as in "]<]minimax[>[<tool_call>".
    private static bool IsSplit(string head, int at) => at + 1 < head.Length && head[at + 1] == '<';
}
