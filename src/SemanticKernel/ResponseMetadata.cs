using System.Text;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;

namespace Hearth.SemanticKernel;

/// <summary>What an answer says about itself, under the names that Semantic Kernel's OpenAI connector uses.</summary>
internal static class ResponseMetadata
{
    /// <summary>Id, CreatedAt, FinishReason ("Stop", "Length", "ToolCalls", "DeadlineExceeded"; null before the end), Usage (<see cref="TokenUsage"/>; null before the end), LogProbabilities where they were asked for, and Warnings where there are some.</summary>
    public static IReadOnlyDictionary<string, object?> Of(
        ResponseIdentity response, FinishReason? finishReason, TokenUsage? usage, IReadOnlyList<TokenLogProbabilities> logProbabilities, IReadOnlyList<string> warnings)
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
        if (warnings.Count > 0)
            metadata["Warnings"] = warnings;
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
    private readonly StringBuilder _text = new();
    private readonly List<int> _ids = [];
    private readonly List<TokenLogProbabilities> _logProbabilities = [];
    private readonly StringBuilder _reasoning = new();
    private readonly SortedDictionary<int, CollectedCall> _calls = [];
    private readonly List<string> _warnings = [];
    private ResponseIdentity? _response;
    private FinishReason? _finishReason;
    private TokenUsage? _usage;

    public bool IsComplete => _response is not null && _finishReason is not null;

    public ResponseIdentity Response => _response!;

    public string Reasoning => _reasoning.ToString();

    /// <summary>The calls, in the order in which they were made; of one that the answer ended within the text tells all there is.</summary>
    public IReadOnlyList<CollectedCall> Calls => [.. _calls.Values.Where(call => call.IsComplete)];

    public GenerationResult Result => new(_text.ToString(), _ids, _finishReason!.Value, _usage ?? default);

    public IReadOnlyDictionary<string, object?> Metadata => ResponseMetadata.Of(Response, Result.FinishReason, Result.Usage, _logProbabilities, _warnings);

    public void Add(ResponseIdentity response, ChatUpdate update)
    {
        _response ??= response;
        _text.Append(update.Text);
        _reasoning.Append(update.Reasoning);
        foreach (var piece in update.ToolCalls)
        {
            if (!_calls.TryGetValue(piece.Index, out var call))
                _calls.Add(piece.Index, call = new CollectedCall(piece.Id, piece.Name));
            call.Arguments.Append(piece.Arguments);
            call.IsComplete |= piece.IsComplete;
        }

        _warnings.AddRange(update.Warnings);
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

/// <summary>One call of an answer, gathered from its pieces.</summary>
internal sealed record CollectedCall(string Id, string Name)
{
    public StringBuilder Arguments { get; } = new();

    public bool IsComplete { get; set; }
}
