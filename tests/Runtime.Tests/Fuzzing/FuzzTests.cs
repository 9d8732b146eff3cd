using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tests.Conversion;
using Hearth.Runtime.Tests.Scheduling;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Fuzzing;

/// <summary>Damaged models, templates, snapshots and checkpoints: each is taken or refused by a typed error, and what is taken works.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int MostSteps = 200_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Models_load_and_answer_or_are_refused()
    {
        var sound = SmallModel();
        var header = HeaderLength(sound);
        var counts = await FuzzRun.ForEachAsync(
            400,
            async random =>
            {
                var mutant = Mutations.Of(sound, random, header);
                using var file = GgufFile.Read(mutant);
                GgufDescription.WriteJson(file, TextWriter.Null, tensors: true, ModelTexts.Inspect(file.Metadata));
                FileCheck.Require(file);
                await using var model = await LanguageModel.LoadAsync(file, new ModelOptions { ContextLength = 64, MaxSequences = 1, CacheTokens = 64, Threads = 1 });
                if (model.Information.HasChatTemplate && Record.Exception(() => model.TokenizeChat(new ChatPrompt { Messages = [new ChatMessage("user", "abc")] })) is { } failure)
                    Assert.IsAssignableFrom<HearthException>(failure);
                await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = [5, 6, 7], Options = new GenerationOptions { Temperature = 0, MaxTokens = 2 } }))
                    Assert.All(update.TokenIds, id => Assert.InRange(id, 0, model.Information.VocabularySize - 1));
                return true;
            },
            exception => exception is HearthException);
        FuzzRun.AssertBoth(counts);
    }

    [Fact]
    public async Task Templates_render_or_fail_with_typed_errors()
    {
        var (variables, sources) = Templates();
        var pieces = sources.SelectMany(source => source.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Append("{%").Append("%}").Append("{{").Append("}}").Append("* 99999999").Append("** 9999").Append("|list").Distinct().ToArray();
        var limits = new TemplateLimits { MaxSteps = MostSteps, MaxTextLength = 1 << 18, MaxCollectionLength = 10_000 };
        var counts = await FuzzRun.ForEachAsync(
            20_000,
            random =>
            {
                var text = Mutations.Of(sources[random.Next(sources.Length)], pieces, random);
                Assert.InRange(ChatTemplate.Parse(text).Render(variables, limits: limits).Length, 0, limits.MaxTextLength);
                return Task.FromResult(true);
            },
            exception => exception is TemplateException);
        FuzzRun.AssertBoth(counts);
    }

    [Fact]
    public async Task Snapshots_are_restored_or_refused_and_leave_no_page_behind()
    {
        const int Pages = 8, PageTokens = 4;
        var sound = Snapshot(PageTokens, Pages);
        var counts = await FuzzRun.ForEachAsync(
            20_000,
            random =>
            {
                var mutant = Mutations.Of(sound[..^SHA256.HashSizeInBytes], random);
                // Its checksum is right, so that the checks behind it are reached.
                var sealed_ = (byte[])[.. mutant, .. SHA256.HashData(mutant)];
                var cache = new KvCache(new FakePageStore(PageTokens, Pages), "model", vocabularySize: 24, forgottenUnit: 0);
                var isTaken = false;
                try
                {
                    using var restored = cache.Restore(new MemoryStream(random.Next(10) == 0 ? mutant : sealed_));
                    isTaken = true;
                    Assert.All(restored.Tokens.ToArray(), token => Assert.InRange(token, 0, 23));
                    Assert.Equal(0, restored.Forgotten);
                }
                catch (Exception exception) when (exception is CacheSnapshotException or OutOfModelMemoryException)
                {
                }

                Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
                Assert.Equal((Pages, 0), (cache.GetStatistics().FreePages, cache.GetStatistics().Sequences));
                return Task.FromResult(isTaken);
            },
            _ => false);
        FuzzRun.AssertBoth(counts);
    }

    [Fact]
    public async Task Checkpoints_convert_to_what_loads_or_are_refused()
    {
        using var folder = Checkpoint();
        string[] names = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"];
        var sound = names.ToDictionary(name => name, name => File.ReadAllText(Path.Combine(folder.Path, name)));
        var weights = File.ReadAllBytes(Path.Combine(folder.Path, "model.safetensors"));
        var counts = await FuzzRun.ForEachAsync(
            400,
            async random =>
            {
                File.Delete(folder.Output);
                foreach (var (name, text) in sound)
                {
                    var json = JsonNode.Parse(text)!;
                    if (random.Next(2) == 0)
                        Mutations.Damage(json, random);
                    folder.Write(name, json);
                }

                folder.WriteBytes("model.safetensors", random.Next(4) == 0 ? Mutations.Of(weights, random, 8 + 1600) : weights);
                ModelConverter.Convert(folder.Path, folder.Output, (GgmlType?)(random.Next(3) switch { 0 => GgmlType.F16, 1 => GgmlType.Q8_0, _ => null }));
                await using var model = await LanguageModel.LoadAsync(folder.Output, new ModelOptions { ContextLength = 32, MaxSequences = 1, CacheTokens = 32, Threads = 1 });
                await foreach (var _ in model.GenerateAsync(new GenerationRequest { Prompt = [1, 2], Options = new GenerationOptions { Temperature = 0, MaxTokens = 1 } }))
                {
                }

                return true;
            },
            // What a conversion wrote must load: a refusal counts only where nothing was written.
            exception => exception is HearthException && !File.Exists(folder.Output));
        FuzzRun.AssertBoth(counts);
    }

    // A whole model of some kilobytes, most of them its header.
    private byte[] SmallModel()
    {
        const int Width = 32, Vocabulary = 48;
        var model = new EditedModel("llama").Set("context_length", 64u).Set("embedding_length", (uint)Width).Set("block_count", 1u).Set("feed_forward_length", 32u)
            .Set("attention.head_count", 2u).Set("attention.head_count_kv", 1u).Set("attention.layer_norm_rms_epsilon", 1e-5f).Set("rope.dimension_count", 16u)
            .SetMetadata("tokenizer.ggml.model", "llama")
            .SetMetadata("tokenizer.ggml.tokens", Enumerable.Range(0, Vocabulary).Select(id => id switch { 0 => "<unk>", 1 => "<s>", 2 => "</s>", 3 => "<|im_start|>", 4 => "<|im_end|>", _ => ((char)('0' + id)).ToString() }).ToArray())
            .SetMetadata("tokenizer.ggml.scores", Enumerable.Range(0, Vocabulary).Select(id => -(float)id).ToArray())
            .SetMetadata("tokenizer.ggml.token_type", Enumerable.Range(0, Vocabulary).Select(id => id switch { 0 => 2, < 5 => 3, _ => 1 }).ToArray())
            .SetMetadata("tokenizer.ggml.eos_token_id", new uint[] { 2, 4 })
            .SetMetadata("tokenizer.chat_template", "{% for m in messages %}<|im_start|>{{ m.role }}{{ m.content }}<|im_end|>{% endfor %}");
        Table("token_embd.weight", Width, Vocabulary);
        Table("output_norm.weight", Width, 1);
        foreach (var (name, columns, rows) in new[] { ("attn_norm", Width, 1), ("ffn_norm", Width, 1), ("attn_q", Width, Width), ("attn_k", Width, 16), ("attn_v", Width, 16), ("attn_output", Width, Width), ("ffn_gate", Width, 32), ("ffn_up", Width, 32), ("ffn_down", 32, Width) })
            Table($"blk.0.{name}.weight", columns, rows);
        return File.ReadAllBytes(model.Save(_folder));

        void Table(string name, int columns, int rows)
            => model.SetTensor(name, [.. Enumerable.Range(0, columns * rows).Select(i => MathF.Sin(i * 0.7f) / 4)], rows == 1 ? [columns] : [columns, rows]);
    }

    private static int HeaderLength(byte[] model)
    {
        using var file = GgufFile.Read(model);
        return (int)file.Tensors.Min(tensor => tensor.Offset);
    }

    private static (JsonElement Variables, string[] Sources) Templates()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedFolder.Fixture("templates", "semantics.json")));
        var root = document.RootElement.Clone();
        return (root.GetProperty("variables"), [.. root.GetProperty("cases").EnumerateArray().Select(entry => entry.GetProperty("template").GetString()!)]);
    }

    private static byte[] Snapshot(int pageTokens, int pages)
    {
        var store = new FakePageStore(pageTokens, pages);
        var cache = new KvCache(store, "model");
        using var sequence = cache.CreateSequence();
        Assert.True(Caching.KvCacheTests.TryAppend(sequence, store, 1, 2, 3, 4, 5, 6, 7, 8, 9));
        var stream = new MemoryStream();
        sequence.Save(stream);
        return stream.ToArray();
    }

    private static CheckpointFolder Checkpoint()
    {
        var folder = ModelConverterTests.Tiny().Save();
        folder.Write("tokenizer.json", """{"added_tokens":[{"id":5,"content":"<|im_end|>","special":true},{"id":6,"content":"<tool>","special":false}],"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|im_end|>"}},{"Sequence":{"id":"A"}}]},"model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4},"merges":["a b","ab c"]}}""");
        folder.Write("tokenizer_config.json", """{"bos_token":"<|im_end|>","eos_token":{"content":"<|im_end|>"},"add_bos_token":false,"chat_template":"{% for m in messages %}{{ m.content }}{% endfor %}","added_tokens_decoder":{"5":{"content":"<|im_end|>","special":true}}}""");
        return folder.Write("generation_config.json", """{"eos_token_id":[5,4],"bad_words_ids":[[3],[1,2]]}""");
    }
}
