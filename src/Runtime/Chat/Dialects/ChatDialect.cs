using Hearth.Runtime.Chat;
using Hearth.Runtime.Chat.Dialects;

namespace Hearth.Runtime;

/// <summary>How a model writes what is not plain text: calls of tools and thoughts. Read off its chat template, never its name.</summary>
/// <remarks>Immutable; safe for several threads.</remarks>
public sealed class ChatDialect
{
    internal ChatDialect(string name, CallSyntax calls, ToolPrompting prompting, ThinkingMarkers? thinking, bool isHarmony = false)
    {
        Name = name;
        Calls = calls;
        Prompting = prompting;
        Thinking = thinking;
        IsHarmony = isHarmony;
    }

    /// <summary>Of a model whose template is not known: calls in a JSON form that the prompt explains.</summary>
    public static ChatDialect Plain { get; } = new("plain", CallSyntax.Tagged, ToolPrompting.InSystemMessage, null);

    /// <summary>What kind of syntax it is: "json", "members", "harmony" as the model's template writes calls, "described" where the template names one without writing it, "plain" where it knows none.</summary>
    public string Name { get; }

    /// <summary>Whether the model's template knows tools; the prompt explains them otherwise.</summary>
    public bool TemplateKnowsTools => Prompting == ToolPrompting.ByTemplate;

    /// <summary>Whether the model marks its thoughts.</summary>
    public bool Thinks => IsHarmony || Thinking is not null;

    internal CallSyntax Calls { get; }

    internal ToolPrompting Prompting { get; }

    internal ThinkingMarkers? Thinking { get; }

    /// <summary>Whether calls may begin with Llama's token for code.</summary>
    internal bool HasPythonTag { get; init; }

    /// <summary>Control tokens that a reader of answers has to see: those that mark calls and thoughts.</summary>
    internal IReadOnlySet<int> Shown { get; init; } = new HashSet<int>();

    /// <summary>Whether every part of an answer is a message of a channel, as gpt-oss has it.</summary>
    internal bool IsHarmony { get; }
}

/// <summary>Who tells the model of tools, calls and results.</summary>
internal enum ToolPrompting
{
    /// <summary>The template does.</summary>
    ByTemplate,

    /// <summary>The template tells of tools and results, but loses the calls that were made: they go in as text.</summary>
    CallsAsText,

    /// <summary>A system message, or the first user's where there is none, tells of tools; calls and results go in as text.</summary>
    InSystemMessage,
}
