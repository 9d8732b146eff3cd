using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Conversion.Vocabularies;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Real vocabularies, saved in the formats of Hugging Face and SentencePiece and converted back: every id stays.</summary>
public sealed class RealVocabularyConversionTests
{
    [Fact]
    public void Gpt_2_from_tokenizer_json()
    {
        var source = Source("gpt-2");
        using var folder = ModelConverterTests.Tiny().Save().Write("tokenizer.json", new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(50256, "<|endoftext|>", special: true)),
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = Vocabulary(source), ["merges"] = Strings(source.Get<string[]>("tokenizer.ggml.merges")) },
        }).Write("tokenizer_config.json", """{"bos_token":"<|endoftext|>","eos_token":"<|endoftext|>"}""");

        AssertSameIds("gpt-2", Convert(folder, source));
    }

    [Fact]
    public void Gpt_2_from_vocab_and_merges()
    {
        var source = Source("gpt-2");
        using var folder = ModelConverterTests.Tiny().Save().Write("vocab.json", Vocabulary(source))
            .Write("merges.txt", "#version: 0.2\n" + string.Join('\n', source.Get<string[]>("tokenizer.ggml.merges")) + "\n")
            .Write("tokenizer_config.json", """{"tokenizer_class":"GPT2Tokenizer","bos_token":"<|endoftext|>","eos_token":{"content":"<|endoftext|>"}}""");

        AssertSameIds("gpt-2", Convert(folder, source));
    }

    [Fact]
    public void Llama_from_a_SentencePiece_model()
    {
        var source = Source("llama-spm");
        using var folder = ModelConverterTests.Tiny().Save().WriteBytes("tokenizer.model", SentencePieceFile.Write(Pieces(source), unigram: false, removesSpaces: false))
            .Write("tokenizer_config.json", """{"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>","add_bos_token":true,"add_eos_token":false}""");

        AssertSameIds("llama-spm", Convert(folder, source));
    }

    [Fact]
    public void Llama_from_tokenizer_json()
    {
        var source = Source("llama-spm");
        var pieces = Pieces(source).ToArray();
        var ids = pieces.Select((piece, id) => (piece.Text, id)).ToDictionary(entry => entry.Text, entry => entry.id, StringComparer.Ordinal);
        // As the library makes merges of a SentencePiece model: every way to put a piece together, best pieces first.
        var merges = pieces.Where(piece => piece.Kind == TokenKind.Normal).OrderByDescending(piece => piece.Score)
            .SelectMany(piece => Enumerable.Range(1, piece.Text.Length - 1).Select(at => (Left: piece.Text[..at], Right: piece.Text[at..]))
                .Where(pair => ids.ContainsKey(pair.Left) && ids.ContainsKey(pair.Right)).OrderBy(pair => (ids[pair.Left], ids[pair.Right])));
        using var folder = ModelConverterTests.Tiny().Save().Write("tokenizer.json", new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(0, "<unk>", special: true), Added(1, "<s>", special: true), Added(2, "</s>", special: true)),
            ["normalizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["normalizers"] = new JsonArray(
                    new JsonObject { ["type"] = "Prepend", ["prepend"] = "\u2581" },
                    new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = "\u2581" }),
            },
            ["post_processor"] = new JsonObject { ["type"] = "TemplateProcessing", ["single"] = new JsonArray(Special("<s>"), new JsonObject { ["Sequence"] = new JsonObject { ["id"] = "A" } }) },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = true,
                ["vocab"] = Vocabulary(source),
                ["merges"] = new JsonArray([.. merges.Select(pair => (JsonNode)new JsonArray(pair.Left, pair.Right))]),
            },
        }).Write("tokenizer_config.json", """{"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"}""");

        AssertSameIds("llama-spm", Convert(folder, source));
    }

    [Fact]
    public void Phi_3_from_a_SentencePiece_model_and_added_tokens()
    {
        var source = Source("phi-3");
        var pieces = Pieces(source).ToArray();
        var kinds = source.Get<int[]>("tokenizer.ggml.token_type");
        var decoder = new JsonObject();
        foreach (var id in new[] { 0, 1, 2 }.Concat(Enumerable.Range(32000, pieces.Length - 32000)).Where(id => kinds[id] is 3 or 4))
            decoder[id.ToString(CultureInfo.InvariantCulture)] = new JsonObject { ["content"] = pieces[id].Text, ["special"] = kinds[id] == 3 };
        using var folder = ModelConverterTests.Tiny().Save().WriteBytes("tokenizer.model", SentencePieceFile.Write(pieces[..32000], unigram: false, removesSpaces: false))
            .Write("tokenizer_config.json", new JsonObject { ["bos_token"] = "<s>", ["eos_token"] = "<|endoftext|>", ["unk_token"] = "<unk>", ["add_bos_token"] = true, ["add_eos_token"] = false, ["added_tokens_decoder"] = decoder });

        AssertSameIds("phi-3", Convert(folder, source));
    }

    [Fact]
    public void Bert_from_vocab_txt()
    {
        var source = Source("bert-bge");
        using var folder = ModelConverterTests.Tiny().Save().Write("vocab.txt", string.Concat(WordPieces(source).Select(piece => piece + "\n"))).Write("tokenizer_config.json", """{"do_lower_case":true,"cls_token":"[CLS]"}""");

        AssertSameIds("bert-bge", Convert(folder, source));
    }

    [Fact]
    public void Bert_from_tokenizer_json()
    {
        var source = Source("bert-bge");
        var vocabulary = new JsonObject();
        foreach (var (piece, id) in WordPieces(source).Select((piece, id) => (piece, id)))
            vocabulary[piece] = id;
        using var folder = ModelConverterTests.Tiny().Save().Write("tokenizer.json", new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(0, "[PAD]", true), Added(100, "[UNK]", true), Added(101, "[CLS]", true), Added(102, "[SEP]", true), Added(103, "[MASK]", true)),
            ["normalizer"] = new JsonObject { ["type"] = "BertNormalizer", ["clean_text"] = true, ["handle_chinese_chars"] = true, ["strip_accents"] = null, ["lowercase"] = true },
            ["model"] = new JsonObject { ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = "##", ["vocab"] = vocabulary },
        }).Write("tokenizer_config.json", """{"cls_token":"[CLS]","sep_token":"[SEP]","pad_token":"[PAD]","mask_token":"[MASK]","unk_token":"[UNK]"}""");

        AssertSameIds("bert-bge", Convert(folder, source));
    }

    private static void AssertSameIds(string name, Tokenizer converted)
    {
        var original = RealVocabularies.Load(name);
        Assert.Equal((original.VocabularySize, original.BeginOfTextId, original.AddsBeginOfText, original.AddsEndOfText), (converted.VocabularySize, converted.BeginOfTextId, converted.AddsBeginOfText, converted.AddsEndOfText));
        foreach (var text in RealVocabularies.Texts())
        {
            Assert.Equal(original.Encode(text), converted.Encode(text));
            Assert.Equal(original.Encode(text, parseSpecial: true), converted.Encode(text, parseSpecial: true));
        }
    }

    private static Tokenizer Convert(CheckpointFolder folder, GgufMetadata source)
    {
        using var checkpoint = Checkpoint.Open(folder.Path);
        var pairs = new GgufPairs();
        VocabularyConversion.Write(pairs, checkpoint, CheckpointFamily.Find("GPT2LMHeadModel"), source.Get<string[]>("tokenizer.ggml.tokens").Length);
        return Tokenizer.FromMetadata(new GgufMetadata(pairs.InOrder));
    }

    private static GgufMetadata Source(string name)
    {
        using var file = GgufFile.Open(SharedFolder.Require("reference", "vocabs", $"ggml-vocab-{name}.gguf"));
        return file.Metadata;
    }

    private static IEnumerable<(string Text, float Score, TokenKind Kind)> Pieces(GgufMetadata source)
    {
        var (scores, kinds) = (source.Get<float[]>("tokenizer.ggml.scores"), source.Get<int[]>("tokenizer.ggml.token_type"));
        return source.Get<string[]>("tokenizer.ggml.tokens").Select((text, id) => (text, scores[id], (TokenKind)kinds[id]));
    }

    private static IEnumerable<string> WordPieces(GgufMetadata source)
    {
        var kinds = source.Get<int[]>("tokenizer.ggml.token_type");
        return source.Get<string[]>("tokenizer.ggml.tokens").Select((text, id) => kinds[id] == 3 ? text : text[0] == '\u2581' ? text[1..] : "##" + text);
    }

    private static JsonObject Vocabulary(GgufMetadata source)
    {
        var vocabulary = new JsonObject();
        foreach (var (text, id) in source.Get<string[]>("tokenizer.ggml.tokens").Select((text, id) => (text, id)))
            vocabulary[text] = id;
        return vocabulary;
    }

    private static JsonArray Strings(string[] strings) => new([.. strings.Select(text => (JsonNode)text)]);

    private static JsonObject Added(int id, string text, bool special) => new() { ["id"] = id, ["content"] = text, ["special"] = special, ["normalized"] = false };

    private static JsonObject Special(string text) => new() { ["SpecialToken"] = new JsonObject { ["id"] = text, ["type_id"] = 0 } };
}
