using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Wire requests as the runtime takes them; everything the caller sent is checked here.</summary>
internal static class RequestMapping
{
    /// <summary>Prompts that one completion request may hold.</summary>
    private const int MaxPrompts = 128;

    /// <summary>The most alternatives of a chat's token, as OpenAI has it.</summary>
    private const int MaxChatLogprobs = 20;

    /// <summary>What a request's fields come to.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="model">The model that it is for.</param>
    /// <param name="context">Is told which fields were sent, so that later errors name them.</param>
    /// <exception cref="ApiException">Fields contradict each other or have no meaning together.</exception>
    /// <exception cref="InvalidRequestException">A value is out of its range.</exception>
    public static GenerationOptions ToOptions(GenerationFields fields, ModelInformation model, HttpContext context)
    {
        if (fields.StreamOptions is not null && fields.Stream != true)
        {
            throw ApiException.BadRequest("'stream_options' has a meaning only with 'stream': true", "stream_options");
        }

        var (constraint, field) = ConstraintMapping.Find(fields);
        SentFields.Of(context).Note(nameof(GenerationOptions.Constraint), field);
        var options = fields.Options with
        {
            LogitBias = fields.LogitBias?.Tokens.ToDictionary(pair => pair.Key, pair => WireBiases.ToRuntime(pair.Value)),
            TextBias = fields.LogitBias is { Texts.Count: > 0 } biases ? biases.Texts.ToDictionary(pair => pair.Key, pair => WireBiases.ToRuntime(pair.Value)) : null,
            Seed = ToSeed(fields.Seed),
            Constraint = constraint,
        };
        return fields.LogitBias?.FindFault() is { } bias ? throw new InvalidRequestException(nameof(GenerationOptions.LogitBias), bias)
            : options.FindFault(model.VocabularySize) is { } fault ? throw fault
            : options;
    }

    /// <inheritdoc cref="ToOptions(GenerationFields, ModelInformation, HttpContext)"/>
    public static GenerationOptions ToOptions(ChatCompletionRequest request, ModelInformation model, HttpContext context)
    {
        if (request.MaxCompletionTokens is { } most)
        {
            request.MaxTokens = most;
            SentFields.Of(context).Note(nameof(GenerationOptions.MaxTokens), "max_completion_tokens");
        }

        if (request.TopLogprobs is < 0 or > MaxChatLogprobs)
        {
            throw ApiException.BadRequest($"'top_logprobs' must be between 0 and {MaxChatLogprobs}, found {request.TopLogprobs}", "top_logprobs");
        }

        if (request.TopLogprobs > 0 && request.Logprobs != true)
        {
            throw ApiException.BadRequest("'top_logprobs' has a meaning only with 'logprobs': true", "top_logprobs");
        }

        if (request.Logprobs == true)
        {
            request.Options = request.Options with { LogProbabilities = request.TopLogprobs ?? 0 };
        }

        return ToOptions((GenerationFields)request, model, context);
    }

    public static ChatPrompt ToPrompt(ChatCompletionRequest request)
    {
        // A conversation may be asked to answer what it holds already.
        var messages = request.Messages ?? [];
        if (messages.Count == 0 && request.Conversation is null)
        {
            throw ApiException.BadRequest("'messages' must hold at least one message", "messages");
        }

        return new ChatPrompt
        {
            Messages = [.. messages.Select(ToMessage)],
            Tools = request.Tools ?? [],
            AddGenerationPrompt = request.AddGenerationPrompt ?? true,
            Variables = request.ChatTemplateKwargs?.ToDictionary(pair => pair.Key, pair => pair.Value?.DeepClone()) ?? [],
        };
    }

    public static IReadOnlyList<IReadOnlyList<int>> ToPrompts(CompletionRequest request, string id, ILanguageModel model)
    {
        if (request.Prompt is not { Count: > 0 and <= MaxPrompts } prompts)
        {
            throw ApiException.BadRequest($"'prompt' must hold 1 to {MaxPrompts} prompts", "prompt");
        }

        if (!string.IsNullOrEmpty(request.Suffix))
        {
            return [.. prompts.Select(prompt => Infill.Prompt(
                id, model, prompt.Text ?? throw ApiException.BadRequest("'suffix' goes with texts, not with token ids", "suffix"), request.Suffix, "suffix"))];
        }

        return [.. prompts.Select(prompt => prompt.TokenIds is { } ids ? PromptText.Checked(ids, model, "prompt") : PromptText.Tokenize(model, prompt.Text!, request.ParseSpecial ?? false, "prompt", request.OnFull == FullContext.Shift))];
    }

    private static ChatMessage ToMessage(ChatRequestMessage message, int index)
    {
        var param = string.Create(CultureInfo.InvariantCulture, $"messages[{index}]");
        if (message is null)
        {
            throw ApiException.BadRequest($"'{param}' must be an object", param);
        }

        UnsupportedFields.RefuseInMessage(message.Others, param);
        if (string.IsNullOrEmpty(message.Role))
        {
            throw ApiException.BadRequest($"'{param}.role' is missing", param + ".role");
        }

        // An assistant's message may be a refusal, thoughts or nothing at all; everyone else has something to say.
        var content = message.Content;
        if (message.Role == "assistant" && string.IsNullOrEmpty(content))
        {
            content = message.Refusal ?? (message.ToolCalls is { Count: > 0 } ? content : "");
        }
        else if (content is null)
        {
            throw ApiException.BadRequest($"'{param}.content' is missing", param + ".content");
        }

        return new ChatMessage(message.Role == "developer" ? "system" : message.Role, content)
        {
            Name = message.Name,
            Reasoning = message.ReasoningContent ?? message.Reasoning,
            ToolCallId = message.ToolCallId,
            ToolCalls = [.. (message.ToolCalls ?? []).Select((call, i) => ToCall(call, string.Create(CultureInfo.InvariantCulture, $"{param}.tool_calls[{i}]")))],
        };
    }

    public static ToolCall ToCall(WireToolCall call, string param)
    {
        if (call?.Function?.Name is not { Length: > 0 } name)
        {
            throw ApiException.BadRequest($"'{param}.function.name' is missing", param + ".function.name");
        }

        // A replayed call is the model's own text: where it is no JSON object, the model gets to see what it wrote, and the chat goes on.
        var text = call.Function.Arguments is { Length: > 0 } given ? given : "{}";
        return ParseObject(text) is { } arguments
            ? new ToolCall(call.Id ?? "", name, arguments)
            : new ToolCall(call.Id ?? "", name, []) { ArgumentsText = text };
    }

    public static JsonObject? ParseObject(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static ulong? ToSeed(Int128? seed) => seed switch
    {
        null => null,
        var value when value == -1 => null,
        var value when value >= 0 && value <= ulong.MaxValue => (ulong)value.Value,
        var value when value < 0 && value >= long.MinValue => unchecked((ulong)(long)value.Value),
        _ => throw ApiException.BadRequest("'seed' must be an integer of 64 bits", "seed"),
    };
}
