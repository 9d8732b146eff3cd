using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Hearth.Extensions.AI;

/// <summary>Logs what callers should know of answers, each sentence once.</summary>
internal sealed class AnswerWarnings(ILogger? logger)
{
    // A conversation says the same of its tools at every turn; what is forgotten is said again.
    private const int MostRemembered = 256;

    private readonly ConcurrentDictionary<string, bool> _told = [];

    public void Tell(string model, IReadOnlyList<string> warnings)
    {
        if (logger is null)
            return;
        foreach (var warning in warnings)
        {
            if (_told.Count >= MostRemembered)
                _told.Clear();
            if (_told.TryAdd(warning, true))
                logger.LogWarning("An answer of {Model}: {Warning}", model, warning);
        }
    }
}
