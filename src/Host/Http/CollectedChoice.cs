using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>One text of an answer, gathered from its updates.</summary>
internal sealed class CollectedChoice
{
    private readonly StringBuilder _text = new();
    private readonly List<TokenLogProbabilities> _logProbabilities = [];

    public string Text => _text.ToString();

    public IReadOnlyList<TokenLogProbabilities> LogProbabilities => _logProbabilities;

    public FinishReason? FinishReason { get; private set; }

    public JsonValue? StopReason { get; private set; }

    public static CollectedChoice[] Several(int count) => [.. Enumerable.Range(0, count).Select(_ => new CollectedChoice())];

    public void Add(GenerationUpdate update)
    {
        _text.Append(update.Text);
        _logProbabilities.AddRange(update.LogProbabilities);
        FinishReason ??= update.FinishReason;
        StopReason ??= update.StopReason();
    }
}
