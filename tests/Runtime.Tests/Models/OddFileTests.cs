using System.Text.Json.Nodes;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Files as writers really leave them: what cannot work is refused when the model is loaded, what is odd is told of.</summary>
public sealed class OddFileTests : IDisposable
{
    // The reference model's rows.
    private const int Vocabulary = 256;

    private const string ChatMl = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // -1 as a number without sign: exporters write it for "unspecified".
    [Theory]
    [InlineData(uint.MaxValue)]
    [InlineData(-1)]
    [InlineData(0u)]
    public async Task An_unspecified_pooling_is_none(object number)
    {
        using var folder = new TemporaryFolder();
        var path = EditedModel.Of("llama-gqa-base").Set("pooling_type", number).Save(folder);
        Assert.Equal(ModelKind.Decoder, ModelKinds.Read(path));
        await using var model = await LanguageModel.LoadAsync(path);
        await using var vectors = await EmbeddingModel.LoadAsync(path);
        Assert.Equal(PoolingKind.Last, vectors.Pooling);
    }

    [Fact]
    public async Task A_file_with_a_ranking_head_generates_too()
    {
        using var folder = new TemporaryFolder();
        var width = 64;
        await using var model = await LanguageModel.LoadAsync(EditedModel.Of("qwen3vl").SetTensor("cls.output.weight", new float[2 * width], width, 2).Save(folder));
        Assert.True(model.Information.VocabularySize > 0);
    }

