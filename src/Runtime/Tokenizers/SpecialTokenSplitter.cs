using System.Buffers;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>A stretch of raw text, or a token found in it.</summary>
/// <param name="Token">The token, or -1 for raw text.</param>
/// <param name="Start">First byte of raw text.</param>
/// <param name="Length">Bytes of raw text.</param>
internal readonly record struct TextFragment(int Token, int Start, int Length);

/// <summary>Splits special tokens off a text before the tokenizer's algorithm sees it: longer ones first, wherever they stand.</summary>
internal sealed class SpecialTokenSplitter
{
    private readonly Entry[] _entries;
    private readonly ByteTrie _trie;
    private readonly SearchValues<byte> _firstBytes;

    /// <summary>Takes the tokens to look for, longest first.</summary>
    public SpecialTokenSplitter(IEnumerable<(int Id, byte[] Text, TokenAttributes Attributes)> tokens)
    {
        _entries = [.. tokens.Where(token => token.Text.Length > 0)
            .OrderByDescending(token => token.Text.Length)
            .ThenBy(token => token.Id)
            .Select(token => new Entry(token.Id, token.Text, token.Attributes))];
        _trie = new ByteTrie(_entries.Select((entry, index) => ((ReadOnlyMemory<byte>)entry.Text, index)));
        _firstBytes = SearchValues.Create([.. _trie.FirstBytes()]);
    }

    /// <summary>Whether some token takes the white space around it along, however much it is.</summary>
    public bool SwallowsSpaces => Array.Exists(_entries, entry => (entry.Attributes & (TokenAttributes.StripLeft | TokenAttributes.StripRight)) != 0);

    /// <summary>The text's fragments in order; control and unknown tokens are found only with <paramref name="parseSpecial"/>.</summary>
    public List<TextFragment> Split(ReadOnlySpan<byte> text, bool parseSpecial)
    {
        var fragments = new List<TextFragment>();
        if (text.IsEmpty)
        {
            return fragments;
        }

        fragments.Add(new TextFragment(-1, 0, text.Length));
        foreach (var index in FindPresent(text, parseSpecial))
        {
            fragments = SplitBy(_entries[index], text, fragments);
        }

        return fragments;
    }

    private SortedSet<int> FindPresent(ReadOnlySpan<byte> text, bool parseSpecial)
    {
        var present = new SortedSet<int>();
        for (var at = text.IndexOfAny(_firstBytes); at >= 0;)
        {
            var node = ByteTrie.Root;
            for (var next = at; next < text.Length && (node = _trie.Step(node, text[next])) != ByteTrie.None; next++)
            {
                if (_trie.ValueAt(node) is not ByteTrie.None and var index
                    && (parseSpecial || (_entries[index].Attributes & TokenAttributes.Hidden) == 0))
                {
                    present.Add(index);
                }
            }

            var step = text[(at + 1)..].IndexOfAny(_firstBytes);
            at = step < 0 ? -1 : at + 1 + step;
        }

        return present;
    }

    private static List<TextFragment> SplitBy(Entry entry, ReadOnlySpan<byte> text, List<TextFragment> fragments)
    {
        var result = new List<TextFragment>(fragments.Count + 2);
        foreach (var fragment in fragments)
        {
            if (fragment.Token >= 0)
            {
                result.Add(fragment);
                continue;
            }

            var (start, end) = (fragment.Start, fragment.Start + fragment.Length);
            while (text[start..end].IndexOf(entry.Text) is >= 0 and var offset)
            {
                var left = offset;
                while (entry.StripsLeft && left > 0 && IsSpace(text[start + left - 1]))
                {
                    left--;
                }

                if (left > 0)
                {
                    result.Add(new TextFragment(-1, start, left));
                }

                result.Add(new TextFragment(entry.Id, 0, 0));
                start += offset + entry.Text.Length;
                while (entry.StripsRight && start < end && IsSpace(text[start]))
                {
                    start++;
                }
            }

            if (end > start)
            {
                result.Add(new TextFragment(-1, start, end - start));
            }
        }

        return result;
    }

    private static bool IsSpace(byte value) => value is 32 or (>= 9 and <= 13);

    private sealed record Entry(int Id, byte[] Text, TokenAttributes Attributes)
    {
        public bool StripsLeft => (Attributes & TokenAttributes.StripLeft) != 0;

        public bool StripsRight => (Attributes & TokenAttributes.StripRight) != 0;
    }
}
