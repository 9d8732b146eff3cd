// What one instruction set offers for operations that keep a state; see cpu/rows/kernels.h. Axis letters: T
// adjacent rows of one sequence, C channels in a block.
#pragma once

#include <stdint.h>

#include "hearth.h"

namespace hearth {

// Rows through which a state goes on; row t begins at data + t * stride.
struct StateRows {
    const float* data;
    int64_t stride;
};

// A block of the channels of a causal convolution: output[t][c] = function(bias[c] + the sum over k of
// taps[k][c] * input[t - taps + 1 + k][c]), the rows before the first being the state's.
struct ConvolutionBlock {
    StateRows input;
    float* output;  // row t at output + t * output_stride
    int64_t output_stride;
    const float* taps;  // [taps][C], tap_stride apart
    int64_t tap_stride;
    const float* bias;  // [C] or null
    float* state;       // [taps - 1][C], state_stride apart
    int64_t state_stride;
    int64_t rows, channels;
    int32_t tap_count;
    int32_t function;  // hearth_function
};

// The widest block of channels that kernels of scans and the delta rule take: the state of a head, [state
// width][64], stays in the nearest cache.
constexpr int kStateBlock = 64;
// Channels of a scan whose decays depend on the state lie in blocks of so many, the last may be narrower.
constexpr int kScanBlock = 16;

// Columns of one head of Mamba-2's scan.
struct HeadScan {
    StateRows x;      // [T][C]
    StateRows sizes;  // [T], of the head
    StateRows b, c;   // [T][state_width], of the head's group
    float decay, skip;
    float* output;
    int64_t output_stride;
    float* state;  // [state_width][C], state_stride apart
    int64_t state_stride;
    int64_t rows;
    int32_t state_width, channels;
};

// Up to kScanBlock channels of Mamba's scan, each with decays of its own.
struct ChannelScan {
    StateRows x, sizes;   // [T][C]
    StateRows b, c;       // [T][state_width]
    const float* decays;  // [state_width][C], decay_stride apart
    int64_t decay_stride;
    const float* skip;  // [C] or null
    float* output;
    int64_t output_stride;
    float* state;  // [state_width][C]
    int64_t rows;
    int32_t state_width, channels;
};

// Columns of one head of the delta rule.
struct DeltaBlock {
    StateRows queries, keys;  // [T][key_width]
    StateRows values;         // [T][C]
    StateRows decays;         // [T][decay_width], logarithms
    StateRows betas;          // [T]
    float* output;
    int64_t output_stride;
    float* state;  // [key_width][C], state_stride apart
    int64_t state_stride;
    float* factors;  // work space [key_width]
    int64_t rows;
    int32_t key_width, channels;
    bool decays_by_key;  // decay_width is key_width, not 1
    float scale;
};

// Columns of one head of RWKV's recurrences.
struct WkvBlock {
    StateRows receptances, keys;       // [T][key_width]
    StateRows values;                  // [T][C]
    StateRows decays;                  // [T][key_width], logarithms
    StateRows removals, replacements;  // [T][key_width], or without data
    const float* bonus;                // [key_width] or null
    float* output;
    int64_t output_stride;
    float* state;  // [key_width][C], state_stride apart
    int64_t state_stride;
    float* factors;  // work space [key_width]
    int64_t rows;
    int32_t key_width, channels;
    float scale;
};

}  // namespace hearth
