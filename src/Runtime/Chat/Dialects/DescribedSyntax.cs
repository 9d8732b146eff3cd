using Hearth.Runtime.Constraints.Forms;

namespace Hearth.Runtime.Chat.Dialects;

/// <summary>Syntaxes of templates that tell a model how to call and then leave the calls that were made to the text.</summary>
internal static class DescribedSyntax
{
    // Liquid LFM2: Python's calls in a list.
    private static readonly CallSyntax s_python = new()
    {
        Opening = "<|tool_call_start|>[",
        BeforeName = "",
        BeforeArguments = "",
        AfterArguments = "",
        Separator = ", ",
        Closing = "]<|tool_call_end|>",
        Members = new MemberNotation
        {
            Begin = "(",
            BeforeString = "=",
            BeforeOther = "=",
            BetweenStrings = ", ",
            BetweenOthers = ", ",
            EndOfString = ")",
            EndOfOther = ")",
            Empty = "()",
            StringEnd = "",
            IsPython = true,
        },
    };

    // What such a template names, and the syntax it means.
    private static readonly (string Mark, CallSyntax Syntax)[] s_known =
    [
        // IBM Granite 3: "<|tool_call|>" and a list.
        ("<|tool_call|>", new CallSyntax
        {
            Opening = "<|tool_call|>[",
            BeforeName = "{\"name\": \"",
            BeforeArguments = "\", \"arguments\": ",
            AfterArguments = "}",
            Separator = ", ",
            Closing = "]",
        }),

        ("<|tool_call_start|>", s_python),
        ("<|tool_list_start|>", s_python),
        ("<|tool_calls_section_begin|>", new CallSyntax
        {
            Opening = "<|tool_calls_section_begin|>",
            BeforeName = "<|tool_call_begin|>functions.",
            BeforeArguments = $":{CallSyntax.Index}<|tool_call_argument_begin|>",
            AfterArguments = "<|tool_call_end|>",
            Separator = "",
            Closing = "<|tool_calls_section_end|>",
        }),
        ("<\uFF5Ctool\u2581calls\u2581begin\uFF5C>", new CallSyntax
        {
            Opening = "<\uFF5Ctool\u2581calls\u2581begin\uFF5C>",
            BeforeName = "<\uFF5Ctool\u2581call\u2581begin\uFF5C>function<\uFF5Ctool\u2581sep\uFF5C>",
            BeforeArguments = "\n```json\n",
            AfterArguments = "\n```<\uFF5Ctool\u2581call\u2581end\uFF5C>",
            Separator = "\n",
            Closing = "<\uFF5Ctool\u2581calls\u2581end\uFF5C>",
        }),
        ("<tool_call>", CallSyntax.Tagged),
        ("<function_call>", CallSyntax.Tagged with { BeforeName = "<function_call>\n{\"name\": \"", AfterArguments = "}\n</function_call>" }),
    ];

    /// <summary>The syntax that a prompt with tools names, or else a token of the vocabulary; the tagged JSON form where neither does.</summary>
    /// <param name="prompt">The prompt's text.</param>
    /// <param name="isToken">Whether a text is a token of the vocabulary.</param>
    public static CallSyntax Find(string prompt, Func<string, bool> isToken)
    {
        foreach (var (mark, syntax) in s_known)
        {
            if (prompt.Contains(mark, StringComparison.Ordinal))
                return syntax;
        }

        return Array.Find(s_known, known => isToken(known.Mark)).Syntax ?? CallSyntax.Tagged;
    }
}
