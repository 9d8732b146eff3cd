using System.Text.Json;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>What a chat request says of tools and thoughts, in OpenAI's fields and in those of others.</summary>
internal static class TurnMapping
{
    /// <summary>The turn that a request asks for.</summary>
    /// <exception cref="ApiException">A field is malformed, or two ask for different things.</exception>
    public static ChatTurnRequest ToTurn(ChatCompletionRequest request, GenerationOptions options)
    {
        var (effort, budget, thinks) = Reasoning(request);
        return new ChatTurnRequest
        {
            Chat = RequestMapping.ToPrompt(request),
            Options = options,
            ToolChoice = ToChoice(request.ToolChoice),
            ParallelToolCalls = request.ParallelToolCalls ?? true,
            ThinkingBudget = budget,
            Thinks = thinks,
            ReasoningEffort = effort,
            ContinuesFinalMessage = ContinuesFinalMessage(request),
        };
    }

    private static bool ContinuesFinalMessage(ChatCompletionRequest request)
    {
        if (request.ContinueFinalMessage != true)
        {
            return false;
        }

        return request.AddGenerationPrompt != true ? true
            : throw ApiException.BadRequest("'continue_final_message' and 'add_generation_prompt' contradict each other: the last message is continued, or a new one begins", "add_generation_prompt");
    }

    private static (string? Effort, int? Budget, bool? Thinks) Reasoning(ChatCompletionRequest request)
    {
        var effort = request.ReasoningEffort;
        var budget = request.ThinkingBudget ?? request.ReasoningBudget;
        var thinks = request.EnableThinking;
        if (request.Reasoning is { ValueKind: JsonValueKind.Object } reasoning)
        {
            foreach (var member in reasoning.EnumerateObject())
            {
                switch (member.Name, member.Value.ValueKind)
                {
                    case (_, JsonValueKind.Null) or ("exclude", JsonValueKind.False) or ("summary" or "generate_summary", _):
                        break;
                    case ("effort", JsonValueKind.String):
                        effort ??= member.Value.GetString();
                        break;
                    case ("max_tokens", JsonValueKind.Number) when member.Value.TryGetInt32(out var most):
                        budget ??= most;
                        break;
                    case ("enabled", JsonValueKind.True or JsonValueKind.False):
                        thinks ??= member.Value.GetBoolean();
                        break;
                    default:
                        throw ApiException.BadRequest($"'reasoning.{member.Name}' with the value {member.Value.GetRawText()} is not supported", $"reasoning.{member.Name}", "unsupported_parameter");
                }
            }
        }
        else if (request.Reasoning is { ValueKind: not JsonValueKind.Null })
        {
            throw ApiException.BadRequest("'reasoning' must be an object", "reasoning");
        }

        // OpenAI's word for no thoughts at all; templates know it as a switch.
        return effort == "none" ? (null, budget, thinks ?? false) : (effort, budget == -1 ? null : budget, thinks);
    }

    /// <summary>Whether tools may, must or must not be called, in OpenAI's form.</summary>
    public static ToolChoice ToChoice(JsonElement? asked)
    {
        const string Field = "tool_choice";
        switch (asked)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return ToolChoice.Auto;
            case { ValueKind: JsonValueKind.String } word:
                return word.GetString() switch
                {
                    "auto" => ToolChoice.Auto,
                    "none" => ToolChoice.None,
                    "required" or "any" => ToolChoice.Required,
                    var other => throw ApiException.BadRequest($"'{Field}' must be none, auto, required or an object, found '{other}'", Field),
                };
            case { ValueKind: JsonValueKind.Object } choice when choice.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String:
                return type.GetString() switch
                {
                    "function" => ToolChoice.Named(NameOf(choice, Field)),
                    "allowed_tools" => Allowed(choice),
                    var other => throw ApiException.BadRequest($"'{Field}' of type '{other}' is not supported; there are function and allowed_tools", Field, "unsupported_parameter"),
                };
            default:
                throw ApiException.BadRequest($"'{Field}' must be none, auto, required or an object with a 'type'", Field);
        }
    }

    private static ToolChoice Allowed(JsonElement choice)
    {
        const string Field = "tool_choice.allowed_tools";
        var allowed = choice.TryGetProperty("allowed_tools", out var nested) && nested.ValueKind == JsonValueKind.Object ? nested : choice;
        if (!allowed.TryGetProperty("tools", out var tools) || tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() == 0)
        {
            throw ApiException.BadRequest($"'{Field}.tools' must hold at least one tool", Field);
        }

        var mode = allowed.TryGetProperty("mode", out var given) ? given.ValueKind == JsonValueKind.String ? given.GetString() : "" : "auto";
        return mode is "auto" or "required"
            ? ToolChoice.AllowedOnly(tools.EnumerateArray().Select(tool => NameOf(tool, Field)), mode == "required")
            : throw ApiException.BadRequest($"'{Field}.mode' must be auto or required", Field);
    }

    private static string NameOf(JsonElement tool, string field)
    {
        var function = tool.ValueKind == JsonValueKind.Object && tool.TryGetProperty("function", out var nested) && nested.ValueKind == JsonValueKind.Object ? nested : tool;
        return function.ValueKind == JsonValueKind.Object && function.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && name.GetString() is { Length: > 0 } text ? text
            : throw ApiException.BadRequest($"'{field}' must name a function", field);
    }
}
