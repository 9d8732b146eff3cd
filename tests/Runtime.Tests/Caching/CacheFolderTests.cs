using Hearth.Runtime.Caching.Durable;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>A cache folder seen from outside, and what stays in it.</summary>
public sealed class CacheFolderTests
{
    private const int PageBytes = 600;
    private const int RecordBytes = PageBytes + 56;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static PageAddress Address(int number) => PageAddress.Root("test", number, PageBytes, null);

    private static byte[] Page(int number)
    {
        var page = new byte[PageBytes];
        new Random(number).NextBytes(page);
        return page;
    }

    [Fact]
    public void Pinned_pages_stay_whatever_else_is_written()
    {
        using var folder = new TemporaryFolder();
        var faults = new List<Exception>();
        var buffer = new byte[PageBytes];
        for (var round = 0; round < 3; round++)
        {
            using var pages = new PageFolder(folder.Path, PageBytes, 40 * RecordBytes) { Failed = faults.Add };
            if (round == 0)
            {
                for (var i = 0; i < 5; i++)
                    Assert.True(pages.TryWrite(Address(i), Page(i)));
                pages.Pins.Add([Address(1), Address(3)]);
                pages.Pins.Add([Address(4)]);
            }

            for (var i = 0; i < 400; i++)
            {
                Assert.True(pages.TryWrite(Address(1000 + (round * 1000) + i), Page(i)));
                Assert.InRange(pages.Bytes, 0, 41 * RecordBytes);
            }

            foreach (var kept in new[] { 1, 3, 4 })
            {
                Assert.True(pages.TryRead(Address(kept), buffer));
                Assert.Equal(Page(kept), buffer);
            }

            Assert.False(pages.Contains(Address(0)));
            Assert.False(pages.Contains(Address(2)));
        }

        Assert.Empty(faults);
        using var last = new PageFolder(folder.Path, PageBytes, 40 * RecordBytes);
        last.Pins.Clear();
        for (var i = 0; i < 400; i++)
            last.TryWrite(Address(5000 + i), Page(i));
        Assert.False(last.Contains(Address(1)));
    }

    [Fact]
    public void Pins_beyond_half_of_the_budget_are_not_kept_and_that_is_told()
    {
        using var folder = new TemporaryFolder();
        var faults = new List<Exception>();
        using var pages = new PageFolder(folder.Path, PageBytes, 20 * RecordBytes) { Failed = faults.Add };
        for (var i = 0; i < 11; i++)
            pages.TryWrite(Address(i), Page(i));
        pages.Pins.Add(Enumerable.Range(0, 11).Select(Address));
        for (var i = 100; i < 200; i++)
            pages.TryWrite(Address(i), Page(i));
        Assert.False(pages.Contains(Address(0)));
        Assert.Contains("11 pages", faults[0].Message, StringComparison.Ordinal);
        Assert.InRange(pages.Bytes, 0, 21 * RecordBytes);
    }

    [Fact]
    public void A_segment_that_somebody_deleted_takes_no_more_pages()
    {
        using var folder = new TemporaryFolder();
        using var pages = new PageFolder(folder.Path, PageBytes, 1 << 20);
        pages.TryWrite(Address(1), Page(1));
        foreach (var file in Directory.GetFiles(folder.Path, "*.pages"))
            File.Delete(file);
        Assert.True(pages.TryWrite(Address(2), Page(2)));
        using var other = new PageFolder(folder.Path, PageBytes, 1 << 20);
        Assert.True(other.Contains(Address(2)));
        Assert.False(pages.TryRead(Address(1), new byte[PageBytes]));
        Assert.True(pages.TryWrite(Address(1), Page(1)));
    }

