using System.Text;
using Hearth.LLamaSharp.Native;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;
using LLama.Native;

namespace Hearth.Parity.Tests;

/// <summary>Hearth's tokenizers give llama.cpp's ids.</summary>
public sealed class TokenParityTests
{
    public static TheoryData<string> Vocabularies => ["bert-bge", "deepseek-llm", "falcon", "gpt-2", "llama-spm", "phi-3"];

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public void Real_vocabularies(string name)
    {
        var all = File.ReadAllBytes(SharedFolder.Require("reference", "tokens", "texts.bin"));
        var texts = Encoding.UTF8.GetString(all).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(texts.Length > 20);
        Agree(SharedFolder.Require("reference", "vocabs", $"ggml-vocab-{name}.gguf"), texts);
    }

    [Fact]
    public void The_demo_model()
        => Agree(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), ["", " ", "Hello!", "  two  spaces\n\n\tand a tab", "Grüße, 世界 🙂", "<|im_start|>user\nHi<|im_end|>", "{\"a\": [1, 2.5e-3, null]}", "\u00e9\u0301\u200d"]);

    private static void Agree(string path, IReadOnlyList<string> texts)
    {
        using var file = GgufFile.Open(path);
        var tokenizer = Tokenizer.FromMetadata(file.Metadata);
        LlamaLibrary.EnsureLoaded();
        var parameters = LLamaModelParams.Default();
        parameters.vocab_only = true;
        using var peer = SafeLlamaModelHandle.LoadFromFile(path, parameters);
        foreach (var special in new[] { false, true })
        {
            // Of a byte-pair vocabulary whatever stands between special tokens is cut alone: theirs serves in place of ours.
            var foreign = tokenizer.Model == "gpt2" ? ForeignTokenizer.Read(file.Metadata, [], new LlamaVocabulary(peer)) : null;
            foreach (var text in texts.Where(_ => foreign is not null))
            {
                Assert.Equal(tokenizer.Encode(text, addSpecial: false, special), foreign!.Encode(text, addSpecial: false, special));
                Assert.Equal(tokenizer.Decode([.. tokenizer.Encode(text, false, special)], includeControl: true), foreign.Decode([.. foreign.Encode(text, false, special)], includeControl: true));
            }

            foreach (var text in texts)
                Assert.Equal(peer.Tokenize(text, special, special, Encoding.UTF8).Select(id => (int)id), tokenizer.Encode(text, special, special));
        }
    }
}
