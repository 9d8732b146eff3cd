using System.Text;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>How likely the tokens of a chat's answer were, in OpenAI's shape.</summary>
internal sealed class ChatLogprobs
{
    public required IReadOnlyList<ChatTokenLogprob> Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ChatTokenLogprob>? Refusal { get; init; }

    public static ChatLogprobs? Of(IReadOnlyList<TokenLogProbabilities> tokens) => tokens.Count == 0 ? null : new ChatLogprobs
    {
        Content = [.. tokens.Select(token => ChatTokenLogprob.Of(token.Token, [.. token.Likeliest.Select(likely => ChatTokenLogprob.Of(likely))]))],
    };
}

internal sealed class ChatTokenLogprob
{
    /// <summary>What OpenAI writes for a probability of 0, whose logarithm JSON cannot.</summary>
    public const double Impossible = -9999;

    public required string Token { get; init; }

    public double Logprob { get; init; }

    public IReadOnlyList<int>? Bytes { get; init; }

    public IReadOnlyList<ChatTokenLogprob>? TopLogprobs { get; init; }

    public static ChatTokenLogprob Of(TokenLogProbability token, IReadOnlyList<ChatTokenLogprob>? top = null) => new()
    {
        Token = Encoding.UTF8.GetString(token.Bytes.Span),
        Logprob = ToWire(token.LogProbability),
        Bytes = [.. token.Bytes.Span.ToArray().Select(value => (int)value)],
        TopLogprobs = top,
    };

    public static double ToWire(double logProbability) => double.IsNegativeInfinity(logProbability) ? Impossible : logProbability;

    public TokenLogProbabilities ToRuntime() => new(ToToken(), [.. (TopLogprobs ?? []).Select(likely => likely.ToToken())]);

    // Ids stay with the service.
    private TokenLogProbability ToToken() => new(-1, (byte[])[.. (Bytes ?? []).Select(value => (byte)value)], Logprob <= Impossible ? double.NegativeInfinity : Logprob);
}

/// <summary>The same of a text completion, in OpenAI's legacy shape: lists of equal length.</summary>
internal sealed class TextLogprobs
{
    /// <summary>Where each token begins in the text, in UTF-16 units from the completion's beginning.</summary>
    public required IReadOnlyList<int> TextOffset { get; init; }

    public required IReadOnlyList<double> TokenLogprobs { get; init; }

    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>The likeliest and the token itself.</summary>
    public required IReadOnlyList<IReadOnlyDictionary<string, double>> TopLogprobs { get; init; }

    /// <summary>The fields of some tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="offset">Where the first begins; receives where the next would.</param>
    public static TextLogprobs? Of(IReadOnlyList<TokenLogProbabilities> tokens, ref int offset)
    {
        if (tokens.Count == 0)
            return null;
        var (offsets, top) = (new List<int>(), new List<IReadOnlyDictionary<string, double>>());
        foreach (var token in tokens)
        {
            offsets.Add(offset);
            offset += Text(token.Token).Length;
            var likely = new Dictionary<string, double>();
            foreach (var one in token.Likeliest.Append(token.Token))
                likely.TryAdd(Text(one), ChatTokenLogprob.ToWire(one.LogProbability));
            top.Add(likely);
        }

        return new TextLogprobs
        {
            TextOffset = offsets,
            TokenLogprobs = [.. tokens.Select(token => ChatTokenLogprob.ToWire(token.Token.LogProbability))],
            Tokens = [.. tokens.Select(token => Text(token.Token))],
            TopLogprobs = top,
        };
    }

    public IEnumerable<TokenLogProbabilities> ToRuntime() => Tokens.Select((token, i) => new TokenLogProbabilities(
        ToToken(token, TokenLogprobs[i]), [.. TopLogprobs[i].OrderByDescending(pair => pair.Value).Select(pair => ToToken(pair.Key, pair.Value))]));

    private static string Text(TokenLogProbability token) => Encoding.UTF8.GetString(token.Bytes.Span);

    private static TokenLogProbability ToToken(string text, double logprob)
        => new(-1, Encoding.UTF8.GetBytes(text), logprob <= ChatTokenLogprob.Impossible ? double.NegativeInfinity : logprob);
}
