using System.Text;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Turns;

/// <summary>Tells models of tools whose templates do not, and puts calls and results into texts that such templates take.</summary>
internal static class ToolPrompt
{
    /// <summary>The chat as the model's template takes it.</summary>
    /// <param name="chat">The caller's.</param>
    /// <param name="dialect">The model's.</param>
    public static ChatPrompt Adapt(ChatPrompt chat, ChatDialect dialect)
    {
        var hasTools = chat.Tools.Count > 0 || chat.Messages.Any(message => message.ToolCalls.Count > 0 || message.Role == "tool");
        return dialect.Prompting switch
        {
            ToolPrompting.CallsAsText when hasTools => chat with { Messages = [.. chat.Messages.Select(message => WithCalls(message, dialect.Calls))] },
            ToolPrompting.InSystemMessage when hasTools => Described(chat, dialect.Calls),
            _ => chat,
        };
    }

    private static ChatPrompt Described(ChatPrompt chat, CallSyntax syntax)
    {
        var messages = new List<ChatMessage>();
        foreach (var message in chat.Messages)
        {
            if (message.Role != "tool")
            {
                messages.Add(WithCalls(message, syntax));
                continue;
            }

            // Results of several calls are one message: such templates let roles alternate.
            var result = $"<tool_response>\n{message.Content}\n</tool_response>";
            if (messages is [.., { Role: "user" } last] && last.Content!.StartsWith("<tool_response>", StringComparison.Ordinal))
                messages[^1] = last with { Content = last.Content + "\n" + result };
            else
                messages.Add(new ChatMessage("user", result));
        }

        if (chat.Tools.Count > 0)
        {
            var text = Describe(chat, syntax);
            if (messages[0].Role is "system")
                messages[0] = messages[0] with { Content = messages[0].Content + "\n\n" + text };
            else
                messages.Insert(0, new ChatMessage("system", text));
        }

        return chat with { Messages = messages, Tools = [] };
    }

    /// <summary>The same chat for a template that knows no system message: its text goes before the first user's.</summary>
    public static ChatPrompt WithoutSystem(ChatPrompt chat)
    {
        ChatMessage[] messages = [.. chat.Messages];
        return messages is [{ Role: "system" } system, { Role: "user" } user, .. var rest]
            ? chat with { Messages = [user with { Content = system.Content + "\n\n" + user.Content }, .. rest] }
            : chat;
    }

    private static string Describe(ChatPrompt chat, CallSyntax syntax)
    {
        var text = new StringBuilder("You may call functions to answer. The functions, each as JSON:\n<tools>\n");
        foreach (var tool in chat.Tools)
            text.Append(JsonText.Spaced(tool)).Append('\n');
        return text.Append("</tools>\nTo call one, write its name and its arguments as JSON between tags, and nothing behind:\n")
            .Append(syntax.Head).Append("<name>").Append(syntax.BeforeArguments).Append("{<arguments>}").Append(syntax.AfterArguments)
            .Append("\nThe result comes in the next message. Write plain text where no function is needed.").ToString();
    }

    // A call that the template would lose is written as the model wrote it.
    private static ChatMessage WithCalls(ChatMessage message, CallSyntax syntax)
        => message.ToolCalls.Count == 0 ? message
            : message with { Content = (message.Content is { Length: > 0 } content ? content + "\n" : "") + Write(message.ToolCalls, syntax), ToolCalls = [] };

    private static string Write(IReadOnlyList<ToolCall> calls, CallSyntax syntax)
    {
        var text = new StringBuilder(syntax.Opening);
        for (var i = 0; i < calls.Count; i++)
        {
            var call = calls[i];
            text.Append(i == 0 ? "" : syntax.Separator ?? "\n").Append(syntax.BeforeName).Append(call.Name).Append(syntax.BeforeArguments);
            if (syntax.Members is null)
                text.Append(Unmarked(call.ArgumentsText ?? JsonText.Spaced(call.Arguments)));
            else
                Write(text, call, syntax.Members);
            text.Append(syntax.AfterArguments);
        }

        return text.Append(syntax.Closing).ToString();
    }

    // Values may be foreign text: within the model's own they must not spell a control token.
    private static string Unmarked(string json) => json.Replace("<", "\\u003c", StringComparison.Ordinal);

    private static void Write(StringBuilder text, ToolCall call, Constraints.Forms.MemberNotation members)
    {
        var isFirst = true;
        foreach (var (name, value) in call.Arguments)
        {
            text.Append(isFirst ? members.Begin : members.BetweenOthers).Append(name).Append(members.BeforeOther).Append(Unmarked(JsonText.Spaced(value)));
            isFirst = false;
        }

        text.Append(isFirst ? members.Empty : members.EndOfOther);
    }
}
