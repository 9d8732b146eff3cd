using Hearth.Ember.Data;
using Hearth.Ember.Model;
using Hearth.Ember.Tokenizer;
using TorchSharp;
using static TorchSharp.torch;

namespace Hearth.Ember.Evaluation;

/// <summary>
/// Accuracy during training: a greedy reply equals the expected call exactly when every token of it is the most
/// likely one, so one pass over prompt and reply is enough.
/// </summary>
public static class ExactReplies
{
    public static string Measure(EmberModel model, BpeTokenizer tokenizer, IReadOnlyList<HeldOutCase> cases)
    {
        using var noGrad = no_grad();
        var right = new SortedDictionary<string, (int Right, int All)>();
        foreach (var c in cases.Where(c => c.Calls.Count > 0))
        {
            var (r, n) = right.GetValueOrDefault(c.Category);
            right[c.Category] = (r + (IsExact(model, tokenizer, c) ? 1 : 0), n + 1);
        }
        int sum = right.Values.Sum(v => v.Right), all = right.Values.Sum(v => v.All);
        return $"held-out {100.0 * sum / all:f1} % ({string.Join(", ", right.Select(p => $"{p.Key} {p.Value.Right}/{p.Value.All}"))})";
    }

    private static bool IsExact(EmberModel model, BpeTokenizer tokenizer, HeldOutCase c)
    {
        using var scope = NewDisposeScope();
        string prompt = string.Concat(ChatTemplate.Render(c.Dialogue, addGenerationPrompt: true).Select(s => s.Text));
        var tokens = tokenizer.Encode(prompt);
        int start = tokens.Count;
        tokens.AddRange(tokenizer.Encode(ChatTemplate.Reply(Turn.Call([.. c.Calls])) + "<|im_end|>"));
        var hidden = model.Hidden(tensor(tokens.Select(t => (long)t).ToArray()).unsqueeze(0));
        var best = model.Logits(hidden.slice(0, start - 1, tokens.Count - 1, 1)).argmax(-1).data<long>().ToArray();
        return best.Select(b => (int)b).SequenceEqual(tokens.Skip(start));
    }
}
