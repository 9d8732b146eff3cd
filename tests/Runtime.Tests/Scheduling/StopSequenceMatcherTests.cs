using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Hearth.Runtime.Scheduling;

namespace Hearth.Runtime.Tests.Scheduling;

public sealed class StopSequenceMatcherTests
{
    private static (List<string> Pieces, bool Matched) Run(IReadOnlyList<string> stops, params string[] pieces)
    {
        var matcher = new StopSequenceMatcher(stops);
        var result = pieces.Select(matcher.Append).ToList();
        result.Add(matcher.Flush());
        return (result, matcher.Matched);
    }

    [Fact]
    public void Text_that_may_begin_a_stop_sequence_is_held_back_until_it_is_certain()
    {
        Assert.Equal((["ab", "", "<xc", "", ""], false), Run(["<end>"], "ab", "<", "xc", ""), PiecesComparer.Instance);
        Assert.Equal((["ab", "", "", ""], true), Run(["<end>"], "ab<e", "nd", ">more"), PiecesComparer.Instance);
        Assert.Equal((["ab", "<en"], false), Run(["<end>"], "ab<en"), PiecesComparer.Instance);
    }

    [Fact]
    public void Of_two_stop_sequences_the_one_complete_first_counts_and_the_longer_at_the_same_end()
    {
        Assert.Equal((["xa", ""], true), Run(["abcd", "bc"], "xabcd"), PiecesComparer.Instance);
        Assert.Equal((["x", ""], true), Run(["bc", "abc"], "xabcd"), PiecesComparer.Instance);
    }

    [Fact]
    public void Nothing_after_a_stop_sequence_counts()
        => Assert.Equal((["a", "", ""], true), Run(["|"], "a|b", "c"), PiecesComparer.Instance);

    [Property(MaxTest = 500)]
    public Property Pieces_give_the_text_that_the_whole_gives()
    {
        var letters = Gen.Elements('a', 'b', 'c');
        var texts = Gen.ArrayOf(letters).Select(c => new string(c));
        var stops = Gen.NonEmptyListOf(letters).Select(c => string.Concat(c.Take(4)));
        return Prop.ForAll(
            Gen.ListOf(stops).ToArbitrary(), Gen.ListOf(texts).ToArbitrary(),
            (stopList, pieces) =>
            {
                var whole = string.Concat(pieces);
                var ends = stopList.Select(s => (Begin: whole.IndexOf(s, StringComparison.Ordinal), s.Length))
                    .Where(m => m.Begin >= 0).OrderBy(m => m.Begin + m.Length).ThenBy(m => m.Begin).ToList();
                var (given, matched) = Run([.. stopList], [.. pieces]);
                Assert.Equal(ends.Count > 0, matched);
                Assert.Equal(ends.Count > 0 ? whole[..ends[0].Begin] : whole, string.Concat(given));
            });
    }

    private sealed class PiecesComparer : IEqualityComparer<(List<string> Pieces, bool Matched)>
    {
        public static PiecesComparer Instance { get; } = new();

        public bool Equals((List<string> Pieces, bool Matched) x, (List<string> Pieces, bool Matched) y)
            => x.Matched == y.Matched && x.Pieces.SequenceEqual(y.Pieces);

        public int GetHashCode((List<string> Pieces, bool Matched) obj) => obj.Pieces.Count;
    }
}
