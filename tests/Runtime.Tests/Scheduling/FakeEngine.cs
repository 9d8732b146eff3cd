using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Pages whose cells remember what a step wrote there.</summary>
internal sealed class FakePageStore(int pageTokens, int pageCount) : IPageStore
{
    public ulong[] Cells { get; } = new ulong[pageTokens * pageCount];

    public int PageTokens => pageTokens;

    public int PageCount => pageCount;

    public long PageBytes => pageTokens * sizeof(ulong);

    public Action? BeforeCopy { get; set; }

    public void CopyPage(int source, int destination)
    {
        BeforeCopy?.Invoke();
        Cells.AsSpan(source * pageTokens, pageTokens).CopyTo(Cells.AsSpan(destination * pageTokens));
    }

    public void ReadPage(int page, Span<byte> buffer)
        => System.Runtime.InteropServices.MemoryMarshal.AsBytes(Cells.AsSpan(page * pageTokens, pageTokens)).CopyTo(buffer);

    public void WritePage(int page, ReadOnlySpan<byte> buffer)
        => buffer.CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(Cells.AsSpan(page * pageTokens, pageTokens)));
}

/// <summary>The model that the fake runner computes, without pages: what comes next depends on every token so far.</summary>
internal static class FakeModel
{
    public const int Vocabulary = 24;

    /// <summary>What a position's cell holds: a hash of all tokens up to it.</summary>
    public static ulong Cell(ulong before, int token, int position)
    {
        var hash = (before + ((ulong)token * 0x9E3779B97F4A7C15) + (ulong)position) * 0xBF58476D1CE4E5B9;
        return (hash ^ (hash >> 29)) | 1;
    }

    public static ulong Accumulate(ulong sum, ulong cell) => (sum ^ cell) * 0x94D049BB133111EB;

    public static void Logits(ulong sum, Span<float> logits)
    {
        var random = new Random((int)(sum >> 33));
        foreach (ref var logit in logits)
        {
            logit = (random.NextSingle() * 8) - 4;
        }
    }

    public static float[] Logits(ReadOnlySpan<int> tokens)
    {
        ulong cell = 0, sum = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            cell = Cell(cell, tokens[i], i);
            sum = Accumulate(sum, cell);
        }

        var logits = new float[Vocabulary];
        Logits(sum, logits);
        return logits;
    }
}

/// <summary>Computes <see cref="FakeModel"/> through page tables: a wrong table, a forgotten copy or a mix-up gives other logits.</summary>
internal sealed class FakeRunner(FakePageStore store) : IStepRunner
{
    public int VocabularySize => FakeModel.Vocabulary;

    public int MaxRows { get; init; } = 64;

    public int MaxOutputRows { get; init; } = 64;

    public int Steps { get; private set; }

    public int LargestStep { get; private set; }

    public int MostSequences { get; private set; }

    public long Rows { get; private set; }

    /// <summary>Called before each step, on the loop's thread.</summary>
    public Action<StepBatch>? BeforeRun { get; set; }

    /// <summary>May change the logits of a step.</summary>
    public Action<float[]>? AfterRun { get; set; }

    public void Run(StepBatch batch, Span<float> logits)
    {
        BeforeRun?.Invoke(batch);
        Assert.InRange(batch.RowCount, 1, MaxRows);
        Assert.InRange(batch.OutputCount, 0, MaxOutputRows);
        Assert.Equal(batch.OutputCount * VocabularySize, logits.Length);
        Steps++;
        Rows += batch.RowCount;
        LargestStep = Math.Max(LargestStep, batch.RowCount);
        MostSequences = Math.Max(MostSequences, batch.Sequences.Count);
        foreach (var sequence in batch.Sequences)
        {
            Write(batch, sequence);
        }

        // Read only after all have written, as layers of a real model do: whoever writes into another's page is found out.
        for (var i = 0; i < batch.OutputCount; i++)
        {
            FakeModel.Logits(Read(batch, batch.OutputRows[i]), logits.Slice(i * VocabularySize, VocabularySize));
        }

        if (AfterRun is not null)
        {
            var changed = logits.ToArray();
            AfterRun(changed);
            changed.CopyTo(logits);
        }
    }

    private void Write(StepBatch batch, StepSequence sequence)
    {
        Assert.True(sequence.PageCount * store.PageTokens >= sequence.Past + sequence.RowCount);
        for (var i = 0; i < sequence.RowCount; i++)
        {
            var position = batch.Positions[sequence.RowBegin + i];
            Assert.Equal(sequence.Past + i, position);
            var before = position == 0 ? 0 : store.Cells[Cell(batch, sequence, position - 1)];
            store.Cells[Cell(batch, sequence, position)] = FakeModel.Cell(before, batch.Tokens[sequence.RowBegin + i], position);
        }
    }

    private ulong Read(StepBatch batch, int row)
    {
        var sequence = batch.Sequences.Single(s => row >= s.RowBegin && row < s.RowBegin + s.RowCount);
        ulong sum = 0;
        for (var position = 0; position <= batch.Positions[row]; position++)
        {
            sum = FakeModel.Accumulate(sum, store.Cells[Cell(batch, sequence, position)]);
        }

        return sum;
    }

    private int Cell(StepBatch batch, StepSequence sequence, int position)
        => (batch.Pages[sequence.PageBegin + (position / store.PageTokens)] * store.PageTokens) + (position % store.PageTokens);
}
