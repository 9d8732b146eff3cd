// Attention over a paged cache or over rows of the step, and writing into the cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "hearth.h"

namespace hearth {

// One layer's pool of pages, as hearth.h lays it out: page p's keys start at keys + p * key_page_bytes and
// are [kv_heads, page_tokens, key_width] in key_type; values alike.
struct KvLayer {
    uint8_t* keys;
    uint8_t* values;
    size_t key_page_bytes, value_page_bytes;
    hearth_type key_type, value_type;
    int32_t page_tokens, kv_heads, key_width, value_width;
};

// Adjacent rows of the step that belong to one sequence (hearth_sequence with its page table resolved).
struct SequenceRows {
    int32_t row_begin, row_count;
    int32_t past;          // positions before this step's rows
    const int32_t* pages;  // null where the source is rows
};

// Where keys and values come from: a cache layer, or float32 rows.
struct AttentionCall {
    const float* queries;  // [R, heads, key_width]
    int64_t query_stride;  // floats between rows
    float* output;         // [R, heads, value_width]
    int64_t output_stride;
    const float* sinks;  // [heads] or null
    const SequenceRows* sequences;
    int32_t sequence_count;
    const KvLayer* layer;  // source: cache; else null, and:
    const float* keys;     // [N, kv_heads, key_width]; sequence s owns rows row_begin - past .. as below
    const float* values;   // [N, kv_heads, value_width]
    int64_t key_stride, value_stride;
    int32_t key_rows;  // rows source with one sequence (the stand-alone call): how many keys; 0: the
                       // sequence's rows
    hearth_attention_parameters parameters;
};

size_t attention_scratch_bytes(const hearth_attention_parameters& parameters, int64_t max_rows, int threads);

void attention(hearth_isa isa, const AttentionCall& call, Buffer& scratch, ThreadPool& pool);

// Stores keys [R, kv_heads, key_width] and values [R, kv_heads, value_width] at positions past .. past +
// row_count - 1 of each sequence, converted to the layer's types.
struct CacheWriteCall {
    const float* keys;
    const float* values;
    int64_t key_stride, value_stride;
    const SequenceRows* sequences;
    int32_t sequence_count;
    const KvLayer* layer;
};

void cache_write(hearth_isa isa, const CacheWriteCall& call, ThreadPool& pool);

}  // namespace hearth
