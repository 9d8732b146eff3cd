using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Hearth.Ember.Data;
using Hearth.Ember.Gguf;
using Hearth.Ember.Tokenizer;

namespace Hearth.Ember.Evaluation;

/// <summary>Something that answers a conversation with the text a model writes, tool calls in their tags.</summary>
public interface IResponder
{
    Task<string> ReplyAsync(Dialogue dialogue);
}

/// <summary>
/// The model file itself, decoded greedily; constrained, a call's text is held to the offered tools. Safe for concurrent use.
/// </summary>
public sealed class FileResponder : IResponder
{
    private const int LongestReply = 200;
    private readonly PlainLlama _model;
    private readonly BpeTokenizer _tokenizer;
    private readonly bool _isConstrained;
    private readonly string[] _bytes;

    public FileResponder(string path, bool isConstrained)
    {
        var file = new GgufReader(path);
        _model = new PlainLlama(file);
        _tokenizer = new BpeTokenizer([.. ((object[])file.Metadata["tokenizer.ggml.merges"]).Cast<string>()]);
        _isConstrained = isConstrained;
        _bytes = [.. Enumerable.Range(0, _tokenizer.Count).Select(_tokenizer.Latin1)];
    }

    public Task<string> ReplyAsync(Dialogue dialogue)
    {
        string prompt = string.Concat(ChatTemplate.Render(dialogue, addGenerationPrompt: true).Select(s => s.Text));
        int end = _tokenizer.Id("<|im_end|>"), open = _tokenizer.Id("<tool_call>"), close = _tokenizer.Id("</tool_call>");
        var syntax = new CallSyntax(dialogue.Tools);
        string? call = null;   // the text of the call that is open
        var cache = _model.NewCache();
        var reply = new List<int>();
        float[] logits = _model.Forward(_tokenizer.Encode(prompt), cache);
        while (reply.Count < LongestReply)
        {
            int best = call is null ? Array.IndexOf(logits, logits.Max()) : Likeliest(logits, call, syntax, close);
            if (best == end) break;
            if (best == close) call = null;
            else if (call is not null) call += _bytes[best];
            else if (best == open && _isConstrained && dialogue.Tools.Count > 0) call = "";
            reply.Add(best);
            logits = _model.Forward([best], cache);
        }
        return Task.FromResult(_tokenizer.Decode(reply));
    }

    private int Likeliest(float[] logits, string call, CallSyntax syntax, int close)
    {
        if (syntax.IsWhole(call)) return close;
        int plain = logits.Length - BpeTokenizer.Specials.Length;
        var left = logits[..plain];
        while (true)
        {
            int best = Array.IndexOf(left, left.Max());
            if (syntax.CanBegin(call + _bytes[best])) return best;
            left[best] = float.NegativeInfinity;
        }
    }
}

/// <summary>A running service that speaks the OpenAI chat completions format.</summary>
public sealed class ServiceResponder(Uri url, string model) : IResponder
{
    private readonly HttpClient _client = new() { BaseAddress = url, Timeout = TimeSpan.FromMinutes(5) };

    public async Task<string> ReplyAsync(Dialogue dialogue)
    {
        var heldOut = new HeldOutCase("", "", dialogue, [], []);
        var item = HeldOutSet.ToJson([heldOut])[0]!;
        var request = new JsonObject
        {
            ["model"] = model,
            ["messages"] = item["messages"]!.DeepClone(),
            ["temperature"] = 0,
            ["max_tokens"] = 200,
        };
        if (dialogue.Tools.Count > 0) request["tools"] = item["tools"]!.DeepClone();
        foreach (var message in request["messages"]!.AsArray()) PrepareForService(message!.AsObject());
        using var response = await _client.PostAsJsonAsync("v1/chat/completions", request);
        string body = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new HttpRequestException($"{(int)response.StatusCode}: {body}");
        var answer = JsonNode.Parse(body)!["choices"]![0]!["message"]!;
        var calls = answer["tool_calls"] as JsonArray ?? [];
        var texts = calls.Select(c => $"<tool_call>{{\"name\": {c!["function"]!["name"]!.ToJsonString()}, \"arguments\": {c["function"]!["arguments"]!.GetValue<string>()}}}</tool_call>");
        return string.Join('\n', new[] { answer["content"]?.GetValue<string>() ?? "" }.Concat(texts)).Trim();
    }

    // The format wants arguments as a JSON text, and ids that tie results to calls.
    private static void PrepareForService(JsonObject message)
    {
        if (message["tool_calls"] is JsonArray calls)
        {
            for (int i = 0; i < calls.Count; i++)
            {
                calls[i]!["id"] = $"call_{i}";
                var function = calls[i]!["function"]!;
                function["arguments"] = PythonJson.Write(function["arguments"]);
            }
        }
        if (message["role"]!.GetValue<string>() == "tool") message["tool_call_id"] = "call_0";
    }
}
