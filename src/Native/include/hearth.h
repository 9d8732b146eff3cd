/*
 * Hearth's native engine: the only public header.
 *
 * Conventions
 *   - Every function returns a hearth_status; the message of the last failure on this thread is
 * hearth_last_error().
 *   - Handles are opaque. Whoever creates one destroys it; destroying a null handle does nothing. A model and
 * a cache keep their engine alive, so handles may be destroyed in any order.
 *   - Nothing allocated on one side is freed on the other; pointers passed in are read during the call only,
 * unless the function says otherwise. Every pointer's size travels with it.
 *   - No exception, no C++ type and no callback crosses this line. All sizes, indices and page numbers are
 * checked before they are used.
 *   - Axis letters: R rows of a step, O rows whose output is wanted, W width of a value, S sequences of a
 * step, V vocabulary, L layers of a cache.
 */
#ifndef HEARTH_H
#define HEARTH_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(HEARTH_BUILDING)
#define HEARTH_API __declspec(dllexport)
#else
#define HEARTH_API __declspec(dllimport)
#endif
#else
#define HEARTH_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a struct or the meaning of a call changes; the managed side refuses another number. */
#define HEARTH_ABI_VERSION 1u

typedef int32_t hearth_status;
enum {
    HEARTH_OK = 0,
    HEARTH_INVALID_ARGUMENT = 1, /* a pointer, size, index or enum value is out of its range */
    HEARTH_INVALID_PROGRAM = 2,  /* the operations do not fit together: shapes, types, order */
    HEARTH_UNSUPPORTED = 3,      /* known, but not built in: a tensor type, an instruction set */
    HEARTH_OUT_OF_MEMORY = 4,    /* the message holds the bytes asked for */
    HEARTH_INVALID_STATE = 5,    /* a step before all weights were loaded, say */
    HEARTH_INTERNAL = 6          /* a fault of the engine itself */
};

/* The numbers of GGUF's tensor types; those that this engine computes with. */
typedef enum hearth_type {
    HEARTH_TYPE_F32 = 0,
    HEARTH_TYPE_F16 = 1,
    HEARTH_TYPE_Q4_0 = 2,
    HEARTH_TYPE_Q4_1 = 3,
    HEARTH_TYPE_Q5_0 = 6,
    HEARTH_TYPE_Q5_1 = 7,
    HEARTH_TYPE_Q8_0 = 8,
    HEARTH_TYPE_Q2_K = 10,
    HEARTH_TYPE_Q3_K = 11,
    HEARTH_TYPE_Q4_K = 12,
    HEARTH_TYPE_Q5_K = 13,
    HEARTH_TYPE_Q6_K = 14,
    HEARTH_TYPE_IQ2_XXS = 16,
    HEARTH_TYPE_IQ2_XS = 17,
    HEARTH_TYPE_IQ3_XXS = 18,
    HEARTH_TYPE_IQ1_S = 19,
    HEARTH_TYPE_IQ4_NL = 20,
    HEARTH_TYPE_IQ3_S = 21,
    HEARTH_TYPE_IQ2_S = 22,
    HEARTH_TYPE_IQ4_XS = 23,
    HEARTH_TYPE_IQ1_M = 29,
    HEARTH_TYPE_BF16 = 30,
    HEARTH_TYPE_TQ1_0 = 34,
    HEARTH_TYPE_TQ2_0 = 35,
    HEARTH_TYPE_MXFP4 = 39
} hearth_type;

/* Instruction sets in rising order; a build holds those of its processor family. */
typedef enum hearth_isa {
    HEARTH_ISA_BEST = -1,
    HEARTH_ISA_SCALAR = 0,
    HEARTH_ISA_AVX2 = 1,   /* AVX2, FMA, F16C */
    HEARTH_ISA_AVX512 = 2, /* AVX-512 F, BW, DQ, VL, VNNI */
    HEARTH_ISA_NEON = 3    /* NEON with dot product */
} hearth_isa;

/* ---- The library
 * ---------------------------------------------------------------------------------------------- */

HEARTH_API uint32_t hearth_abi_version(void);

