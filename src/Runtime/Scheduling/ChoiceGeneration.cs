using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Scheduling;

/// <summary>Several texts of one prompt, to be read once; reading queues them together.</summary>
/// <param name="loop">Serves them.</param>
/// <param name="choices">A generation each; the first computes the prompt.</param>
/// <param name="startWalk">Begins their constraint; null without one.</param>
/// <param name="cancellationToken">Ends all.</param>
internal sealed class ChoiceGeneration(
    StepLoop loop, IReadOnlyList<Generation> choices, Func<CancellationToken, ITokenConstraint>? startWalk, CancellationToken cancellationToken) : IAsyncEnumerable<GenerationUpdate>
{
    private int _readers;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">It was enumerated before.</exception>
    public IAsyncEnumerator<GenerationUpdate> GetAsyncEnumerator(CancellationToken cancellationToken = default)
        => Interlocked.Exchange(ref _readers, 1) == 0
            ? ReadAsync(cancellationToken)
            : throw new InvalidOperationException("a generation can be read once");

    private async IAsyncEnumerator<GenerationUpdate> ReadAsync(CancellationToken reader)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(reader, cancellationToken);
        if (startWalk is not null)
        {
            var walk = await Task.Run(() => startWalk(either.Token), either.Token).ConfigureAwait(false);
            foreach (var choice in choices)
            {
                choice.Constrain(choice == choices[0] ? walk : walk.Fork());
            }
        }

        await loop.FetchAsync(choices[0].Request, either.Token).ConfigureAwait(false);
        either.Token.ThrowIfCancellationRequested();
        loop.Start([.. choices.Select(choice => choice.Request)]);
        foreach (var choice in choices)
        {
            choice.NoteStart();
        }

        try
        {
            var sources = choices.Select(choice => (Func<CancellationToken, IAsyncEnumerable<GenerationUpdate>>)(_ => choice)).ToList();
            await foreach (var (index, update) in UpdateMerge.MergeAsync(sources, either.Token).ConfigureAwait(false))
            {
                yield return update with { Choice = index };
            }
        }
        finally
        {
            foreach (var choice in choices)
            {
                choice.Cancel();
            }

            loop.Durable?.Wake();
        }
    }
}
