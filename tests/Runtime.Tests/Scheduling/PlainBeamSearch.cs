namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Beam search as one would write it on paper: every text is computed anew at every step, all continuations are sorted.</summary>
internal static class PlainBeamSearch
{
    public sealed record Text(int[] Tokens, double LogProbability, double Score, bool IsFinished);

    public static IReadOnlyList<Text> Run(LanguageModel model, int[] prompt, int[] source, int width, double penalty, int maxTokens, int? end)
    {
        List<(int[] Tokens, double Sum)> beams = [([], 0)];
        var finished = new List<Text>();
        for (var step = 0; step < maxTokens && finished.Count < width; step++)
        {
            var all = beams.SelectMany(beam => LogProbabilities(model, [.. prompt, .. beam.Tokens], source).Select((value, token) => (beam.Tokens, Token: token, Sum: beam.Sum + value)))
                .OrderByDescending(next => next.Sum).Take(2 * width).ToArray();
            foreach (var next in all.Take(width).Where(next => next.Token == end))
                finished.Add(new Text(next.Tokens, next.Sum, next.Sum / Math.Pow(next.Tokens.Length + 1, penalty), true));
            beams = [.. all.Where(next => next.Token != end).Take(width).Select(next => ((int[])[.. next.Tokens, next.Token], next.Sum))];
        }

        var open = finished.Count < width ? beams.Select(beam => new Text(beam.Tokens, beam.Sum, beam.Sum / Math.Pow(beam.Tokens.Length, penalty), false)) : [];
        return [.. finished.OrderByDescending(text => text.Score).Concat(open.OrderByDescending(text => text.Score)).Take(width)];
    }

    private static double[] LogProbabilities(LanguageModel model, int[] text, int[] source)
    {
        var last = new float[model.Information.VocabularySize];
        model.ComputeLogits(text, (_, logits) => logits[^last.Length..].CopyTo(last), source: source, cancellationToken: TestContext.Current.CancellationToken);
        var maximum = last.Max();
        var total = Math.Log(last.Sum(logit => Math.Exp(logit - (double)maximum))) + maximum;
        return [.. last.Select(logit => logit - total)];
    }
}
