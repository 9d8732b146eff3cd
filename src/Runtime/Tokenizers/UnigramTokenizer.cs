using System.Runtime.InteropServices;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>SentencePiece's unigram model ("t5" in GGUF): of all ways to cut a text into tokens, the one with the best sum of scores.</summary>
/// <remarks>Kudo, "Subword Regularization" (2018): scores are log probabilities, the best cut is found by Viterbi's algorithm, left to right.</remarks>
internal sealed class UnigramTokenizer : Tokenizer
{
    private const float UnknownPenalty = 10;

    private readonly CharacterMap? _characterMap;
    private readonly ByteTrie _tokens;
    private readonly ByteTrie _userDefined;
    private readonly double[] _scores;
    private readonly float _unknownScore;
    private readonly int _unknown;

    public UnigramTokenizer(Vocabulary vocabulary, CharacterMap? characterMap)
        : base(vocabulary, PieceTable.Build(vocabulary, PieceTable.WithSpaces))
    {
        _characterMap = characterMap;
        _unknown = vocabulary.Special.Unknown!.Value;
        _tokens = Trie(vocabulary, TokenAttributes.Normal | TokenAttributes.UserDefined | TokenAttributes.Unused);
        _userDefined = Trie(vocabulary, TokenAttributes.UserDefined);

        // A user-defined token beats any cut into normal ones, whose log probabilities are negative.
        _scores = [.. vocabulary.Scores.Select((score, id) => vocabulary.Has(id, TokenAttributes.UserDefined) ? 0.0 : score)];
        var lowest = float.MaxValue;
        for (var id = 0; id < vocabulary.Count; id++)
        {
            lowest = vocabulary.Has(id, TokenAttributes.Normal) ? Math.Min(lowest, vocabulary.Scores[id]) : lowest;
        }

        _unknownScore = lowest - UnknownPenalty;
    }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        var normalized = Normalize(text);
        if (normalized.Count > 0)
        {
            AddBestCut(CollectionsMarshal.AsSpan(normalized), ids);
        }
    }

    private static ByteTrie Trie(Vocabulary vocabulary, TokenAttributes any)
        => new(Enumerable.Range(0, vocabulary.Count)
            .Where(id => vocabulary.Has(id, any))
            .Select(id => ((ReadOnlyMemory<byte>)vocabulary.Tokens[id].ToArray(), id)));

    private List<byte> Normalize(ReadOnlySpan<byte> text)
    {
        var space = Vocabulary.EscapesSpaces ? Utf8.EscapedSpace : " "u8;
        var merges = Vocabulary.RemovesExtraSpaces;
        var prepends = AddsSpacePrefix;
        var inWord = false;
        var output = new List<byte>(text.Length + (text.Length / 2) + 3);
        while (!text.IsEmpty)
        {
            var piece = NextNormalized(text, out var consumed);
            text = text[consumed..];
            foreach (var value in piece)
            {
                if (value == ' ')
                {
                    inWord = false;
                    if (!merges)
                    {
                        output.AddRange(space);
                    }

                    continue;
                }

                if (!inWord && (prepends || merges))
                {
                    output.AddRange(space);
                    prepends = false;
                }

                inWord = true;
                output.Add(value);
            }
        }

        return output;
    }

    private ReadOnlySpan<byte> NextNormalized(ReadOnlySpan<byte> text, out int consumed)
    {
        // As the reference does, even the beginning of a user-defined token is taken as it stands.
        var node = ByteTrie.Root;
        for (consumed = 0; consumed < text.Length && (node = _userDefined.Step(node, text[consumed])) != ByteTrie.None;)
        {
            consumed++;
        }

        if (consumed > 0)
        {
            return text[..consumed];
        }

        if (_characterMap is not null && _characterMap.TryReplace(text, out var replacement, out consumed))
        {
            return replacement;
        }

        if (Utf8.TryDecode(text, out _, out consumed))
        {
            return text[..consumed];
        }

        consumed = 1;
        return "\uFFFD"u8;
    }

    private void AddBestCut(ReadOnlySpan<byte> text, List<int> ids)
    {
        var best = new Cut[text.Length + 1];
        Array.Fill(best, new Cut(double.MinValue, _unknown, 0));
        best[0] = new Cut(0, _unknown, 0);
        for (var start = 0; start < text.Length;)
        {
            var length = Math.Min(Utf8.LengthFromLead(text[start]), text.Length - start);
            var score = best[start].Score;
            var characterIsToken = false;
            var node = ByteTrie.Root;
            for (var end = start; end < text.Length && (node = _tokens.Step(node, text[end])) != ByteTrie.None;)
            {
                end++;
                if (_tokens.ValueAt(node) is not ByteTrie.None and var id)
                {
                    characterIsToken |= end - start == length;
                    Offer(ref best[end], new Cut(score + _scores[id], id, start));
                }
            }

            if (!characterIsToken)
            {
                Offer(ref best[start + length], new Cut(score + _unknownScore, _unknown, start));
            }

            start += length;
        }

        var first = ids.Count;
        var wasUnknown = false;
        for (var end = text.Length; end > 0; end = best[end].Start)
        {
            // Neighbouring unknown characters are one unknown token.
            var isUnknown = best[end].Token == _unknown;
            if (!isUnknown || !wasUnknown)
            {
                ids.Add(best[end].Token);
            }

            wasUnknown = isUnknown;
        }

        ids.Reverse(first, ids.Count - first);
    }

    private static void Offer(ref Cut champion, Cut challenger)
    {
        if (challenger.Score > champion.Score)
        {
            champion = challenger;
        }
    }

    /// <summary>The best cut of a prefix: its score, its last token, and where that begins.</summary>
    private readonly record struct Cut(double Score, int Token, int Start);
}
