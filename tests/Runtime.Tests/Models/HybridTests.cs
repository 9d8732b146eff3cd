using Hearth.Runtime.Caching;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Models whose layers remember by states, against an independent implementation, and however their sequences are cut, forked and saved.</summary>
public sealed class HybridTests
{
    // The two implementations differ in the order of sums only.
    private const double Bound = 1e-6;

    // Steps of other sizes multiply matrices by other kernels.
    private const double SameBound = 1e-10;

    private const int PageTokens = 8;

    public static TheoryData<string> Models => [.. ReferenceModels.Hybrids];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_model_with_states_gives_the_reference_logits(string name)
        => Assert.InRange(ReferenceLogitsTests.Error(await Logits(name), ReferenceModels.HybridLogits(name)), 0, Bound);

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_text_read_in_pieces_gives_the_same_logits(string name)
    {
        var whole = await Logits(name);
        foreach (var piece in new[] { 1, 2, 7 })
            Assert.InRange(ReferenceLogitsTests.Error(await Logits(name, new ModelOptions { StepTokens = piece }), whole), 0, SameBound);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_fork_goes_on_from_where_it_was_made(string name)
    {
        using var model = new Running(name);
        var (tokens, whole) = (ReferenceModels.HybridTokens, model.Whole());
        using var sequence = model.Cache.CreateSequence();
        model.Read(sequence, tokens[..11]);
        using var fork = sequence.Fork();
        model.Read(sequence, [5, 6, 7, 8, 9]);
        using var second = fork.Fork();
        model.AssertSame(whole, 11, model.Read(fork, tokens[11..]));
        model.AssertSame(whole, 11, model.Read(second, tokens[11..]));
        model.Check();
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_saved_sequence_goes_on_elsewhere(string name)
    {
        using var model = new Running(name);
        using var other = new Running(name);
        var (tokens, whole) = (ReferenceModels.HybridTokens, model.Whole());
        using var stream = new MemoryStream();
        using (var sequence = model.Cache.CreateSequence())
        {
            model.Read(sequence, tokens[..13]);
            sequence.Save(stream);
            model.AssertSame(whole, 13, model.Read(sequence, tokens[13..]));
        }

        stream.Position = 0;
        using var restored = other.Cache.Restore(stream);
        other.AssertSame(whole, 13, other.Read(restored, tokens[13..]));
        other.Check();
    }

    [Fact]
    public void A_damaged_state_is_not_restored()
    {
        using var model = new Running("mamba2-dense");
        using var other = new Running("lfm2-dense");
        using var stream = new MemoryStream();
        using (var sequence = model.Cache.CreateSequence())
        {
            model.Read(sequence, ReferenceModels.HybridTokens[..13]);
            sequence.Save(stream);
        }

        var bytes = stream.ToArray();
        Assert.Throws<CacheSnapshotException>(() => other.Cache.Restore(new MemoryStream(bytes)));
        Assert.Throws<CacheSnapshotException>(() => model.Cache.Restore(new MemoryStream(bytes[..^40])));
        bytes[^100] ^= 1;
        Assert.Throws<CacheSnapshotException>(() => model.Cache.Restore(new MemoryStream(bytes)));
        model.Check();
        other.Check();
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_truncated_sequence_goes_on_from_the_last_kept_state(string name)
    {
        using var model = new Running(name);
        var (tokens, whole) = (ReferenceModels.HybridTokens, model.Whole());
        using var sequence = model.Cache.CreateSequence();
        model.Read(sequence, tokens[..20]);
        sequence.Truncate(19);
        Assert.Equal(16, sequence.Length);
        model.AssertSame(whole, 16, model.Read(sequence, tokens[16..]));
        sequence.Truncate(3);
        Assert.Equal(0, sequence.Length);
        model.AssertSame(whole, 0, model.Read(sequence, tokens));
        model.Check();
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_prefix_is_found_as_far_as_its_state_is_kept(string name)
    {
        using var model = new Running(name);
        var (tokens, whole) = (ReferenceModels.HybridTokens, model.Whole());
        using (var first = model.Cache.CreateSequence())
        {
            model.Read(first, tokens[..19]);
            first.Publish();
        }

        // All of it: the state at its end is kept.
        using (var all = model.Cache.CreateSequence(tokens, out var match))
        {
            Assert.Equal(19, match.Length);
            model.AssertSame(whole, 19, model.Read(all, tokens[19..]));
        }

        // Another text parts from it behind the first page: only the page before has a state, the second time its own.
        int[] other = [.. tokens[..12], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        using (var parted = model.Cache.CreateSequence(other, out var match))
        {
            Assert.Equal(new PrefixMatch(0, CacheMissReason.StateNotKept), match);
            model.Read(parted, other);
            parted.Publish();
        }

        int[] third = [.. tokens[..12], 3, 3, 3];
        using (var again = model.Cache.CreateSequence(third, out var match))
        {
            Assert.Equal(PageTokens, match.Length);
            var rest = model.Read(again, third[PageTokens..]);
            model.AssertSame(whole, PageTokens, rest[..(4 * model.Vocabulary)]);
        }

        model.Check();
    }

    [Fact]
    public void A_failed_step_leaves_what_was_kept()
    {
        using var model = new Running("qwen35-dense");
        var (tokens, whole) = (ReferenceModels.HybridTokens, model.Whole());
        using var sequence = model.Cache.CreateSequence();
        model.Read(sequence, tokens[..18]);
        Assert.True(sequence.TryReserve(4));
        sequence.CancelReservation();
        Assert.Equal(16, sequence.Length);
        model.AssertSame(whole, 16, model.Read(sequence, tokens[16..]));
        model.Check();
    }

    [Fact]
    public void With_no_state_left_nothing_is_reserved()
    {
        using var model = new Running("lfm2-dense", states: 3);
        var live = Enumerable.Range(0, 3).Select(_ => model.Cache.CreateSequence()).ToArray();
        foreach (var sequence in live)
            model.Read(sequence, [1, 2, 3]);
        using var more = model.Cache.CreateSequence();
        Assert.False(more.TryReserve(2));
        Assert.Equal(default, more.States);
        live[1].Dispose();
        Assert.True(more.TryReserve(2));
        more.Dispose();
        foreach (var sequence in live)
            sequence.Dispose();
        model.Check();
    }

    [Theory]
    [InlineData("qwen35-dense")]
    [InlineData("mamba2-dense")]
    [InlineData("lfm2moe-moe")]
    public async Task Requests_that_push_each_other_out_get_what_they_get_alone(string name)
    {
        var path = ReferenceModels.Hybrid(name);
        var prompts = Enumerable.Range(0, 6).Select(i => Enumerable.Range(1, 20 + (i * 9)).Select(t => (t * (i + 3)) % 128).ToArray()).ToArray();
        var alone = new List<int[]>();
        await using (var single = await LanguageModel.LoadAsync(path, new ModelOptions { PrefixCaching = false, ContextLength = 256 }))
        {
            foreach (var prompt in prompts)
                alone.Add((await Generate(single, prompt, 40)).Ids);
        }

        // Too few pages for all at a time.
        await using var model = await LanguageModel.LoadAsync(path, new ModelOptions { CacheTokens = 320, ContextLength = 256 });
        var together = await Task.WhenAll(prompts.Select(p => Task.Run(() => Generate(model, p, 40))));
        for (var i = 0; i < prompts.Length; i++)
            Assert.Equal(alone[i], together[i].Ids);
        Assert.Empty(KvCacheInvariants.FindViolations(model.Cache.CaptureState()));
    }

    [Theory]
    [InlineData("qwen35-dense")]
    [InlineData("granitehybrid-dense")]
    public async Task A_turn_of_a_conversation_computes_what_is_new_and_at_most_a_page(string name)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.Hybrid(name), new ModelOptions { ContextLength = 4096 });
        var random = new Random(7);
        List<int> history = [];
        List<int> lengths = [];
        for (var turn = 0; turn < 40; turn++)
        {
            history.AddRange(Enumerable.Range(0, random.Next(3, 60)).Select(_ => random.Next(128)));
            var known = lengths.Count == 0 ? 0 : lengths[^1];
            var (ids, usage) = await Generate(model, [.. history], random.Next(2, 50));
            Assert.InRange(history.Count - usage.CachedPromptTokens, 1, history.Count - known + CacheSizing.PageTokens);
            history.AddRange(ids);
            lengths.Add(history.Count);
        }

        // A message of turn 20 is written anew.
        int[] edited = [.. history[..lengths[19]], 1, 2, 3];
        var (_, edit) = await Generate(model, edited, 2);
        Assert.InRange(edited.Length - edit.CachedPromptTokens, 1, 3 + CacheSizing.PageTokens);
        Assert.Empty(KvCacheInvariants.FindViolations(model.Cache.CaptureState()));
    }

    [Theory]
    [InlineData("mamba2-dense", "ssm.group_count", 3u, "must divide the 2 heads, found 3")]
    [InlineData("mamba2-dense", "ssm.time_step_rank", 3u, "must divide the 512 of ssm.inner_size, found 3")]
    [InlineData("mamba-dense", "ssm.inner_size", 511u, "blk.0.ssm_in.weight")]
    [InlineData("mamba-dense", "ssm.state_size", 0u, "must be 1 to 4096, found 0")]
    [InlineData("lfm2-dense", "shortconv.l_cache", 1u, "must be 2 to 64, found 1")]
    [InlineData("qwen35-dense", "ssm.conv_kernel", 65u, "must be 2 to 64, found 65")]
    [InlineData("qwen35-dense", "ssm.time_step_rank", uint.MaxValue, "ssm.time_step_rank")]
    [InlineData("kimi-linear-moe", "kda.head_dim", 64u, "blk.1.attn_q.weight")]
    public async Task Sizes_that_do_not_fit_are_refused_with_their_numbers(string name, string key, uint value, string named)
    {
        using var folder = new TemporaryFolder();
        var path = EditedModel.OfFile(ReferenceModels.Hybrid(name)).Set(key, value).Save(folder);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    private static Task<float[]> Logits(string name, ModelOptions? options = null)
        => ReferenceLogitsTests.Logits(ReferenceModels.Hybrid(name), ReferenceModels.HybridTokens, options);

    private static async Task<(int[] Ids, TokenUsage Usage)> Generate(LanguageModel model, IReadOnlyList<int> prompt, int count)
    {
        var ids = new List<int>();
        TokenUsage? usage = null;
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = new() { Temperature = 0, MaxTokens = count } }))
        {
            ids.AddRange(update.TokenIds);
            usage = update.Usage ?? usage;
        }

        return ([.. ids], usage ?? throw new InvalidOperationException("the last update carries the usage"));
    }

    /// <summary>A model with a cache of small pages.</summary>
    private sealed class Running : IDisposable
    {
        private readonly LoadedModel _loaded;
        private readonly EnginePageStore _store;
        private readonly StepRunner _runner;
        private readonly StepBatch _batch = new();

        public Running(string name, int states = 24)
        {
            using var file = GgufFile.Open(ReferenceModels.Hybrid(name));
            _loaded = ModelLoader.Load(file, new ModelOptions(), embedding: null, progress: null, CancellationToken.None);
            var program = _loaded.Program.Program;
            _store = new EnginePageStore(_loaded.Program.Engine, program.CacheLayers, PageTokens, 64, CacheType.F32, CacheType.F32, program.StateWidths, states);
            _runner = new StepRunner(_loaded.Program, _store.Handle);
            Cache = new KvCache(_store, name);
        }

        public KvCache Cache { get; }

        public int Vocabulary => _runner.VocabularySize;

        public float[] Whole()
        {
            using var sequence = Cache.CreateSequence();
            return Read(sequence, ReferenceModels.HybridTokens);
        }

        public float[] Read(KvSequence sequence, int[] tokens)
        {
            Assert.True(sequence.TryReserve(tokens.Length));
            _batch.Clear();
            _batch.Add(sequence.Length, tokens, sequence.Pages, tokens.Length, states: sequence.States);
            var logits = new float[tokens.Length * Vocabulary];
            _runner.Run(_batch, logits);
            sequence.Commit(tokens);
            return logits;
        }

        public void AssertSame(float[] whole, int first, float[] rest)
            => Assert.InRange(ReferenceLogitsTests.Error(rest, whole[(first * Vocabulary)..((first * Vocabulary) + rest.Length)]), 0, SameBound);

        public void Check() => Assert.Empty(KvCacheInvariants.FindViolations(Cache.CaptureState()));

        public void Dispose()
        {
            _store.Dispose();
            _loaded.Dispose();
        }
    }
}
