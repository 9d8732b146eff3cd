using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Hearth.Runtime.Scheduling;

/// <summary>Reads several streams at once.</summary>
internal static class UpdateMerge
{
    /// <summary>The items of all streams as they come, each with its stream's index; the first failure ends the others.</summary>
    /// <param name="sources">Begin a stream each; their token is cancelled where another failed or the reader leaves.</param>
    /// <param name="cancellationToken">Ends all.</param>
    public static async IAsyncEnumerable<(int Index, T Item)> MergeAsync<T>(
        IReadOnlyList<Func<CancellationToken, IAsyncEnumerable<T>>> sources, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (sources.Count == 1)
        {
            await foreach (var item in sources[0](cancellationToken).ConfigureAwait(false))
                yield return (0, item);
            yield break;
        }

        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var channel = Channel.CreateBounded<(int, T)>(sources.Count * 4);
        var producing = ProduceAsync();
        try
        {
            await foreach (var item in channel.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return item;
        }
        finally
        {
            await linked.CancelAsync().ConfigureAwait(false);
            await producing.ConfigureAwait(false);
        }

        async Task ProduceAsync()
        {
            try
            {
                await Task.WhenAll(sources.Select((source, index) => PumpAsync(source, index))).ConfigureAwait(false);
                channel.Writer.TryComplete();
            }
            catch (Exception exception)
            {
                channel.Writer.TryComplete(exception);
            }
        }

        async Task PumpAsync(Func<CancellationToken, IAsyncEnumerable<T>> source, int index)
        {
            try
            {
                await foreach (var item in source(linked.Token).ConfigureAwait(false))
                    await channel.Writer.WriteAsync((index, item), linked.Token).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                channel.Writer.TryComplete(exception);
                await linked.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }
    }
}
