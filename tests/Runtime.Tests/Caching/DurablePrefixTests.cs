using Hearth.Runtime.Caching.Durable;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>Prefixes that outlive the process, on disks that are damaged, shared and small.</summary>
public sealed class DurablePrefixTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Task<LanguageModel> Load(string folder, long? budget = null) => LanguageModel.LoadAsync(
        Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { ContextLength = 1024, CacheFolder = folder, CacheFolderBytes = budget }, cancellationToken: Token);

    private static async Task<(List<int> Tokens, TokenUsage Usage)> Tell(LanguageModel model, IReadOnlyList<int> prompt, string? scope = null)
    {
        var tokens = new List<int>();
        TokenUsage usage = default;
        var request = new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { Temperature = 0, MaxTokens = 12, IgnoreEndOfText = true }, CacheScope = scope };
        await foreach (var update in model.GenerateAsync(request, Token))
        {
            tokens.AddRange(update.TokenIds);
            usage = update.Usage ?? usage;
        }

        return (tokens, usage);
    }

    private static int[] Prompt(LanguageModel model, int seed, int length = 200)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(300, model.Information.VocabularySize))];
    }

    [Fact]
    public async Task After_a_restart_a_prompt_comes_from_the_folder_and_says_the_same()
    {
        using var folder = new TemporaryFolder();
        List<int> expected;
        int[] prompt;
        await using (var model = await Load(folder.Path))
        {
            prompt = Prompt(model, 1);
            expected = (await Tell(model, prompt)).Tokens;
            await Tell(model, [.. prompt[..120], .. Prompt(model, 2)]);
        }

        var files = Directory.GetFiles(folder.Path, "*.pages", SearchOption.AllDirectories);
        var bytes = files.Sum(file => new FileInfo(file).Length);
        await using var again = await Load(folder.Path);
        var (tokens, usage) = await Tell(again, prompt);
        Assert.Equal(expected, tokens);
        Assert.InRange(usage.CachedPromptTokens, prompt.Length - again.Cache.PageTokens - 1, prompt.Length - 1);
        Assert.Equal(0, (await Tell(again, prompt, "somebody")).Usage.CachedPromptTokens);

        // Nothing is written twice.
        await again.DisposeAsync();
        Assert.InRange(Directory.GetFiles(folder.Path, "*.pages", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length), bytes, bytes * 2);
        await using var third = await Load(folder.Path);
        var before = third.Durable!.Value.Pages;
        await Tell(third, prompt);
        await third.DisposeAsync();
        await using var fourth = await Load(folder.Path);
        Assert.Equal(before, fourth.Durable!.Value.Pages);
    }

    [Fact]
    public async Task After_a_kill_what_was_written_is_found_and_what_is_damaged_is_computed()
    {
        using var folder = new TemporaryFolder();
        using var copies = new TemporaryFolder();
        await using var model = await Load(folder.Path);
        var prompt = Prompt(model, 3);
        var expected = (await Tell(model, prompt)).Tokens;
        for (var i = 0; i < 2000 && model.Durable!.Value.Pages < 12; i++)
            await Task.Delay(10, Token);
        var random = new Random(7);
        for (var round = 0; round < 8; round++)
        {
            // The folder as a kill leaves it: nothing was closed. Then cut and flipped.
            var copy = Directory.CreateDirectory(Path.Combine(copies.Path, $"{round}", Path.GetFileName(Directory.GetDirectories(folder.Path).Single()))).FullName;
            foreach (var file in Directory.GetFiles(folder.Path, "*.pages", SearchOption.AllDirectories))
            {
                using var source = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                var content = new byte[source.Length];
                source.ReadExactly(content);
                if (round > 3)
                    content = content[..random.Next(content.Length)];
                for (var i = 0; i < (round % 4) * 3 && content.Length > 0; i++)
                    content[random.Next(content.Length)] ^= (byte)random.Next(1, 256);
                await File.WriteAllBytesAsync(Path.Combine(copy, Path.GetFileName(file)), content, Token);
            }

            await File.WriteAllTextAsync(Path.Combine(copy, "foreign.pages"), "no pages at all", Token);
            await using var other = await Load(Path.Combine(copies.Path, $"{round}"));
            var (tokens, usage) = await Tell(other, prompt);
            Assert.Equal(expected, tokens);
            if (round == 0)
                Assert.InRange(usage.CachedPromptTokens, 160, prompt.Length - 1);
        }
    }

    [Fact]
    public async Task A_folder_that_cannot_be_used_costs_nothing_but_itself()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("file");
        await File.WriteAllTextAsync(file, "no folder", Token);
        await using var model = await Load(file);
        Assert.Null(model.Durable);
        Assert.Equal(12, (await Tell(model, Prompt(model, 1))).Tokens.Count);
        await Assert.ThrowsAnyAsync<ArgumentOutOfRangeException>(() => Load(folder.Path, budget: 5));
    }

    [Fact]
    public void Pages_do_what_a_plain_dictionary_does_within_the_budget()
    {
        const int PageBytes = 600;
        for (var seed = 0; seed < 20; seed++)
        {
            using var folder = new TemporaryFolder();
            var random = new Random(seed);
            var budget = random.Next(2, 60) * 1000L;
            var faults = new List<Exception>();
            PageFolder Open() => new(folder.Path, PageBytes, budget) { Failed = faults.Add };
            var (one, two) = (Open(), Open());
            byte[] Page(int number)
            {
                var page = new byte[PageBytes];
                new Random(number).NextBytes(page);
                return page;
            }

            PageAddress Address(int number) => PageAddress.Root("test", number, PageBytes, null);
            var buffer = new byte[PageBytes];
            for (var step = 0; step < 300; step++)
            {
                // Two services on one folder.
                ref var pages = ref (random.Next(2) == 0 ? ref one : ref two);
                var number = random.Next(80);
                switch (random.Next(12))
                {
                    case < 6:
                        Assert.True(pages.TryWrite(Address(number), Page(number)));
                        Assert.True(pages.Contains(Address(number)));
                        Assert.InRange(pages.Bytes, 0, budget + PageBytes + 56);
                        break;
                    case < 10:
                        if (pages.TryRead(Address(number), buffer))
                            Assert.Equal(Page(number), buffer);
                        else
                            Assert.False(pages.Contains(Address(number)));
                        break;
                    case 10:
                        pages.Dispose();
                        pages = Open();
                        break;
                    default:
                        var sound = pages.Verify().Sound;
                        Assert.Equal(sound, pages.Count);
                        break;
                }
            }

            Assert.Empty(faults);
            one.Drop();
            Assert.Equal(0, one.Count);
            one.Dispose();
            two.Dispose();
        }
    }
}
