using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>Anthropic's requests as the runtime takes them.</summary>
internal static class AnthropicMapping
{
    /// <summary>Fields that change the answer and are not done; see docs/protocols.md.</summary>
    internal static readonly Dictionary<string, Func<JsonElement, bool>> Refused = new(StringComparer.Ordinal)
    {
        ["container"] = Never,
        ["mcp_servers"] = IsEmpty,
        ["context_management"] = value => value.ValueKind == JsonValueKind.Object && value.TryGetProperty("edits", out var edits) && IsEmpty(edits),
    };

    public static ChatTurnRequest ToTurn(AnthropicRequest request, ModelInformation model, HttpContext context)
    {
        Refuse(request.Others, Refused);
        if (request.Messages is not { Count: > 0 } messages)
        {
            throw ApiException.BadRequest("'messages' must hold at least one message", "messages");
        }

        var chat = new List<ChatMessage>();
        if (!string.IsNullOrEmpty(request.System))
        {
            chat.Add(new ChatMessage("system", request.System));
        }

        for (var i = 0; i < messages.Count; i++)
        {
            AddMessage(chat, messages[i], string.Create(CultureInfo.InvariantCulture, $"messages[{i}]"));
        }

        var (thinks, budget) = ToThinking(request.Thinking);
        return new ChatTurnRequest
        {
            Chat = new ChatPrompt { Messages = chat, Tools = [.. (request.Tools ?? []).Select(ToTool)] },
            Options = ToOptions(request, model, context),
            ToolChoice = ToChoice(request.ToolChoice),
            ParallelToolCalls = request.ToolChoice?.DisableParallelToolUse != true,
            Thinks = thinks,
            ThinkingBudget = budget,
            ReasoningEffort = request.OutputConfig?.Effort,
            ContinuesFinalMessage = chat is [.., { Role: "assistant", ToolCalls.Count: 0, Content.Length: > 0 }],
        };
    }

    private static GenerationOptions ToOptions(AnthropicRequest request, ModelInformation model, HttpContext context)
    {
        var sent = SentFields.Of(context);
        sent.Note(nameof(GenerationOptions.StopSequences), "stop_sequences");
        sent.Note(nameof(GenerationOptions.Constraint), request.OutputFormat is null ? "output_config.format" : "output_format");
        if (request.MaxTokens < 1)
        {
            throw ApiException.BadRequest($"'max_tokens' must be at least 1, found {request.MaxTokens}", "max_tokens");
        }

        var options = new GenerationOptions
        {
            MaxTokens = request.MaxTokens,
            Temperature = request.Temperature,
            TopP = request.TopP,
            TopK = request.TopK,
            StopSequences = request.StopSequences ?? [],
            OnFull = request.OnFull,
            Constraint = ToConstraint(request.OutputFormat, "output_format") ?? ToConstraint(request.OutputConfig?.Format, "output_config.format"),
        };
        return options.FindFault(model.VocabularySize) is { } fault ? throw fault : options;
    }

    private static Constraint? ToConstraint(AnthropicFormat? format, string field) => format switch
    {
        null => null,
        { Type: "json_schema", Schema: { ValueKind: JsonValueKind.Object } schema } => Constraint.JsonSchema(schema.GetRawText()),
        { Type: "json_schema" } => throw ApiException.BadRequest($"'{field}.schema' must be an object", field + ".schema"),
        _ => throw ApiException.BadRequest($"'{field}' of type '{format.Type}' is not supported; there is json_schema", field + ".type", "unsupported_parameter"),
    };

    private static (bool? Thinks, int? Budget) ToThinking(AnthropicThinking? thinking) => thinking?.Type switch
    {
        null => (null, null),
        "disabled" => (false, null),
        "enabled" => (true, thinking.BudgetTokens),
        "adaptive" => (null, null),
        var other => throw ApiException.BadRequest($"'thinking.type' must be enabled, adaptive or disabled, found '{other}'", "thinking.type"),
    };

    private static ToolChoice ToChoice(AnthropicToolChoice? choice) => choice?.Type switch
    {
        null or "auto" => ToolChoice.Auto,
        "any" => ToolChoice.Required,
        "none" => ToolChoice.None,
        "tool" => string.IsNullOrEmpty(choice.Name) ? throw ApiException.BadRequest("'tool_choice.name' is missing", "tool_choice.name") : ToolChoice.Named(choice.Name),
        var other => throw ApiException.BadRequest($"'tool_choice.type' must be auto, any, tool or none, found '{other}'", "tool_choice.type"),
    };

