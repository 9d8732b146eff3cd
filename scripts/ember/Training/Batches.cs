using System.Text;
using Hearth.Ember.Data;
using Hearth.Ember.Tokenizer;

namespace Hearth.Ember.Training;

/// <summary>Rows of equal length: Tokens [Rows * Length], Weights the loss weight of predicting each token.</summary>
public sealed record Batch(long[] Tokens, float[] Weights, int Rows, int Length, int RealTokens);

/// <summary>
/// Turns the endless dialogues into batches. A pool of dialogues is sorted by length and cut, so that padding is
/// small and no row holds two dialogues. Pool number p follows from the seed and p alone, which makes resuming exact.
/// </summary>
public sealed class Batches(BpeTokenizer tokenizer, int seed)
{
    private const int TokensPerPool = 84_000, TokensPerBatch = 2304;

    // Short dialogues first: copying is learned sooner over short distances, and attention costs less.
    private static int LongestRow(long pool) => pool < 12 ? 224 : pool < 24 ? 400 : 900;

    // The prompt is learned a little too: names repeated inside a schema are early lessons in copying.
    private const float PromptWeight = 0.2f, PromptShare = 0.08f;

    public List<Batch> Pool(long pool)
    {
        var random = new Random(unchecked(seed * 31 + (int)pool));
        var rows = new List<(long[] Tokens, float[] Weights)>();
        int tokens = 0;
        for (int i = 0; i < Dialogues.PerPool && tokens < TokensPerPool; i++)
        {
            var row = Encode(Dialogues.Training(seed, pool * Dialogues.PerPool + i), random);
            if (row.Tokens.Length > LongestRow(pool)) continue;
            rows.Add(row);
            tokens += row.Tokens.Length;
        }
        rows.Sort((a, b) => a.Tokens.Length.CompareTo(b.Tokens.Length));
        var batches = new List<Batch>();
        for (int start = 0; start < rows.Count;)
        {
            int end = start;
            while (end < rows.Count && (end - start + 1) * rows[end].Tokens.Length <= TokensPerBatch) end++;
            batches.Add(Pad(rows[start..Math.Max(end, start + 1)]));
            start = Math.Max(end, start + 1);
        }
        for (int i = batches.Count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (batches[i], batches[j]) = (batches[j], batches[i]);
        }
        return batches;
    }

    // A token is worth what the most important of its bytes is.
    private (long[] Tokens, float[] Weights) Encode(Dialogue dialogue, Random random)
    {
        var segments = ChatTemplate.Render(dialogue);
        var bytes = new List<float>();
        foreach (var segment in segments) bytes.AddRange(Enumerable.Repeat(segment.Weight, Encoding.UTF8.GetByteCount(segment.Text)));
        var tokens = new List<long>();
        var weights = new List<float>();
        int at = 0;
        foreach (int id in tokenizer.Encode(string.Concat(segments.Select(s => s.Text))))
        {
            float weight = 0;
            for (int end = at + tokenizer.Latin1(id).Length; at < end; at++) weight = Math.Max(weight, bytes[at]);
            tokens.Add(id);
            weights.Add(weight > 0 ? weight : random.NextSingle() < PromptShare ? PromptWeight : 0);
        }
        return ([.. tokens], [.. weights]);
    }

    private static Batch Pad(List<(long[] Tokens, float[] Weights)> rows)
    {
        int length = rows.Max(r => r.Tokens.Length);
        var tokens = new long[rows.Count * length];
        var weights = new float[rows.Count * length];
        for (int r = 0; r < rows.Count; r++)
        {
            rows[r].Tokens.CopyTo(tokens, r * length);
            rows[r].Weights.CopyTo(weights, r * length);
        }
        return new(tokens, weights, rows.Count, length, rows.Sum(r => r.Tokens.Length));
    }
}
