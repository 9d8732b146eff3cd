/*
 * Hearth's native engine: the only public header, with hearth_program.h, which it includes.
 *
 * Conventions
 *   - Every function returns a hearth_status; the message of the last failure on this thread is
 * hearth_last_error().
 *   - Handles are opaque. Whoever creates one destroys it; destroying a null handle does nothing. A model and
 * a cache keep their engine alive, so handles may be destroyed in any order.
 *   - Nothing allocated on one side is freed on the other; pointers passed in are read during the call only,
 * unless the function says otherwise. Every pointer's size travels with it.
 *   - Calls may come from any thread. What changes one handle (loading, running, writing pages and states of
 * a cache that a step uses) waits for whoever else does; reading and writing pages and states is the
 * exception: they may run beside a step that touches other pages and states. Nothing else uses a handle while
 * it is destroyed.
 *   - No exception, no C++ type and no callback crosses this line. All sizes, indices and page numbers are
 * checked before they are used.
 *   - Axis letters: R rows of a step, O rows whose output is wanted, W width of a value, S sequences of a
 * step, V vocabulary, L layers of a cache, N states of a channel.
 */
#ifndef HEARTH_H
#define HEARTH_H

#include <stddef.h>
#include <stdint.h>

#include "hearth_program.h"

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
#define HEARTH_ABI_VERSION 4u

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
    HEARTH_TYPE_MXFP4 = 39,
    HEARTH_TYPE_NVFP4 = 40,
    HEARTH_TYPE_Q1_0 = 41,
    HEARTH_TYPE_Q2_0 = 42,
    HEARTH_TYPE_Q2_0_G128 = 142 /* Q2_0 with a scale for 128 columns; some writers give it the number 42 */
} hearth_type;

/* Instruction sets in rising order; a build holds those of its processor family. */
typedef enum hearth_isa {
    HEARTH_ISA_BEST = -1,
    HEARTH_ISA_SCALAR = 0,
    HEARTH_ISA_AVX2 = 1,   /* AVX2, FMA, F16C */
    HEARTH_ISA_AVX512 = 2, /* AVX-512 F, BW, DQ, VL, VNNI */
    HEARTH_ISA_NEON = 3,   /* what every AArch64 processor has */
    HEARTH_ISA_DOTPROD = 4 /* NEON with dot product */
} hearth_isa;

/* ---- The library
 * ---------------------------------------------------------------------------------------------- */

HEARTH_API uint32_t hearth_abi_version(void);

/* UTF-8, never null; valid until the next call into the library on this thread. */
HEARTH_API const char* hearth_last_error(void);

typedef struct hearth_system {
    int32_t best_isa;   /* hearth_isa */
    uint32_t isa_mask;  /* bit i: instruction set i is built in and the processor has it */
    int32_t devices;    /* that engines can be made on: 1, the processor */
    int32_t processors; /* that this process may use: affinity and container limits counted */
    int32_t cores;      /* the same, but one for each physical core: siblings share what multiplies */
    char processor[64]; /* model name, NUL-terminated */
} hearth_system;

HEARTH_API hearth_status hearth_system_probe(hearth_system* system, size_t system_size);

/* ---- Engine: a thread pool and an instruction set
 * -------------------------------------------------------------- */

typedef struct hearth_engine hearth_engine;

typedef struct hearth_engine_options {
    int32_t threads; /* 0: as many as hearth_system.cores */
    int32_t isa;     /* hearth_isa; HEARTH_ISA_BEST unless a test asks for another */
    /* 1: each thread runs on one processor of the process's own mask, physical cores first, those with the
       fewest pinned threads of other engines before the rest. A caller's thread counts as one of the threads:
       it is pinned while its call lasts and then put back. 0: the system places threads. */
    int32_t pinned;
    int32_t device; /* 0: the processor, which is all that this build computes on */
} hearth_engine_options;

/* Steps and measurements of several engines run side by side as long as there are processors for all their
   threads, else in turns. */
HEARTH_API hearth_status hearth_engine_create(const hearth_engine_options* options, size_t options_size,
                                              hearth_engine** engine);
HEARTH_API void hearth_engine_destroy(hearth_engine* engine);

/* Bytes a second that the engine's threads read from memory beyond the caches; takes buffer_bytes of memory
   meanwhile (at least a MiB; several times the last cache to be meaningful). */
HEARTH_API hearth_status hearth_engine_measure_bandwidth(hearth_engine* engine, uint64_t buffer_bytes,
                                                         double* bytes_per_second);

typedef struct hearth_arithmetic {
    double int8_products;    /* multiply-adds a second of 8-bit codes */
    double float32_products; /* multiply-adds a second of float32 */
} hearth_arithmetic;

/* What all threads of the engine together multiply by its instruction set, on registers alone; takes some
   tenths of a second. */
HEARTH_API hearth_status hearth_engine_measure_arithmetic(hearth_engine* engine,
                                                          hearth_arithmetic* arithmetic,
                                                          size_t arithmetic_size);

