using System.Text;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Each mask against what is read byte by byte, for every token of a vocabulary.</summary>
public sealed class MaskTests
{
    [Theory]
    [InlineData("pieces", 30, 1)]
    [InlineData("bytes", 30, 1)]
    [InlineData("ember", 10, 1)]
    [InlineData("stories260K", 16, 1)]
    [InlineData("large", 3, 30)]
    public void A_mask_allows_the_tokens_that_can_be_read_and_no_others(string vocabulary, int steps, int every)
    {
        var tokenizer = WalkVocabularies.ByName(vocabulary);
        var compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize + 70);
        var random = new Random(7);
        var faults = new List<string>();
        var count = 0;
        foreach (var schema in WalkConstraints.Schemas)
        {
            foreach (var layout in WalkConstraints.Layouts)
            {
                if (count++ % every == 0)
                {
                    Compare(Constraint.JsonSchema(schema) with { Layout = layout });
                }
            }
        }

        foreach (var other in WalkConstraints.Others.Where((_, i) => i % every == 0))
        {
            Compare(other);
            Compare(other);
            Compare(other);
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults.Take(30)));

        void Compare(Constraint constraint)
        {
            var compiled = compiler.Compile(constraint);

            // A text that must begin with one space cannot be spelled where the first token loses it; JSON need not.
            var walk = compiled.Start(continuesText: constraint.Kind != ConstraintKind.JsonSchema || random.Next(2) == 0);
            var text = new List<byte>();
            for (var step = 0; step < steps; step++)
            {
                var allowed = FaultOf(compiled, walk, out var fault);
                if (fault is not null)
                {
                    faults.Add($"{constraint.Source} ({constraint.Layout.LongestRun}{constraint.Layout.Comma}) behind [{Encoding.UTF8.GetString([.. text])}]: {fault}");
                    return;
                }

                var token = RandomWalk.Choose(allowed, compiled.Vocabulary, random);
                if (token < 0)
                {
                    return;
                }

                Assert.True(walk.TryAccept(token));
                text.AddRange(compiled.Vocabulary.Bytes(token));
            }
        }
    }

    private static List<int> FaultOf(CompiledConstraint compiled, ITokenConstraint walk, out string? fault)
    {
        var mask = new ulong[compiled.Vocabulary.MaskLength + 2];
        Array.Fill(mask, ulong.MaxValue);
        walk.FillMask(mask);
        var allowed = RandomWalk.TokensOf(mask);
        fault = null;
        var set = allowed.ToHashSet();
        var probe = walk.Fork();
        var isTextAllowed = false;
        for (var token = 0; token < compiled.Vocabulary.Size + 64; token++)
        {
            var isEnd = compiled.Vocabulary.Ends.Contains(token);
            var isRead = isEnd ? walk.CanEnd : probe.TryAccept(token);
            if (isRead && !isEnd)
            {
                isTextAllowed = true;
                probe = walk.Fork();
            }

            if (isRead != set.Contains(token))
            {
                fault = $"token {token} [{Encoding.UTF8.GetString(compiled.Vocabulary.Bytes(token))}] is {(isRead ? "read but not allowed" : "allowed but not read")}";
                return allowed;
            }
        }

        if (walk.MustEnd == isTextAllowed || (allowed.Count == 0 && !(walk.MustEnd && compiled.Vocabulary.Ends.Length == 0)))
        {
            fault = $"{allowed.Count} tokens may follow, must end: {walk.MustEnd}";
        }

        return allowed;
    }

    [Fact]
    public void Forks_go_on_by_themselves()
    {
        var tokenizer = WalkVocabularies.OddBytes;
        var compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize);
        var random = new Random(3);
        foreach (var schema in WalkConstraints.Schemas)
        {
            var compiled = compiler.Compile(Constraint.JsonSchema(schema));
            var (walk, mask, again) = (compiled.Start(), new ulong[compiled.Vocabulary.MaskLength], new ulong[compiled.Vocabulary.MaskLength]);
            for (var step = 0; step < 20; step++)
            {
                walk.FillMask(mask);
                var (canEnd, fork) = (walk.CanEnd, walk.Fork());
                for (var i = 0; i < 4; i++)
                {
                    fork.FillMask(again);
                    if (i == 0)
                    {
                        Assert.Equal(mask, again);
                    }

                    if (RandomWalk.Choose(RandomWalk.TokensOf(again), compiled.Vocabulary, random) is >= 0 and var other)
                    {
                        Assert.True(fork.TryAccept(other));
                    }
                }

                walk.FillMask(again);
                Assert.Equal(mask, again);
                Assert.Equal(canEnd, walk.CanEnd);
                if (RandomWalk.Choose(RandomWalk.TokensOf(mask), compiled.Vocabulary, random) is not (>= 0 and var token))
                {
                    break;
                }

                Assert.True(walk.TryAccept(token));
            }
        }
    }

    [Fact]
    public async Task Threads_that_walk_one_constraint_find_the_masks_of_one_alone()
    {
        const int Threads = 8;
        var tokenizer = WalkVocabularies.OddBytes;
        foreach (var schema in WalkConstraints.Schemas)
        {
            var shared = Compile();
            using var start = new Barrier(Threads);
            var tasks = Enumerable.Range(0, Threads).Select(seed => Task.Factory.StartNew(() =>
            {
                start.SignalAndWait();
                return Masks(shared, seed);
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            var found = await Task.WhenAll(tasks);
            for (var seed = 0; seed < Threads; seed++)
            {
                Assert.Equal(Masks(Compile(), seed), found[seed]);
            }

            CompiledConstraint Compile() => new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema(schema), TestContext.Current.CancellationToken);
        }

        static List<int> Masks(CompiledConstraint compiled, int seed)
        {
            var (random, walk, mask, all) = (new Random(seed), compiled.Start(), new ulong[compiled.Vocabulary.MaskLength], new List<int>());
            for (var step = 0; step < 25; step++)
            {
                walk.FillMask(mask);
                var allowed = RandomWalk.TokensOf(mask);
                all.AddRange(allowed);
                all.Add(-1);
                if (RandomWalk.Choose(allowed, compiled.Vocabulary, random) is not (>= 0 and var token) || !walk.TryAccept(token))
                {
                    break;
                }
            }

            return all;
        }
    }

    [Theory]
    [InlineData("""{"type":"object","additionalProperties":{"type":"number","minimum":-1e6}}""")]
    [InlineData("""{"type":"array","items":{"type":"string","minLength":1},"uniqueItems":true}""")]
    [InlineData("true")]
    public void Memory_of_many_different_texts_is_bounded(string schema)
    {
        var tokenizer = WalkVocabularies.OddBytes;
        var compiled = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema(schema), TestContext.Current.CancellationToken);
        var random = new Random(5);
        var mask = new ulong[compiled.Vocabulary.MaskLength];
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var text = 0; text < 600; text++)
        {
            var walk = compiled.Start();
            for (var step = 0; step < 150 && !walk.MustEnd; step++)
            {
                walk.FillMask(mask);
                Assert.True(walk.TryAccept(RandomWalk.Choose(RandomWalk.TokensOf(mask), compiled.Vocabulary, random)));
            }
        }

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 200L << 20);
        GC.KeepAlive(compiled);
    }
}
