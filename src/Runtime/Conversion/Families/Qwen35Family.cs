namespace Hearth.Runtime.Conversion.Families;

/// <summary>Qwen3.5's text part, dense or with experts: gated delta nets, and gated attention in every few layers.</summary>
/// <remarks>
/// Norms are stored less 1, but for that of the delta net's output. Where a delta net has more heads of values than of keys,
/// the checkpoint holds the values' heads key head by key head and GGUF in turns, so that head h reads key head h modulo their count.
/// </remarks>
internal static class Qwen35Family
{
    public static readonly CheckpointFamily[] Descriptions =
    [
        new("qwen35", ["Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"], WriteKeys, (map, config) => MapTensors(map, config, experts: false)),
        new("qwen35moe", ["Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"], WriteExpertKeys, (map, config) => MapTensors(map, config, experts: true)),
    ];

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Size("feed_forward_length", "intermediate_size");
        WriteCommonKeys(keys);
    }

    private static void WriteExpertKeys(ArchitectureKeys keys)
    {
        keys.Size("expert_count", "num_experts");
        keys.Size("expert_used_count", "num_experts_per_tok");
        keys.Size("expert_feed_forward_length", "moe_intermediate_size");
        keys.Size("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
        keys.Size("feed_forward_length", "intermediate_size", "moe_intermediate_size");
        WriteCommonKeys(keys);
    }

    private static void WriteCommonKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        var head = config.Size("head_dim");
        keys.Size("context_length", "max_position_embeddings");
        keys.Size("embedding_length", "hidden_size");
        keys.Size("block_count", "num_hidden_layers");
        keys.Size("attention.head_count", "num_attention_heads");
        keys.Size("attention.head_count_kv", "num_key_value_heads");
        keys.Number("attention.layer_norm_rms_epsilon", 1e-6, "rms_norm_eps");
        keys.Set("attention.key_length", (uint)head);
        keys.Set("attention.value_length", (uint)head);
        keys.PlainRope();
        var share = (keys.RopeScaling?["partial_rotary_factor"] ?? config.Find("partial_rotary_factor"))?.Number ?? 1;
        if (share is not (> 0 and <= 1))
            throw new ModelFormatException($"partial_rotary_factor must be above 0 and at most 1, found {share}", config.File);
        keys.Set("rope.dimension_count", (uint)(head * share));
        if (keys.RopeScaling?["mrope_section"] is { } sections)
        {
            var widths = sections.Items.Select(item => checked((int)item.Integer)).ToArray();
            keys.Set("rope.dimension_sections", widths.Length is > 0 and <= 4 ? widths.Concat(new int[4 - widths.Length]).ToArray() : throw sections.Fault("1 to 4 widths"));
        }

        WriteDeltaNet(keys);
        foreach (var (part, what) in new[] { ("visual.", "the image tower"), ("mtp.", "the layers that predict further tokens") })
        {
            if (keys.Checkpoint.Tensors.Keys.Any(name => Within(name, part)))
                keys.Checkpoint.Notes.Add($"{what} ('{part}*') is left out");
        }

        config.Expect("hidden_act", "silu");
        config.ExpectFlag("attention_bias", false);
        config.ExpectFlag("attn_output_gate", true);
    }

    private static void WriteDeltaNet(ArchitectureKeys keys)
    {
        var net = new DeltaSizes(keys.Config);
        keys.Set("ssm.inner_size", checked((uint)((long)net.ValueHeads * net.ValueWidth)));
        keys.Set("ssm.state_size", (uint)net.KeyWidth);
        keys.Set("ssm.group_count", (uint)net.KeyHeads);
        keys.Set("ssm.time_step_rank", (uint)net.ValueHeads);
        keys.Size("ssm.conv_kernel", "linear_conv_kernel_dim");
        var attends = Attends(keys.Config);
        var interval = Array.IndexOf(attends, true) + 1;
        if (interval > 0 && attends.Select((attention, n) => attention == ((n + 1) % interval == 0)).All(regular => regular))
            keys.Set("full_attention_interval", (uint)interval);
        else
            keys.Set("attention.recurrent_layers", attends.Select(attention => attention ? 0 : 1).ToArray());
    }

    private sealed record DeltaSizes(int KeyHeads, int ValueHeads, int KeyWidth, int ValueWidth)
    {
        public DeltaSizes(ModelConfig config)
            : this(config.Size("linear_num_key_heads"), config.Size("linear_num_value_heads"), config.Size("linear_key_head_dim"), config.Size("linear_value_head_dim"))
        {
            if (ValueHeads % KeyHeads != 0)
                throw new ModelFormatException($"linear_num_key_heads {KeyHeads} does not divide linear_num_value_heads {ValueHeads}", config.File);
        }

        /// <summary>Where the row of a value head, from <paramref name="first"/> on, comes from.</summary>
        public Func<long, long> Turns(int width, long first = 0) => row =>
        {
            if (row < first)
                return row;
            var (head, rest) = ((row - first) / width, (row - first) % width);
            return first + (((head % KeyHeads * (ValueHeads / KeyHeads)) + (head / KeyHeads)) * width) + rest;
        };

        /// <summary>Rows of queries and keys, which come before those of values.</summary>
        public long KeyRows => 2L * KeyHeads * KeyWidth;
    }

    private static bool[] Attends(ModelConfig config)
        => config.Layers("full_attention", "linear_attention")
            ?? [.. Enumerable.Range(0, config.Size("num_hidden_layers")).Select(n => (n + 1) % (config.OptionalSize("full_attention_interval") ?? 4) == 0)];

    private static bool Within(string name, string part)
        => name.StartsWith(part, StringComparison.Ordinal) || name.StartsWith("model." + part, StringComparison.Ordinal);

    private static void MapTensors(TensorMap map, ModelConfig config, bool experts)
    {
        static RowTensor Norm(RowTensor norm) => norm.Plus(1);
        map.Ignore(name => Within(name, "visual.") || Within(name, "mtp."));
        map.TokenTable("embed_tokens", config);
        map.Weight("norm", "output_norm", Norm);
        var (net, attends) = (new DeltaSizes(config), Attends(config));
        for (var n = 0; n < attends.Length; n++)
        {
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm", Norm);
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.post_attention_norm", Norm);
            if (attends[n])
            {
                DecoderTensors.Attention(map, n);
                map.Weight($"layers.{n}.self_attn.q_norm", $"blk.{n}.attn_q_norm", Norm);
                map.Weight($"layers.{n}.self_attn.k_norm", $"blk.{n}.attn_k_norm", Norm);
            }
            else
            {
                MapDeltaNet(map, n, net);
            }

            if (experts)
                QwenFamily.MapExperts(map, n, config.Size("num_experts"));
            else
                DecoderTensors.FeedForward(map, n);
        }
    }

    private static void MapDeltaNet(TensorMap map, int n, DeltaSizes net)
    {
        var source = $"layers.{n}.linear_attn";
        RowTensor Mixed(RowTensor rows) => rows.Reorder(net.Turns(net.ValueWidth, net.KeyRows));
        RowTensor Heads(RowTensor rows) => rows.Reorder(net.Turns(1));
        map.Weight($"{source}.in_proj_qkv", $"blk.{n}.attn_qkv", Mixed);
        map.Weight($"{source}.in_proj_z", $"blk.{n}.attn_gate", rows => rows.Reorder(net.Turns(net.ValueWidth)));
        map.Weight($"{source}.in_proj_a", $"blk.{n}.ssm_alpha", Heads);
        map.Weight($"{source}.in_proj_b", $"blk.{n}.ssm_beta", Heads);
        map.Exactly($"{source}.conv1d.weight", $"blk.{n}.ssm_conv1d.weight", taps => Mixed(taps.WithoutMiddle()));
        map.Exactly($"{source}.A_log", $"blk.{n}.ssm_a", logs => Heads(logs.Map(log => -MathF.Exp(log))));
        map.Exactly($"{source}.dt_bias", $"blk.{n}.ssm_dt.bias", Heads);
        map.Weight($"{source}.norm", $"blk.{n}.ssm_norm");
        map.Weight($"{source}.out_proj", $"blk.{n}.ssm_out", rows => rows.ReorderColumns(net.Turns(net.ValueWidth)));
    }
}
