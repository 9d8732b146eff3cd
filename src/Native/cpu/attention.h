// Attention over a paged cache or over rows of the step, and writing into the cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cache.h"
#include "core/sequences.h"
#include "cpu/buffer.h"
#include "cpu/thread_pool.h"
#include "hearth.h"

namespace hearth {

// One layer's pool of pages, as hearth.h lays it out: page p's keys start at keys + p * key_page_bytes and
// are [kv_heads, page_tokens, key_width] in key_type; values alike, unless value_width is 0: then they lie in
// the keys.
struct KvLayer {
    uint8_t* keys;
    uint8_t* values;
    size_t key_page_bytes, value_page_bytes;
    hearth_type key_type, value_type;
    int32_t page_tokens, kv_heads, key_width, value_width;
};

// Where keys and values come from: a cache layer, or float32 rows.
//
// Cache: sequence s has past + row_count keys, key j at position j. Memory: its memory_length keys, all of
// which every row sees. Rows: it has the row_count keys of its
// own rows of the step, at its queries' positions; the stand-alone call has one sequence and key_rows keys at
// positions 0 .. key_rows - 1. Row i of the sequence stands at position past + i.
struct AttentionCall {
    const float* queries;  // [R, heads, key_width]
    int64_t query_stride;  // floats between rows
    float* output;         // [R, heads, value_width]; no part of the inputs
    int64_t output_stride;
    const float* sinks;   // [heads] or null
    const float* biases;  // [bias_buckets, heads], or null where parameters.bias_buckets is 0
    const float*
        relative;  // [R, heads, relative_distances], or null where parameters.relative_distances is 0
    int64_t relative_stride;
    const SequenceRows* sequences;
    int32_t sequence_count;
    const KvLayer* layer;  // source: cache or memory; else null, and:
    const float* keys;     // [N, kv_heads, key_width]
    const float* values;   // [N, kv_heads, value_width]; not read where parameters.values_in_keys
    int64_t key_stride, value_stride;
    int32_t key_rows;  // the stand-alone call's keys; 0: each sequence's own rows
    // Values in place of the source's: [N, value_width], key j's the same for every KV head and sequence;
    // null: the source's own. Parameters' values_in_keys is then 0.
    const float* common_values;
    hearth_attention_parameters parameters;
};

// Work space for any call with at most max_rows rows in at most max_rows sequences. Most of it is touched
// only where long sequences are split along their keys.
size_t attention_scratch_bytes(const hearth_attention_parameters& parameters, int64_t max_rows, int threads);

// A row that sees no key gives zeros. A row's results depend neither on the thread count nor on the rows
// beside it, of its own sequence or of others. Throws HEARTH_INTERNAL where scratch is too small.
void attention(hearth_isa isa, const AttentionCall& call, Buffer& scratch, ThreadPool& pool);

// What the softmax of a call gives each key: probabilities [R, head_count, key_count] of the heads from
// head_begin on, as hearth_probe has them. The call's output, values and value_width are not read.
struct AttentionProbe {
    float* probabilities;
    int32_t head_begin, head_count;
    int32_t key_count;  // at least the keys of each sequence
};

// Runs the call's own kernels with unit vectors for values, a block of keys at a time, in memory of its own.
void probe_attention(hearth_isa isa, const AttentionCall& call, const AttentionProbe& probe,
                     ThreadPool& pool);

// Stores keys [R, kv_heads, key_width] and values [R, kv_heads, value_width] (none where the layer's
// value_width is 0) at positions past .. past + row_count - 1 of each sequence, converted to the layer's
// types.
struct CacheWriteCall {
    const float* keys;
    const float* values;
    int64_t key_stride, value_stride;
    const SequenceRows* sequences;
    int32_t sequence_count;
    const KvLayer* layer;
};

void cache_write(hearth_isa isa, const CacheWriteCall& call, ThreadPool& pool);
// The same for rows first_row .. first_row + row_count - 1 of the step, in the calling thread.
void cache_write_rows(hearth_isa isa, const CacheWriteCall& call, int64_t first_row, int64_t row_count);

}  // namespace hearth
