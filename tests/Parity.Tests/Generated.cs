using System.Text;

namespace Hearth.Parity.Tests;

/// <summary>A text that a model wrote.</summary>
internal sealed record Generated(string Text, int[] Ids, FinishReason? Reason, TokenUsage Usage)
{
    /// <summary>Reads a generation to its end.</summary>
    public static async Task<Generated> By(ILanguageModel model, IReadOnlyList<int> prompt, GenerationOptions options)
    {
        var text = new StringBuilder();
        var ids = new List<int>();
        FinishReason? reason = null;
        TokenUsage usage = default;
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = options }, TestContext.Current.CancellationToken))
        {
            text.Append(update.Text);
            ids.AddRange(update.TokenIds);
            reason = update.FinishReason ?? reason;
            usage = update.Usage ?? usage;
        }

        return new Generated(text.ToString(), [.. ids], reason, usage);
    }
}
