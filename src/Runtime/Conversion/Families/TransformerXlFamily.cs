namespace Hearth.Runtime.Conversion.Families;

/// <summary>Transformer-XL with adaptive input and adaptive softmax, by the names of <c>transfo-xl-wt103</c>.</summary>
/// <remarks>
/// <para>
/// Two conventions share those names. Where config.json names the library's class, the library's hold: row i of
/// <c>crit.cluster_weight</c> stands for the vocabulary's cluster i + 1. Where it names none, the model is taken as one of
/// the authors' own PyTorch code, which counts those rows from the last. GGUF always has the first.
/// </para>
/// <para>
/// <c>same_length</c>, where every query sees as many positions before it, is a recurrence of segments of one position.
/// </para>
/// </remarks>
internal static class TransformerXlFamily
{
    private const string LibraryClass = "TransfoXLLMHeadModel";
    private const string Embedding = "transformer.word_emb.emb_layers";
    private const string EmbeddingProjection = "transformer.word_emb.emb_projs";
    private const int LongestSegment = 1 << 20;

    public static readonly CheckpointFamily Description = new("transformer-xl", [LibraryClass], WriteKeys, MapTensors)
    {
        Prefixes = [],
        ModelType = "transfo-xl",
        NoVocabulary = "the vocabulary of words is a file of Python's pickle (vocab.bin), which is not read",
    };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        var memory = Range(config, "mem_len", 0, LongestSegment);
        var (segment, seen) = !config.Flag("same_length", false) ? (Range(config, "tgt_len", 1, LongestSegment), memory)
            : memory > 0 ? (1, memory - 1)
            : throw new UnsupportedModelException($"same_length without a memory in {config.File}", ["a mem_len above 0", "same_length false"]);
        keys.Set("context_length", (uint)(segment + seen));
        keys.Size("embedding_length", "d_model");
        keys.Size("block_count", "n_layer");
        keys.Size("feed_forward_length", "d_inner");
        keys.Size("attention.head_count", "n_head");
        keys.Size("attention.key_length", "d_head");
        keys.Size("attention.value_length", "d_head");
        keys.Number("attention.layer_norm_epsilon", 1e-5, "layer_norm_epsilon");
        keys.Set("segment_length", (uint)segment);
        keys.Set("memory_length", (uint)seen);
        keys.Set("clamp_length", config.Find("clamp_len") is null ? -1 : Range(config, "clamp_len", -1, int.MaxValue));
        var ends = Ends(config);
        keys.Set("vocabulary_cutoffs", ends[..^1].Select(end => (uint)end).ToArray());
        if (ends.Length > 2 && !config.Names(LibraryClass))
            keys.Checkpoint.Notes.Add($"config.json names no class: the {ends.Length - 1} clusters behind the first are counted from the last, as in the authors' code");
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        config.ExpectFlag("pre_lnorm", false);
        foreach (var (key, most) in new[] { ("attn_type", 0L), ("ext_len", 0L), ("sample_softmax", 0L) })
        {
            if (config.Find(key) is { } value && value.Integer > most)
                throw new UnsupportedModelException($"{key} {value.Integer} in {config.File}", [$"{most}"]);
        }

