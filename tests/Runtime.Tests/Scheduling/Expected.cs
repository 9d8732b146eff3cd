using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>What a request must give, computed alone, without cache, pages or batches.</summary>
internal static class Expected
{
    public static (List<int> Tokens, FinishReason Reason) Generate(GenerationRequest request, int contextLength, Func<int, bool> isEnd)
    {
        var tokens = request.Prompt.ToList();
        var sampler = new Sampler(SamplingParameters.Resolve(request.Options, FakeModel.Vocabulary), tokens.ToArray());
        var scratch = new SamplerScratch();
        var completion = new List<int>();
        while (tokens.Count < contextLength && completion.Count < request.Options.TokenLimit)
        {
            var token = sampler.Sample(FakeModel.Logits(tokens.ToArray()), scratch);
            if (isEnd(token) && !request.Options.IgnoreEndOfText)
            {
                return (completion, FinishReason.Stop);
            }

            tokens.Add(token);
            completion.Add(token);
        }

        return (completion, FinishReason.Length);
    }

    /// <summary>A request whose prompt and options follow from a seed.</summary>
    public static GenerationRequest Request(int seed, int maxPrompt = 30, int maxTokens = 20)
    {
        var random = new Random(seed);
        return new GenerationRequest
        {
            // Prompts over two tokens share prefixes often.
            Prompt = Enumerable.Range(0, random.Next(1, maxPrompt + 1)).Select(_ => random.Next(10) == 0 ? 2 : 1).ToArray(),
            Options = new GenerationOptions
            {
                Seed = (ulong)seed,
                MaxTokens = random.Next(0, maxTokens + 1),
                Temperature = random.Next(3) == 0 ? 0 : 0.9f,
                RepetitionPenalty = random.Next(2) == 0 ? 1 : 1.2f,
                FrequencyPenalty = 0.1f,
                PenaltyWindow = random.Next(-1, 12),
            },
            Priority = random.Next(3),
        };
    }
}

/// <summary>Token n is the letter n, so that text shows tokens; 'z' marks the flush.</summary>
internal sealed class LetterDecoder(bool flushes = false) : Runtime.Scheduling.ITextDecoder
{
    public string Append(int token) => ((char)('a' + token)).ToString();

    public ReadOnlyMemory<byte> BytesOf(int token) => new[] { (byte)('a' + token) };

    public string Flush() => flushes ? "z" : "";

    public static string Text(IEnumerable<int> tokens) => string.Concat(tokens.Select(t => (char)('a' + t)));
}
