using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>llama-server's own routes: completions, tokens, templates, and what runs.</summary>
internal static class LlamaEndpoints
{
    public static void MapLlama(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/completion", LlamaCompletion.CompleteAsync);
        routes.MapPost("/completions", LlamaCompletion.CompleteAsync);
        routes.MapPost("/infill", LlamaCompletion.InfillAsync);
        routes.MapPost("/tokenize", TokenizeAsync);
        routes.MapPost("/detokenize", DetokenizeAsync);
        routes.MapPost("/apply-template", ApplyTemplateAsync);
        routes.MapPost("/embedding", EmbedAsync);
        routes.MapPost("/embeddings", EmbedAsync);
        routes.MapMethods("/props", HealthEndpoint.ReadMethods, PropsAsync);
        routes.MapMethods("/slots", HealthEndpoint.ReadMethods, SlotsAsync);
        routes.MapMethods("/metrics", HealthEndpoint.ReadMethods, MetricsAsync);
        routes.MapMethods("/lora-adapters", HealthEndpoint.ReadMethods, context => WriteAsync(context, new JsonArray()));
        routes.MapPost("/props", _ => throw NotThere("what the service is configured for is not changed by requests"));
        routes.MapPost("/slots/{id}", _ => throw NotThere("there are no slots to save, restore or erase: the cache keeps what requests have in common by itself"));
        routes.MapPost("/lora-adapters", _ => throw NotThere("there are no adapters"));
    }

    private static ApiException NotThere(string why) => new(StatusCodes.Status501NotImplemented, why) { Code = "not_supported" };

