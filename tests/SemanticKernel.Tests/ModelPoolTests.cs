using System.Runtime.CompilerServices;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel.Tests;

/// <summary>One model of a file in the process, counted, and let go.</summary>
public sealed class ModelPoolTests
{
    private readonly List<FakeLanguageModel> _loaded = [];

    private ModelPool NewPool() => new(new FakeLoader((string _, CancellationToken _) =>
    {
        var model = new FakeLanguageModel();
        _loaded.Add(model);
        return Task.FromResult<IModel>(model);
    }));

    [Fact]
    public async Task A_thousand_kernels_in_a_row_have_one_model_and_leave_none()
    {
        var pool = NewPool();
        for (var i = 0; i < 1000; i++)
        {
            var kernel = NewKernel(pool, TimeSpan.FromMinutes(5));
            Assert.Equal("again", (await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync("again")).Content);
            if (i % 2 == 0)
                await ((ServiceProvider)kernel.Services).DisposeAsync();
        }

        Assert.False(Assert.Single(_loaded).IsDisposed);
        Assert.Equal(1, pool.Count);
    }

    [Fact]
    public async Task Kernels_that_nobody_disposes_are_no_users_once_they_are_collected()
    {
        var pool = NewPool();
        await UseAndForgetAsync(pool);
        await UntilAsync(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return pool.Count == 0;
        });
        Assert.True(Assert.Single(_loaded).IsDisposed);
    }

    [Fact]
    public async Task The_last_user_decides_and_two_containers_are_two_users()
    {
        var pool = NewPool();
        var (first, second) = (NewKernel(pool, TimeSpan.Zero), NewKernel(pool, TimeSpan.Zero));
        await first.GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a");
        await second.GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a");
        await ((ServiceProvider)first.Services).DisposeAsync();
        Assert.False(Assert.Single(_loaded).IsDisposed);
        await second.GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a");
        await ((ServiceProvider)second.Services).DisposeAsync();
        Assert.True(Assert.Single(_loaded).IsDisposed);
        Assert.Equal(0, pool.Count);

        var third = NewKernel(pool, TimeSpan.Zero);
        await third.GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a");
        Assert.Equal(2, _loaded.Count);
    }

    [Fact]
    public async Task A_model_stays_for_its_time_and_then_goes()
    {
        var pool = NewPool();
        await using (var lease = pool.Lease<ILanguageModel>("a.gguf", keepAlive: TimeSpan.FromMilliseconds(300)))
            (await lease.UseAsync(CancellationToken.None)).Dispose();
        Assert.Equal(1, pool.Count);
        await using (var again = pool.Lease<ILanguageModel>("a.gguf", keepAlive: TimeSpan.FromMilliseconds(1)))
        {
            Assert.Same(_loaded[0], again.Loaded);
            await Task.Delay(400);
            Assert.False(_loaded[0].IsDisposed);
        }

        await UntilAsync(() => pool.Count == 0);
        Assert.True(Assert.Single(_loaded).IsDisposed);
    }

    [Fact]
    public async Task A_request_that_runs_keeps_the_model()
    {
        var pool = NewPool();
        var lease = pool.Lease<ILanguageModel>("a.gguf", keepAlive: TimeSpan.Zero);
        var use = await lease.UseAsync(CancellationToken.None);
        await lease.DisposeAsync();
        Assert.False(_loaded[0].IsDisposed);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await lease.UseAsync(CancellationToken.None));
        use.Dispose();
        use.Dispose();
        await UntilAsync(() => pool.Count == 0);
        Assert.True(_loaded[0].IsDisposed);
    }

    [Fact]
    public async Task Other_files_uses_options_and_poolings_are_other_models()
    {
        var loads = new List<string>();
        var pool = new ModelPool(new FakeLoader((string path, PoolingKind? pooling) =>
        {
            loads.Add(Path.GetFileName(path) + pooling);
            return Task.FromResult<IModel>(pooling is null ? new FakeLanguageModel() : new FakeEmbeddingModel());
        }));
        foreach (var (path, options) in new (string, ModelOptions?)[] { ("a", null), ("./a", ModelOptions.Default), ("b", null), ("a", new ModelOptions { Threads = 1 }), ("a", new ModelOptions { Threads = 1 }) })
            await pool.Lease<ILanguageModel>(path, options).UseAsync(CancellationToken.None);
        foreach (var pooling in new[] { PoolingKind.Mean, PoolingKind.Last, PoolingKind.Last })
            await pool.Lease<IEmbeddingModel>("a", pooling: pooling).UseAsync(CancellationToken.None);
        Assert.Equal(["a", "b", "a", "aMean", "aLast"], loads);
    }

    [Fact]
    public async Task A_load_that_failed_or_was_cancelled_is_tried_again()
    {
        var loads = 0;
        var pool = new ModelPool(new FakeLoader(async (string path, CancellationToken cancellationToken) =>
        {
            loads++;
            await Task.Delay(loads == 1 ? Timeout.Infinite : 0, cancellationToken);
            return loads == 2 ? throw new ModelFormatException("no GGUF file", path) : new FakeLanguageModel();
        }));
        await using var lease = pool.Lease<ILanguageModel>("a");
        using var cancellation = new CancellationTokenSource();
        var cancelled = lease.UseAsync(cancellation.Token).AsTask();
        await UntilAsync(() => loads == 1);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        await Assert.ThrowsAsync<ModelFormatException>(async () => await lease.UseAsync(CancellationToken.None));
        using var use = await lease.UseAsync(CancellationToken.None);
        using var same = await lease.UseAsync(CancellationToken.None);
        Assert.Same(use.Model, same.Model);
        Assert.Equal(3, loads);
    }

    [Fact]
    public async Task Who_still_waits_for_a_load_gets_it_though_others_give_up()
    {
        var release = new TaskCompletionSource();
        var pool = new ModelPool(new FakeLoader(async (string _, CancellationToken cancellationToken) =>
        {
            await release.Task.WaitAsync(cancellationToken);
            return new FakeLanguageModel();
        }));
        var (first, second) = (pool.Lease<ILanguageModel>("a"), pool.Lease<ILanguageModel>("a"));
        using var cancellation = new CancellationTokenSource();
        Task[] givingUp = [first.UseAsync(CancellationToken.None).AsTask(), second.UseAsync(cancellation.Token).AsTask()];
        var patient = second.UseAsync(CancellationToken.None).AsTask();
        await first.DisposeAsync();
        await cancellation.CancelAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => givingUp[0]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => givingUp[1]);
        release.SetResult();
        Assert.NotNull((await patient).Model);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Disposing_while_loading_ends_the_load_and_leaves_nothing(bool loaderNotices)
    {
        var (loading, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var model = new FakeLanguageModel();
        var pool = new ModelPool(new FakeLoader(async (string _, CancellationToken cancellationToken) =>
        {
            loading.SetResult();
            await release.Task.WaitAsync(loaderNotices ? cancellationToken : CancellationToken.None);
            return model;
        }));
        var lease = pool.Lease<ILanguageModel>("a", keepAlive: TimeSpan.Zero);
        var (first, second) = (lease.UseAsync(CancellationToken.None).AsTask(), lease.UseAsync(CancellationToken.None).AsTask());
        await loading.Task;
        await lease.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => second);
        if (!loaderNotices)
            release.SetResult();
        await UntilAsync(() => pool.Count == 0);
        Assert.Equal(!loaderNotices, model.IsDisposed);
        lease.Dispose();
    }

    [Fact]
    public async Task A_model_whose_loop_ended_is_loaded_anew()
    {
        var pool = NewPool();
        await using var lease = pool.Lease<ILanguageModel>("a");
        (await lease.UseAsync(CancellationToken.None)).Dispose();
        _loaded[0].Fault = new HearthException("the loop ended");
        (await lease.UseAsync(CancellationToken.None)).Dispose();
        Assert.Equal(2, _loaded.Count);
        Assert.True(_loaded[0].IsDisposed);
        Assert.False(_loaded[1].IsDisposed);
    }

    private static Kernel NewKernel(ModelPool pool, TimeSpan keepAlive)
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(pool);
        builder.AddHearthChatCompletion(new() { ModelPath = "a.gguf", KeepAlive = keepAlive });
        return builder.Build();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task UseAndForgetAsync(ModelPool pool)
        => await NewKernel(pool, TimeSpan.Zero).GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a");

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!holds())
            await Task.Delay(5, patience.Token);
    }
}
