/*
 * What a model computes: the operations of a program and their parameters. Included by hearth.h, whose
 * conventions hold here too.
 */
#ifndef HEARTH_PROGRAM_H
#define HEARTH_PROGRAM_H

#include <stdint.h>

/*
 * A program is a flat list of operations over numbered values. A value is a matrix of float32 [rows, width];
 * its rows are the rows of the step or, after GATHER, the rows whose output is wanted. Each value is written
 * by one operation and read only after it.
 */
typedef enum hearth_operation_kind {
    HEARTH_EMBED = 1, /* output0 = table[weight0][index of the row] * scale */
    HEARTH_LINEAR =
        2, /* output_i = input0 * weight_i^T + bias_i, i = 0..2 (weight 0..2, bias in weight 3..5) */
    HEARTH_RMS_NORM = 3,   /* output0 = input0 / rms(input0) * weight0 (optional), by groups of group_width */
    HEARTH_LAYER_NORM = 4, /* output0 = (input0 - mean) / deviation * weight0 + weight1 (each optional) */
    HEARTH_ROPE = 5,       /* output0 = input0 rotated by position; weight0: frequency factors, optional */
    HEARTH_CACHE_WRITE = 6, /* keys input0 and values input1 of this step go into the cache's layer; input1 is
                               missing where value_width = 0 */
    HEARTH_ATTENTION =
        7,               /* output0 = softmax(scale * q k^T + bias + mask) v; q = input0; rows source: k, v =
                            input1, input2; weight0: sinks [heads], optional; weight1: bias table
                            [bias_buckets, heads] as a vector, where bias_buckets > 0;
                              input1 [R, heads * relative_distances] where relative_distances > 0;
                            cache source: input2, optional: a choice of keys for each row, all others are hidden;
                            with one head of keys, the causal mask and no window, bias or temperature */
    HEARTH_ADD = 8,      /* output0 = input0 + right; right = input1, of one shape with input0 or one wide,
                            or weight0, a vector as wide as input0 or of one value */
    HEARTH_MULTIPLY = 9, /* output0 = input0 * right, right as in ADD */
    HEARTH_SCALE = 10,   /* output0 = input0 * factor + offset */
    HEARTH_ACTIVATION = 11, /* output0 = f(input0), or f(input0) * input1 where input1 is given (gated) */
    HEARTH_SOFTCAP = 12,    /* output0 = factor * tanh(input0 / factor) */
    HEARTH_GATHER = 13,     /* output0 = the rows of input0 whose output is wanted */
    HEARTH_CLAMP = 14,      /* output0 = min(max(input0, least), most) */
    HEARTH_SLICE = 15,      /* of each of the groups that make up input0: the columns offset .. offset + width
                               - 1; output0 is groups * width wide */
    HEARTH_CONCAT = 16, /* group by group: the columns of input0's group, then those of input1's; input1 may
                           be one group, given to all */
    HEARTH_POOL = 17,   /* output row o = the mean of the rows of the sequence that output_rows[o] is of */
    HEARTH_ROUTER = 18, /* input0 [R, experts] scores: output0 [R, chosen] weights, output1 [R, chosen] the
                           chosen experts' numbers, best first; weight0: bias [experts] of the choice alone,
                           optional */
    HEARTH_EXPERT_LINEAR = 19,  /* output_i[c] = input0[c] * weight_i[expert c]^T + bias_i[expert c], i = 0..1
                                   (weight 0..1, bias in weight 3..4: [stack * rows]), for the chosen experts
                                   input1 [R, chosen]; input0 [R, columns] is given to all, or [R, chosen *
                                   columns] has a piece for each; output_i [R, chosen * rows] */
    HEARTH_EXPERT_SUM = 20,     /* output0 [R, W] = the sum of input0 [R, chosen * W] weighted by input1
                                   [R, chosen] */
    HEARTH_GROUPED_LINEAR = 21, /* group g of output0 = group g of input0 * weight0[g]^T; weight0 is a stack
                                   of as many matrices as there are groups */
    HEARTH_LOG_SOFTMAX = 22,    /* output0 = input0 - log(sum of exp(input0)), row by row */
    /* Layers that remember by a state (hearth_cache_options.states); each operation has a state of its own.
     */
    HEARTH_SHORT_CONVOLUTION = 23, /* output0 [R, W], channel by channel = f(sum over k of weight0[k] *
                                      input0 of k - taps + 1 rows on + weight1), weight0 [taps * W] tap by
                                      tap, weight1 [W] optional */
    HEARTH_SELECTIVE_SCAN =
        24, /* input0 x [R, heads * head_width], input1 step sizes [R, heads], input2 B and
               input3 C [R, groups * state_width]; weight0 A [heads], or [state_width * heads]
               where decays_by_state, weight1 D [heads] optional:
                 h = h * exp(dt A) + dt B x,  output0 = C h + D x */
    HEARTH_DELTA_RULE =
        25, /* input0 q and input1 k [R, key_heads * key_width], input2 v [R, heads *
              value_width], input3 the decay's logarithm g [R, heads * decay_width], input4 beta
              [R, heads]; for each head
                S = diag(exp g) S,  S = S + k (beta (v - k^T S)),  output0 = scale q^T S */
    HEARTH_WKV =
        26, /* input0 r, input1 k and input3 the decay's logarithm w [R, heads * key_width], input2 v
                       [R, heads * value_width], input4 a and input5 b like k, both or neither; for each head
                         S = diag(exp w) S + b (a^T S) + k v^T,  output0 = scale r^T S,
                       or, with weight0 u [heads * key_width] and without a and b,
                         output0 = scale r^T (S + diag(u) k v^T),  S = diag(exp w) S + k v^T */
    HEARTH_CHOOSE_KEYS = 27 /* of the keys that a row sees in the cache's layer, the best ones for input0 q
                          [R, heads * key_width] and input1 w [R, heads] by the sum over heads of w relu(q k):
                          output0 [R, chosen] their positions in rising order, -1 behind the last. The layer
                          has one head of keys and no values (arXiv 2512.02556) */
} hearth_operation_kind;

