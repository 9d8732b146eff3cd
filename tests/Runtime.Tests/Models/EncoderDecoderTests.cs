using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Conversion;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Encoder–decoders by description alone: converted from checkpoints of random weights, against a plain float64 computation.</summary>
public sealed class EncoderDecoderTests
{
    private static readonly int[] _source = [5, 90, 17, 42, 8, 8, 63, 2];
    private static readonly int[] _target = [1, 30, 77, 12, 55];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Descriptions => new()
    {
        { "BartForConditionalGeneration", """{"activation_function": "gelu", "scale_embedding": true}""" },
        { "BartForConditionalGeneration", """{"activation_function": "relu", "encoder_attention_heads": 8, "decoder_layers": 1}""" },
        { "MBartForConditionalGeneration", """{"activation_function": "gelu", "scale_embedding": true}""" },
        { "MarianMTModel", """{"activation_function": "swish", "scale_embedding": true, "decoder_start_token_id": 95}""" },
        { "EncoderDecoderTransformer", """{"activation_function": "relu", "position_type": "sinusoidal_interleaved", "scale_embedding": true}""" },
        { "EncoderDecoderTransformer", """{"activation_function": "relu", "position_type": "sinusoidal", "normalize_before": true, "has_biases": false, "layer_norm_eps": 1e-6}""" },
        { "EncoderDecoderTransformer", """{"activation_function": "gelu_new", "position_type": "learned", "tie_word_embeddings": false, "has_output_bias": true}""" },
    };

    [Theory]
    [MemberData(nameof(Descriptions))]
    public async Task A_converted_checkpoint_gives_the_papers_logits(string architecture, string changes)
    {
        var plain = new PlainEncoderDecoder(Config(architecture, changes));
        using var folder = plain.Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        await using var model = await LanguageModel.LoadAsync(folder.Output, cancellationToken: Token);
        var logits = new float[_target.Length * model.Information.VocabularySize];
        model.ComputeLogits(_target, (position, rows) => rows.CopyTo(logits.AsSpan(position * model.Information.VocabularySize)), source: _source, cancellationToken: Token);

        Assert.InRange(ReferenceLogitsTests.Error(logits, plain.Logits(_source, _target)), 0, 1e-6);
    }

    [Fact]
    public async Task The_decoder_starts_with_the_token_that_the_config_names()
    {
        using var folder = new PlainEncoderDecoder(Config("MarianMTModel", """{"activation_function": "swish", "decoder_start_token_id": 95}""")).Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        await using var model = await LanguageModel.LoadAsync(folder.Output, cancellationToken: Token);
        var request = new GenerationRequest { Prompt = _source, Options = new GenerationOptions { MaxTokens = 5 } };
        var usual = Assert.Single(await model.SearchAsync(request, Token));
        var named = Assert.Single(await model.SearchAsync(request with { DecoderPrompt = [95] }, Token));
        var other = Assert.Single(await model.SearchAsync(request with { DecoderPrompt = [3] }, Token));

        Assert.Equal(usual.LogProbability, named.LogProbability);
        Assert.NotEqual(usual.LogProbability, other.LogProbability);
    }

    [Fact]
    public async Task Tokens_that_the_checkpoint_forbids_are_not_generated()
    {
        using var folder = new PlainEncoderDecoder(Config("EncoderDecoderTransformer", "{}")).Save();
        WriteMarianVocabulary(folder);
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        int[] chosen;
        await using (var model = await LanguageModel.LoadAsync(folder.Output, cancellationToken: Token))
            chosen = [.. (await MisakiTests.Generate(model, new GenerationRequest { Prompt = _source, Options = new GenerationOptions { MaxTokens = 8, IgnoreEndOfText = true } })).TokenIds];
        folder.Write("generation_config.json", $$"""{"bad_words_ids": [[{{chosen[0]}}], [1, 2]]}""");
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        await using var forbidding = await LanguageModel.LoadAsync(folder.Output, cancellationToken: Token);
        foreach (var beams in new[] { 1, 3 })
        {
            var result = await MisakiTests.Generate(forbidding, new GenerationRequest { Prompt = _source, Options = new GenerationOptions { MaxTokens = 8, Beams = beams, IgnoreEndOfText = true } });
            Assert.DoesNotContain(chosen[0], result.TokenIds);
            Assert.Equal(8, result.TokenIds.Count);
        }
    }

    [Fact]
    public void Marians_pieces_are_cut_by_the_source_and_spelled_by_the_target()
    {
        using var folder = new PlainEncoderDecoder(Config("MarianMTModel", "{}")).Save();
        WriteMarianVocabulary(folder);
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        using var file = GgufFile.Open(folder.Output);
        var source = Tokenizer.FromMetadata(file.Metadata);

        Assert.Equal<IEnumerable<int>>([2, 3, 28, 28, 2, 28, 28, 1, 0], source.Encode("azz zz!"));
        Assert.Equal("zz zz", Tokenizer.ForDecoder(file.Metadata)!.Decode([95, 40, 2, 28, 28, 0]));
    }