/* UTF-8, never null; valid until the next call into the library on this thread. */
HEARTH_API const char* hearth_last_error(void);

typedef struct hearth_system {
    int32_t best_isa;   /* hearth_isa */
    uint32_t isa_mask;  /* bit i: instruction set i is built in and the processor has it */
    int32_t processors; /* that this process may use: affinity and container limits counted */
    int32_t reserved;
    char processor[64]; /* model name, NUL-terminated */
} hearth_system;

HEARTH_API hearth_status hearth_system_probe(hearth_system* system, size_t system_size);

/* ---- Engine: a thread pool and an instruction set
 * -------------------------------------------------------------- */

typedef struct hearth_engine hearth_engine;

typedef struct hearth_engine_options {
    int32_t threads; /* 0: as many as hearth_system.processors */
    int32_t isa;     /* hearth_isa; HEARTH_ISA_BEST unless a test asks for another */
} hearth_engine_options;

HEARTH_API hearth_status hearth_engine_create(const hearth_engine_options* options, size_t options_size,
                                              hearth_engine** engine);
HEARTH_API void hearth_engine_destroy(hearth_engine* engine);

/* Bytes a second that the engine's threads read from memory beyond the caches; takes buffer_bytes of memory meanwhile
   (at least a MiB; several times the last cache to be meaningful). */
HEARTH_API hearth_status hearth_engine_measure_bandwidth(hearth_engine* engine, uint64_t buffer_bytes,
                                                         double* bytes_per_second);

/* ---- Program: what a model computes
 * ---------------------------------------------------------------------------- */

/*
 * A program is a flat list of operations over numbered values. A value is a matrix of float32 [rows, width];
 * its rows are the rows of the step or, after GATHER, the rows whose output is wanted. Each value is written
 * by one operation and read only after it.
 */
typedef enum hearth_operation_kind {
    HEARTH_EMBED = 1, /* output0 = table[weight0][index of the row] * scale */
    HEARTH_LINEAR =
        2, /* output_i = input0 * weight_i^T + bias_i, i = 0..2 (weight 0..2, bias in weight 3..5) */
    HEARTH_RMS_NORM = 3,    /* output0 = input0 / rms(input0) * weight0, over groups of group_width */
    HEARTH_LAYER_NORM = 4,  /* output0 = (input0 - mean) / deviation * weight0 + weight1 (bias optional) */
    HEARTH_ROPE = 5,        /* output0 = input0 rotated by position; weight0: frequency factors, optional */
    HEARTH_CACHE_WRITE = 6, /* keys input0 and values input1 of this step go into the cache's layer */
    HEARTH_ATTENTION = 7,   /* output0 = softmax(scale * q k^T + mask) v; q = input0; rows source: k, v =
                               input1, input2;   weight0: sinks [heads], optional */
    HEARTH_ADD = 8,         /* output0 = input0 + input1 */
    HEARTH_MULTIPLY = 9,    /* output0 = input0 * input1 */
    HEARTH_SCALE = 10,      /* output0 = input0 * factor */
    HEARTH_ACTIVATION = 11, /* output0 = f(input0), or f(input0) * input1 where input1 is given (gated) */
    HEARTH_SOFTCAP = 12,    /* output0 = factor * tanh(input0 / factor) */
    HEARTH_GATHER = 13      /* output0 = the rows of input0 whose output is wanted */
} hearth_operation_kind;

typedef enum hearth_index { HEARTH_INDEX_TOKEN = 0, HEARTH_INDEX_POSITION = 1 } hearth_index;

typedef enum hearth_function {
    HEARTH_FUNCTION_NONE = 0,
    HEARTH_FUNCTION_SILU = 1,
    HEARTH_FUNCTION_GELU = 2,      /* with the error function */
    HEARTH_FUNCTION_GELU_TANH = 3, /* the tanh approximation, GPT-2's */
    HEARTH_FUNCTION_RELU = 4,
    HEARTH_FUNCTION_RELU_SQUARED = 5
} hearth_function;

