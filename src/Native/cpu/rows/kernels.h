// What one instruction set offers for attention and the row-wise operations: a table of functions on plain
// pointers.
//
// The translation units of the instruction sets see this header and little else, and no C++ library:
// whatever inline function they shared with the rest, the linker would keep one copy of it, maybe the one
// that only newer processors can run.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/formats/blocks.h"  // layouts only
#include "cpu/states/kernels.h"
#include "hearth.h"

namespace hearth {

// Rotation of rows by a table of cosines and sines (operations.h).
struct RopeRows {
    const float* input;  // [rows, width]
    const float* table;  // [rows, dimensions]
    float* output;       // [rows, width], may be input
    int64_t rows, width;
    int32_t head_width, dimensions;
    int32_t offset;  // the first rotated value of a head
    int32_t layout;  // hearth_rope_layout
};

// Keys or values of one KV head; index j counts from the first key of the sequence.
struct KvRows {
    const uint8_t* base;   // index 0 of this head in page 0, or in the rows
    const int32_t* pages;  // null: no pages, all rows lie row_bytes apart
    size_t page_bytes;
    size_t row_bytes;  // between neighbours of one page
    int32_t page_tokens;
    int32_t width;  // values of a row
    hearth_type type;
};

constexpr int kMaxLines = 128;   // of one tile
constexpr int kTileKeys = 128;   // the most keys scored at a time
constexpr int kStripLines = 32;  // the most lines scored at a time

// Queries that share a KV head. A line is one head of one row; every mask is, for a line, an interval of
// keys.
struct AttentionTile {
    KvRows keys, values;
    int32_t line_count;
    float softcap;        // 0: none
    bool biased;          // some slope is not 0
    bool values_in_keys;  // values are the first values.width values of the keys
    // T5's bias of a key that lies d positions after line l is bias[l][bias_offset[d]]; d is clamped to
    // -bias_distance .. bias_distance. Null: none.
    const int32_t* bias_offset;
    int32_t bias_distance;
    const float* bias[kMaxLines];
    const float* query[kMaxLines];
    float scale[kMaxLines];  // of the query
    float* output[kMaxLines];
    int64_t visible_begin[kMaxLines], visible_end[kMaxLines];
    int64_t all_visible_begin, all_visible_end;  // what every line sees; maybe empty
    int64_t position[kMaxLines];                 // in key indices; ALiBi's bias is -slope * |position - key|
    float slope[kMaxLines];
    float sink[kMaxLines];  // -infinity: none
};

// The online softmax of a tile over the keys seen so far (arXiv 2205.14135): the largest score, the sum of
// exponentials and the weighted sum of values. Their order is the kernel's own. Lines count as rounded up to
// a multiple of 16.
struct AttentionState {
    float* largest;   // [lines], at least 32
    float* sum;       // alike
    float* weighted;  // [lines * padded(value width)]
};

struct AttentionWork {
    float* queries;  // [lines * padded(key width)]
    float* scores;   // [kTileKeys * kStripLines]
    float* rows;     // [kTileKeys * (padded(key width) + padded(value width) + 32)]
    float* factors;  // [lines], at least 32
};

// scores [end - begin] of keys begin .. end - 1: the sum over heads of weights[head] * relu(query * key).
struct KeyScores {
    KvRows keys;           // of kMaxChoiceWidth values at most
    const float* queries;  // [heads, keys.width]
    const float* weights;  // [heads]
    int32_t heads;
    int64_t begin, end;
    float* scores;
};
constexpr int kMaxChoiceWidth = 1024;

struct RowKernels {
    // groups x width; weight and bias [width] or null.
    void (*rms_norm)(const float* input, const float* weight, float* output, int64_t groups, int64_t width,
                     float epsilon);
    void (*layer_norm)(const float* input, const float* weight, const float* bias, float* output,
                       int64_t groups, int64_t width, float epsilon);
    void (*rope)(const RopeRows& call);
    void (*add)(const float* left, const float* right, float* output, int64_t count);
    void (*multiply)(const float* left, const float* right, float* output, int64_t count);
    void (*scale)(const float* input, float factor, float offset, float* output, int64_t count);
    void (*clamp)(const float* input, float least, float most, float* output, int64_t count);
    void (*softcap)(const float* input, float factor, float* output, int64_t count);
    // Every function but XIELU, which takes its parameters.
    void (*activation)(hearth_function function, const float* input, const float* gate, float* output,
                       int64_t count);
    void (*xielu)(const hearth_activation_parameters& parameters, const float* input, const float* gate,
                  float* output, int64_t count);
    void (*softmax)(const float* input, float* output, int64_t count);
    void (*log_softmax)(const float* input, float* output, int64_t count);
    // output [count] = the sum over r of weights[r] * rows[r * stride ..], in the order of r; row_count >= 1.
    void (*weighted_sum)(const float* rows, int64_t stride, const float* weights, int64_t row_count,
                         float* output, int64_t count);

    // count floats to a row of the cache; whole blocks for block types.
    void (*encode)(hearth_type type, const float* input, void* output, int32_t count);

    // One tile: prepare once per tile, then start, extend over pieces of the keys and finish; states of
    // different pieces merge.
    void (*attention_prepare)(const AttentionTile& tile, const AttentionWork& work);
    void (*attention_start)(const AttentionTile& tile, const AttentionState& state);
    void (*attention_extend)(const AttentionTile& tile, const AttentionWork& work,
                             const AttentionState& state, int64_t key_begin, int64_t key_end);
    void (*attention_merge)(const AttentionTile& tile, const AttentionState& into,
                            const AttentionState& from);
    void (*attention_finish)(const AttentionTile& tile, const AttentionState& state);

    void (*key_scores)(const KeyScores& call);

    // Rows through which a state goes on, in place (cpu/states).
    void (*convolution)(const ConvolutionBlock& call);
    void (*head_scan)(const HeadScan& call);
    void (*channel_scan)(const ChannelScan& call);
    void (*delta)(const DeltaBlock& call);
    void (*wkv)(const WkvBlock& call);
};

// The table of an instruction set that this build holds (resolve_isa has checked the processor).
const RowKernels& row_kernels(hearth_isa isa);

extern const RowKernels scalar_row_kernels;
extern const RowKernels avx2_row_kernels;
extern const RowKernels avx512_row_kernels;
extern const RowKernels neon_row_kernels;

}  // namespace hearth
