using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Hearth.Ember.Tokenizer;

/// <summary>Byte-level BPE with the pre-tokenizer that GGUF calls "qwen2". Safe for concurrent use.</summary>
public sealed partial class BpeTokenizer
{
    public static readonly string[] Specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"];

    [GeneratedRegex(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    private static partial Regex Pieces();

    [GeneratedRegex(@"<\|endoftext\|>|<\|im_start\|>|<\|im_end\|>|<tool_call>|</tool_call>")]
    private static partial Regex SpecialText();

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<(int, int), (int Rank, int Id)> _merges = [];
    private readonly ConcurrentDictionary<string, int[]> _cache = new();

    /// <summary>Token texts by id, bytes written as GPT-2's printable characters.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Merge rules "left right" in order of rank.</summary>
    public IReadOnlyList<string> Merges { get; }

    public int Count => Tokens.Count;
    public int Id(string token) => _ids[token];

    public BpeTokenizer(IReadOnlyList<string> merges)
    {
        Merges = merges;
        var tokens = Enumerable.Range(0, 256).Select(b => ByteText((byte)b)).ToList();
        tokens.AddRange(merges.Select(m => m.Replace(" ", "")));
        tokens.AddRange(Specials);
        Tokens = tokens;
        _ids = tokens.Select((t, i) => (t, i)).ToDictionary(p => p.t, p => p.i);
        for (int rank = 0; rank < merges.Count; rank++)
        {
            var pair = merges[rank].Split(' ');
            _merges[(_ids[pair[0]], _ids[pair[1]])] = (rank, 256 + rank);
        }
    }

    public static BpeTokenizer Load(string path) => new(JsonSerializer.Deserialize<string[]>(File.ReadAllText(path))!);
    public void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(Merges));

    public static IEnumerable<string> Split(string text) => Pieces().Matches(text).Select(m => m.Value);

    /// <summary>Ids of a text; the special tokens' own spelling becomes one id each.</summary>
    public List<int> Encode(string text)
    {
        var ids = new List<int>();
        int at = 0;
        foreach (Match special in SpecialText().Matches(text))
        {
            EncodePlain(text[at..special.Index], ids);
            ids.Add(_ids[special.Value]);
            at = special.Index + special.Length;
        }
        EncodePlain(text[at..], ids);
        return ids;
    }

    public string Decode(IEnumerable<int> ids)
    {
        var bytes = new List<byte>();
        foreach (int id in ids)
        {
            if (id >= Count - Specials.Length) bytes.AddRange(Encoding.UTF8.GetBytes(Tokens[id]));
            else foreach (char c in Tokens[id]) bytes.Add(TextByte(c));
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>A token's bytes, each as the character of its number.</summary>
    public string Latin1(int id) => id >= Count - Specials.Length ? Tokens[id] : string.Concat(Tokens[id].Select(c => (char)TextByte(c)));

    private void EncodePlain(string text, List<int> ids)
    {
        foreach (string piece in Split(text)) ids.AddRange(_cache.GetOrAdd(piece, Merge));
    }

    private int[] Merge(string piece)
    {
        var ids = Encoding.UTF8.GetBytes(piece).Select(b => (int)b).ToList();
        while (true)
        {
            int best = -1, rank = int.MaxValue, id = 0;
            for (int i = 0; i + 1 < ids.Count; i++)
            {
                if (_merges.TryGetValue((ids[i], ids[i + 1]), out var m) && m.Rank < rank) (best, rank, id) = (i, m.Rank, m.Id);
            }
            if (best < 0) return [.. ids];
            ids[best] = id;
            ids.RemoveAt(best + 1);
        }
    }

    // GPT-2 shows bytes as printable characters: the printable Latin-1 ones as themselves, the rest from U+0100 on.
    private static readonly char[] ByteCharacters = MakeByteCharacters();
    private static readonly Dictionary<char, byte> CharacterBytes = ByteCharacters.Select((c, b) => (c, (byte)b)).ToDictionary();

    public static string ByteText(byte value) => ByteCharacters[value].ToString();
    public static string ByteText(string text) => string.Concat(Encoding.UTF8.GetBytes(text).Select(ByteText));
    private static byte TextByte(char c) => CharacterBytes[c];

    private static char[] MakeByteCharacters()
    {
        var characters = new char[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE and <= 0xFF;
            characters[b] = printable ? (char)b : (char)next++;
        }
        return characters;
    }
}
