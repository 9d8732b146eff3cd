using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;
using Hearth.Runtime.Scheduling;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>llama-server's POST /completion and /infill.</summary>
internal static class LlamaCompletion
{
    /// <summary>Fields that change the answer and are not done; see docs/protocols.md.</summary>
    internal static readonly Dictionary<string, Func<JsonElement, bool>> Refused = new(UnsupportedFields.Common.Where(pair => pair.Key != "n_probs"), StringComparer.Ordinal)
    {
        ["post_sampling_probs"] = IsFalse,
        ["lora"] = IsEmpty,
        ["n_indent"] = value => IsNumber(value, 0),
        ["t_max_predict_ms"] = value => value.ValueKind == JsonValueKind.Number && value.GetDouble() <= 0,
        ["adaptive_target"] = value => value.ValueKind == JsonValueKind.Number && value.GetDouble() < 0,
        ["image_data"] = IsEmpty,
    };

    public static async Task CompleteAsync(HttpContext context) => await AnswerAsync(context, await ReadAsync(context, isInfill: false));

    public static async Task InfillAsync(HttpContext context) => await AnswerAsync(context, await ReadAsync(context, isInfill: true));

    private static async Task<Asked> ReadAsync(HttpContext context, bool isInfill)
    {
        using var read = await RequestReader.ReadAsync(context, LlamaJson.Default.LlamaCompletionRequest);
        var body = read.Body;
        var found = await ModelLookup.FindTextAsync(context, body.Model);
        Refuse(body.Others, Refused);
        SentFields.Of(context).Note(nameof(GenerationOptions.MaxTokens), "n_predict");
        SentFields.Of(context).Note(nameof(GenerationOptions.LogProbabilities), "n_probs");
        if (body.NProbs is { } probabilities and not 0)
        {
            body.Options = body.Options with { LogProbabilities = probabilities };
        }

        // A time that is long over says "no limit" too.
        body.Options = body.Options with { MaxTokens = body.Options.MaxTokens < 0 ? null : body.Options.MaxTokens };
        var options = RequestMapping.ToOptions(body, found.Model.Information, context);
        var (prompts, areSeveral) = isInfill ? ([InfillPrompt(body, found)], false) : LlamaPrompts.Read(body.Prompt, found.Model, "prompt");
        var scope = body.CachePrompt == false ? $"once {Guid.NewGuid():N}" : null;
        return new Asked(found, body, ModelDefaults.Apply(context, options), [.. prompts.Select(prompt => new GenerationRequest { Prompt = prompt, Options = options, CacheScope = scope })], areSeveral);
    }

    private static IReadOnlyList<int> InfillPrompt(LlamaCompletionRequest body, FoundModel<ILanguageModel> found)
    {
        List<(string, string)> files = [];
        foreach (var (file, i) in (body.InputExtra ?? []).Select((file, i) => (file, i)))
        {
            var param = string.Create(CultureInfo.InvariantCulture, $"input_extra[{i}]");
            files.Add((file?.Filename ?? "tmp", file?.Text ?? throw ApiException.BadRequest($"'{param}.text' must be a string", param + ".text")));
        }

        var written = body.Prompt switch
        {
            null or { ValueKind: JsonValueKind.Null } => "",
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            _ => throw ApiException.BadRequest("'prompt' must be a string", "prompt"),
        };
        return body.InputPrefix is null || body.InputSuffix is null
            ? throw ApiException.BadRequest($"'{(body.InputPrefix is null ? "input_prefix" : "input_suffix")}' is missing", body.InputPrefix is null ? "input_prefix" : "input_suffix")
            : Infill.Prompt(found.Id, found.Model, body.InputPrefix + written, body.InputSuffix, "input_suffix", files);
    }

    private static async Task AnswerAsync(HttpContext context, Asked asked)
    {
        using var lifetime = new AnswerLifetime(context);
        var clock = new AnswerClock();
        Action admitted = clock.Begin + (Action)lifetime.Begin;
        asked = asked with { Requests = [.. asked.Requests.Select(request => ModelAnswer.Complete(context, request) with { Admitted = admitted })] };
        var answer = new LlamaAnswer(asked.Found, asked.Body, asked.Options, clock);
        if (asked.Body.Stream == true)
        {
            await EventStream.WriteAsync(context, lifetime, cancelled => StreamAsync(context, asked, answer, clock, cancelled), new DataEvents<JsonObject>(ProtocolJson.Wire.JsonObject, hasEnd: false));
            return;
        }

        var texts = await lifetime.RunAsync(cancelled => CollectAsync(context, asked, answer, clock, cancelled));
        JsonNode body = asked.AreSeveral || texts.Count > 1 ? new JsonArray([.. texts]) : texts[0];
        await context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonNode, cancellationToken: context.RequestAborted);
    }

    private static async IAsyncEnumerable<JsonObject> StreamAsync(
        HttpContext context, Asked asked, LlamaAnswer answer, AnswerClock clock, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var texts = Texts(asked);
        await foreach (var (index, update) in UpdatesAsync(context, asked, cancellationToken))
        {
            clock.Update();
            var text = texts[(index * asked.Choices) + update.Choice];
            text.Add(update);
            if (update.Text.Length > 0 || update.TokenIds.Count > 0)
            {
                yield return answer.Piece(text, update);
            }

            if (update.FinishReason is not null)
            {
                yield return answer.Last(text, update, isStream: true);
            }
        }
    }

    private static async Task<List<JsonObject>> CollectAsync(HttpContext context, Asked asked, LlamaAnswer answer, AnswerClock clock, CancellationToken cancellationToken)
    {
        var texts = Texts(asked);
        var ends = new JsonObject[texts.Length];
        await foreach (var (index, update) in UpdatesAsync(context, asked, cancellationToken))
        {
            clock.Update();
            var text = texts[(index * asked.Choices) + update.Choice];
            text.Add(update);
            if (update.FinishReason is not null)
            {
                ends[text.Index] = answer.Last(text, update, isStream: false);
            }
        }

        return [.. ends];
    }

    private static LlamaText[] Texts(Asked asked)
        => [.. Enumerable.Range(0, asked.Requests.Count * asked.Choices).Select(index => new LlamaText(index, asked.Requests[index / asked.Choices].Prompt))];

    private static IAsyncEnumerable<(int Index, ChatUpdate Update)> UpdatesAsync(HttpContext context, Asked asked, CancellationToken cancellationToken)
        => UpdateMerge.MergeAsync(
            asked.Requests.Select(request => (Func<CancellationToken, IAsyncEnumerable<ChatUpdate>>)(cancelled => ModelAnswer.TextAsync(context, asked.Found.Model, request, cancelled))).ToList(), cancellationToken);

    private sealed record Asked(FoundModel<ILanguageModel> Found, LlamaCompletionRequest Body, GenerationOptions Options, IReadOnlyList<GenerationRequest> Requests, bool AreSeveral)
    {
        public int Choices => Options.ChoiceCount ?? 1;
    }
}

/// <summary>One text of an answer while it is written.</summary>
internal sealed class LlamaText(int index, IReadOnlyList<int> prompt)
{
    private readonly System.Text.StringBuilder _text = new();

    public int Index => index;

    public IReadOnlyList<int> Prompt => prompt;

    public List<int> Tokens { get; } = [];

    public List<TokenLogProbabilities> LogProbabilities { get; } = [];

    public string Text => _text.ToString();

    public void Add(ChatUpdate update)
    {
        _text.Append(update.Text);
        Tokens.AddRange(update.TokenIds);
        LogProbabilities.AddRange(update.LogProbabilities);
    }
}