typedef enum hearth_rope_layout {
    HEARTH_ROPE_INTERLEAVED = 0, /* pairs (2i, 2i+1): RoFormer, Llama's GGUF */
    HEARTH_ROPE_HALVES = 1       /* pairs (i, i + dimensions/2): GPT-NeoX, Qwen */
} hearth_rope_layout;

typedef enum hearth_mask {
    HEARTH_MASK_CAUSAL = 0,
    HEARTH_MASK_BIDIRECTIONAL = 1,
    HEARTH_MASK_PREFIX = 2 /* causal, but the first prefix_length positions see each other */
} hearth_mask;

typedef enum hearth_source {
    HEARTH_SOURCE_CACHE = 0, /* the sequence's pages in the cache, this step's rows included */
    HEARTH_SOURCE_ROWS = 1   /* the rows of the same sequence in this step, given as input1 and input2 */
} hearth_source;

typedef struct hearth_embed_parameters {
    int32_t index; /* hearth_index */
    float scale;
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
} hearth_rope_parameters;

typedef struct hearth_attention_parameters {
    int32_t source; /* hearth_source */
    int32_t layer;  /* of the cache, where the source is the cache */
    int32_t heads, kv_heads;
    int32_t key_width, value_width; /* of one head */
    int32_t mask;                   /* hearth_mask */
    int32_t window; /* a key further back than window - 1 positions is hidden; 0 = no window */
    int32_t prefix_length;
    float scale;
    float softcap;    /* scores become softcap * tanh(score / softcap); 0 = none */
    float alibi_bias; /* the largest ALiBi bias (arXiv 2108.12409); 0 = none */
} hearth_attention_parameters;

typedef struct hearth_factor_parameters {
    float factor;
} hearth_factor_parameters;

typedef struct hearth_activation_parameters {
    int32_t function; /* hearth_function */
} hearth_activation_parameters;

typedef struct hearth_cache_write_parameters {
    int32_t layer;
    int32_t kv_heads;
    int32_t key_width, value_width;
} hearth_cache_write_parameters;

typedef struct hearth_operation {
    int32_t kind;      /* hearth_operation_kind */
    int32_t input[3];  /* value numbers; -1 where there is none */
    int32_t output[3]; /* likewise */
    int32_t weight[6]; /* weight numbers; -1 where there is none */
    union {
        hearth_embed_parameters embed;
        hearth_linear_parameters linear;
        hearth_norm_parameters norm;
        hearth_rope_parameters rope;
        hearth_attention_parameters attention;
        hearth_factor_parameters factor;
        hearth_activation_parameters activation;
        hearth_cache_write_parameters cache_write;
        int32_t words[16]; /* fixes the size */
    } parameters;
} hearth_operation;

