using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Answers of /completion in llama-server's shape.</summary>
internal sealed class LlamaAnswer(FoundModel<ILanguageModel> found, LlamaCompletionRequest request, GenerationOptions options, AnswerClock clock)
{
    /// <summary>A piece of a stream.</summary>
    public JsonObject Piece(LlamaText text, ChatUpdate update)
    {
        var piece = new JsonObject
        {
            ["index"] = text.Index,
            ["content"] = update.Text,
            ["tokens"] = Ids(update.TokenIds),
            ["stop"] = false,
            ["id_slot"] = -1,
            ["tokens_predicted"] = text.Tokens.Count,
            ["tokens_evaluated"] = text.Prompt.Count,
        };
        if (update.LogProbabilities.Count > 0)
        {
            piece["completion_probabilities"] = Probabilities(update.LogProbabilities);
        }

        if (request.TimingsPerToken == true)
        {
            piece["timings"] = Timings(new TokenUsage(text.Prompt.Count, text.Tokens.Count, 0, CacheMissReason.None, 0));
        }

        return piece;
    }

    /// <summary>A text's end: of a stream its last piece, else the whole.</summary>
    public JsonObject Last(LlamaText text, ChatUpdate update, bool isStream)
    {
        var usage = update.Usage ?? default;
        var end = new JsonObject
        {
            ["index"] = text.Index,
            ["content"] = isStream ? "" : text.Text,
            ["tokens"] = isStream || request.ReturnTokens != true ? new JsonArray() : Ids(text.Tokens),
            ["id_slot"] = -1,
            ["stop"] = true,
            ["model"] = found.Id,
            ["tokens_predicted"] = usage.CompletionTokens,
            ["tokens_evaluated"] = usage.PromptTokens,
            ["generation_settings"] = Settings(found.Model, options, request.Stream == true),
            ["prompt"] = Spelled(text.Prompt),
            ["has_new_line"] = text.Text.Contains('\n', StringComparison.Ordinal),
            ["truncated"] = usage.DroppedTokens > 0 || IsCutByContext(update, usage),
            ["tokens_dropped"] = usage.DroppedTokens,
            ["stop_type"] = update switch
            {
                { FinishReason: FinishReason.Length or FinishReason.DeadlineExceeded } => "limit",
                { StopSequence: not null } => "word",
                _ => "eos",
            },
            ["stopping_word"] = update.StopSequence ?? "",
            ["tokens_cached"] = usage.TotalTokens,
            ["timings"] = Timings(usage),
        };
        if (!isStream && text.LogProbabilities.Count > 0)
        {
            end["completion_probabilities"] = Probabilities(text.LogProbabilities);
        }

        return request.ResponseFields is { Count: > 0 } wanted ? Selected(end, wanted) : end;
    }

    /// <summary>How tokens are chosen, in llama-server's names; what is not there is told as off.</summary>
    public static JsonObject Settings(ILanguageModel model, GenerationOptions options, bool streams)
    {
        var ends = options.IgnoreEndOfText && model is LanguageModel { OptionalTokenizer: { } tokenizer } ? tokenizer.EndOfGenerationIds : [];
        var biases = (options.LogitBias ?? new Dictionary<int, float>()).Select(pair => (pair.Key, (float?)(float.IsFinite(pair.Value) ? pair.Value : null))).Concat(ends.Select(id => (id, (float?)null)));
        return new JsonObject
        {
            ["seed"] = options.Seed is { } seed ? JsonValue.Create(seed) : JsonValue.Create(uint.MaxValue),
            ["temperature"] = options.Temperature ?? GenerationOptions.TemperatureOption.Default,
            ["top_k"] = options.TopK ?? GenerationOptions.TopKOption.Default,
            ["top_p"] = options.TopP ?? GenerationOptions.TopPOption.Default,
            ["min_p"] = options.MinP ?? GenerationOptions.MinPOption.Default,
            ["dynatemp_range"] = 0,
            ["top_n_sigma"] = -1,
            ["xtc_probability"] = 0,
            ["typical_p"] = 1,
            ["repeat_last_n"] = options.PenaltyWindow ?? GenerationOptions.PenaltyWindowOption.Default,
            ["repeat_penalty"] = options.RepetitionPenalty ?? 1,
            ["presence_penalty"] = options.PresencePenalty ?? 0,
            ["frequency_penalty"] = options.FrequencyPenalty ?? 0,
            ["dry_multiplier"] = 0,
            ["mirostat"] = 0,
            ["adaptive_target"] = -1,
            ["adaptive_decay"] = 0,
            ["stop"] = new JsonArray([.. options.StopSequences.Select(stop => (JsonNode)stop)]),
            ["max_tokens"] = options.MaxTokens ?? -1,
            ["n_predict"] = options.MaxTokens ?? -1,
            ["n_keep"] = options.KeptTokens ?? GenerationOptions.KeptTokensOption.Default,
            ["on_full"] = GenerationOptions.OnFullOption.ValueOf(options) ?? "stop",
            ["ignore_eos"] = options.IgnoreEndOfText,
            ["stream"] = streams,
            ["logit_bias"] = new JsonArray([.. biases.Select(bias => new JsonObject { ["token"] = bias.Item1, ["bias"] = bias.Item2 })]),
            ["n_probs"] = options.LogProbabilities ?? 0,
            ["lora"] = new JsonArray(),
        };
    }

    private JsonNode? Timings(TokenUsage usage) => JsonSerializer.SerializeToNode(clock.Timings(usage), ProtocolJson.Wire.WireTimings);

    private bool IsCutByContext(ChatUpdate update, TokenUsage usage)
        => update.FinishReason == FinishReason.Length && usage.TotalTokens >= found.Model.Information.ContextLength && (options.MaxTokens is null || usage.CompletionTokens < options.MaxTokens);

    private string Spelled(IReadOnlyList<int> prompt)
        => found.Model is LanguageModel { OptionalTokenizer: { } tokenizer } ? tokenizer.Decode([.. prompt], includeControl: true) : "";

    private static JsonArray Ids(IReadOnlyList<int> ids) => new([.. ids.Select(id => (JsonNode)id)]);

    private static JsonArray Probabilities(IReadOnlyList<TokenLogProbabilities> tokens) => new([.. tokens.Select(token =>
    {
        var node = Probability(token.Token);
        node["top_logprobs"] = new JsonArray([.. token.Likeliest.Select(Probability)]);
        return node;
    })]);

    private static JsonObject Probability(TokenLogProbability token) => new()
    {
        ["id"] = token.TokenId,
        ["token"] = Encoding.UTF8.GetString(token.Bytes.Span),
        ["bytes"] = new JsonArray([.. token.Bytes.ToArray().Select(value => (JsonNode)(int)value)]),
        ["logprob"] = ChatTokenLogprob.ToWire(token.LogProbability),
    };

    private static JsonObject Selected(JsonObject whole, IReadOnlyList<string> wanted)
    {
        var selected = new JsonObject();
        foreach (var path in wanted)
        {
            JsonNode? node = whole;
            foreach (var name in path.Split('/'))
            {
                node = (node as JsonObject)?[name];
            }

            if (node is not null)
            {
                selected[path] = node.DeepClone();
            }
        }

        return selected;
    }
}
