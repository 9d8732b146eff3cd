using System.Runtime.InteropServices;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>WordPiece ("bert" in GGUF): normalized words, each covered from the left by the longest tokens that fit.</summary>
/// <remarks>
/// Devlin et al., "BERT" (2019). GGUF spells the beginning of a word with U+2581 and leaves continuations bare. A word that
/// cannot be covered to its end is one unknown token.
/// </remarks>
internal sealed class WordPieceTokenizer : Tokenizer
{
    private readonly ByteTrie _trie;

    public WordPieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, PieceTable.Build(vocabulary, PieceTable.WithSpaces))
        => _trie = new ByteTrie(Enumerable.Range(0, vocabulary.Count).Select(id => ((ReadOnlyMemory<byte>)vocabulary.Tokens[id].ToArray(), id)));

    public override bool AddsBeginOfText => true;

    public override bool AddsEndOfText => true;

    private protected override bool DropsLeadingSpace => true;

    private protected override void AddFirst(List<int> ids) => ids.Add(BeginOfTextId!.Value);

    private protected override void AddLast(List<int> ids) => ids.Add(Special.Separator!.Value);

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool afterSpecial, List<int> ids)
    {
        var word = new List<byte>(64);
        Span<byte> buffer = stackalloc byte[4];
        while (!text.IsEmpty)
        {
            if (!Utf8.TryDecode(text, out var codePoint, out var length))
            {
                (codePoint, length) = (Utf8.Replacement, 1);
            }

            text = text[length..];
            if (Vocabulary.StripsAccents)
            {
                codePoint = CodePoints.BaseOf(codePoint);
            }

            var kind = CodePoints.ClassOf(codePoint);
            if ((kind & CodePointClass.WhiteSpace) != 0)
            {
                CoverWord(word, ids);
                continue;
            }

            var category = kind & CodePoints.CategoryMask;
            if (codePoint is 0 or Utf8.Replacement || category == CodePointClass.Control || (Vocabulary.StripsAccents && category == CodePointClass.Mark))
            {
                continue;
            }

            var standsAlone = category == CodePointClass.Punctuation
                || (codePoint < 0x7F && category == CodePointClass.Symbol)
                || CodePoints.IsWordPieceIdeograph(codePoint);
            if (standsAlone)
            {
                CoverWord(word, ids);
            }

            word.AddRange(buffer[..Utf8.Encode(Vocabulary.Lowercases ? CodePoints.ToLower(codePoint) : codePoint, buffer)]);
            if (standsAlone)
            {
                CoverWord(word, ids);
            }
        }

        CoverWord(word, ids);
    }

    private void CoverWord(List<byte> letters, List<int> ids)
    {
        if (letters.Count == 0)
        {
            return;
        }

        letters.InsertRange(0, Utf8.EscapedSpace);
        var word = CollectionsMarshal.AsSpan(letters);
        var first = ids.Count;
        while (!word.IsEmpty)
        {
            var (id, length) = LongestPrefix(word);
            if (id < 0)
            {
                ids.RemoveRange(first, ids.Count - first);
                ids.Add(UnknownId!.Value);
                break;
            }

            ids.Add(id);
            word = word[length..];
        }

        letters.Clear();
    }

    private (int Id, int Length) LongestPrefix(ReadOnlySpan<byte> word)
    {
        var (id, length) = (-1, 0);
        var node = ByteTrie.Root;
        for (var at = 0; at < word.Length && (node = _trie.Step(node, word[at])) != ByteTrie.None; at++)
        {
            if (_trie.ValueAt(node) is not ByteTrie.None and var found)
            {
                (id, length) = (found, at + 1);
            }
        }

        return (id, length);
    }
}
