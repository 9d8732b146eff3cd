namespace Hearth.Runtime.Chat.Dialects;

/// <summary>What structures answers of gpt-oss.</summary>
/// <remarks>Source: OpenAI, "OpenAI harmony response format", 2025.</remarks>
internal static class HarmonyMarks
{
    public const string Start = "<|start|>assistant", Channel = "<|channel|>", Message = "<|message|>", End = "<|end|>", Constrain = "<|constrain|>";

    /// <summary>Before a call's function.</summary>
    public const string Recipient = " to=functions.";

    /// <summary>All that stand in control tokens.</summary>
    public static string[] All { get; } = [Start, Channel, Message, End, Constrain];
}
