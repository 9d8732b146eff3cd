using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Ollama's API: chats, texts and vectors; models are in <see cref="OllamaModels"/>.</summary>
internal static class OllamaEndpoints
{
    /// <summary>What clients of Ollama ask the version of: the one whose API this is.</summary>
    private const string ApiVersion = "0.12.6";

    public static void MapOllama(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/chat", ChatAsync);
        routes.MapPost("/api/generate", GenerateAsync);
        routes.MapPost("/api/embed", context => OllamaEmbedding.HandleAsync(context, isOld: false));
        routes.MapPost("/api/embeddings", context => OllamaEmbedding.HandleAsync(context, isOld: true));
        routes.MapMethods("/api/version", HealthEndpoint.ReadMethods, context => WriteAsync(context, new JsonObject { ["version"] = ApiVersion }));
        routes.MapOllamaModels();
    }

    public static Task WriteAsync(HttpContext context, JsonObject body)
        => context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);

    private static async Task ChatAsync(HttpContext context)
    {
        Asked asked;
        using (var read = await RequestReader.ReadAsync(context, OllamaJson.Default.OllamaChatRequest))
        {
            var body = read.Body;
            var name = Required(body.Model);
            if (body.Messages is not { Count: > 0 })
            {
                await LoadAsync(context, body, "message", new JsonObject { ["role"] = "assistant", ["content"] = "" });
                return;
            }

            var found = await ModelAnswer.FindChatAsync(context, name);
            OllamaModels.KeepAlive(context, found.Entry, body.KeepAlive);
            asked = new Asked(found.Id, found.Model, OllamaMapping.ToTurn(body, found.Model.Information, context), body.Stream != false, new ChatShape());
        }

        await AnswerAsync(context, asked);
    }

    private static async Task GenerateAsync(HttpContext context)
    {
        Asked asked;
        using (var read = await RequestReader.ReadAsync(context, OllamaJson.Default.OllamaGenerateRequest))
        {
            var body = read.Body;
            var name = Required(body.Model);
            if (string.IsNullOrEmpty(body.Prompt) && string.IsNullOrEmpty(body.Suffix))
            {
                await LoadAsync(context, body, "response", "");
                return;
            }

            var isRaw = body.Raw == true || !string.IsNullOrEmpty(body.Suffix);
            var found = isRaw ? await ModelLookup.FindTextAsync(context, name) : await ModelAnswer.FindChatAsync(context, name);
            OllamaModels.KeepAlive(context, found.Entry, body.KeepAlive);
            if (isRaw)
            {
                FieldRules.Refuse(body.Others, OllamaMapping.Refused);
                var options = OllamaMapping.ToOptions(body, found.Model.Information, context);
                var prompt = string.IsNullOrEmpty(body.Suffix) ? PromptText.Tokenize(found.Model, body.Prompt!, parseSpecial: true, "prompt", options.OnFull == FullContext.Shift)
                    : Infill.Prompt(found.Id, found.Model, body.Prompt ?? "", body.Suffix, "suffix");
                asked = new Asked(found.Id, found.Model, null, body.Stream != false, new TextShape())
                {
                    Text = new GenerationRequest { Prompt = prompt, Options = options },
                };
            }
            else
            {
                asked = new Asked(found.Id, found.Model, OllamaMapping.ToTurn(body, found.Model.Information, context), body.Stream != false, new TextShape());
            }
        }

        await AnswerAsync(context, asked);
    }

    /// <summary>Without anything to answer a request loads its model, or with a time of 0 unloads it.</summary>
    private static async Task LoadAsync(HttpContext context, OllamaTextRequest body, string field, JsonNode empty)
    {
        var clock = new AnswerClock();
        string id, reason;
        if (OllamaMapping.ToKeepAlive(body.KeepAlive) == TimeSpan.Zero)
        {
            var entry = OllamaModels.Find(context, body.Model);
            if (!entry.Configuration.OnDemand)
            {
                throw ApiException.BadRequest($"the model '{entry.Id}' stays loaded: the service's configuration lists it", "keep_alive");
            }

            if (KeyAuthentication.Of(context) is { } key && !key.Verbs.HasFlag(Service.KeyVerbs.Manage))
            {
                throw KeyAuthentication.Refusal(key, Service.KeyVerbs.Manage);
            }

            OllamaModels.KeepAlive(context, entry, body.KeepAlive);
            await context.RequestServices.GetRequiredService<Service.ModelCatalog>().UnloadWhenIdleAsync(entry);
            (id, reason) = (entry.Id, "unload");
        }
        else
        {
            var found = await ModelLookup.FindTextAsync(context, body.Model);
            OllamaModels.KeepAlive(context, found.Entry, body.KeepAlive);
            (id, reason) = (found.Id, "load");
        }

        await WriteAsync(context, new JsonObject { ["model"] = id, ["created_at"] = Now(), [field] = empty, ["done"] = true, ["done_reason"] = reason, ["total_duration"] = Nanoseconds(clock.Total) });
    }

    private static async Task AnswerAsync(HttpContext context, Asked asked)
    {
        var clock = new AnswerClock();
        using var lifetime = new AnswerLifetime(context);
        if (asked.Streams)
        {
            await EventStream.WriteAsync(context, lifetime, cancelled => PiecesAsync(context, asked, lifetime, clock, cancelled), new JsonLines());
            return;
        }

        var whole = await lifetime.RunAsync(cancelled => WholeAsync(context, asked, lifetime, clock, cancelled));
        await WriteAsync(context, whole);
    }

    private static async IAsyncEnumerable<JsonObject> PiecesAsync(
        HttpContext context, Asked asked, AnswerLifetime lifetime, AnswerClock clock, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var calls = new CollectedChat();
        var told = 0;
        ChatUpdate? last = null;
        await foreach (var update in UpdatesAsync(context, asked, lifetime, clock, cancellationToken))
        {
            calls.Add(update);
            var complete = calls.CompleteCalls;
            if (update.Text.Length > 0 || update.Reasoning.Length > 0 || complete.Count > told || update.LogProbabilities.Count > 0)
            {
                yield return Piece(asked, asked.Shape.Say(update.Text, update.Reasoning, [.. complete.Skip(told)]), update.LogProbabilities);
                told = complete.Count;
            }

            last = update;
        }

        var end = Piece(asked, asked.Shape.Say("", "", []), []);
        AddEnd(end, last, clock);
        yield return end;
    }

    private static async Task<JsonObject> WholeAsync(HttpContext context, Asked asked, AnswerLifetime lifetime, AnswerClock clock, CancellationToken cancellationToken)
    {
        var collected = new CollectedChat();
        ChatUpdate? last = null;
        await foreach (var update in UpdatesAsync(context, asked, lifetime, clock, cancellationToken))
        {
            collected.Add(update);
            last = update;
        }

        var whole = Piece(asked, asked.Shape.Say(collected.Text, collected.Reasoning, collected.CompleteCalls), collected.LogProbabilities);
        AddEnd(whole, last, clock);
        return whole;
    }

    private static async IAsyncEnumerable<ChatUpdate> UpdatesAsync(
        HttpContext context, Asked asked, AnswerLifetime lifetime, AnswerClock clock, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Action admitted = clock.Begin + (Action)lifetime.Begin;
        var updates = asked.Turn is { } turn
            ? ModelAnswer.ChatAsync(context, asked.Model, await ModelAnswer.CompleteAsync(context, turn) with { Admitted = admitted }, cancellationToken)
            : ModelAnswer.TextAsync(context, asked.Model, ModelAnswer.Complete(context, asked.Text!) with { Admitted = admitted }, cancellationToken);
        await foreach (var update in updates)
        {
            clock.Update();
            yield return update;
        }
    }

    private static JsonObject Piece(Asked asked, Action<JsonObject> say, IReadOnlyList<TokenLogProbabilities> logProbabilities)
    {
        var piece = new JsonObject { ["model"] = asked.Id, ["created_at"] = Now() };
        say(piece);
        if (logProbabilities.Count > 0)
        {
            piece["logprobs"] = System.Text.Json.JsonSerializer.SerializeToNode(ChatLogprobs.Of(logProbabilities)!.Content, ProtocolJson.Wire.IReadOnlyListChatTokenLogprob);
        }

        piece["done"] = false;
        return piece;
    }

    private static void AddEnd(JsonObject piece, ChatUpdate? last, AnswerClock clock)
    {
        piece["done"] = true;
        piece["done_reason"] = last?.FinishReason is FinishReason.Length or FinishReason.DeadlineExceeded ? "length" : "stop";
        piece["total_duration"] = Nanoseconds(clock.Total);
        piece["load_duration"] = 0;
        piece["prompt_eval_count"] = last?.Usage?.PromptTokens ?? 0;
        piece["prompt_eval_duration"] = Nanoseconds(clock.Prompt);
        piece["eval_count"] = last?.Usage?.CompletionTokens ?? 0;
        piece["eval_duration"] = Nanoseconds(clock.Writing);
        if (last?.Usage is { DroppedTokens: > 0 and var dropped })
        {
            piece["dropped_count"] = dropped;
        }
    }

    private static string Required(string? model) => string.IsNullOrEmpty(model) ? throw ApiException.BadRequest("model is required", "model") : model;

    private static string Now() => DateTimeOffset.UtcNow.ToString("O", System.Globalization.CultureInfo.InvariantCulture);

    private static long Nanoseconds(TimeSpan time) => (long)time.TotalNanoseconds;

    private sealed record Asked(string Id, ILanguageModel Model, ChatTurnRequest? Turn, bool Streams, Shape Shape)
    {
        public GenerationRequest? Text { get; init; }
    }

    /// <summary>Where a route's answer has its text, thoughts and calls.</summary>
    private abstract class Shape
    {
        public abstract Action<JsonObject> Say(string text, string reasoning, IReadOnlyList<WireToolCall> calls);

        protected static void Add(JsonObject target, string field, string text, string reasoning, IReadOnlyList<WireToolCall> calls)
        {
            target[field] = text;
            if (reasoning.Length > 0)
            {
                target["thinking"] = reasoning;
            }

            if (calls.Count > 0)
            {
                target["tool_calls"] = new JsonArray([.. calls.Select((call, i) => new JsonObject
                {
                    ["id"] = call.Id,
                    ["function"] = new JsonObject { ["index"] = i, ["name"] = call.Function!.Name, ["arguments"] = RequestMapping.ParseObject(call.Function.Arguments ?? "{}") },
                })]);
            }
        }
    }

    private sealed class ChatShape : Shape
    {
        public override Action<JsonObject> Say(string text, string reasoning, IReadOnlyList<WireToolCall> calls) => piece =>
        {
            var message = new JsonObject { ["role"] = "assistant" };
            Add(message, "content", text, reasoning, calls);
            piece["message"] = message;
        };
    }

    private sealed class TextShape : Shape
    {
        public override Action<JsonObject> Say(string text, string reasoning, IReadOnlyList<WireToolCall> calls) => piece => Add(piece, "response", text, reasoning, calls);
    }
}