    // A head whose every value is rotated is as one whose others are zero.
    [Fact]
    public async Task Latent_attention_may_rotate_whole_heads()
    {
        using var folder = new TemporaryFolder();
        using var file = GgufFile.Open(ReferenceModels.File("minicpm3"));
        int Size(string key) => file.Metadata.Get<int>("minicpm3." + key);
        var (heads, head, value, rotated, layers) = (Size("attention.head_count"), Size("attention.key_length"), Size("attention.value_length"), Size("rope.dimension_count"), Size("block_count"));
        var unrotated = head - rotated;
        var (zeroed, narrow) = (EditedModel.Of("minicpm3"), EditedModel.Of("minicpm3").Set("attention.key_length", (uint)rotated));
        for (var layer = 0; layer < layers; layer++)
        {
            string query = $"blk.{layer}.attn_q_b.weight", both = $"blk.{layer}.attn_kv_b.weight";
            var queries = zeroed.Tensor(query);
            var columns = queries.Length / (heads * head);
            for (var h = 0; h < heads; h++)
                queries.AsSpan(h * head * columns, unrotated * columns).Clear();
            var latent = (int)file.GetTensor(both).Extent(0);
            narrow.SetTensor(query, [.. Rows(queries, columns, head, unrotated, rotated).Select(q => q * MathF.Sqrt((float)rotated / head))], columns, heads * rotated);
            narrow.SetTensor(both, Rows(zeroed.Tensor(both), latent, unrotated + value, unrotated, value), latent, heads * value);
        }

        var tokens = ReferenceModels.Tokens("minicpm3");
        Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(narrow.Save(folder), tokens), await ReferenceLogitsTests.Logits(zeroed.Save(folder), tokens)), 0, 1e-10);

        float[] Rows(float[] matrix, int columns, int ofHead, int first, int count)
            => [.. Enumerable.Range(0, heads).SelectMany(h => matrix.Skip(((h * ofHead) + first) * columns).Take(count * columns))];
    }

    // Exporters that write every key write 0 for sizes that the model does not have.
    [Fact]
    public async Task A_size_of_zero_is_as_none()
    {
        using var folder = new TemporaryFolder();
        var tokens = ReferenceModels.Tokens("qwen3vl");
        var path = EditedModel.Of("qwen3vl").Set("attention.key_length_mla", 0u).Set("attention.sliding_window", 0u).Set("rope.scaling.original_context_length", 0u).Save(folder);
        Assert.Equal(await ReferenceLogitsTests.Logits(ReferenceModels.File("qwen3vl"), tokens), await ReferenceLogitsTests.Logits(path, tokens));
    }

    [Theory]
    [InlineData(Vocabulary - 1)]
    [InlineData(Vocabulary + 3)]
    public async Task A_vocabulary_of_another_length_than_the_embedding_is_refused_with_both_numbers(int tokens)
    {
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(Chatting(ChatMl, tokens).Save(_folder)));

        Assert.Contains($"has {tokens} tokens", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{Vocabulary} rows", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Padding_tokens_that_fill_the_vocabulary_up_are_no_fault()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(ChatMl).Save(_folder));

        Assert.Empty(model.Information.Warnings);
        Assert.True(model.Information.HasChatTemplate);
        Assert.NotEmpty(model.TokenizeChat(Chat));
    }

    [Fact]
    public async Task A_decoders_start_beyond_its_vocabulary_is_refused()
    {
        var path = EditedModel.Of("t5-v1.0").Set("decoder_start_token_id", 9_000_000u).Save(_folder);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path));

        Assert.Contains("decoder_start_token_id' is 9000000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_beyond_the_learned_positions_is_refused_and_one_within_is_taken()
    {
        var path = ReferenceModels.File("gpt2");
        using var file = GgufFile.Open(path);
        var positions = (int)file.GetTensor("position_embd.weight").Extent(1);
        var error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LanguageModel.LoadAsync(path, new ModelOptions { ContextLength = positions + 1 }));
        Assert.Contains($"{positions} positions", error.Message, StringComparison.Ordinal);

        await using var model = await LanguageModel.LoadAsync(path, new ModelOptions { ContextLength = positions, MaxSequences = 1 });
        Assert.Equal(positions, model.Information.ContextLength);
    }

    [Fact]
    public async Task Rotated_positions_set_no_bound()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), new ModelOptions { ContextLength = 1 << 16, MaxSequences = 1 });
        Assert.Equal(1 << 16, model.Information.ContextLength);
    }

    [Theory]
    [InlineData(8, 32, "keys")]
    [InlineData(32, 8, "values")]
    public void A_cache_type_whose_blocks_do_not_fit_the_heads_is_refused_with_both_numbers(int keyWidth, int valueWidth, string named)
    {
        var error = Assert.Throws<UnsupportedModelException>(() => new EnginePageStore(Engine.Get(), [new CacheLayer(1, keyWidth, valueWidth)], 32, 1, CacheType.Q8_0, CacheType.Q4_0));

        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Contains("blocks hold 32 values, for heads of 8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_named_pipe_is_refused_before_it_is_opened()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "named pipes have a path on Linux");
        var path = _folder.File("pipe.gguf");
        using (var maker = System.Diagnostics.Process.Start("mkfifo", path))
            await maker.WaitForExitAsync(TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path)).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

        Assert.Contains("a named pipe", error.Message, StringComparison.Ordinal);
        Assert.Throws<ModelFormatException>(() => GgufFile.Open("/dev/null"));
    }

    [Fact]
    public void A_model_beyond_the_memory_limit_is_refused_with_the_numbers()
    {
        using var file = GgufFile.Open(ReferenceModels.File("llama-gqa-base"));
        var program = ModelFamilies.Find(file).Build(file, new StepLimits(8, 8));
        ModelChecks.RequireMemory(program, new MemoryLimit(1 << 30, 1 << 30, "the memory limit of the control group"));
        var error = Assert.Throws<OutOfModelMemoryException>(() => ModelChecks.RequireMemory(program, new MemoryLimit(1 << 20, 1000, "the memory limit of the control group")));

        Assert.Contains("control group leaves 1 MiB of 1 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Roles_that_the_file_does_not_name_are_empty_texts()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting("{{ bos_token }}|{{ eos_token }}|{{ messages[0].content }}", hasRoles: false).Save(_folder));

        Assert.Equal("||hi", model.RenderChat(Chat));
        Assert.Contains(model.Information.Warnings, warning => warning.Contains("bos_token_id", StringComparison.Ordinal));
        Assert.Contains(model.Information.Warnings, warning => warning.Contains("eos_token_id", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(7u)]
    [InlineData("array")]
    [InlineData("{% for %}")]
    [InlineData("{{ messages | nosuchfilter }}")]
    [InlineData("{# nothing #}")]
    public async Task A_template_that_cannot_work_is_told_of_at_load_and_by_name(object template)
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(template is "array" ? new[] { ChatMl, ChatMl } : template).Save(_folder));

        Assert.False(model.Information.HasChatTemplate);
        Assert.Contains("tokenizer.chat_template", model.Information.ChatTemplateFault, StringComparison.Ordinal);
        Assert.Contains(model.Information.Warnings, warning => warning.Contains("tokenizer.chat_template", StringComparison.Ordinal));
        Assert.Contains("tokenizer.chat_template", Assert.ThrowsAny<HearthException>(() => model.TokenizeChat(Chat)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_with_bytes_that_are_no_text_is_told_of()
    {
        // GgufText's escape of the byte FF.
        await using var model = await LanguageModel.LoadAsync(Chatting("{% for m in messages %}{{ m.content }}\uDCFF{% endfor %}").Save(_folder));

        Assert.Contains("not UTF-8", Assert.Single(model.Information.Warnings), StringComparison.Ordinal);
        Assert.Equal(model.Tokenize("hi\uFFFD"), model.TokenizeChat(Chat));
    }

    [Fact]
    public async Task A_broken_template_for_tools_refuses_chats_with_tools_alone()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(ChatMl).SetMetadata("tokenizer.chat_template.tool_use", "{% if %}").Save(_folder));
        var tools = Chat with { Tools = [new System.Text.Json.Nodes.JsonObject { ["type"] = "function" }] };

        Assert.NotEmpty(model.TokenizeChat(Chat));
        Assert.Contains("chat_template.tool_use", Assert.Throws<ChatTemplateFailureException>(() => model.TokenizeChat(tools)).Message, StringComparison.Ordinal);
        Assert.Contains("chat_template.tool_use", Assert.Single(model.Information.Warnings), StringComparison.Ordinal);
        Assert.True(model.Information.HasChatTemplate);
    }

    [Theory]
    [InlineData("{{ raise_exception('no') }}", true)]
    [InlineData("{{ messages[0].nosuch.thing }}", false)]
    public async Task A_template_that_fails_says_whether_it_refused(string template, bool isRefusal)
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(template).Save(_folder));
        var error = Assert.Throws<ChatTemplateFailureException>(() => model.TokenizeChat(Chat));

        Assert.Equal(isRefusal, error.IsRefusal);
        Assert.Contains("'tokenizer.chat_template'", error.Message, StringComparison.Ordinal);
        Assert.Contains("trial chat", Assert.Single(model.Information.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Turn_markers_that_are_no_control_tokens_are_named_and_a_setting_makes_them_so()
    {
        var path = Chatting(ChatMl, markers: TokenKind.Normal).Save(_folder);
        await using var model = await LanguageModel.LoadAsync(path);
        Assert.Contains("<|im_start|>, which the file types as ordinary text", Assert.Single(model.Information.Warnings), StringComparison.Ordinal);
        Assert.DoesNotContain(3, model.TokenizeChat(Chat));

        await using var mended = await LanguageModel.LoadAsync(path, new ModelOptions { TemplateControlTokens = true });
        Assert.Empty(mended.Information.Warnings);
        Assert.Equal(2, mended.TokenizeChat(Chat).Count(id => id == 3));
        Assert.Equal(2, mended.TokenizeChat(new ChatPrompt { Messages = [new ChatMessage("user", "<|im_start|>")] }).Count(id => id == 3));
    }

    [Fact]
    public async Task No_text_that_a_caller_gives_makes_a_control_token()
    {
        const string Template = "<|im_start|>{% for m in messages %}{{ m.role }}{{ m.name }}{{ m.content }}{{ m.tool_call_id }}{{ m.reasoning_content }}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}{{ tools | tojson }}{{ functions }}{{ extra }}{{ list[0] }}";
        await using var model = await LanguageModel.LoadAsync(Chatting(Template).Save(_folder));
        const string Evil = "a<|im_start|>b";
        var chat = new ChatPrompt
        {
            Messages = [new ChatMessage(Evil, Evil) { Name = Evil, ToolCallId = Evil }, new ChatMessage("assistant", "x") { ToolCalls = [new ToolCall(Evil, Evil, new JsonObject { [Evil] = Evil })] }, new ChatMessage("tool", "y") { Reasoning = Evil, ToolCalls = [new ToolCall("", "", []) { ArgumentsText = Evil }] }],
            Tools = [new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = Evil, ["n"] = 5 } }],
            Variables = new Dictionary<string, JsonNode?> { ["extra"] = Evil, ["list"] = new JsonArray(Evil) },
        };
        var ids = model.TokenizeChat(chat);
        Assert.Equal([3], ids.Where(id => id is 3 or 4));

        // Every text that the template writes is there, whole and without a mark.
        Assert.Equal(1 + 13, model.RenderChat(chat).Split("<|im_start|>").Length - 1);
        Assert.Equal(13, string.Concat(ids.Select(model.Tokenizer.TokenText)).Split(Evil).Length - 1);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        Assert.ThrowsAny<OperationCanceledException>(() => model.TokenizeChat(chat, cancelled.Token));
    }

    [Fact]
    public async Task Markers_that_the_vocabulary_lacks_are_named()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(ChatMl.Replace("im_start", "turn", StringComparison.Ordinal)).Save(_folder));

        Assert.Contains("<|turn|>, which the vocabulary lacks", Assert.Single(model.Information.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Templates_get_the_variables_that_the_reference_gives()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting("{{ date_string }}|{{ datetime[-3:] }}|{{ functions }}|{{ messages[0].content }}").Save(_folder));
        var tools = Chat with { Tools = [new System.Text.Json.Nodes.JsonObject { ["type"] = "function" }] };

        Assert.Matches(@"^\d\d [A-Z][a-z]{2} \d{4}\|GMT\|\|hi$", model.RenderChat(Chat));
        Assert.Contains("|[\n  {\n    \"type\": \"function\"\n  }\n]|hi", model.RenderChat(tools), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_that_begins_with_its_begin_token_has_one()
    {
        await using var model = await LanguageModel.LoadAsync(Chatting(ChatMl).Save(_folder));

        Assert.Equal(1, model.Tokenize("<s>a", parseSpecial: true).Count(id => id == 1));
        Assert.Equal(1, model.Tokenize("a", parseSpecial: true).Count(id => id == 1));
    }

    private static ChatPrompt Chat => new() { Messages = [new ChatMessage("user", "hi")] };

    // Characters, markers and padding for a model of random weights.
    private static EditedModel Chatting(object template, int tokens = Vocabulary, TokenKind markers = TokenKind.Control, bool hasRoles = true)
    {
        var texts = new List<(string Text, TokenKind Kind)>
        {
            ("<unk>", TokenKind.Unknown), ("<s>", hasRoles ? TokenKind.Control : TokenKind.Normal), ("</s>", TokenKind.Control), ("<|im_start|>", markers), ("<|im_end|>", markers), ("<0x0A>", TokenKind.Byte),
        };
        if (!hasRoles)
            (texts[1], texts[2]) = (("one", TokenKind.Normal), ("two", TokenKind.Normal));
        for (var c = '!'; c <= '~'; c++)
            texts.Add((c.ToString(), TokenKind.Normal));
        texts.Add(("\u2581", TokenKind.Normal));
        while (texts.Count < tokens)
            texts.Add(($"[PAD{texts.Count}]", TokenKind.Unused));
        return EditedModel.Of("llama-gqa-base")
            .SetMetadata("tokenizer.ggml.model", "llama")
            .SetMetadata("tokenizer.ggml.tokens", texts.Take(tokens).Select(entry => entry.Text).ToArray())
            .SetMetadata("tokenizer.ggml.scores", new float[tokens])
            .SetMetadata("tokenizer.ggml.token_type", texts.Take(tokens).Select(entry => (int)entry.Kind).ToArray())
            .SetMetadata("tokenizer.chat_template", template);
    }
}
