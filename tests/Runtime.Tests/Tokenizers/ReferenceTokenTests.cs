using System.Text;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

/// <summary>Ids against those of llama.cpp for real vocabularies.</summary>
public sealed class ReferenceTokenTests
{
    /// <summary>The names of the recorded id files: <c>VOCABULARY[@PRE][+special]</c>.</summary>
    public static TheoryData<string> Recordings
        => [.. Directory.EnumerateFiles(SharedFolder.Fixture("reference", "tokens"), "*.txt").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Recordings))]
    public void Ids_equal_the_reference(string recording)
    {
        var special = recording.EndsWith("+special", StringComparison.Ordinal);
        var parts = recording.Replace("+special", "", StringComparison.Ordinal).Split('@');
        var tokenizer = RealVocabularies.Load(parts[0], parts.ElementAtOrDefault(1));
        var texts = RealVocabularies.Texts();
        var lines = File.ReadAllLines(SharedFolder.Fixture("reference", "tokens", recording + ".txt"));

        Assert.Equal(texts.Count, lines.Length);
        Assert.All(texts.Zip(lines), pair => Assert.Equal(pair.Second, string.Join(' ', tokenizer.Encode(pair.First, addSpecial: special, parseSpecial: special))));
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("falcon")]
    [InlineData("deepseek-llm")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void A_novel_survives_encoding_and_decoding(string vocabulary)
    {
        var tokenizer = RealVocabularies.Load(vocabulary);
        var novel = File.ReadAllText(SharedFolder.Require("assets", "texts", "war-and-peace.txt"));

        Assert.Equal(novel, tokenizer.Decode(tokenizer.Encode(novel).ToArray()));
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("falcon")]
    [InlineData("deepseek-llm")]
    [InlineData("llama-spm")]
    public void Every_recorded_text_survives_encoding_and_decoding(string vocabulary)
    {
        var tokenizer = RealVocabularies.Load(vocabulary);

        Assert.All(RealVocabularies.Texts(), text => Assert.Equal(Encoding.UTF8.GetString(text), tokenizer.Decode(tokenizer.Encode(text).ToArray())));
    }
}

/// <summary>Vocabularies and texts of the shared folder; tests that ask for them are skipped where it is absent.</summary>
internal static class RealVocabularies
{
    private static readonly Dictionary<(string, string?), Tokenizer> s_loaded = [];

    public static Tokenizer Load(string name, string? preTokenizer = null)
    {
        var path = SharedFolder.Require("reference", "vocabs", $"ggml-vocab-{name}.gguf");
        lock (s_loaded)
        {
            if (!s_loaded.TryGetValue((name, preTokenizer), out var tokenizer))
            {
                using var file = GgufFile.Open(path);
                s_loaded[(name, preTokenizer)] = tokenizer = Tokenizer.FromMetadata(file.Metadata, preTokenizer);
            }

            return tokenizer;
        }
    }

    public static List<byte[]> Texts()
    {
        var all = File.ReadAllBytes(SharedFolder.Require("reference", "tokens", "texts.bin"));
        var texts = new List<byte[]>();
        for (var start = 0; start < all.Length;)
        {
            var end = Array.IndexOf(all, (byte)0, start);
            texts.Add(all[start..end]);
            start = end + 1;
        }

        return texts;
    }
}
