using Hearth.SemanticKernel.Backends;

namespace Hearth.SemanticKernel.Tests;

public sealed class SharedModelTests
{
    [Fact]
    public async Task Disposing_ends_a_load_in_progress_and_whoever_waits_for_it_is_told()
    {
        var loading = new TaskCompletionSource();
        var shared = new SharedModel<ILanguageModel>(async cancellationToken =>
        {
            loading.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return new FakeLanguageModel();
        });
        var first = shared.GetAsync(CancellationToken.None);
        await loading.Task;
        var second = shared.GetAsync(CancellationToken.None);
        await shared.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => second);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => shared.GetAsync(CancellationToken.None));
        shared.Dispose();
    }

    [Fact]
    public async Task A_load_that_was_cancelled_is_tried_again()
    {
        var loads = 0;
        using var shared = new SharedModel<ILanguageModel>(async cancellationToken =>
        {
            loads++;
            await Task.Delay(loads == 1 ? Timeout.Infinite : 0, cancellationToken);
            return new FakeLanguageModel();
        });
        using var cancellation = new CancellationTokenSource();
        var cancelled = shared.GetAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        var model = await shared.GetAsync(CancellationToken.None);
        Assert.Same(model, await shared.GetAsync(CancellationToken.None));
        Assert.Equal(2, loads);
    }
}
