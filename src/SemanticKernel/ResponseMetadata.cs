using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;

namespace Hearth.SemanticKernel;

/// <summary>What an answer says about itself, under the names that Semantic Kernel's OpenAI connector uses.</summary>
internal static class ResponseMetadata
{
    /// <summary>Id, CreatedAt, FinishReason ("Stop", "Length", "DeadlineExceeded"; null before the end), Usage (<see cref="TokenUsage"/>; null before the end), and LogProbabilities where they were asked for.</summary>
    public static IReadOnlyDictionary<string, object?> Of(
        ResponseIdentity response, FinishReason? finishReason, TokenUsage? usage, IReadOnlyList<TokenLogProbabilities> logProbabilities)
    {
        var metadata = new Dictionary<string, object?>
        {
            ["Id"] = response.Id,
            ["CreatedAt"] = response.CreatedAt,
            ["FinishReason"] = finishReason?.ToString(),
            ["Usage"] = usage,
        };
        if (logProbabilities.Count > 0)
            metadata["LogProbabilities"] = logProbabilities;
        return metadata;
    }

    /// <summary>Gathers a streamed answer, text by text.</summary>
    /// <param name="updates">The stream.</param>
    /// <param name="choices">How many texts were asked for.</param>
    public static async Task<IReadOnlyList<CollectedText>> CollectAsync(this IAsyncEnumerable<BackendUpdate> updates, int choices)
    {
        var texts = Enumerable.Range(0, choices).Select(_ => new CollectedText()).ToList();
        TokenUsage? usage = null;
        await foreach (var (identity, update) in updates.ConfigureAwait(false))
        {
            // Over HTTP the usage of all texts comes behind them.
            usage = update.Usage ?? usage;
            if (update.Choice < choices)
                texts[update.Choice].Add(identity, update);
        }

        return texts.TrueForAll(text => text.IsComplete)
            ? [.. texts.Select(text => text.With(usage))]
            : throw new HearthException("the model's answer ended without a finish reason");
    }
}

/// <summary>One text of an answer, gathered from its updates.</summary>
internal sealed class CollectedText
{
    private readonly System.Text.StringBuilder _text = new();
    private readonly List<int> _ids = [];
    private readonly List<TokenLogProbabilities> _logProbabilities = [];
    private ResponseIdentity? _response;
    private FinishReason? _finishReason;
    private TokenUsage? _usage;

    public bool IsComplete => _response is not null && _finishReason is not null;

    public ResponseIdentity Response => _response!;

    public GenerationResult Result => new(_text.ToString(), _ids, _finishReason!.Value, _usage ?? default);

    public IReadOnlyDictionary<string, object?> Metadata => ResponseMetadata.Of(Response, Result.FinishReason, Result.Usage, _logProbabilities);

    public void Add(ResponseIdentity response, ChatUpdate update)
    {
        _response ??= response;
        _text.Append(update.Text);
        _ids.AddRange(update.TokenIds);
        _logProbabilities.AddRange(update.LogProbabilities);
        _finishReason ??= update.FinishReason;
        _usage ??= update.Usage;
    }

    /// <summary>The same with a usage where none came with it.</summary>
    public CollectedText With(TokenUsage? usage)
    {
        _usage ??= usage;
        return this;
    }
}
