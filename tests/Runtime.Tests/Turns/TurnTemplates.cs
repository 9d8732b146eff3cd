using System.Text.Json.Nodes;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Turns;

/// <summary>Chat templates that write calls in the ways that models write them, and those of real models where they are at hand.</summary>
internal static class TurnTemplates
{
    // Text around a turn, so that a test shows the calls alone.
    private const string Turns = """
        {%- for message in messages %}
            {%- if message.role == 'assistant' %}
                {{- '<|im_start|>assistant\n' }}
                {%- if message.reasoning_content %}{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}{%- endif %}
                {%- if message.content %}{{- message.content }}{%- endif %}
                {%- if message.tool_calls %}CALLS{%- endif %}
                {{- '<|im_end|>\n' }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
            {%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    private static readonly (string Name, string Calls)[] s_calls =
    [
        ("tags around JSON", "{%- for c in message.tool_calls %}{%- if message.content or not loop.first %}{{- '\\n' }}{%- endif %}{{- '<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' + c.function.arguments|tojson + '}\\n</tool_call>' }}{%- endfor %}"),
        ("a list with ids", "{{- '[TOOL_CALLS][' }}{%- for c in message.tool_calls %}{{- ', ' if not loop.first }}{{- '{\"name\": \"' + c.function.name + '\", \"arguments\": ' + c.function.arguments|tojson + ', \"id\": \"' + c.id + '\"}' }}{%- endfor %}{{- ']' }}"),
        ("name and arguments", "{%- for c in message.tool_calls %}{{- '[TOOL_CALLS]' + c.function.name + '[ARGS]' + c.function.arguments|tojson }}{%- endfor %}"),
        ("a section of blocks", "{{- '<|calls_begin|>' }}{%- for c in message.tool_calls %}{{- '\\n' if not loop.first }}{{- '<|call_begin|>function<|sep|>' + c.function.name + '\\n```json\\n' + c.function.arguments|tojson + '\\n```<|call_end|>' }}{%- endfor %}{{- '<|calls_end|>' }}"),
        ("numbered functions", "{{- '<|section_begin|>' }}{%- for c in message.tool_calls %}{{- '<|call_begin|>functions.' + c.function.name + ':' + (loop.index0|string) + '<|argument_begin|>' + c.function.arguments|tojson + '<|call_end|>' }}{%- endfor %}{{- '<|section_end|>' }}"),
        ("tags of parameters", "{%- for c in message.tool_calls %}{{- '\\n' if not loop.first }}{{- '<tool_call>\\n<function=' + c.function.name + '>\\n' }}{%- for k, v in c.function.arguments|items %}{{- '<parameter=' + k + '>\\n' + (v if v is string else v|tojson) + '\\n</parameter>\\n' }}{%- endfor %}{{- '</function>\\n</tool_call>' }}{%- endfor %}"),
        ("keys and values", "{%- for c in message.tool_calls %}{{- '<tool_call>' + c.function.name }}{%- for k, v in c.function.arguments|items %}{{- '<arg_key>' + k + '</arg_key><arg_value>' + (v if v is string else v|tojson) + '</arg_value>' }}{%- endfor %}{{- '</tool_call>' }}{%- endfor %}"),
        ("typed parameters", "{{- '<|dsml|calls>\\n' }}{%- for c in message.tool_calls %}{{- '<invoke name=\"' + c.function.name + '\">\\n' }}{%- for k, v in c.function.arguments|items %}{{- '<parameter name=\"' + k + '\" string=\"' + ('true' if v is string else 'false') + '\">' + (v if v is string else v|tojson) + '</parameter>\\n' }}{%- endfor %}{{- '</invoke>\\n' }}{%- endfor %}{{- '</|dsml|calls>' }}"),
        ("strings between marks", "{%- for c in message.tool_calls %}{{- '<|tool_call>call:' + c.function.name + '{' }}{%- for k, v in c.function.arguments|items %}{{- ',' if not loop.first }}{{- k + ':' + ('<|q|>' + v + '<|q|>' if v is string else v|tojson) }}{%- endfor %}{{- '}<tool_call|>' }}{%- endfor %}"),
        ("Python", "{{- '<|call_start|>[' }}{%- for c in message.tool_calls %}{{- ', ' if not loop.first }}{{- c.function.name + '(' }}{%- for k, v in c.function.arguments|items %}{{- ', ' if not loop.first }}{{- k + '=' + (\"'\" + v + \"'\" if v is string else (v|string if v is boolean or v is none else v|tojson)) }}{%- endfor %}{{- ')' }}{%- endfor %}{{- ']<|call_end|>' }}"),
        ("bare JSON", "{%- if message.tool_calls|length > 1 %}{{- raise_exception('one call at a time') }}{%- endif %}{{- '{\"name\": \"' + message.tool_calls[0].function.name + '\", \"parameters\": ' + message.tool_calls[0].function.arguments|tojson + '}' }}"),
        ("a function's tag", "{%- for c in message.tool_calls %}{{- '<function=' + c.function.name + '>' + c.function.arguments|tojson + '</function>' }}{%- endfor %}"),
        ("names as keys", "{{- '<|prefix|>[' }}{%- for c in message.tool_calls %}{{- ', ' if not loop.first }}{{- '{\"' + c.function.name + '\": ' + c.function.arguments|tojson + '}' }}{%- endfor %}{{- ']<|suffix|>' }}"),
        ("a word and a list", "{{- ' functools[' }}{%- for c in message.tool_calls %}{{- ', ' if not loop.first }}{{- '{\"name\": \"' + c.function.name + '\", \"arguments\": ' + c.function.arguments|tojson + '}' }}{%- endfor %}{{- ']' }}"),
    ];

    public static TheoryData<string> Names => [.. s_calls.Select(one => one.Name)];

    public static string Source(string name) => Turns.Replace("CALLS", Array.Find(s_calls, one => one.Name == name).Calls, StringComparison.Ordinal);

    /// <summary>The templates of real models that write calls, by file name; skips the test where they are absent.</summary>
    public static IEnumerable<(string Name, string Source)> Real()
        => Directory.GetFiles(SharedFolder.Require("reference", "templates"), "*.jinja").Order(StringComparer.Ordinal).Select(path => (Path.GetFileNameWithoutExtension(path), File.ReadAllText(path)));

    /// <summary>Renders chats with a template as a model's renderer does.</summary>
    public static Func<ChatPrompt, string> Renderer(string source)
    {
        var template = ChatTemplate.Parse(source);
        return chat =>
        {
            var variables = new Dictionary<string, object?>
            {
                ["messages"] = chat.Messages.Select(Describe).ToList(),
                ["tools"] = chat.Tools.Count > 0 ? chat.Tools.ToList<object?>() : null,
                ["add_generation_prompt"] = chat.AddGenerationPrompt,
                ["bos_token"] = "<s>",
                ["eos_token"] = "</s>",
                ["date_string"] = "26 Jul 2024",
                ["datetime"] = "Jul 26 2024 12:00:00 GMT",
                ["functions"] = "",
            };
            try
            {
                return template.Render(variables);
            }
            catch (TemplateException exception)
            {
                throw new HearthException(exception.Message);
            }
        };
    }

    /// <summary>The dialect that a template shows.</summary>
    public static (string Name, CallSyntax Calls, ToolPrompting Prompting) Learn(string source)
        => new TemplateProbe(Renderer(source), ["<|im_end|>", "</s>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "<|END_OF_TURN_TOKEN|>", "<|end|>", "[e~[", "<turn|>", "<|observation|>", "<|calls|>", "<|call|>", "<SPECIAL_12>", "<|message_sep|>"])
            .FindCalls(source, _ => false);

    private static Dictionary<string, object?> Describe(ChatMessage message)
    {
        var described = new Dictionary<string, object?> { ["role"] = message.Role, ["content"] = message.Content };
        if (message.Name is not null)
            described["name"] = message.Name;
        if (message.Reasoning is not null)
            described["reasoning_content"] = message.Reasoning;
        if (message.ToolCallId is not null)
            described["tool_call_id"] = message.ToolCallId;
        if (message.ToolCalls.Count > 0)
        {
            described["tool_calls"] = message.ToolCalls.Select(call => new Dictionary<string, object?>
            {
                ["id"] = call.Id,
                ["type"] = "function",
                ["function"] = new Dictionary<string, object?> { ["name"] = call.Name, ["arguments"] = call.ArgumentsText is { } text ? text : (JsonNode)call.Arguments },
            }).ToList();
        }

        return described;
    }
}
