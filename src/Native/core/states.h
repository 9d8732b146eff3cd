// The states of a step: what each sequence remembers, besides keys and values, from row to row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

// Adjacent rows of a step through which one state goes on: a sequence's rows up to its first checkpoint,
// from there to the next, and so on.
struct StateRun {
    int64_t row_begin, row_count;
    int32_t from;  // -1: zeros
    int32_t to;    // may be from
};

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

}  // namespace hearth