    private static Task WriteAsync(HttpContext context, JsonNode body) => context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonNode, cancellationToken: context.RequestAborted);

    private static async Task TokenizeAsync(HttpContext context)
    {
        IReadOnlyList<int> ids;
        bool withPieces;
        Runtime.Tokenizers.Tokenizer? tokenizer;
        using (var read = await RequestReader.ReadAsync(context, LlamaJson.Default.LlamaTokenizeRequest))
        {
            var body = read.Body;
            var found = await ModelLookup.FindAnyAsync(context, body.Model);
            withPieces = body.WithPieces == true;
            tokenizer = withPieces || found.Model is not ILanguageModel ? LlamaPrompts.TokenizerOf(found.Model, found.Id) : null;
            ids = (body.Content, found.Model) switch
            {
                (null or { ValueKind: JsonValueKind.Null }, _) => [],
                ({ ValueKind: JsonValueKind.String } text, ILanguageModel model) => model.Tokenize(text.GetString()!, body.AddSpecial ?? false, body.ParseSpecial ?? true),
                ({ ValueKind: JsonValueKind.String } text, _) => tokenizer!.Encode(text.GetString()!, body.AddSpecial ?? false, body.ParseSpecial ?? true),
                ({ ValueKind: JsonValueKind.Array } parts, ILanguageModel model) => LlamaPrompts.Mixed(parts, model, body.AddSpecial ?? false, body.ParseSpecial ?? true, "content"),
                _ => throw ApiException.BadRequest("'content' must be a string, or strings and token ids", "content"),
            };
        }

        await WriteAsync(context, new JsonObject
        {
            ["tokens"] = new JsonArray([.. ids.Select(id => withPieces ? new JsonObject { ["id"] = id, ["piece"] = Piece(tokenizer!.TokenBytes(id)) } : (JsonNode)id)]),
        });
    }

    // A piece that is no text by itself is told as its bytes.
    private static JsonNode Piece(ReadOnlySpan<byte> bytes)
        => System.Text.Unicode.Utf8.IsValid(bytes) ? JsonValue.Create(Encoding.UTF8.GetString(bytes)) : new JsonArray([.. bytes.ToArray().Select(value => (JsonNode)(int)value)]);

    private static async Task DetokenizeAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, LlamaJson.Default.LlamaDetokenizeRequest);
        var found = await ModelLookup.FindAnyAsync(context, read.Body.Model);
        var tokenizer = LlamaPrompts.TokenizerOf(found.Model, found.Id);
        var ids = read.Body.Tokens ?? [];
        var wrong = ids.Where(id => id < 0 || id >= tokenizer.VocabularySize).Take(1).ToList();
        if (wrong.Count > 0)
        {
            throw ApiException.BadRequest($"'tokens' names token {wrong[0]}, but the vocabulary has the tokens 0 to {tokenizer.VocabularySize - 1}", "tokens");
        }

        await WriteAsync(context, new JsonObject { ["content"] = tokenizer.Decode([.. ids], includeControl: true) });
    }

    private static async Task ApplyTemplateAsync(HttpContext context)
    {
        string prompt;
        using (var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.ChatCompletionRequest))
        {
            var found = await ModelAnswer.FindChatAsync(context, read.Body.Model);
            var turn = await ModelAnswer.CompleteAsync(context, TurnMapping.ToTurn(read.Body, GenerationOptions.Default));
            prompt = found.Model is LanguageModel model ? await Task.Run(() => Render(model, turn)) : throw NotThere($"the model '{found.Id}' does not show its prompts");
        }

        await WriteAsync(context, new JsonObject { ["prompt"] = prompt });
    }

    private static string Render(LanguageModel model, ChatTurnRequest turn)
    {
        try
        {
            return model.RenderChat(ChatTurn.PromptOf(model, turn));
        }
        catch (ChatTemplateFailureException failure)
        {
            throw ApiException.BadRequest(failure.Message, failure.IsRefusal ? "messages" : null);
        }
    }

    private static async Task EmbedAsync(HttpContext context)
    {
        List<IReadOnlyList<int>> texts;
        IEmbeddingModel model;
        using (var read = await RequestReader.ReadAsync(context, LlamaJson.Default.LlamaEmbeddingRequest))
        {
            (_, model, _) = await ModelLookup.FindEmbeddingAsync(context, read.Body.Model);
            texts = EmbeddingsEndpoint.ToTexts(new EmbeddingRequest { Input = read.Body.Content ?? read.Body.Input }, model, context.RequestAborted);
        }

        using var lifetime = new AnswerLifetime(context);
        lifetime.Begin();
        var vectors = await lifetime.RunAsync(cancelled => model.EmbedAsync(texts, normalize: true, cancelled));
        RequestAccount.Of(context).AddPrompt(texts.Sum(text => text.Count));
        await WriteAsync(context, new JsonArray([.. vectors.Select((vector, i) => new JsonObject
        {
            ["index"] = i,
            ["embedding"] = new JsonArray(JsonSerializer.SerializeToNode(new WireVector(vector, false), ProtocolJson.Wire.WireVector)),
        })]));
    }

    private static async Task PropsAsync(HttpContext context)
    {
        var found = await ModelLookup.FindAnyAsync(context, context.Request.Query["model"]);
        var local = found.Model as LanguageModel;
        var special = local?.OptionalTokenizer?.Special;
        await WriteAsync(context, new JsonObject
        {
            ["default_generation_settings"] = new JsonObject
            {
                ["id"] = 0,
                ["params"] = found.Model is ILanguageModel text ? LlamaAnswer.Settings(text, ModelDefaults.Apply(context, GenerationOptions.Default), streams: false) : new JsonObject(),
                ["n_ctx"] = found.Model.Information.ContextLength,
            },
            ["total_slots"] = SlotsOf(found.Entry),
            ["model_alias"] = found.Id,
            ["model_path"] = Path.GetFileName(found.Entry.Configuration.Path),
            ["chat_template"] = ModelFacts.Of(found.Entry).Template ?? "",
            ["bos_token"] = Spelling(local, special?.BeginOfText),
            ["eos_token"] = Spelling(local, special?.EndOfText),
            ["modalities"] = new JsonObject { ["vision"] = false, ["audio"] = false },
            ["build_info"] = WireNames.Fingerprint,
            ["is_sleeping"] = false,
        });
    }

    private static string Spelling(LanguageModel? model, int? id) => model is null || id is null ? "" : model.Tokenizer.TokenText(id.Value);

    private static async Task SlotsAsync(HttpContext context)
    {
        var found = await ModelLookup.FindAnyAsync(context, context.Request.Query["model"]);
        var running = found.Model.Load.RunningRequests;
        await WriteAsync(context, new JsonArray([.. Enumerable.Range(0, SlotsOf(found.Entry)).Select(i => new JsonObject
        {
            ["id"] = i,
            ["n_ctx"] = found.Model.Information.ContextLength,
            ["speculative"] = false,
            ["is_processing"] = i < running,
        })]));
    }

    // Requests run in no fixed places here; as many as may run at a time are what a slot comes closest to.
    private static int SlotsOf(CatalogEntry entry) => entry.Configuration.MaxSequences ?? ModelConfiguration.UsualSequences;

    /// <summary>For Prometheus: llama-server's names, each model by its label, and the service's own.</summary>
    private static Task MetricsAsync(HttpContext context, ModelCatalog catalog, ServiceMetrics metrics)
    {
        var text = new StringBuilder();
        Add("prompt_tokens_total", "counter", "Tokens of prompts.", entry => entry.Counters.PromptTokens);
        Add("tokens_predicted_total", "counter", "Tokens generated.", entry => entry.Counters.CompletionTokens);
        Add("prompt_cached_tokens_total", "counter", "Tokens of prompts that came from the cache.", entry => entry.Counters.CachedTokens);
        Add("requests_total", "counter", "Texts generated.", entry => entry.Counters.Texts);
        Add("requests_processing", "gauge", "Requests that run.", entry => entry.Model?.Load.RunningRequests);
        Add("requests_deferred", "gauge", "Requests that wait.", entry => entry.Model?.Load.WaitingRequests);
        Add("kv_cache_pages_used", "gauge", "Pages of the cache that running requests own.", entry => entry.Model?.Load.UsedPages);
        Add("kv_cache_pages", "gauge", "Pages of the cache.", entry => entry.Model?.Load.TotalPages);
        metrics.Write(text);
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(text.ToString(), context.RequestAborted);

        void Add(string name, string type, string help, Func<CatalogEntry, long?> value)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP llamacpp:{name} {help}\n# TYPE llamacpp:{name} {type}\n");
            foreach (var entry in catalog.EntriesFor(context))
            {
                if (value(entry) is { } number)
                {
                    var label = entry.Id.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
                    text.Append(CultureInfo.InvariantCulture, $"llamacpp:{name}{{model=\"{label}\"}} {number}\n");
                }
            }
        }
    }
}
