using Hearth.Ember.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Hearth.Ember.Gguf;

/// <summary>Reads the weights of a model file back, so that training can go on from them.</summary>
public static class Importing
{
    public static EmberShape Shape(GgufReader file) => new(
        file.Int("llama.embedding_length"), file.Int("llama.block_count"), file.Int("llama.attention.head_count"),
        file.Int("llama.attention.head_count_kv"), file.Int("llama.feed_forward_length"), file.Int("llama.vocab_size"));

    /// <summary>Copies a file's weights into a model that may be deeper; the layers that the file lacks stay as they are made, which is the identity.</summary>
    /// <param name="fresh">Indices of the model's layers that the file does not have.</param>
    public static void Load(GgufReader file, EmberModel model, IReadOnlySet<int> fresh)
    {
        using var noGrad = no_grad();
        var s = Shape(file);
        void Set(Tensor target, Tensor value) => target.copy_(value.view(target.shape));
        Tensor Read(string name, params long[] shape) => tensor(file.Tensors[name + ".weight"]).view(shape);

        Set(model.Embedding, Read("token_embd", s.Vocabulary, s.Embedding));
        Set(model.OutputNorm, Read("output_norm", s.Embedding));
        int from = 0;
        for (int i = 0; i < model.Layers.Count; i++)
        {
            if (fresh.Contains(i)) continue;
            var layer = model.Layers[i];
            string block = $"blk.{from++}.";
            Set(layer.AttentionNorm, Read(block + "attn_norm", s.Embedding));
            Set(layer.FfnNorm, Read(block + "ffn_norm", s.Embedding));
            Set(layer.Qkv, cat([
                Separate(Read(block + "attn_q", s.Embedding, s.Embedding), s.Heads),
                Separate(Read(block + "attn_k", s.KvLength, s.Embedding), s.KvHeads),
                Read(block + "attn_v", s.KvLength, s.Embedding)], 0));
            Set(layer.AttentionOutput, Read(block + "attn_output", s.Embedding, s.Embedding));
            Set(layer.GateUp, cat([Read(block + "ffn_gate", s.FeedForward, s.Embedding), Read(block + "ffn_up", s.FeedForward, s.Embedding)], 0));
            Set(layer.Down, Read(block + "ffn_down", s.Embedding, s.FeedForward));
        }
    }

    // The inverse of the exporter's order of rotary pairs: rows (2i, 2i + 1) of a head become rows (i, i + half).
    private static Tensor Separate(Tensor weight, int heads) =>
        weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape);
}
