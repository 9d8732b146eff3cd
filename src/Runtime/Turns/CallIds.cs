using System.Security.Cryptography;

namespace Hearth.Runtime.Turns;

/// <summary>Names the calls of an answer so that none in the conversation is named twice.</summary>
/// <remarks>Nine letters and digits, which is what every template takes.</remarks>
/// <param name="chat">What was said so far.</param>
internal sealed class CallIds(ChatPrompt chat)
{
    private const string Characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    private readonly HashSet<string> _used = [.. chat.Messages.SelectMany(message => message.ToolCalls).Select(call => call.Id)];

    /// <summary>An id for a call.</summary>
    /// <param name="written">The one that the model wrote, taken where it is free; null: none.</param>
    public string Next(string? written = null)
    {
        lock (_used)
        {
            var id = written;
            while (string.IsNullOrEmpty(id) || !_used.Add(id))
                id = RandomNumberGenerator.GetString(Characters, 9);
            return id;
        }
    }
}
