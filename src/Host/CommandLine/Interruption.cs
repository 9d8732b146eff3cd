namespace Hearth.Host.CommandLine;

/// <summary>Who takes Ctrl-C: whatever can end without ending the command, while it runs.</summary>
internal sealed class Interruption
{
    private readonly object _lock = new();
    private CancellationTokenSource? _taker;

    /// <summary>Runs something that Ctrl-C ends, and it alone.</summary>
    /// <param name="run">Gets a token that Ctrl-C or the command's end cancels.</param>
    /// <param name="command">The command's own token.</param>
    /// <returns>Whether it ran to its end; false when Ctrl-C ended it.</returns>
    public async Task<bool> RunAsync(Func<CancellationToken, Task> run, CancellationToken command)
    {
        using var taker = CancellationTokenSource.CreateLinkedTokenSource(command);
        Set(taker);
        try
        {
            await run(taker.Token);
            return true;
        }
        catch (OperationCanceledException) when (taker.IsCancellationRequested && !command.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            Set(null);
        }
    }

    /// <summary>Whether SIGHUP means something else than the end to what runs.</summary>
    public bool HangUpIsTaken { get; set; }

    /// <summary>Ctrl-C was pressed. False where nobody takes it, so that it ends the command.</summary>
    public bool TryTake()
    {
        lock (_lock)
        {
            _taker?.Cancel();
            return _taker is not null;
        }
    }

    private void Set(CancellationTokenSource? taker)
    {
        lock (_lock)
        {
            _taker = taker;
        }
    }
}
