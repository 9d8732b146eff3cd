namespace Hearth.Runtime.Conversion.Families;

/// <summary>BERT as an encoder: pooled embeddings, masked words, or the classification head of rerankers.</summary>
/// <remarks>The head of masked words has names of Hearth's own, see docs/gguf.md; that of next sentences is left out.</remarks>
internal static class BertFamily
{
    private const string Classifier = "BertForSequenceClassification";
    private const string MaskHead = "cls.predictions.";

    public static readonly CheckpointFamily Description = new("bert", ["BertModel", "BertForMaskedLM", "BertForPreTraining", Classifier], WriteKeys, MapTensors) { Prefixes = ["bert."] };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Config.Expect("hidden_act", "gelu");
        keys.Config.Expect("position_embedding_type", "absolute");
        keys.Size("context_length", "max_position_embeddings");
        keys.Size("embedding_length", "hidden_size");
        keys.Size("block_count", "num_hidden_layers");
        keys.Size("feed_forward_length", "intermediate_size");
        keys.Size("attention.head_count", "num_attention_heads");
        keys.Number("attention.layer_norm_epsilon", 1e-12, "layer_norm_eps");
        keys.Set("attention.causal", false);
        keys.SetPlain("tokenizer.ggml.token_type_count", (uint)(keys.Config.OptionalSize("type_vocab_size") ?? 2));
        if (keys.Config.Architecture == Classifier)
            keys.Set("pooling_type", 4u);
        else
            keys.Pooling();
        var labels = keys.Config.Find("id2label");
        if (keys.Config.Architecture == Classifier && labels is { IsObject: true })
            keys.Set("classifier.output_labels", labels.Members.OrderBy(label => int.TryParse(label.Name, System.Globalization.CultureInfo.InvariantCulture, out var id) ? id : int.MaxValue).Select(label => label.Value.Text).ToArray());
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        var classifies = config.Architecture == Classifier;
        map.Ignore(name => name.StartsWith("cls.", StringComparison.Ordinal) || name.EndsWith(".position_ids", StringComparison.Ordinal)
            || (!classifies && name.StartsWith("pooler.", StringComparison.Ordinal)));
        map.TokenTable("embeddings.word_embeddings", config, MaskHead + "decoder", output: null);
        map.Weight("embeddings.position_embeddings", "position_embd");
        map.Weight("embeddings.token_type_embeddings", "token_types");
        Norm(map, "embeddings.LayerNorm", "token_embd_norm");
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            var layer = $"encoder.layer.{n}";
            map.Affine($"{layer}.attention.self.query", $"blk.{n}.attn_q");
            map.Affine($"{layer}.attention.self.key", $"blk.{n}.attn_k");
            map.Affine($"{layer}.attention.self.value", $"blk.{n}.attn_v");
            map.Affine($"{layer}.attention.output.dense", $"blk.{n}.attn_output");
            Norm(map, $"{layer}.attention.output.LayerNorm", $"blk.{n}.attn_output_norm");
            map.Affine($"{layer}.intermediate.dense", $"blk.{n}.ffn_up");
            map.Affine($"{layer}.output.dense", $"blk.{n}.ffn_down");
            Norm(map, $"{layer}.output.LayerNorm", $"blk.{n}.layer_output_norm");
        }

        if (classifies)
        {
            map.Affine("pooler.dense", "cls");
            map.Affine("classifier", "cls.output");
        }
        else if (map.Has(MaskHead + "transform.dense.weight"))
        {
            map.Affine(MaskHead + "transform.dense", "mlm_dense");
            Norm(map, MaskHead + "transform.LayerNorm", "mlm_norm");
            map.Exactly(map.Has(MaskHead + "bias") ? MaskHead + "bias" : MaskHead + "decoder.bias", "mlm_output.bias");

            // Tied to the embedding unless the model says otherwise, whether or not the checkpoint holds it twice.
            if (!config.Flag("tie_word_embeddings", true))
                map.Exactly(MaskHead + "decoder.weight", "mlm_output.weight");
        }
    }

    // Checkpoints that began in TensorFlow call a norm's weight gamma and its bias beta.
    private static void Norm(TensorMap map, string source, string target)
    {
        var old = map.Has(source + ".gamma");
        map.Exactly(source + (old ? ".gamma" : ".weight"), target + ".weight");
        map.Exactly(source + (old ? ".beta" : ".bias"), target + ".bias");
    }
}
