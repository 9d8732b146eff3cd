namespace Hearth.Runtime;

/// <summary>A text that a beam search found.</summary>
/// <param name="Text">The text.</param>
/// <param name="TokenIds">Its ids, without the prompt and the end-of-text token.</param>
/// <param name="LogProbability">The sum of its tokens' natural log-probabilities, the end's included.</param>
/// <param name="Score">The sum divided by length^LengthPenalty, by which texts are ranked; the end counts as a token.</param>
/// <param name="IsFinished">Whether the model ended it; else the token limit did.</param>
public sealed record Hypothesis(string Text, IReadOnlyList<int> TokenIds, double LogProbability, double Score, bool IsFinished);