/* Shape in GGUF's order: columns are contiguous. A vector has rows = 1. */
typedef struct hearth_weight {
    int32_t type; /* hearth_type */
    int32_t reserved;
    int64_t columns;
    int64_t rows;
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

typedef struct hearth_model hearth_model;

/* Checks the program and plans its memory; weights are loaded one by one afterwards. */
HEARTH_API hearth_status hearth_model_create(hearth_engine* engine, const hearth_program* program,
                                             size_t program_size, hearth_model** model);
HEARTH_API void hearth_model_destroy(hearth_model* model);

/* Packs one weight into the order in which the kernels read it. data is read during the call only, except
   that types needing no packing may be copied later: the caller may release it once the call returns. */
HEARTH_API hearth_status hearth_model_load_weight(hearth_model* model, int32_t weight, const void* data,
                                                  size_t data_size);

typedef struct hearth_model_memory {
    uint64_t weight_bytes;  /* packed weights held now */
    uint64_t scratch_bytes; /* values and work space of a step */
} hearth_model_memory;

HEARTH_API hearth_status hearth_model_measure(const hearth_model* model, hearth_model_memory* memory,
                                              size_t memory_size);

/* ---- Cache: pages of keys and values
 * --------------------------------------------------------------------------- */

/*
 * A page holds page_tokens positions of every layer under one number: layer l has a pool of its own, and page
 * p of a sequence is page p of every pool. Which page belongs to whom is the managed side's bookkeeping.
 * Layout of a page in a layer's pool: keys [kv_heads, page_tokens, key_width], values [kv_heads, page_tokens,
 * value_width], each in its type.
 */
typedef struct hearth_cache hearth_cache;

typedef struct hearth_cache_layer {
    int32_t kv_heads;
    int32_t key_width, value_width; /* of one head */
} hearth_cache_layer;

typedef struct hearth_cache_options {
    const hearth_cache_layer* layers;
    int32_t layer_count;
    int32_t key_type, value_type; /* F32, F16, BF16, Q8_0 or Q4_0 */
    int32_t page_tokens;          /* a power of two, 8 to 256 */
    int32_t page_count;
} hearth_cache_options;

HEARTH_API hearth_status hearth_cache_create(hearth_engine* engine, const hearth_cache_options* options,
                                             size_t options_size, hearth_cache** cache);
HEARTH_API void hearth_cache_destroy(hearth_cache* cache);

/* Bytes of one page over all layers. */
HEARTH_API hearth_status hearth_cache_page_bytes(const hearth_cache* cache, uint64_t* bytes);

/* Copies a page's contents of all layers. */
HEARTH_API hearth_status hearth_cache_copy_page(hearth_cache* cache, int32_t source, int32_t destination);

/* Copies a page out of or into the cache, layer by layer, keys before values; size must be the page's bytes.
 */
HEARTH_API hearth_status hearth_cache_read_page(const hearth_cache* cache, int32_t page, void* buffer,
                                                size_t size);
HEARTH_API hearth_status hearth_cache_write_page(hearth_cache* cache, int32_t page, const void* buffer,
                                                 size_t size);

/* ---- Step: one run of the program over rows of any number of sequences
 * ------------------------------------------ */

/* Rows of one sequence are adjacent. Position i of a sequence lies in page pages[i / page_tokens]. */
typedef struct hearth_sequence {
    int32_t row_begin, row_count; /* its rows in this step */
    int32_t past;                 /* positions that the cache holds already; this step's rows follow them */
    int32_t page_begin;           /* its first entry in hearth_step.pages */
    int32_t page_count;           /* its entries, at least ceil((past + row_count) / page_tokens) */
} hearth_sequence;

typedef struct hearth_step {
    const int32_t* tokens;    /* [R] token ids, or null where embeddings are given */
    const float* embeddings;  /* [R, W of the first value], or null */
    const int32_t* positions; /* [R] for rope and learned positions, at least 0 */
    const hearth_sequence* sequences;
    const int32_t* pages;       /* page tables of all sequences, one after another */
    const int32_t* output_rows; /* [O] rows whose output is wanted, rising */
    float* output;              /* [O, W of the result] */
    size_t output_size;         /* in floats */
    int32_t row_count, sequence_count, page_count, output_count;
} hearth_step;

/* One step; cache may be null where the program uses none. Steps of one engine run one after another. */
HEARTH_API hearth_status hearth_model_run(hearth_model* model, hearth_cache* cache, const hearth_step* step,
                                          size_t step_size);

/* ---- Kernels for themselves
 * ------------------------------------------------------------------------------------- */

/* Attention on caller's memory: queries [R, heads, key_width], keys [N, kv_heads, key_width], values [N,
   kv_heads, value_width], output [R, heads, value_width]. Query i stands at position past + i;
   parameters.source and layer are not read. sinks [heads] may be null. */
typedef struct hearth_attention_call {
    const float *queries, *keys, *values, *sinks;
    float* output;
    size_t query_size, key_size, value_size, output_size; /* in floats */
    int32_t query_rows, key_rows;
    int32_t past;
    int32_t reserved;
    hearth_attention_parameters parameters;
} hearth_attention_call;

HEARTH_API hearth_status hearth_attention(hearth_engine* engine, const hearth_attention_call* call,
                                          size_t call_size);

/* Blocks of a type to float32; count is a multiple of the type's block. */
HEARTH_API hearth_status hearth_dequantize(int32_t type, const void* data, size_t data_size, float* output,
                                           size_t count);

#ifdef __cplusplus
}
#endif

#endif /* HEARTH_H */
