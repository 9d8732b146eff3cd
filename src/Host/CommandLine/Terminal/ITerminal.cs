namespace Hearth.Host.CommandLine.Terminal;

/// <summary>Somebody's terminal, key by key.</summary>
internal interface ITerminal
{
    /// <summary>Cells of a line, at least 1.</summary>
    int Width { get; }

    /// <summary>Lines, at least 1.</summary>
    int Height { get; }

    /// <summary>Whether a key waits to be read.</summary>
    bool KeyAvailable { get; }

    /// <summary>The next key, which is not shown.</summary>
    ConsoleKeyInfo ReadKey();
}

/// <summary>The process's own terminal.</summary>
internal sealed class ConsoleTerminal : ITerminal
{
    // Some terminals say 0 until they were first drawn.
    public int Width => Math.Max(1, Console.WindowWidth is > 0 and var width ? width : 80);

    public int Height => Math.Max(1, Console.WindowHeight is > 0 and var height ? height : 24);

    public bool KeyAvailable => Console.KeyAvailable;

    public ConsoleKeyInfo ReadKey() => Console.ReadKey(intercept: true);
}
