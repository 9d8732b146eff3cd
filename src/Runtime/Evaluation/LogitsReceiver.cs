namespace Hearth.Runtime;

/// <summary>Takes the logits of some positions.</summary>
/// <param name="firstPosition">Position of the first row.</param>
/// <param name="logits">[rows, vocabulary]; valid during the call.</param>
public delegate void LogitsReceiver(int firstPosition, ReadOnlySpan<float> logits);
