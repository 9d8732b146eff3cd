using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Small vocabularies of each kind that constraints are walked with.</summary>
internal static class WalkVocabularies
{
    private static readonly Lazy<Tokenizer> s_ember = new(() => Load(Path.Combine(SharedFolder.Repository, "models", "ember.gguf")));
    private static readonly Lazy<Tokenizer> s_oddPieces = new(MakeOddPieces);
    private static readonly Lazy<Tokenizer> s_oddBytes = new(() => MakeOddBytes(0));
    private static readonly Lazy<Tokenizer> s_large = new(() => MakeOddBytes(250_000));

    // Texts that begin, end and cross the parts of JSON in the middle.
    private static readonly string[] s_odd =
    [
        "{", "}", "[", "]", "\"", ":", ",", " ", "  ", "\n", "\n  ", "\t", "\":", "\":\"", "\",\"", "\": \"", "\", \"", "\"}", "\"]", "\"},{\"", "{\"", "[\"", "{}", "[]", "[{", "}]", "}}", "]]",
        "{\"a\":", "\"a\":1", "a\":", "a\",\"a", "a\",\"b\":\"", "b\",\"b", "\"a\",\"a\"", "\",\"\",\"", "\"\"", "\"\",", "x\",\"x\"]", ",\"", ", \"", ": ", ":1", ",1", "1,", "1,1", "1]", "1}", "0,", "10,1", "],[", "[[",
        "true", "true,", "rue", "fal", "false}", "null", "null]", "nul", "l", "tr", "e", "E", "e+", "e3", "E-", "-", "-0", "-1", "00", "01", "0.", ".0", ".5", "1.", "1e", "0e0", "12", "123", "0", "1", "2", "3", "5", "9",
        "\\", "\\\\", "\\\"", "\\\",", "\\u", "\\u00", "\\u0061", "\\ud83d", "\\ude00", "\\ud83d\\ude00", "\\n", "\\/", "u00", "0041", "d8", "\\\\\"", "\\ud", "\\udc",
        "a", "b", "c", "d", "x", "A", "ab", "abc", "aa", "bb", "foo", "bar", "foobar", "name", "value", "é", "é\"", "€", "😀", "😀\"", "a\"", "b\"]", "c\"}", "ab\",", "-1-1", "2020-", "-01-", "T00:00:00Z", "@", "@a.", ".com", "::1", "::", "127.0.0.1",
        "if", "then", "else", "(", ")", "+", "*", "=", ";", "root", "\r\n", "\u0000", "\u007f",
    ];

    /// <summary>A byte-level vocabulary of 2048 tokens.</summary>
    public static Tokenizer Ember => s_ember.Value;

    /// <summary>SentencePiece whose first space is dropped, with byte tokens, special tokens and pieces across JSON's parts.</summary>
    public static Tokenizer OddPieces => s_oddPieces.Value;

    /// <summary>Byte-level, with pieces of characters, special tokens, and pieces across JSON's parts.</summary>
    public static Tokenizer OddBytes => s_oddBytes.Value;

    public static Tokenizer ByName(string name) => name switch
    {
        "ember" => Ember,
        "pieces" => OddPieces,
        "bytes" => OddBytes,
        "large" => s_large.Value, // as OddBytes, with 250,000 tokens made of two to six of its texts
        _ => Load(SharedFolder.Require("assets", "stories260K", "stories260K.gguf")),
    };

    private static Tokenizer Load(string path)
    {
        using var file = GgufFile.Open(path);
        return Tokenizer.FromMetadata(file.Metadata);
    }

    private static Tokenizer MakeOddPieces()
    {
        var vocabulary = new TinyVocabulary("llama").Add("<unk>", TokenKind.Unknown).Add("<s>", TokenKind.Control).Add("</s>", TokenKind.Control).AddBytes();
        var score = -1f;
        foreach (var text in s_odd.Concat([" a", " \"", " {", "  \"", " 1", " \"a\":"]).Distinct())
        {
            vocabulary.Add(text.Replace(' ', TinyVocabulary.Escaped), score: score--);
        }

        return vocabulary.Add("<user>", TokenKind.UserDefined).Add("\"<tool>", TokenKind.UserDefined).Add("<|im_end|>", TokenKind.Control).With("bos_token_id", 1u).With("eos_token_id", 2u).Build();
    }

    private static Tokenizer MakeOddBytes(int least)
    {
        byte[][] halves =
        [
            [0xC3], [0xA9], [0xA9, (byte)'"'], [0xE2, 0x82], [0xE2], [0xAC], [0x82, 0xAC], [0xAC, (byte)'"'], [0xAC, (byte)'"', (byte)','], [0xF0, 0x9F], [0x98, 0x80], [0xF0, 0x9F, 0x98], [0x80],
            [0x80, (byte)'"', (byte)'}'], [(byte)'"', 0xE2], [(byte)'a', 0xC3], [0xA9, 0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xFF], [(byte)'"', (byte)',', (byte)'"', 0xE2, 0x82],
        ];
        var vocabulary = new TinyVocabulary("gpt2");
        var known = new HashSet<string>();
        for (var value = 0; value < 256; value++)
        {
            Add([(byte)value]);
        }

        foreach (var text in s_odd.Concat([" a", " \"", " {", "  \"", " 1", "\": [", "\": {\"", ", \"a\": "]))
        {
            Add(Encoding.UTF8.GetBytes(text));
        }

        foreach (var half in halves)
        {
            Add(half);
        }

        var random = new Random(1);
        while (known.Count < least)
        {
            Add(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, random.Next(2, 7)).Select(_ => s_odd[random.Next(s_odd.Length)]))));
        }

        vocabulary.Add("<|end|>", TokenKind.Control).Add("<|turn|>", TokenKind.Control).Add("<tool>", TokenKind.UserDefined);
        return vocabulary.Merging("a b").With("pre", "gpt-2").With("eos_token_id", (uint)known.Count).With("eot_token_id", (uint)(known.Count + 1)).Build();

        void Add(byte[] bytes)
        {
            var token = string.Concat(bytes.Select(Letter));
            if (known.Add(token))
            {
                vocabulary.Add(token);
            }
        }
    }

    // The letter of a byte in GPT-2's alphabet.
    private static char Letter(byte value)
    {
        static bool IsItself(int one) => one is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
        return IsItself(value) ? (char)value : (char)(256 + Enumerable.Range(0, value).Count(one => !IsItself(one)));
    }
}
