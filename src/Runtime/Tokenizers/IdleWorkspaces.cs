using System.Collections.Concurrent;

namespace Hearth.Runtime.Tokenizers;

/// <summary>What encoders need beside the text, kept for the next one: a few, and none that a huge text has swollen.</summary>
/// <typeparam name="T">One encoder's needs; megabytes.</typeparam>
internal sealed class IdleWorkspaces<T>
    where T : class
{
    private const int LargestText = 1 << 20;

    private static readonly int s_most = Environment.ProcessorCount;

    private readonly ConcurrentBag<T> _idle = [];

    /// <summary>One that is not in use, or null.</summary>
    public T? TryTake() => _idle.TryTake(out var workspace) ? workspace : null;

    /// <summary>Takes one back, to keep it or to let it go.</summary>
    /// <param name="workspace">Nobody uses it any more.</param>
    /// <param name="bytes">Length of the text that it was used for.</param>
    public void Return(T workspace, int bytes)
    {
        if (bytes <= LargestText && _idle.Count < s_most)
        {
            _idle.Add(workspace);
        }
    }
}