typedef enum hearth_index {
    HEARTH_INDEX_TOKEN = 0,
    HEARTH_INDEX_POSITION = 1,
    HEARTH_INDEX_FIRST = 2 /* the table's first row, for every row of the step */
} hearth_index;

typedef enum hearth_function {
    HEARTH_FUNCTION_NONE = 0,
    HEARTH_FUNCTION_SILU = 1,
    HEARTH_FUNCTION_GELU = 2,      /* with the error function */
    HEARTH_FUNCTION_GELU_TANH = 3, /* the tanh approximation, GPT-2's */
    HEARTH_FUNCTION_RELU = 4,
    HEARTH_FUNCTION_RELU_SQUARED = 5,
    HEARTH_FUNCTION_SIGMOID = 6,
    HEARTH_FUNCTION_GELU_SIGMOID = 7, /* x * sigmoid(1.702 x) */
    HEARTH_FUNCTION_TANH = 8,
    HEARTH_FUNCTION_XIELU = 9, /* arXiv 2411.13010; an activation operation only, with its four parameters */
    HEARTH_FUNCTION_GELU_TANH_HALF = 10, /* GELU_TANH of x rounded to half precision, itself rounded so: as
                                           ggml's table has it; an activation operation only */
    HEARTH_FUNCTION_SOFTPLUS = 11,       /* log(1 + e^x) */
    HEARTH_FUNCTION_EXP = 12             /* e^x */
} hearth_function;

typedef enum hearth_rope_layout {
    HEARTH_ROPE_INTERLEAVED = 0, /* pairs (2i, 2i+1): RoFormer, Llama's GGUF */
    HEARTH_ROPE_HALVES = 1       /* pairs (i, i + dimensions/2): GPT-NeoX, Qwen */
} hearth_rope_layout;

typedef enum hearth_mask {
    HEARTH_MASK_CAUSAL = 0,
    HEARTH_MASK_BIDIRECTIONAL = 1,
    HEARTH_MASK_PREFIX = 2, /* causal, but the first prefix_length positions see each other */
    HEARTH_MASK_CHUNKED = 3 /* causal inside chunks of `window` positions: those more than chunk_memory before
                               the query's chunk are hidden */
} hearth_mask;

typedef enum hearth_source {
    HEARTH_SOURCE_CACHE = 0, /* the sequence's pages in the cache, this step's rows included */
    HEARTH_SOURCE_ROWS = 1,  /* the rows of the same sequence in this step, given as input1 and input2 */
    HEARTH_SOURCE_MEMORY = 2 /* the sequence's pages in the memory cache: an encoder's output. Every one of
                                its memory_length positions is seen; the mask is not read */
} hearth_source;

typedef struct hearth_embed_parameters {
    int32_t index; /* hearth_index */
    float scale;
    /* 1: the table has the rows of the tokens from `first` on; another token's row is zero (adaptive input,
       arXiv 1809.10853). A step then takes no embeddings. */
    int32_t ranged, first;
} hearth_embed_parameters;

typedef struct hearth_linear_parameters {
    int32_t function; /* hearth_function applied to every output */
} hearth_linear_parameters;

