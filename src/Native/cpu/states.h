// Operations that keep a state from row to row of a sequence.
#pragma once

#include <cstdint>

#include "core/sequences.h"
#include "cpu/operations.h"
#include "cpu/thread_pool.h"
#include "hearth.h"

namespace hearth {

// What an operation that keeps a state works on: the runs of sequence s are runs[begins[s] .. begins[s + 1]),
// which go on from one another; sequences share no state that one of them writes.
struct StateSteps {
    const StateRun* runs;
    const int32_t* begins;  // [sequence_count + 1]
    int32_t sequence_count;
    float* states;  // [state_count, width]
    int64_t width;  // floats of one state

    float* state(int32_t number) const { return states + int64_t{number} * width; }
};

// Each works through a step's rows in the order of their positions, and gives the same numbers however a text
// is cut into steps. Sequences and the independent parts of a state (channels, heads) are shared among the
// threads. Outputs are memory of their own.

// taps [taps, width], bias [width] or null.
void short_convolution(hearth_isa isa, ConstRows input, const float* taps, const float* bias,
                       const hearth_convolution_parameters& parameters, const StateSteps& steps, Rows output,
                       ThreadPool& pool);

// x [R, heads * head_width], sizes [R, heads], b and c [R, groups * state_width]; decay and skip as weight0
// and weight1 of HEARTH_SELECTIVE_SCAN, skip or null.
struct ScanCall {
    ConstRows x, sizes, b, c;
    const float *decay, *skip;
    Rows output;
};
void selective_scan(hearth_isa isa, const ScanCall& call, const hearth_scan_parameters& parameters,
                    const StateSteps& steps, ThreadPool& pool);

// Inputs as those of HEARTH_DELTA_RULE.
struct DeltaCall {
    ConstRows queries, keys, values, decays, betas;
    Rows output;
};
void delta_rule(hearth_isa isa, const DeltaCall& call, const hearth_delta_parameters& parameters,
                const StateSteps& steps, ThreadPool& pool);

// Inputs as those of HEARTH_WKV; removals (a) and replacements (b) without data where there are none, bonus
// (u) or null.
struct WkvCall {
    ConstRows receptances, keys, values, decays, removals, replacements;
    const float* bonus;
    Rows output;
};
void wkv(hearth_isa isa, const WkvCall& call, const hearth_wkv_parameters& parameters,
         const StateSteps& steps, ThreadPool& pool);

}  // namespace hearth