        var ends = Ends(config);
        for (var cluster = 0; cluster < ends.Length; cluster++)
            MapCluster(map, config, ends, cluster);
        MapClusterNames(map, config, ends.Length);
        for (var n = 0; n < config.Size("n_layer"); n++)
            MapLayer(map, $"transformer.layers.{n}", $"blk.{n}");
        map.Ignore(name => name is "transformer.r_w_bias" or "transformer.r_r_bias" or "transformer.pos_emb.inv_freq");
    }

    private static void MapCluster(TensorMap map, ModelConfig config, int[] ends, int cluster)
    {
        // With div_val 1 the library has one table, one bias and at most one projection for all clusters.
        var isWhole = ends.Length > 1 && !map.Has($"{Embedding}.1.weight");
        var number = isWhole ? 0 : cluster;
        var first = cluster == 0 ? 0 : ends[cluster - 1];
        var size = ends[cluster] - first;
        RowTensor Rows(RowTensor table) => isWhole ? table.Expect(0, ends[^1]).Range(first, size) : table.Expect(0, size);

        map.Exactly($"{Embedding}.{number}.weight", $"token_embd.{cluster}.weight", Rows);
        map.Exactly($"crit.out_layers.{number}.bias", $"output.{cluster}.bias", Rows);

        // A tied table is the embedding under a second name.
        if (config.Flag("tie_weight", config.Flag("tie_word_embeddings", true)))
            map.Ignore(name => name == $"crit.out_layers.{number}.weight");
        else
            map.Exactly($"crit.out_layers.{number}.weight", $"output.{cluster}.weight", Rows);

        var (projection, output) = ($"{EmbeddingProjection}.{number}", $"crit.out_projs.{cluster}");
        if (map.Has(projection) || (!isWhole && ends.Length > 1))
            map.Exactly(projection, $"token_embd_proj.{cluster}.weight");
        if (map.Has(output) || map.Has(projection))
            map.Exactly(map.Has(output) ? output : projection, $"output_proj.{cluster}.weight", tensor => tensor.Transpose());
    }

    private static void MapClusterNames(TensorMap map, ModelConfig config, int clusters)
    {
        if (clusters == 1)
        {
            map.Ignore(name => name is "crit.cluster_weight" or "crit.cluster_bias");
            return;
        }

        var isReversed = !config.Names(LibraryClass);
        foreach (var part in new[] { "weight", "bias" })
            map.Exactly($"crit.cluster_{part}", $"output_cluster.{part}", tensor => isReversed ? tensor.Expect(0, clusters - 1).Reverse() : tensor.Expect(0, clusters - 1));
    }

    private static void MapLayer(TensorMap map, string source, string target)
    {
        map.Thirds($"{source}.dec_attn.qkv_net.weight", $"{target}.attn_q.weight", $"{target}.attn_k.weight", $"{target}.attn_v.weight");
        map.Exactly($"{source}.dec_attn.r_net.weight", $"{target}.attn_r.weight");
        map.Exactly($"{source}.dec_attn.o_net.weight", $"{target}.attn_output.weight");

        // With untie_r false all layers share the biases.
        foreach (var (bias, name) in new[] { ("r_w_bias", "attn_content_bias"), ("r_r_bias", "attn_position_bias") })
        {
            var own = $"{source}.dec_attn.{bias}";
            map.Exactly(!map.Has(own) && map.Has($"transformer.{bias}") ? $"transformer.{bias}" : own, $"{target}.{name}", tensor => tensor.Flatten());
        }

        map.Affine($"{source}.dec_attn.layer_norm", $"{target}.attn_output_norm");
        map.Affine($"{source}.pos_ff.CoreNet.0", $"{target}.ffn_up");
        map.Affine($"{source}.pos_ff.CoreNet.3", $"{target}.ffn_down");
        map.Affine($"{source}.pos_ff.layer_norm", $"{target}.layer_output_norm");
    }

    private static int Range(ModelConfig config, string key, int least, int most)
    {
        var value = config.Find(key) ?? throw new ModelFormatException($"'{key}' is missing", config.File);
        return value.Integer >= least && value.Integer <= most ? (int)value.Integer : throw value.Fault($"{least} to {most}");
    }

    // The ends of the vocabulary's clusters, each above the one before.
    private static int[] Ends(ModelConfig config)
    {
        var cutoffs = config.Find("cutoffs") ?? throw new ModelFormatException("'cutoffs' is missing", config.File);
        long[] ends = [.. cutoffs.Items.Select(item => item.Integer), config.Size("vocab_size")];
        for (var i = 0; i < ends.Length; i++)
        {
            if (ends[i] <= (i == 0 ? 0 : ends[i - 1]))
                throw new ModelFormatException($"cutoffs must rise from above 0 to below the {ends[^1]} tokens, found {string.Join(", ", ends[..^1])}", config.File);
        }

        return [.. ends.Select(end => (int)end)];
    }
}