    [Fact]
    public void Files_may_bear_a_name_of_their_own()
    {
        using var folder = new PlainEncoderDecoder(Config("EncoderDecoderTransformer", "{}")).Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        var expected = File.ReadAllBytes(folder.Output);
        foreach (var (from, to) in new[] { ("config.json", "gb_bart_config.json"), ("model.safetensors", "gb_bart.safetensors") })
            File.Move(Path.Combine(folder.Path, from), Path.Combine(folder.Path, to));
        folder.Write("tokenizer_config.json", "{}");
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        Assert.Equal<IEnumerable<byte>>(expected, File.ReadAllBytes(folder.Output));

        folder.Write("us_bart_config.json", "{}");
        Assert.Throws<FileNotFoundException>(() => ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token));
    }

    [Theory]
    [InlineData("""{"activation_function": "mish"}""", "mish")]
    [InlineData("""{"position_type": "rotary"}""", "rotary")]
    [InlineData("""{"share_encoder_decoder_embeddings": false}""", "share_encoder_decoder_embeddings")]
    public void What_the_architecture_cannot_say_is_refused(string changes, string named)
    {
        var config = Config("EncoderDecoderTransformer", "{}");
        using var folder = new PlainEncoderDecoder(config).Save();
        folder.Write("config.json", Config("EncoderDecoderTransformer", changes));
        var error = Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("____abca", "____xyz", "'a'")]
    [InlineData("____", "____xyz", "grapheme_chars")]
    [InlineData("____abc", "", "phoneme_chars")]
    public void Lists_of_characters_that_make_no_vocabulary_are_refused(string graphemes, string phonemes, string named)
    {
        var config = Config("BartForConditionalGeneration", """{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}""");
        (config["grapheme_chars"], config["phoneme_chars"]) = (graphemes, phonemes);
        using var folder = new PlainEncoderDecoder(config).Save();
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("context_length", 1 << 28, "context_length")]
    [InlineData("decoder.attention.head_count", 3, "head_count")]
    [InlineData("decoder.block_count", 4, "dec.blk.3.")]
    [InlineData("position_type", "learned", "enc.position_embd.weight")]
    [InlineData("feed_forward_length", 97, "enc.blk.0.ffn_up.weight")]
    public async Task Keys_that_the_tensors_contradict_are_named(string key, object value, string named)
    {
        using var folder = new PlainEncoderDecoder(Config("EncoderDecoderTransformer", "{}")).Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        using var edited = new TemporaryFolder();
        var path = EditedModel.OfFile(folder.Output).Set(key, value is int number ? (uint)number : value).Save(edited);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path, cancellationToken: Token));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_requests_are_told_what_is_wrong()
    {
        using var folder = new PlainEncoderDecoder(Config("EncoderDecoderTransformer", "{}")).Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        await using var model = await LanguageModel.LoadAsync(folder.Output, cancellationToken: Token);

        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [] }));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = _source, DecoderPrompt = [] }));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [96] }));
        Assert.Equal(20, Assert.Throws<ContextLengthExceededException>(() => model.GenerateAsync(new GenerationRequest { Prompt = new int[21] })).TokensPossible);
        Assert.Equal(20, Assert.Throws<ContextLengthExceededException>(() => model.GenerateAsync(new GenerationRequest { Prompt = _source, DecoderPrompt = new int[21] })).TokensPossible);
        Assert.Throws<ArgumentException>(() => model.ComputeLogits(_target, (_, _) => { }));
    }

    [Theory]
    [InlineData("dec.blk.1.cross_attn_k.weight")]
    [InlineData("dec.blk.0.cross_attn_norm.weight")]
    [InlineData("enc.blk.0.attn_q.weight")]
    [InlineData("token_embd.weight")]
    public async Task A_missing_weight_is_named(string tensor)
    {
        using var folder = new PlainEncoderDecoder(Config("EncoderDecoderTransformer", "{}")).Save();
        ModelConverter.Convert(folder.Path, folder.Output, cancellationToken: Token);
        using var edited = new TemporaryFolder();
        var path = EditedModel.OfFile(folder.Output).Remove(tensor).Save(edited);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path, cancellationToken: Token));
        Assert.Contains(tensor, error.Message, StringComparison.Ordinal);
    }

    private static JsonObject Config(string architecture, string changes)
    {
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray(architecture),
            ["vocab_size"] = 96,
            ["d_model"] = 64,
            ["encoder_layers"] = 2,
            ["decoder_layers"] = 3,
            ["encoder_attention_heads"] = 4,
            ["decoder_attention_heads"] = 2,
            ["encoder_ffn_dim"] = 96,
            ["decoder_ffn_dim"] = 160,
            ["max_position_embeddings"] = 20,
            ["activation_function"] = "relu",
            ["position_type"] = architecture == "EncoderDecoderTransformer" ? "sinusoidal" : null,
            ["decoder_start_token_id"] = 1,
            ["pad_token_id"] = 95,
        };
        foreach (var (key, value) in JsonNode.Parse(changes)!.AsObject())
            config[key] = value?.DeepClone();
        return config;
    }

    // Marian's files: letters in both languages, and a piece that only the target's has.
    private static void WriteMarianVocabulary(CheckpointFolder folder)
    {
        var vocabulary = new JsonObject { ["</s>"] = 0, ["<unk>"] = 1, ["\u2581"] = 2, ["\u2581zz"] = 40, ["<pad>"] = 95 };
        var letters = Enumerable.Range(0, 26).Select(i => ((char)('a' + i)).ToString()).ToArray();
        for (var i = 0; i < letters.Length; i++)
            vocabulary[letters[i]] = 3 + i;
        (string, float, TokenKind)[] pieces = [("<unk>", 0, TokenKind.Unknown), ("</s>", 0, TokenKind.Control), ("\u2581", -1, TokenKind.Normal), .. letters.Select(letter => (letter, -2f, TokenKind.Normal))];
        folder.Write("vocab.json", vocabulary).WriteBytes("source.spm", SentencePieceFile.Write(pieces, unigram: true));
    }
}
