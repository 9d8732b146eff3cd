using Hearth.LLamaSharp.Steps;

namespace Hearth.Parity.Tests;

/// <summary>Which slot holds which tokens: bookkeeping against a memory that remembers what it was told.</summary>
public sealed class TokenSlotsTests
{
    [Fact]
    public void A_sequence_goes_on_in_its_own_slot()
    {
        var (slots, memory) = New(3);
        List<int> a = [], b = [];
        for (var i = 0; i < 5; i++)
            Step(slots, memory, (a, [i]), (b, [10 + i]));
        Assert.Empty(memory.Copies);
        Assert.Equal([0, 1, 2, 3, 4], memory.Held(slots, a));
    }

    [Fact]
    public void A_fork_takes_the_common_part_without_reading_it()
    {
        var (slots, memory) = New(3);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2, 3, 4]));
        List<int> b = [1, 2, 3];
        var placed = slots.Place([a, b]);
        Assert.Equal([4, 3], placed.Select(slot => slot.Length));
        Assert.Equal((placed[0].Id, placed[1].Id, 3), Assert.Single(memory.Copies));
    }

    [Fact]
    public void Two_sequences_of_the_same_tokens_have_a_slot_each()
    {
        var (slots, memory) = New(4);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2]));
        var placed = slots.Place([a, new List<int> { 1, 2 }, new List<int> { 1, 2 }]);
        Assert.Equal(3, placed.Select(slot => slot.Id).Distinct().Count());
        Assert.All(placed, slot => Assert.Equal(2, slot.Length));
    }

    [Fact]
    public void A_text_of_no_position_takes_nothing_over()
    {
        var (slots, memory) = New(2);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2]));
        Assert.Equal(0, slots.Place([a, new List<int>()])[1].Length);
    }

    [Fact]
    public void The_text_that_ended_longest_ago_makes_room()
    {
        var (slots, memory) = New(2);
        List<int> a = [], b = [];
        Step(slots, memory, (a, [1, 2]));
        Step(slots, memory, (b, [5, 6]));
        a.Clear();
        b.Clear(); // both have ended; what they wrote is kept
        Assert.Equal(2, slots.Held([1, 2, 3]));
        List<int> c = [];
        Step(slots, memory, (c, [9]));
        Assert.Equal(0, slots.Held([1, 2, 3]));
        Assert.Equal(2, slots.Held([5, 6, 7]));
    }

    [Fact]
    public void An_ended_text_is_gone_on_with_in_place()
    {
        var (slots, memory) = New(2);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2]));
        a.Clear();
        Step(slots, memory, ([1, 2], [3]));
        Assert.Empty(memory.Copies);
        Assert.Equal(3, slots.Held([1, 2, 3]));
    }

    [Fact]
    public void Where_a_state_is_kept_only_whole_texts_are_taken_over()
    {
        var (slots, memory) = New(3, wholeOnly: true);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2, 3]));
        a.Clear();
        Assert.Equal(0, slots.Held([1, 2]));
        Assert.Equal(3, slots.Held([1, 2, 3, 4]));
        var placed = slots.Place([new List<int> { 1, 2 }, new List<int> { 1, 2, 3 }]);
        Assert.Equal([0, 3], placed.Select(slot => slot.Length));
        Assert.Equal(-1, Assert.Single(memory.Copies).Length);
        Assert.Equal(3, slots.Held([1, 2, 3, 4])); // the end is still there for others
    }

    [Fact]
    public void What_a_failed_step_may_have_written_is_forgotten()
    {
        var (slots, memory) = New(2);
        List<int> a = [];
        Step(slots, memory, (a, [1, 2]));
        var placed = slots.Place([a]);
        slots.Forget(placed);
        Assert.Equal(0, slots.Held([1, 2]));
        Assert.Contains((placed[0].Id, 0), memory.Removals);
    }

    [Fact]
    public void Only_idle_slots_are_dropped()
    {
        var (slots, memory) = New(2);
        List<int> a = [], b = [];
        Step(slots, memory, (a, [1]), (b, [2]));
        slots.Place([a]);
        Assert.True(slots.DropIdle());
        Assert.Equal(0, slots.Held([2]));
        Assert.Equal(1, slots.Held([1]));
        Assert.False(slots.DropIdle());
    }

    [Fact]
    public void More_sequences_than_slots_are_refused()
        => Assert.Throws<InvalidOperationException>(() => New(1).Slots.Place([null, null]));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_comes_each_slot_holds_what_the_memory_does(bool wholeOnly)
    {
        var random = new Random(7);
        var (slots, memory) = New(5, wholeOnly);
        var texts = new List<List<int>>();
        for (var step = 0; step < 3000; step++)
        {
            if (texts.Count < 8 && random.Next(3) == 0)
                texts.Add(texts.Count > 0 && random.Next(2) == 0 ? [.. texts[random.Next(texts.Count)] is var other ? other.Take(random.Next(other.Count + 1)) : []] : []);
            if (texts.Count > 0 && random.Next(6) == 0)
            {
                var ended = random.Next(texts.Count);
                texts[ended].Clear();
                texts.RemoveAt(ended);
            }

            var some = texts.OrderBy(_ => random.Next()).Take(random.Next(1, 5)).ToArray();
            if (some.Length > 0)
                Step(slots, memory, [.. some.Select(text => (text, Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(2)).ToArray()))]);
        }
    }

    private static (TokenSlots Slots, FakeMemory Memory) New(int count, bool wholeOnly = false)
    {
        var memory = new FakeMemory(wholeOnly);
        return (new TokenSlots(count, wholeOnly, memory), memory);
    }

    // A step as the runner makes it; the memory must hold the text before it, and the text with it afterwards.
    private static void Step(TokenSlots slots, FakeMemory memory, params (List<int> Text, int[] Rows)[] sequences)
    {
        var placed = slots.Place([.. sequences.Select(sequence => (IReadOnlyList<int>)sequence.Text)]);
        Assert.Equal(placed.Length, placed.Select(slot => slot.Id).Distinct().Count());
        for (var i = 0; i < placed.Length; i++)
        {
            var (text, rows) = sequences[i];
            Assert.Equal(text.Take(placed[i].Length), memory.Contents(placed[i].Id));
            int[] gap = [.. text.Skip(placed[i].Length)];
            memory.Write(placed[i].Id, [.. gap, .. rows]);
            slots.Commit(placed[i], gap);
            slots.Commit(placed[i], rows);
            text.AddRange(rows);
            Assert.Equal(text, memory.Contents(placed[i].Id));
        }
    }

    private sealed class FakeMemory(bool wholeOnly) : ISlotMemory
    {
        private readonly Dictionary<int, List<int>> _contents = [];

        public List<(int Source, int Destination, int Length)> Copies { get; } = [];

        public List<(int Slot, int Position)> Removals { get; } = [];

        public List<int> Contents(int slot) => _contents.TryGetValue(slot, out var list) ? list : _contents[slot] = [];

        public void Write(int slot, int[] tokens) => Contents(slot).AddRange(tokens);

        public List<int> Held(TokenSlots slots, List<int> text) => Contents(slots.Place([text])[0].Id);

        public void CopySequence(int source, int destination, int length)
        {
            Assert.Empty(Contents(destination));
            Assert.Equal(wholeOnly, length < 0);
            Copies.Add((source, destination, length));
            Contents(destination).AddRange(length < 0 ? Contents(source) : Contents(source).Take(length));
        }

        public void RemoveFrom(int sequence, int position)
        {
            Assert.True(position == 0 || !wholeOnly);
            Removals.Add((sequence, position));
            Contents(sequence).RemoveRange(position, Contents(sequence).Count - position);
        }
    }
}
