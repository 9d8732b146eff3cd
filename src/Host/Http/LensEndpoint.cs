using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Lens;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /hearth/lens: what the tokens of a chat look at, in one layer. The body is a chat's, with <c>layer</c> beside it.</summary>
/// <remarks>
/// The messages are read anew, apart from the requests being served, one text at a time: it costs about what reading a prompt does. The last
/// message may be the assistant's; its tokens then end the text. The answer's <c>lens</c> is what the page of <c>hearth lens</c> is made of.
/// </remarks>
internal static class LensEndpoint
{
    /// <summary>Weights of one answer: 8 MiB of them, and half as much again as base64.</summary>
    private const int MostWeights = 1 << 22;

    // Each holds a cache of its own and its weights.
    private static readonly SemaphoreSlim OneAtATime = new(1);

    public static void MapLens(this IEndpointRouteBuilder routes) => routes.MapPost("/hearth/lens", HandleAsync);

    private static async Task HandleAsync(HttpContext context)
    {
        int layer;
        ChatCompletionRequest body;
        using (var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.JsonObject))
        {
            layer = ReadLayer(read.Body);
            read.Body.Remove("layer");
            body = RequestReader.Parse(Encoding.UTF8.GetBytes(read.Body.ToJsonString()), ProtocolJson.Wire.ChatCompletionRequest);
        }

        var (id, model, _) = await ModelAnswer.FindChatAsync(context, body.Model);
        if (model is not LanguageModel { HasEncoder: false } own)
        {
            throw ApiException.BadRequest($"the model '{id}' shows no attention of chats: only decoders of Hearth's own engine do", "model", WireNames.WrongModelKind);
        }

        var layers = AttentionProbe.LayerCount(own);
        if (layer >= layers)
        {
            throw ApiException.BadRequest(layers == 0 ? $"the model '{id}' has no attention" : $"'layer' must be 0 to {layers - 1}, found {layer}", "layer");
        }

        UnsupportedFields.RefuseInChat(body.Others);
        var turn = await ModelAnswer.CompleteAsync(context, TurnMapping.ToTurn(body, RequestMapping.ToOptions(body, model.Information, context)));
        var answers = turn.Chat.Messages is [.., { Role: "assistant", ToolCalls.Count: 0, Content: not null }];
        using var lifetime = new AnswerLifetime(context);
        lifetime.Begin();
        using var answer = await lifetime.RunAsync(cancelled => ProbeAsync(own, turn with { ContinuesFinalMessage = answers }, layer, layers, cancelled));
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = answer.Length;
        await answer.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    private static int ReadLayer(JsonObject body) => body["layer"] switch
    {
        null => 0,
        JsonValue value when value.TryGetValue(out int layer) && layer >= 0 => layer,
        _ => throw ApiException.BadRequest("'layer' must be an integer of 0 or more", "layer"),
    };

    private static async Task<MemoryStream> ProbeAsync(LanguageModel model, ChatTurnRequest turn, int layer, int layers, CancellationToken cancellationToken)
    {
        await OneAtATime.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => Probe(model, turn, layer, layers, cancellationToken), cancellationToken);
        }
        catch (ChatTemplateFailureException failure)
        {
            throw ApiException.BadRequest(failure.Message, failure.IsRefusal ? "messages" : null);
        }
        catch (AttentionProbeSizeException size)
        {
            throw ApiException.BadRequest(size.Message, "messages");
        }
        finally
        {
            OneAtATime.Release();
        }
    }

    private static MemoryStream Probe(LanguageModel model, ChatTurnRequest turn, int layer, int layers, CancellationToken cancellationToken)
    {
        int[] tokens = [.. ChatTurn.ToGeneration(model, turn, cancellationToken).Prompt];
        var start = tokens.Length;
        if (turn.ContinuesFinalMessage)
        {
            var before = turn with { Chat = turn.Chat with { Messages = [.. turn.Chat.Messages.SkipLast(1)] }, ContinuesFinalMessage = false };
            start = before.Chat.Messages.Count == 0 ? 0 : tokens.AsSpan().CommonPrefixLength([.. ChatTurn.ToGeneration(model, before, cancellationToken).Prompt]);
        }

        var maps = AttentionProbe.Run(model, tokens, new AttentionProbeOptions { Layers = new ProbeRange(layer, layer), MostWeights = MostWeights }, cancellationToken: cancellationToken);
        var json = new MemoryStream();
        json.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"object\":\"hearth.lens\",\"layer_count\":{layers},\"answer_start\":{start},\"lens\":")));
        LensPage.WriteData(maps, json);
        json.WriteByte((byte)'}');
        json.Position = 0;
        return json;
    }
}
