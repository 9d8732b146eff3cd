using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>Requests of OpenAI's responses as the runtime takes them.</summary>
internal static class ResponseMapping
{
    /// <summary>Fields that change the answer and are not done; see docs/protocols.md.</summary>
    internal static readonly Dictionary<string, Func<JsonElement, bool>> Refused = new(StringComparer.Ordinal)
    {
        ["background"] = IsFalse,
        ["conversation"] = Never,
        ["prompt"] = Never,
        ["modalities"] = value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueEqualsAny("text")),
        ["context_management"] = IsEmpty,
    };

    /// <summary>The turn that a request asks for.</summary>
    /// <param name="request">The request.</param>
    /// <param name="items">What was said so far and what the request adds, oldest first.</param>
    /// <param name="model">What the model is.</param>
    /// <param name="context">Is told which fields were sent.</param>
    public static ChatTurnRequest ToTurn(ResponseRequest request, IReadOnlyList<JsonObject> items, ModelInformation model, HttpContext context)
    {
        Refuse(request.Others, Refused);
        if (request.Truncation is not (null or "disabled" or "auto"))
        {
            throw ApiException.BadRequest($"'truncation' must be auto or disabled, found '{request.Truncation}'", "truncation");
        }

        if (request is { Truncation: "auto", OnFull: FullContext.Stop or FullContext.Error })
        {
            throw ApiException.BadRequest("'on_full' and 'truncation': \"auto\" ask for different things; send one of them", "on_full");
        }

        var messages = ResponseItems.ToMessages(items);
        if (!string.IsNullOrEmpty(request.Instructions))
        {
            messages.Insert(0, new ChatMessage("system", request.Instructions));
        }

        if (messages.Count == 0)
        {
            throw ApiException.BadRequest("'input' must hold a text or at least one item", "input");
        }

        var effort = request.Reasoning?.Effort;
        return new ChatTurnRequest
        {
            Chat = new ChatPrompt { Messages = messages, Tools = [.. (request.Tools ?? []).Select(ToTool)] },
            Options = ToOptions(request, model, context),
            ToolChoice = TurnMapping.ToChoice(request.ToolChoice),
            ParallelToolCalls = request.ParallelToolCalls ?? true,
            ReasoningEffort = effort == "none" ? null : effort,
            Thinks = effort == "none" ? false : null,
        };
    }

    /// <summary>What the request adds to the conversation.</summary>
    /// <exception cref="ApiException">It is neither a text nor items.</exception>
    public static IReadOnlyList<JsonObject> InputOf(ResponseRequest request) => request.Input switch
    {
        null or { ValueKind: JsonValueKind.Null } => [],
        { ValueKind: JsonValueKind.String } text => [ResponseItems.Message("user", text.GetString()!)],
        { ValueKind: JsonValueKind.Array } items => [.. items.EnumerateArray().Select((item, i) => ResponseItems.Checked(item, string.Create(CultureInfo.InvariantCulture, $"input[{i}]")))],
        _ => throw ApiException.BadRequest("'input' must be a string or an array of items", "input"),
    };

    private static GenerationOptions ToOptions(ResponseRequest request, ModelInformation model, HttpContext context)
    {
        var sent = SentFields.Of(context);
        sent.Note(nameof(GenerationOptions.MaxTokens), "max_output_tokens");
        sent.Note(nameof(GenerationOptions.Constraint), "text.format");
        if (request.TopLogprobs is < 0 or > 20)
        {
            throw ApiException.BadRequest($"'top_logprobs' must be between 0 and 20, found {request.TopLogprobs}", "top_logprobs");
        }

        var options = new GenerationOptions
        {
            MaxTokens = request.MaxOutputTokens,
            Temperature = request.Temperature,
            TopP = request.TopP,
            OnFull = request.OnFull ?? (request.Truncation == "auto" ? FullContext.Shift : null),
            LogProbabilities = request.TopLogprobs is > 0 || request.Include?.Contains("message.output_text.logprobs") == true ? request.TopLogprobs ?? 0 : null,
            Constraint = ToConstraint(request.Text?.Format),
        };
        return options.FindFault(model.VocabularySize) is { } fault ? throw fault : options;
    }

    private static Constraint? ToConstraint(JsonElement? format)
    {
        const string Field = "text.format";
        if (format is null or { ValueKind: JsonValueKind.Null })
        {
            return null;
        }

        if (format is not { ValueKind: JsonValueKind.Object } given || !given.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw ApiException.BadRequest($"'{Field}' must be an object with a 'type'", Field);
        }

        return type.GetString() switch
        {
            "text" => null,
            "json_object" => Constraint.JsonObject,
            "json_schema" when given.TryGetProperty("schema", out var schema) && schema.ValueKind == JsonValueKind.Object => Constraint.JsonSchema(schema.GetRawText()),
            "json_schema" => throw ApiException.BadRequest($"'{Field}.schema' is missing", Field + ".schema"),
            var other => throw ApiException.BadRequest($"'{Field}' of type '{other}' is not supported; there are text, json_object and json_schema", Field, "unsupported_parameter"),
        };
    }

    // Here a function's fields lie beside its type; templates want them in an object of their own.
    private static JsonObject ToTool(JsonElement tool, int index)
    {
        var param = string.Create(CultureInfo.InvariantCulture, $"tools[{index}]");
        if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw ApiException.BadRequest($"'{param}' must be an object with a 'type'", param);
        }

        if (!type.ValueEquals("function"))
        {
            throw ApiException.BadRequest($"'{param}' of type '{type.GetString()}' is not supported: it runs at the provider; there is function", param + ".type", "unsupported_parameter");
        }

        var function = JsonObject.Create(tool)!;
        function.Remove("type");
        return function["function"] is JsonObject nested
            ? new JsonObject { ["type"] = "function", ["function"] = nested.DeepClone() }
            : new JsonObject { ["type"] = "function", ["function"] = function };
    }
}