typedef struct hearth_norm_parameters {
    float epsilon;
    int32_t group_width; /* values normalized together; divides the width; 0 = the whole row */
} hearth_norm_parameters;

/* Angle of pair i at position p: p * frequency(i) with YaRN's correction (arXiv 2309.00071); without it
   frequency(i) = base^(-2i/dimensions) * frequency_scale / factor[i]. */
typedef struct hearth_rope_parameters {
    int32_t layout;           /* hearth_rope_layout */
    int32_t head_width;       /* divides the value's width */
    int32_t dimensions;       /* rotated values of each head; even; the others pass through */
    int32_t original_context; /* YaRN: the context that the model was trained with */
    float base;
    float frequency_scale;  /* 1 / the linear scaling factor */
    float extrapolation;    /* YaRN's mix; 0 = none */
    float attention_factor; /* magnitude of the rotated values; 1 = none */
    float beta_fast, beta_slow;
    int32_t offset; /* the first rotated value of each head */
} hearth_rope_parameters;

typedef struct hearth_attention_parameters {
    int32_t source; /* hearth_source */
    int32_t layer;  /* of the cache, where the source is the cache */
    int32_t heads, kv_heads;
    int32_t key_width, value_width; /* of one head */
    int32_t mask;                   /* hearth_mask */
    int32_t window; /* a key further back than window - 1 positions is hidden, for the bidirectional mask one
                       further than window / 2 either way; 0 = no window */
    int32_t prefix_length;
    float scale;
    float softcap;    /* scores become softcap * tanh(score / softcap); 0 = none */
    float alibi_bias; /* the largest ALiBi bias (arXiv 2108.12409); 0 = none */
    /* T5's relative bias (arXiv 1910.10683), added to the scaled scores: buckets of the distance between key
       and query, half of them exact, the rest logarithmic up to bias_distance; with the bidirectional mask
       half are for keys behind the query, half for those ahead. 0 buckets = none. */
    int32_t bias_buckets, bias_distance;
    /* The scale of the query at position p is scale * (1 + temperature * ln(1 + floor((p +
       temperature_offset) / temperature_length))) (Llama 4); length 0 = none. */
    int32_t temperature_length;
    float temperature, temperature_offset;
    int32_t chunk_memory; /* positions before its chunk that a query sees with the chunked mask */
    /* Transformer-XL's relative scores (arXiv 1901.02860), which the query decides: for each row and head one
       for each distance from 0 on, added to the scaled scores; further keys share the last. Cache source
       only, without bias buckets. 0 = none. */
    int32_t relative_distances;
    int32_t values_in_keys; /* 1: the values are the first value_width values of the keys (latent attention);
                               the cache's layer has value_width 0, and the rows source has no input2 */
} hearth_attention_parameters;

typedef struct hearth_factor_parameters {
    float factor;
    float offset; /* SCALE's; 0 in SOFTCAP */
} hearth_factor_parameters;

typedef struct hearth_activation_parameters {
    int32_t function; /* hearth_function */
    /* XIELU: positive_alpha x^2 + beta x above 0, negative_alpha (expm1(min(x, epsilon)) - x) + beta x below.
     */
    float negative_alpha, positive_alpha, beta, epsilon;
} hearth_activation_parameters;

typedef struct hearth_clamp_parameters {
    float least, most;
} hearth_clamp_parameters;

typedef struct hearth_slice_parameters {
    int32_t groups, offset, width;
} hearth_slice_parameters;

typedef struct hearth_concat_parameters {
    int32_t groups;
} hearth_concat_parameters;

typedef enum hearth_gating {
    HEARTH_GATING_SOFTMAX = 1,       /* over all experts, before the choice */
    HEARTH_GATING_SIGMOID = 2,       /* of each score */
    HEARTH_GATING_SOFTMAX_CHOSEN = 3 /* over the chosen experts' scores; the choice is by score */
} hearth_gating;

/* The choice is by gate + bias, the best first, the lower number among equals. With groups, only experts of
   the chosen_groups groups are looked at whose two best sum highest (DeepSeek-V3, arXiv 2412.19437). The
   weights are the gates without bias; normalized (divided by their sum, which is taken as at least
   least_sum), then scaled. */
typedef struct hearth_router_parameters {
    int32_t chosen;                /* experts for each row */
    int32_t gating;                /* hearth_gating */
    int32_t groups, chosen_groups; /* 0 or 1 groups: no grouping */
    int32_t normalize;             /* 0 or 1 */
    int32_t choose_by_score;       /* 1: the choice is by raw score + bias (Llama 4) */
    float least_sum;
    float scale;
    int32_t experts_per_matrix; /* so many neighbouring experts share a matrix: what comes out are the
                                   matrices' numbers and the gates of the experts of those numbers, as
                                   llama.cpp weights GroveMoE's adjugate experts (arXiv 2508.07785); 0 or 1:
                                   each has its own */
} hearth_router_parameters;

