using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>A response while it is made: its items, and the events that tell of them.</summary>
internal sealed class ResponseAnswer
{
    private readonly JsonObject _response;
    private readonly ResponseText? _text;
    private readonly AnswerClock _clock;
    private readonly bool _tellsTimes;
    private readonly JsonArray _output = [];
    private ResponseItemWriter? _open;
    private int _call = -1;
    private int _number;
    private int _written;

    public ResponseAnswer(ResponseRequest request, string model, AnswerClock clock)
    {
        (_text, _clock, _tellsTimes) = (request.Text, clock, request.TimingsPerToken == true);
        _response = Describe(request, model);
    }

    public string Id => _response["id"]!.GetValue<string>();

    /// <summary>The response as it is now.</summary>
    public JsonObject Snapshot()
    {
        var copy = (JsonObject)_response.DeepClone();
        copy["output"] = _output.DeepClone();
        return copy;
    }

    public JsonObject Created() => Event("response.created", new JsonObject { ["response"] = Snapshot() });

    public JsonObject InProgress() => Event("response.in_progress", new JsonObject { ["response"] = Snapshot() });

    /// <summary>The events of an update.</summary>
    public IEnumerable<JsonObject> Add(ChatUpdate update)
    {
        _written += update.TokenIds.Count;
        if (update.Reasoning.Length > 0)
        {
            foreach (var told in Open<ReasoningItemWriter>(() => new ReasoningItemWriter()).Concat(_open!.Write(update.Reasoning, [])).ToList())
            {
                yield return Numbered(told);
            }
        }

        if (update.Text.Length > 0)
        {
            foreach (var told in Open<MessageItemWriter>(() => new MessageItemWriter()).ToList().Concat(_open!.Write(update.Text, update.LogProbabilities)))
            {
                if (_tellsTimes)
                {
                    told["timings"] = System.Text.Json.JsonSerializer.SerializeToNode(_clock.Timings(new TokenUsage(0, _written, 0, CacheMissReason.None, 0)), ProtocolJson.Wire.WireTimings);
                }

                yield return Numbered(told);
            }
        }

        foreach (var call in update.ToolCalls)
        {
            if (call.Index != _call)
            {
                _call = call.Index;
                foreach (var told in Close("completed").Concat(Begin(new CallItemWriter(call))).ToList())
                {
                    yield return Numbered(told);
                }
            }

            if (call.Arguments.Length > 0)
            {
                foreach (var told in _open!.Write(call.Arguments, []))
                {
                    yield return Numbered(told);
                }
            }
        }
    }

    /// <summary>The last events.</summary>
    /// <param name="last">The answer's last update.</param>
    public IEnumerable<JsonObject> End(ChatUpdate? last)
    {
        var isWhole = last?.FinishReason is not (FinishReason.Length or FinishReason.DeadlineExceeded);
        foreach (var told in Close(isWhole ? "completed" : "incomplete").ToList())
        {
            yield return Numbered(told);
        }

        _response["status"] = isWhole ? "completed" : "incomplete";
        _response["completed_at"] = isWhole ? DateTimeOffset.UtcNow.ToUnixTimeSeconds() : null;
        _response["incomplete_details"] = isWhole ? null : new JsonObject { ["reason"] = "max_output_tokens" };
        var usage = last?.Usage ?? default;
        _response["usage"] = new JsonObject
        {
            ["input_tokens"] = usage.PromptTokens,
            ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = usage.CachedPromptTokens },
            ["output_tokens"] = usage.CompletionTokens,
            ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = usage.ReasoningTokens },
            ["total_tokens"] = usage.TotalTokens,
        };
        if (usage.DroppedTokens > 0)
        {
            // Hearth's own: what a full context went on without.
            _response["usage"]!["dropped_tokens"] = usage.DroppedTokens;
        }

        yield return Event(isWhole ? "response.completed" : "response.incomplete", new JsonObject
        {
            ["response"] = Snapshot(),
            ["timings"] = System.Text.Json.JsonSerializer.SerializeToNode(_clock.Timings(usage), ProtocolJson.Wire.WireTimings),
        });
    }

    private static JsonObject Describe(ResponseRequest request, string model) => new()
    {
        ["id"] = ResponseItems.NewId("resp"),
        ["object"] = "response",
        ["created_at"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
        ["status"] = "in_progress",
        ["background"] = false,
        ["error"] = null,
        ["incomplete_details"] = null,
        ["instructions"] = request.Instructions,
        ["max_output_tokens"] = request.MaxOutputTokens,
        ["model"] = model,
        ["output"] = new JsonArray(),
        ["parallel_tool_calls"] = request.ParallelToolCalls ?? true,
        ["previous_response_id"] = request.PreviousResponseId,
        ["reasoning"] = new JsonObject { ["effort"] = request.Reasoning?.Effort, ["summary"] = request.Reasoning?.Summary },
        ["store"] = request.Store ?? true,
        ["temperature"] = request.Temperature,
        ["text"] = new JsonObject { ["format"] = Copy(request.Text?.Format) ?? new JsonObject { ["type"] = "text" }, ["verbosity"] = request.Text?.Verbosity ?? "medium" },
        ["tool_choice"] = Copy(request.ToolChoice) ?? "auto",
        ["tools"] = new JsonArray([.. (request.Tools ?? []).Select(tool => Copy(tool))]),
        ["top_logprobs"] = request.TopLogprobs ?? 0,
        ["top_p"] = request.TopP,
        ["truncation"] = request.Truncation ?? (request.OnFull == FullContext.Shift ? "auto" : "disabled"),
        ["usage"] = null,
        ["user"] = request.User,
        ["metadata"] = Copy(request.Metadata) ?? new JsonObject(),
    };

    private static JsonNode? Copy(System.Text.Json.JsonElement? value) => value is { ValueKind: not System.Text.Json.JsonValueKind.Null } given ? JsonNode.Parse(given.GetRawText()) : null;

    private IEnumerable<JsonObject> Open<T>(Func<T> make)
        where T : ResponseItemWriter
        => _open is T ? [] : [.. Close("completed"), .. Begin(make())];

    private IEnumerable<JsonObject> Begin(ResponseItemWriter item)
    {
        (_open, item.Index) = (item, _output.Count);
        _output.Add(item.Item("in_progress"));
        return item.Begin();
    }

    private IEnumerable<JsonObject> Close(string status)
    {
        if (_open is not { } item)
        {
            return [];
        }

        _open = null;
        _output[item.Index] = item.Item(status);
        return item.End(status);
    }

    private JsonObject Event(string type, JsonObject fields) => Numbered(ResponseItemWriter.Typed(type, fields));

    private JsonObject Numbered(JsonObject told)
    {
        told["sequence_number"] = _number++;
        return told;
    }
}