/* ---- Model: a program (hearth_program.h) with its weights
 * ---------------------------------------------------------------------------- */

typedef struct hearth_model hearth_model;

/* Checks the program and plans its memory; weights are loaded one by one afterwards. */
HEARTH_API hearth_status hearth_model_create(hearth_engine* engine, const hearth_program* program,
                                             size_t program_size, hearth_model** model);
HEARTH_API void hearth_model_destroy(hearth_model* model);

/* Packs one weight into the order in which the kernels read it. data is read during the call only, except
   that types needing no packing may be copied later: the caller may release it once the call returns. */
HEARTH_API hearth_status hearth_model_load_weight(hearth_model* model, int32_t weight, const void* data,
                                                  size_t data_size);

/* The same in parts, for a weight that is a large share of the model: what a part was read from can be
   released before the next comes. The weight is one matrix (stack 1); parts come in order, each begins at a
   multiple of HEARTH_PART_ROWS and, but for the last, holds a multiple of as many rows. A part that begins at
   row 0 begins anew; the weight is loaded once its last row is. */
enum { HEARTH_PART_ROWS = 64 };
HEARTH_API hearth_status hearth_model_load_rows(hearth_model* model, int32_t weight, int64_t first_row,
                                                int64_t row_count, const void* data, size_t data_size);

/* Guards memory that maps a file: where the file is cut short meanwhile, reading what it no longer has gives
   zeros instead of ending the process, and the guard says so. The range stays mapped until the guard is
   destroyed. */
typedef struct hearth_guard hearth_guard;

HEARTH_API hearth_status hearth_guard_create(const void* address, size_t size, hearth_guard** guard);
HEARTH_API void hearth_guard_destroy(hearth_guard* guard);
HEARTH_API hearth_status hearth_guard_is_lost(const hearth_guard* guard, int32_t* lost);

/* Uses a weight that another model of the same engine has loaded, without a copy: of the same type and shape,
   used alike. It stays in memory as long as one of the two models does. */
HEARTH_API hearth_status hearth_model_share_weight(hearth_model* model, int32_t weight,
                                                   const hearth_model* other, int32_t other_weight);

typedef struct hearth_model_memory {
    uint64_t weight_bytes;  /* packed weights held now */
    uint64_t scratch_bytes; /* values and work space of a step */
} hearth_model_memory;

HEARTH_API hearth_status hearth_model_measure(const hearth_model* model, hearth_model_memory* memory,
                                              size_t memory_size);

/* ---- Cache: pages of keys and values, and states
 * --------------------------------------------------------------------------- */

/*
 * A page holds page_tokens positions of every layer under one number: layer l has a pool of its own, and page
 * p of a sequence is page p of every pool. Which page belongs to whom is the managed side's bookkeeping.
 * Layout of a page in a layer's pool: keys [kv_heads, page_tokens, key_width], values [kv_heads, page_tokens,
 * value_width], each in its type.
 *
 * What a sequence remembers besides keys and values is a state: so many floats for every operation that keeps
 * one, all under one number. A step reads the state that a sequence has and writes the one that it will have,
 * which may be the same. Whose which is is the managed side's bookkeeping, too.
 */
typedef struct hearth_cache hearth_cache;

typedef struct hearth_cache_layer {
    int32_t kv_heads;
    int32_t key_width, value_width; /* of one head; value_width 0: the values lie in the keys */
} hearth_cache_layer;