    private static JsonObject ToTool(AnthropicTool tool, int index)
    {
        var param = string.Create(CultureInfo.InvariantCulture, $"tools[{index}]");
        if (tool?.Type is not (null or "custom"))
        {
            throw ApiException.BadRequest($"'{param}' of type '{tool.Type}' is not supported: it runs at the provider; there are tools of the caller's own", param + ".type", "unsupported_parameter");
        }

        if (string.IsNullOrEmpty(tool?.Name))
        {
            throw ApiException.BadRequest($"'{param}.name' is missing", param + ".name");
        }

        var function = new JsonObject { ["name"] = tool.Name, ["parameters"] = tool.InputSchema?.DeepClone() ?? new JsonObject { ["type"] = "object" } };
        if (tool.Description is not null)
        {
            function["description"] = tool.Description;
        }

        return new JsonObject { ["type"] = "function", ["function"] = function };
    }

    /// <summary>Adds what one message is to a template: results of tools are messages of their own, in their order before what the user says.</summary>
    private static void AddMessage(List<ChatMessage> chat, AnthropicMessage? message, string param)
    {
        if (message?.Role is not ("user" or "assistant" or "system"))
        {
            throw ApiException.BadRequest($"'{param}.role' must be user or assistant, found {(message?.Role is null ? "none" : $"'{message.Role}'")}", param + ".role");
        }

        switch (message.Content)
        {
            case { ValueKind: JsonValueKind.String } text:
                chat.Add(new ChatMessage(message.Role, text.GetString()));
                break;
            case { ValueKind: JsonValueKind.Array } blocks:
                AddBlocks(chat, message.Role, blocks, param + ".content");
                break;
            default:
                throw ApiException.BadRequest($"'{param}.content' must be a string or an array of blocks", param + ".content");
        }
    }

    private static void AddBlocks(List<ChatMessage> chat, string role, JsonElement blocks, string param)
    {
        var (texts, thoughts, calls, results) = (new List<string>(), new List<string>(), new List<ToolCall>(), 0);
        var index = 0;
        foreach (var block in blocks.EnumerateArray())
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{param}[{index++}]");
            switch (Text(block, "type", at))
            {
                case "text":
                    texts.Add(Text(block, "text", at));
                    break;
                case "thinking" when role == "assistant":
                    thoughts.Add(Text(block, "thinking", at));
                    break;
                case "redacted_thinking" when role == "assistant":
                    // Thoughts of another model, which nobody here can read.
                    break;
                case "tool_use" when role == "assistant":
                    calls.Add(ToCall(block, at));
                    break;
                case "tool_result" when role == "user":
                    chat.Add(new ChatMessage("tool", ToResult(block, at)) { ToolCallId = Text(block, "tool_use_id", at) });
                    results++;
                    break;
                case "document" when role == "user" && block.TryGetProperty("source", out var source) && source.ValueKind == JsonValueKind.Object && Text(source, "type", at + ".source") == "text":
                    texts.Add(Text(source, "data", at + ".source"));
                    break;
                case var type:
                    throw ApiException.BadRequest($"'{at}' of type '{type}' is not supported in a message of the {role}: models here read text", at + ".type", "unsupported_parameter");
            }
        }

        if (texts.Count > 0 || results == 0)
        {
            chat.Add(new ChatMessage(role, texts.Count == 0 && calls.Count > 0 ? null : string.Join('\n', texts))
            {
                Reasoning = thoughts.Count > 0 ? string.Join('\n', thoughts) : null,
                ToolCalls = calls,
            });
        }
    }

    private static ToolCall ToCall(JsonElement block, string at)
        => block.TryGetProperty("input", out var input) && input.ValueKind == JsonValueKind.Object
            ? new ToolCall(Text(block, "id", at), Text(block, "name", at), JsonObject.Create(input)!)
            : throw ApiException.BadRequest($"'{at}.input' must be an object", at + ".input");

    private static string ToResult(JsonElement block, string at)
    {
        var text = !block.TryGetProperty("content", out var content) || content.ValueKind == JsonValueKind.Null ? ""
            : content.ValueKind == JsonValueKind.String ? content.GetString()!
            : content.ValueKind == JsonValueKind.Array ? string.Join('\n', content.EnumerateArray().Select((part, i) => ToResultText(part, string.Create(CultureInfo.InvariantCulture, $"{at}.content[{i}]"))))
            : throw ApiException.BadRequest($"'{at}.content' must be a string or an array of blocks", at + ".content");

        // The one thing that a template cannot be told in another way.
        return block.TryGetProperty("is_error", out var isError) && isError.ValueKind == JsonValueKind.True ? "Error: " + text : text;
    }

    private static string ToResultText(JsonElement part, string at)
        => Text(part, "type", at) is "text" ? Text(part, "text", at)
            : throw ApiException.BadRequest($"'{at}' of type '{Text(part, "type", at)}' is not supported: models here read text", at + ".type", "unsupported_parameter");

    private static string Text(JsonElement element, string name, string at)
        => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw ApiException.BadRequest($"'{at}.{name}' must be a string", $"{at}.{name}");
}
