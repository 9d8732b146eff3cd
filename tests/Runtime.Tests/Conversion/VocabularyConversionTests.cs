using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Conversion.Vocabularies;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Small vocabularies of our own: what each file of a folder says of the tokenizer.</summary>
public sealed class VocabularyConversionTests
{
    private const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Cased = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";
    private const string Upper = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";
    private const string Tail = @" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

    public static TheoryData<string, string> PreTokenizers => new()
    {
        { "gpt-2", """{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}""" },
        { "smollm", """{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel"}]}""" },
        { "qwen2", Split(Qwen2) },
        { "dbrx", Split(Llama3) },
        { "dbrx", Split("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])" + Llama3[28..]) },
        { "seed-coder", Split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+") },
        { "bailingmoe", Split(@"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+") },
        { "tekken", Split($@"{Cased}|{Upper}|\p{{N}}|{Tail}") },
        { "gpt-4o", Split($@"{Cased}{Contraction}|{Upper}{Contraction}|\p{{N}}{{1,3}}|{Tail}") },
        { "gpt-4o", Split($@"{Cased}{Contraction}|{Upper}{Contraction}|\p{{N}}{{1,3}}|{Tail}").Replace("\"Isolated\",\"invert\":false", "\"Removed\",\"invert\":true", StringComparison.Ordinal) },
        { "deepseek-v3", Split(@"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+") },
        { "bloom", Split(" ?[^(\\s|[.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C])]+") },
        { "falcon", """{"type":"Sequence","pretokenizers":[{"type":"Punctuation","behavior":"Contiguous"},{"type":"ByteLevel","use_regex":true},{"type":"Digits","individual_digits":false},{"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false}]}""" },
    };

    [Theory]
    [MemberData(nameof(PreTokenizers))]
    public void A_pre_tokenizer_is_known_by_its_structure(string name, string preTokenizer)
    {
        using var folder = ByteLevel(preTokenizer);
        Assert.Equal(name, Convert(folder)["tokenizer.ggml.pre"]);
    }

    [Fact]
    public void Llama_3_is_told_from_its_like_by_taking_whole_words()
    {
        using var folder = ByteLevel(Split(Llama3), model => model["ignore_merges"] = true);
        var pairs = Convert(folder);
        Assert.Equal(("llama-bpe", (object)false), (pairs["tokenizer.ggml.pre"], pairs["tokenizer.ggml.add_bos_token"]));
    }

    [Theory]
    [InlineData("""{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated","invert":false}""", "\\w+")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""", "MergedWithPrevious")]
    [InlineData("""{"type":"Whitespace"}""", "Whitespace")]
    public void An_unknown_pre_tokenizer_is_named(string stage, string named)
    {
        using var folder = ByteLevel($$"""{"type":"Sequence","pretokenizers":[{{stage}},{"type":"ByteLevel","use_regex":false}]}""");
        Assert.Contains(named, Assert.Throws<UnsupportedModelException>(() => Convert(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_beyond_the_vocabulary_are_unused_and_added_tokens_have_their_kinds()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""", added: """[{"id":5,"content":"<|im_end|>","special":false},{"id":6,"content":"<tool>","special":false},{"id":7,"content":"[X]","special":true},{"id":99,"content":"far","special":true}]""");
        var pairs = Convert(folder, rows: 10, out var notes);

        Assert.Equal(["a", "b", "c", "ab", "abc", "<|im_end|>", "<tool>", "[X]", "[PAD8]", "[PAD9]"], (string[])pairs["tokenizer.ggml.tokens"]);
        Assert.Equal([1, 1, 1, 1, 1, 3, 4, 3, 5, 5], (int[])pairs["tokenizer.ggml.token_type"]);
        Assert.Contains(notes, note => note.Contains("far", StringComparison.Ordinal));
        Assert.Equal([4, 6, 7], Tokenizer.FromMetadata(new GgufMetadata(pairs)).Encode("abc<tool>[X]", parseSpecial: true));
    }