typedef struct hearth_cache_write_parameters {
    int32_t layer;
    int32_t kv_heads;
    int32_t key_width, value_width; /* value_width 0: the values lie in the keys */
} hearth_cache_write_parameters;

/* A convolution over the rows of a sequence that sees no later row, channel by channel (Mamba, arXiv
   2312.00752; LFM2). */
typedef struct hearth_convolution_parameters {
    int32_t state;    /* of the cache: [taps - 1, W], the rows before the next */
    int32_t taps;     /* 2 to 64; the last is for the row itself */
    int32_t function; /* hearth_function, without parameters */
} hearth_convolution_parameters;

/* Mamba's selective scan (arXiv 2312.00752) where decays_by_state, with head_width 1: heads are channels.
   Else Mamba-2's (arXiv 2405.21060): one decay a head. */
typedef struct hearth_scan_parameters {
    int32_t state; /* of the cache: [heads, state_width, head_width], by 16 heads where decays_by_state */
    int32_t heads, head_width;
    int32_t state_width;
    int32_t groups; /* of heads that share B and C; divides heads */
    int32_t decays_by_state;
} hearth_scan_parameters;

/* The gated delta rule (Gated DeltaNet, arXiv 2412.06464), with a decay for each value of a key Kimi's
   (KDA, arXiv 2510.26692). */
typedef struct hearth_delta_parameters {
    int32_t state;            /* of the cache: [heads, key_width, value_width] */
    int32_t heads, key_heads; /* key_heads divides heads */
    int32_t key_width, value_width;
    int32_t decay_width;   /* 1, or key_width */
    int32_t keys_in_turns; /* 1: head h reads key head h % key_heads; 0: h / (heads / key_heads) */
    float scale;
} hearth_delta_parameters;

/* RWKV-6 (arXiv 2404.05892), RWKV-7 (2503.14456) and gated linear attention (2312.06635). */
typedef struct hearth_wkv_parameters {
    int32_t state; /* of the cache: [heads, key_width, value_width] */
    int32_t heads;
    int32_t key_width, value_width;
    float scale;
} hearth_wkv_parameters;

typedef struct hearth_choose_keys_parameters {
    int32_t layer; /* of the cache; written by CACHE_WRITE of the same step with kv_heads 1, value_width 0 */
    int32_t heads, key_width; /* key_width at most 1024 */
} hearth_choose_keys_parameters;

enum { HEARTH_INPUTS = 6 };

typedef struct hearth_operation {
    int32_t kind;                 /* hearth_operation_kind */
    int32_t input[HEARTH_INPUTS]; /* value numbers; -1 where there is none */
    int32_t output[3];            /* likewise */
    int32_t weight[6];            /* weight numbers; -1 where there is none */
    union {
        hearth_embed_parameters embed;
        hearth_linear_parameters linear;
        hearth_norm_parameters norm;
        hearth_rope_parameters rope;
        hearth_attention_parameters attention;
        hearth_factor_parameters factor;
        hearth_activation_parameters activation;
        hearth_cache_write_parameters cache_write;
        hearth_clamp_parameters clamp;
        hearth_slice_parameters slice;
        hearth_concat_parameters concat;
        hearth_router_parameters router;
        hearth_convolution_parameters convolution;
        hearth_scan_parameters scan;
        hearth_delta_parameters delta;
        hearth_wkv_parameters wkv;
        hearth_choose_keys_parameters choose_keys;
        int32_t words[24]; /* fixes the size */
    } parameters;
} hearth_operation;

/* Shape in GGUF's order: columns are contiguous. A vector has rows = 1. A stack holds several matrices of the
   same shape one after another: an expert or a head each. */
typedef struct hearth_weight {
    int32_t type;  /* hearth_type */
    int32_t stack; /* matrices, at least 1 */
    int64_t columns;
    int64_t rows; /* of one matrix */
} hearth_weight;

typedef struct hearth_program {
    const hearth_operation* operations;
    const int32_t* value_widths; /* [value_count] */
    const hearth_weight* weights;
    int32_t operation_count;
    int32_t value_count;
    int32_t weight_count;
    int32_t result;          /* the value that a step returns; its rows are output rows */
    int32_t max_rows;        /* the most rows of one step, R */
    int32_t max_output_rows; /* the most output rows of one step, O */
} hearth_program;

#endif /* HEARTH_PROGRAM_H */