    [Fact]
    public void A_folder_is_listed_verified_and_dropped_and_foreign_files_stay()
    {
        using var folder = new TemporaryFolder();
        var own = Path.Combine(folder.Path, "0123456789abcdef");
        using (var pages = new PageFolder(own, PageBytes, 1 << 20))
        {
            for (var i = 0; i < 9; i++)
                pages.TryWrite(Address(i), Page(i));
            pages.Pins.Add([Address(2), Address(77)]);
            CacheFolder.Describe(own, "ember", 32, PageBytes);
        }

        Directory.CreateDirectory(Path.Combine(folder.Path, "empty"));
        var foreign = Directory.CreateDirectory(Path.Combine(folder.Path, "foreign")).FullName;
        File.WriteAllText(Path.Combine(foreign, "x.pages"), new string('x', 5000));
        var cache = new CacheFolder(folder.Path);
        var model = Assert.Single(cache.List());
        Assert.Equal(("0123456789abcdef", "ember", 32, 9, 9L * RecordBytes, 1), (model.Name, model.Model, model.PageTokens, model.Pages, model.Bytes, model.PinnedPages));
        Assert.Equal((9, 0), cache.Verify(model));
        Assert.Single(cache.Find("Ember"));
        Assert.Single(cache.Find("01234"));
        Assert.Empty(cache.Find("0"));
        Assert.Empty(cache.Find("other"));

        // A flipped bit in a page's content.
        var segment = Assert.Single(Directory.GetFiles(own, "*.pages"));
        var bytes = File.ReadAllBytes(segment);
        bytes[(4 * RecordBytes) + 100] ^= 4;
        File.WriteAllBytes(segment, bytes);
        Assert.Equal((8, 1), cache.Verify(model));

        // What is said of a folder is not trusted.
        File.WriteAllText(Path.Combine(own, "about.json"), "{\"model\": 5");
        Assert.Null(Assert.Single(cache.List()).Model);
        cache.Unpin(model);
        Assert.Equal(0, Assert.Single(cache.List()).PinnedPages);
        File.WriteAllText(Path.Combine(own, "notes.txt"), "mine");
        cache.Drop(model);
        Assert.Empty(cache.List());
        Assert.Equal(["notes.txt"], Directory.GetFiles(own).Select(Path.GetFileName));
        Assert.True(File.Exists(Path.Combine(foreign, "x.pages")));
        Assert.Throws<DirectoryNotFoundException>(() => new CacheFolder(Path.Combine(folder.Path, "nowhere")).List());
    }

    [Fact]
    public async Task A_system_prompt_that_is_pinned_outlives_what_comes_after_it()
    {
        using var folder = new TemporaryFolder();
        Task<LanguageModel> Load() => LanguageModel.LoadAsync(
            Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { ContextLength = 512, CacheFolder = folder.Path, CacheFolderBytes = 16 << 20 }, cancellationToken: Token);
        var beginning = new ChatPrompt { Messages = [new("system", string.Join(' ', Enumerable.Range(0, 60).Select(i => $"Rule {i}.")))] };
        int kept;
        await using (var model = await Load())
        {
            kept = await model.PinOnDiskAsync(beginning, cancellationToken: Token);
            Assert.InRange(kept, 64, 500);
            Assert.Equal(0, kept % model.Cache.PageTokens);
            var random = new Random(1);
            for (var i = 0; i < 12; i++)
            {
                int[] prompt = [.. Enumerable.Range(0, 400).Select(_ => random.Next(300, model.Information.VocabularySize))];
                await foreach (var _ in model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { MaxTokens = 0 } }, Token))
                {
                }
            }
        }

        await using var again = await Load();
        var listed = Assert.Single(new CacheFolder(folder.Path).List());
        Assert.Equal((again.Information.Id, kept / again.Cache.PageTokens), (listed.Model, listed.PinnedPages));
        Assert.InRange(listed.Bytes, 1, 17 << 20);
        var chat = again.TokenizeChat(beginning with { Messages = [.. beginning.Messages, new("user", "Hello")] }, Token);
        await foreach (var update in again.GenerateAsync(new GenerationRequest { Prompt = chat, Options = new GenerationOptions { MaxTokens = 1 } }, Token))
        {
            if (update.Usage is { } usage)
                Assert.InRange(usage.CachedPromptTokens, kept, chat.Count - 1);
        }

        await using var without = await LanguageModel.LoadAsync(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), cancellationToken: Token);
        Assert.Contains("keeps nothing on disk", (await Assert.ThrowsAsync<HearthException>(() => without.PinOnDiskAsync(beginning, cancellationToken: Token))).Message, StringComparison.Ordinal);
    }
}
