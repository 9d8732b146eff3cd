using Hearth.Ember.Data;
using Hearth.Ember.Model;
using Hearth.Ember.Tokenizer;
using TorchSharp;
using static TorchSharp.torch;

namespace Hearth.Ember.Gguf;

/// <summary>Writes the trained model as models/ember.gguf.</summary>
public static class EmberFile
{
    private const int FileTypeQ8 = 7, NormalToken = 1, ControlToken = 3, UserDefinedToken = 4;

    public static void Save(string path, EmberModel model, BpeTokenizer tokenizer)
    {
        var writer = new GgufWriter();
        AddModelKeys(writer, model.Shape);
        AddTokenizerKeys(writer, tokenizer);
        AddTensors(writer, model);
        writer.Save(path);
    }

    /// <summary>Replaces the model's weights by what Q8_0 keeps of them, so that measurements are of the shipped file.</summary>
    public static void RoundToQ8(EmberModel model)
    {
        using var noGrad = no_grad();
        foreach (var (_, t) in model.Parameters().Where(p => p.Tensor.dim() == 2))
            t.copy_(tensor(Q8Block.Dequantize(Q8Block.Quantize(Values(t)))).view(t.shape));
    }

    private static void AddModelKeys(GgufWriter w, EmberShape s)
    {
        w.Add("general.architecture", "llama");
        w.Add("general.name", "Ember");
        w.Add("general.description", "The demo model that ships with Hearth: small talk, questions about Hearth, tool calls");
        w.Add("general.license", "mit");
        w.Add("general.size_label", "3M");
        w.Add("general.languages", ["en"]);
        w.Add("general.file_type", (uint)FileTypeQ8);
        w.Add("general.quantization_version", 2u);
        w.Add("llama.vocab_size", (uint)s.Vocabulary);
        w.Add("llama.context_length", (uint)EmberShape.ContextLength);
        w.Add("llama.embedding_length", (uint)s.Embedding);
        w.Add("llama.block_count", (uint)s.Layers);
        w.Add("llama.feed_forward_length", (uint)s.FeedForward);
        w.Add("llama.attention.head_count", (uint)s.Heads);
        w.Add("llama.attention.head_count_kv", (uint)s.KvHeads);
        w.Add("llama.attention.layer_norm_rms_epsilon", EmberShape.NormEpsilon);
        w.Add("llama.rope.dimension_count", (uint)s.HeadSize);
        w.Add("llama.rope.freq_base", EmberShape.RopeBase);
    }

    private static void AddTokenizerKeys(GgufWriter w, BpeTokenizer t)
    {
        w.Add("tokenizer.ggml.model", "gpt2");
        w.Add("tokenizer.ggml.pre", "qwen2");
        w.Add("tokenizer.ggml.tokens", t.Tokens);
        // Turn markers are control tokens and never shown; tool tags are text that the caller must see.
        w.Add("tokenizer.ggml.token_type", [.. t.Tokens.Select((text, id) =>
            id < t.Count - BpeTokenizer.Specials.Length ? NormalToken : text.StartsWith("<|") ? ControlToken : UserDefinedToken)]);
        w.Add("tokenizer.ggml.merges", t.Merges);
        w.Add("tokenizer.ggml.eos_token_id", (uint)t.Id("<|im_end|>"));
        w.Add("tokenizer.ggml.padding_token_id", (uint)t.Id("<|endoftext|>"));
        w.Add("tokenizer.ggml.bos_token_id", (uint)t.Id("<|endoftext|>"));
        w.Add("tokenizer.ggml.add_bos_token", false);
        w.Add("tokenizer.chat_template", ChatTemplate.Jinja);
    }

    private static void AddTensors(GgufWriter w, EmberModel model)
    {
        var s = model.Shape;
        Matrix(w, "token_embd", model.Embedding);
        Vector(w, "output_norm", model.OutputNorm);
        for (int i = 0; i < s.Layers; i++)
        {
            var layer = model.Layers[i];
            var qkv = layer.Qkv.detach().split([s.Embedding, s.KvLength, s.KvLength], 0);
            var gateUp = layer.GateUp.detach().chunk(2, 0);
            Vector(w, $"blk.{i}.attn_norm", layer.AttentionNorm);
            Matrix(w, $"blk.{i}.attn_q", Interleave(qkv[0], s.Heads));
            Matrix(w, $"blk.{i}.attn_k", Interleave(qkv[1], s.KvHeads));
            Matrix(w, $"blk.{i}.attn_v", qkv[2]);
            Matrix(w, $"blk.{i}.attn_output", layer.AttentionOutput);
            Vector(w, $"blk.{i}.ffn_norm", layer.FfnNorm);
            Matrix(w, $"blk.{i}.ffn_gate", gateUp[0]);
            Matrix(w, $"blk.{i}.ffn_up", gateUp[1]);
            Matrix(w, $"blk.{i}.ffn_down", layer.Down);
        }
    }

    // Rotary pairs: rows (i, i + half) of a head become rows (2i, 2i + 1), as the llama architecture expects.
    private static Tensor Interleave(Tensor weight, int heads) =>
        weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape);

    private static void Matrix(GgufWriter w, string name, Tensor t) =>
        w.AddTensor(name + ".weight", [t.shape[1], t.shape[0]], GgufWriter.Q8_0, Q8Block.Quantize(Values(t)));

    private static void Vector(GgufWriter w, string name, Tensor t) =>
        w.AddTensor(name + ".weight", [t.shape[0]], GgufWriter.F32, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(Values(t)).ToArray());

    // The copy stays referenced until its values are read; its finalizer would free them.
    private static float[] Values(Tensor t)
    {
        using var copy = t.detach().contiguous();
        return copy.data<float>().ToArray();
    }
}