typedef struct hearth_cache_options {
    const hearth_cache_layer* layers;
    int32_t layer_count;
    int32_t key_type, value_type; /* F32, F16, BF16, Q8_0 or Q4_0 */
    int32_t page_tokens;          /* a power of two, 8 to 256 */
    int32_t page_count;
    /* [state_layer_count]: floats of a state's part for each operation that keeps one; null where none does.
       layer_count may then be 0. */
    const int64_t* state_widths;
    int32_t state_layer_count;
    int32_t state_count; /* states; 0 where state_layer_count is */
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

/* Bytes of one state over all operations; 0 where the cache has none. */
HEARTH_API hearth_status hearth_cache_state_bytes(const hearth_cache* cache, uint64_t* bytes);

/* Copies a state out of or into the cache, operation by operation; size must be the state's bytes. */
HEARTH_API hearth_status hearth_cache_read_state(const hearth_cache* cache, int32_t state, void* buffer,
                                                 size_t size);
HEARTH_API hearth_status hearth_cache_write_state(hearth_cache* cache, int32_t state, const void* buffer,
                                                  size_t size);

/* ---- Step: one run of the program over rows of any number of sequences
 * ------------------------------------------ */

/* Rows of one sequence are adjacent. Position i of a sequence lies in page pages[i / page_tokens]. */
typedef struct hearth_sequence {
    int32_t row_begin, row_count; /* its rows in this step */
    int32_t past;                 /* positions that the cache holds already; this step's rows follow them */
    int32_t page_begin;           /* its first entry in hearth_step.pages */
    int32_t page_count;           /* its entries, at least ceil((past + row_count) / page_tokens) */
    /* 0 where the program attends to no memory: */
    int32_t memory_begin;  /* its first entry of the memory cache's pages in hearth_step.pages */
    int32_t memory_count;  /* its entries, at least ceil(memory_length / the memory's page_tokens) */
    int32_t memory_length; /* positions that attention to the memory sees; at least 1 where the program
                              has such attention */
    /* 0 where the program keeps no state: */
    int32_t state_from;       /* the state after `past` rows; -1 where past is 0 */
    int32_t state;            /* receives the state after this step's rows; may be state_from */
    int32_t checkpoint_begin; /* its first entry in hearth_step.checkpoints */
    int32_t checkpoint_count;
} hearth_sequence;

/* A state that is kept on the way. */
typedef struct hearth_checkpoint {
    int32_t rows;  /* after so many of the sequence's rows in this step: 1 to row_count - 1, rising */
    int32_t state; /* receives it */
} hearth_checkpoint;

typedef struct hearth_step {
    const int32_t* tokens;    /* [R] token ids, or null where embeddings are given */
    const float* embeddings;  /* [R, W of the first value], or null */
    const int32_t* positions; /* [R] for rope and learned positions, at least 0 */
    const hearth_sequence* sequences;
    const int32_t* pages;                 /* page tables of all sequences, one after another */
    const int32_t* output_rows;           /* [O] rows whose output is wanted, rising */
    float* output;                        /* [O, W of the result] */
    size_t output_size;                   /* in floats */
    size_t embeddings_size;               /* in floats: R * W, or 0 */
    const hearth_checkpoint* checkpoints; /* of all sequences */
    int32_t row_count, sequence_count, page_count, output_count;
    int32_t checkpoint_count;
    int32_t reserved; /* 0 */
} hearth_step;

/* One step; cache is written and read, its states too, memory is only read (HEARTH_SOURCE_MEMORY); each may
   be null where the program uses none. Any number of sequences may share the memory's pages. Both may be the
   same cache as long as no page is written and read as memory in one step. Steps of one engine run one after
   another. */
HEARTH_API hearth_status hearth_model_run(hearth_model* model, hearth_cache* cache, hearth_cache* memory,
                                          const hearth_step* step, size_t step_size);

/* Asks a step for what one of its attention operations looks at. Column j of a row: key j of the row's
   sequence: of the cache position j, of the memory position j, of rows the sequence's row j. Columns that its
   sequence does not have, and keys that the mask hides, are 0; a row sums to 1 or, with a sink, to 1 less the
   sink's share; a row that sees no key is 0. */
typedef struct hearth_probe {
    int32_t operation;              /* the number of an attention operation in the program */
    int32_t key_count;              /* K, at least the keys of each of the step's sequences */
    int32_t head_begin, head_count; /* H of its query heads, from head_begin on */
    float* probabilities;           /* [R, H, K] */
    size_t size;                    /* in floats: exactly R * H * K */
} hearth_probe;

/* A step, run as hearth_model_run does, that also fills its probes: the attention kernels meet the same
   queries and keys once more for every 64 keys, with unit vectors for values. */
HEARTH_API hearth_status hearth_model_probe(hearth_model* model, hearth_cache* cache, hearth_cache* memory,
                                            const hearth_step* step, size_t step_size,
                                            const hearth_probe* probes, int32_t probe_count);

/* ---- Kernels for themselves
 * ------------------------------------------------------------------------------------- */

/* Attention on caller's memory: queries [R, heads, key_width], keys [N, kv_heads, key_width], values [N,
   kv_heads, value_width], output [R, heads, value_width]. Query i stands at position past + i;
   parameters.source and layer are not read, relative_distances must be 0. sinks [heads] may be null; biases
   [bias_buckets, heads] where parameters.bias_buckets > 0, else null; values are null where
   parameters.values_in_keys. */
typedef struct hearth_attention_call {
    const float *queries, *keys, *values, *sinks, *biases;
    float* output;
    size_t query_size, key_size, value_size, sink_size, bias_size, output_size; /* in floats */
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

/* float32 to blocks of a type, with the least squared error that a search finds; the same bytes on every
   machine. input: count / columns rows; columns is a multiple of the type's block and divides count.
   importance [columns]: at least 0, weights of the squared error of each column, or null for all alike; F32,
   F16 and BF16 have no use for it. output_size: the bytes of the rows' blocks. Numbers that are not finite or
   that the type cannot hold are HEARTH_INVALID_ARGUMENT. */
HEARTH_API hearth_status hearth_quantize(int32_t type, const float* input, size_t count, int64_t columns,
                                         const float* importance, void* output, size_t output_size);

#ifdef __cplusplus
}
#endif

#endif /* HEARTH_H */