    [Fact]
    public void Lists_of_added_tokens_that_contradict_each_other_are_noted()
    {
        const string Added = """[{"id":5,"content":"<tool>","special":false},{"id":6,"content":"[X]","special":true}]""";
        Assert.Empty(Notes("""{"5":{"content":"<tool>","special":false},"6":{"content":"[X]","special":true}}"""));
        Assert.Contains("token 5 is '<tool>' in one list and '<call>' in another", Assert.Single(Notes("""{"5":{"content":"<call>","special":false}}""")), StringComparison.Ordinal);
        Assert.Contains("token 6 '[X]' is special in one list", Assert.Single(Notes("""{"6":{"content":"[X]","special":false}}""")), StringComparison.Ordinal);
        Assert.Contains("token 9 'new'", Assert.Single(Notes("""{"9":{"content":"new","special":false}}""")), StringComparison.Ordinal);

        List<string> Notes(string decoder)
        {
            using var folder = ByteLevel("""{"type":"ByteLevel"}""", added: Added);
            folder.Write("tokenizer_config.json", $$"""{"added_tokens_decoder":{{decoder}}}""");
            Convert(folder, 10, out var notes);
            return notes;
        }
    }

    [Fact]
    public void An_added_token_in_the_place_of_another_word_is_noted()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""", added: """[{"id":1,"content":"<tool>","special":false}]""");
        Convert(folder, 10, out var notes);
        Assert.Contains("token 1 is 'b' in one list and '<tool>' in another", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lstrip")]
    [InlineData("rstrip")]
    [InlineData("single_word")]
    public void Properties_of_added_tokens_without_a_place_are_noted(string property)
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""", added: $$"""[{"id":5,"content":"<mask>","special":true,"{{property}}":true}]""");
        Convert(folder, 10, out var notes);
        Assert.Contains($"'<mask>' has {property}", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Ends_of_text_that_the_file_cannot_name_are_noted()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""", added: """[{"id":5,"content":"<|im_end|>","special":true},{"id":6,"content":"<halt>","special":true}]""");
        folder.Write("generation_config.json", """{"eos_token_id":[4,5,6]}""");
        Convert(folder, 10, out var notes);
        Assert.Contains("ends of text 6 of", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Merges_are_written_as_strings_whichever_way_they_are_stored()
    {
        using var strings = ByteLevel("""{"type":"ByteLevel"}""");
        using var pairs = ByteLevel("""{"type":"ByteLevel"}""", model => model["merges"] = JsonNode.Parse("""[["a","b"],["ab","c"],["a ","b"]]"""));
        Assert.Equal(["a b", "ab c"], (string[])Convert(strings)["tokenizer.ggml.merges"]);
        Assert.Equal(["a b", "ab c", "a\u0120 b"], (string[])Convert(pairs)["tokenizer.ggml.merges"]);
    }

    [Fact]
    public void Roles_come_from_the_tokenizers_config_then_from_the_models()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""")
            .Write("tokenizer_config.json", """{"bos_token":{"content":"a"},"eos_token":"b","add_bos_token":true,"add_eos_token":false}""")
            .Write("special_tokens_map.json", """{"pad_token":"c","eos_token":"ab"}""")
            .Write("generation_config.json", """{"eos_token_id":[4,3],"unk_token_id":3,"mask_token_id":1000}""");
        var pairs = Convert(folder);

        Assert.Equal([0u, 1u, 2u, 3u], new[] { "bos", "eos", "padding", "unknown" }.Select(role => pairs[$"tokenizer.ggml.{role}_token_id"]));
        Assert.Equal([true, false], new[] { "bos", "eos" }.Select(role => pairs[$"tokenizer.ggml.add_{role}_token"]));
        Assert.DoesNotContain("tokenizer.ggml.mask_token_id", pairs.Keys);
    }

    [Fact]
    public void A_post_processor_decides_what_is_put_around_a_text()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""", root: root => root["post_processor"] = JsonNode.Parse(
            """{"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"c"}}]}]}"""))
            .Write("tokenizer_config.json", """{"eos_token":"b"}""");
        var pairs = Convert(folder);

        Assert.Equal([true, true], new[] { "bos", "eos" }.Select(role => pairs[$"tokenizer.ggml.add_{role}_token"]));
        Assert.Equal([0u, 2u, 1u], new[] { "bos", "eos", "eot" }.Select(role => pairs[$"tokenizer.ggml.{role}_token_id"]));
        Assert.Equal([0, 3, 2], Tokenizer.FromMetadata(new GgufMetadata(pairs)).Encode("ab"));
    }

    [Fact]
    public void Unigram_models_of_both_formats_give_the_same_ids()
    {
        (string Text, float Score, TokenKind Kind)[] pieces =
        [
            ("<pad>", 0, TokenKind.Control), ("</s>", 0, TokenKind.Control), ("<unk>", 0, TokenKind.Unknown), ("\u2581", -2, TokenKind.Normal), ("\u2581a", -2.4f, TokenKind.Normal),
            ("b", -3, TokenKind.Normal), ("ab", -3.5f, TokenKind.Normal), ("\u2581ab", -7, TokenKind.Normal), ("c", -4, TokenKind.Normal),
        ];
        var config = """{"eos_token":"</s>","unk_token":"<unk>","pad_token":"<pad>"}""";
        using var binary = ModelConverterTests.Tiny().Save().WriteBytes("spiece.model", SentencePieceFile.Write(pieces, unigram: true)).Write("tokenizer_config.json", config);
        using var text = ModelConverterTests.Tiny().Save().Write("tokenizer_config.json", config).Write("tokenizer.json", new JsonObject
        {
            ["added_tokens"] = JsonNode.Parse("""[{"id":0,"content":"<pad>","special":true},{"id":1,"content":"</s>","special":true},{"id":2,"content":"<unk>","special":true}]"""),
            ["normalizer"] = new JsonObject { ["type"] = "Sequence", ["normalizers"] = new JsonArray() },
            ["pre_tokenizer"] = JsonNode.Parse("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"\u2581","add_prefix_space":true}]}"""),
            ["post_processor"] = JsonNode.Parse("""{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}]}"""),
            ["model"] = new JsonObject { ["type"] = "Unigram", ["unk_id"] = 2, ["vocab"] = new JsonArray([.. pieces.Select(piece => (JsonNode)new JsonArray(piece.Text, piece.Score))]) },
        });
        var (first, second) = (Convert(binary, 12, out _), Convert(text, 12, out _));

        Assert.Equal("t5", first["tokenizer.ggml.model"]);
        Assert.Equal((string[])first["tokenizer.ggml.tokens"], (string[])second["tokenizer.ggml.tokens"]);
        Assert.Equal((int[])first["tokenizer.ggml.token_type"], (int[])second["tokenizer.ggml.token_type"]);
        var (one, two) = (Tokenizer.FromMetadata(new GgufMetadata(first)), Tokenizer.FromMetadata(new GgufMetadata(second)));
        Assert.Equal([4, 5, 3, 8, 2, 1], one.Encode(" ab  c\u00E9"));
        Assert.Equal(one.Encode(" ab  c\u00E9"), two.Encode(" ab  c\u00E9"));
    }

    [Fact]
    public void A_SentencePiece_character_map_is_carried_over()
    {
        byte[] map = [4, 0, 0, 0, 0, 0, 0, 0, 0];
        (string Text, float Score, TokenKind Kind)[] pieces = [("<unk>", 0, TokenKind.Unknown), ("a", -1, TokenKind.Normal)];
        using var folder = ModelConverterTests.Tiny().Save().WriteBytes("spiece.model", SentencePieceFile.Write(pieces, unigram: true, addsPrefix: false, removesSpaces: false, map: map));
        var pairs = Convert(folder);

        Assert.Equal(map, (byte[])pairs["tokenizer.ggml.precompiled_charsmap"]);
        Assert.Equal([false, false], new[] { "add_space_prefix", "remove_extra_whitespaces" }.Select(key => pairs["tokenizer.ggml." + key]));
    }

    [Fact]
    public void Broken_SentencePiece_models_give_typed_errors_only()
    {
        var sound = SentencePieceFile.Write([("<unk>", 0, TokenKind.Unknown), ("a", -1, TokenKind.Normal), ("\u2581b", -2, TokenKind.UserDefined)], unigram: true, map: [4, 0, 0, 0, 0, 0, 0, 0, 0]);
        using var folder = ModelConverterTests.Tiny().Save();
        var random = new Random(7);
        for (var round = 0; round < 500; round++)
        {
            var broken = (byte[])sound.Clone();
            broken[random.Next(broken.Length)] = (byte)random.Next(256);
            folder.WriteBytes("spiece.model", random.Next(3) == 0 ? broken[..random.Next(broken.Length)] : broken);
            if (Record.Exception(() => Convert(folder)) is { } error)
                Assert.IsAssignableFrom<HearthException>(error);
        }
    }

    [Theory]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0,"b":-1}},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":["a"]},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[7]},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0}},"pre_tokenizer":{"type":"ByteLevel"},"added_tokens":[{"content":"x"}]}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0,"\ud800":1}},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"Unigram","vocab":[["a"]]}}""")]
    [InlineData("""{"model":{"type":"Unigram","vocab":[["a",-1],["a",-2]],"unk_id":0}}""")]
    [InlineData("""{"version":"1.0"}""")]
    [InlineData("""{"model":""")]
    public void Broken_tokenizer_json_is_told(string json)
    {
        using var folder = ModelConverterTests.Tiny().Save().Write("tokenizer.json", json);
        Assert.Throws<ModelFormatException>(() => Convert(folder));
    }

    [Theory]
    [InlineData("""{"model":{"type":"WordLevel","vocab":{"a":0}}}""", "WordLevel")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0}},"pre_tokenizer":{"type":"Whitespace"}}""", "BPE")]
    public void Other_algorithms_are_refused_by_name(string json, string named)
    {
        using var folder = ModelConverterTests.Tiny().Save().Write("tokenizer.json", json);
        Assert.Contains(named, Assert.Throws<UnsupportedModelException>(() => Convert(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Chat_templates_come_from_the_config_or_a_file_of_their_own()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""").Write("chat_template.jinja", "{{ file }}");
        Assert.Equal("{{ file }}", Convert(folder)["tokenizer.chat_template"]);
        folder.Write("tokenizer_config.json", """{"chat_template":"{{ config }}"}""");
        Assert.Equal("{{ config }}", Convert(folder)["tokenizer.chat_template"]);
        folder.Write("tokenizer_config.json", """{"chat_template":[{"name":"default","template":"{{ main }}"},{"name":"tool use","template":"{{ tools }}"}]}""");
        var pairs = Convert(folder);
        Assert.Equal(("{{ main }}", "{{ tools }}"), (pairs["tokenizer.chat_template"], pairs["tokenizer.chat_template.tool_use"]));
    }

    [Fact]
    public void A_folder_without_a_tokenizer_gives_a_model_of_ids()
    {
        using var folder = ModelConverterTests.Tiny().Save();
        var result = ModelConverter.Convert(folder.Path, folder.Output);
        Assert.Equal("no_vocab", result.Tokenizer);
        Assert.Contains(result.Notes, note => note.Contains("tokenizer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_whole_folder_becomes_a_model_that_generates()
    {
        using var folder = ByteLevel("""{"type":"ByteLevel"}""");
        ModelConverter.Convert(folder.Path, folder.Output, GgmlType.Q8_0);
        await using var model = await LanguageModel.LoadAsync(folder.Output);

        Assert.Equal([4], model.Tokenize("abc"));
        var ids = new List<int>();
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = [4], Options = new GenerationOptions { MaxTokens = 3, Temperature = 0 } }))
            ids.AddRange(update.TokenIds);
        Assert.NotEmpty(ids);
    }

    private static CheckpointFolder ByteLevel(string preTokenizer, Action<JsonObject>? model = null, string added = "[]", Action<JsonObject>? root = null)
    {
        var json = new JsonObject
        {
            ["added_tokens"] = JsonNode.Parse(added),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = JsonNode.Parse("""{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4},"merges":["a b","ab c"]}"""),
        };
        model?.Invoke(json["model"]!.AsObject());
        root?.Invoke(json);
        return ModelConverterTests.Tiny().Save().Write("tokenizer.json", json);
    }

    private static Dictionary<string, object> Convert(CheckpointFolder folder) => Convert(folder, 64, out _);

    private static Dictionary<string, object> Convert(CheckpointFolder folder, int rows, out List<string> notes)
    {
        using var checkpoint = Checkpoint.Open(folder.Path);
        var pairs = new GgufPairs();
        VocabularyConversion.Write(pairs, checkpoint, CheckpointFamily.Find("LlamaForCausalLM"), rows);
        notes = checkpoint.Notes;
        return pairs.InOrder.ToDictionary();
    }

    private static string Split(params string[] expressions)
    {
        var stages = expressions.Select(expression => (JsonNode)new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = expression }, ["behavior"] = "Isolated", ["invert"] = false });
        return new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray([.. stages, new JsonObject { ["type"] = "ByteLevel", ["use_regex"] = false }]) }.ToJsonString();
    }
}
