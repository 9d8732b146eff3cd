// The sequences of a step once they are checked.
#pragma once

#include <cstdint>

namespace hearth {

// Adjacent rows of the step that belong to one sequence (hearth_sequence with its page tables resolved).
struct SequenceRows {
    int32_t row_begin, row_count;
    int32_t past;          // positions before this step's rows
    const int32_t* pages;  // null where the program caches nothing
    const int32_t* memory_pages = nullptr;
    int32_t memory_length = 0;  // positions of the memory
};

// Adjacent rows of a step through which one state goes on: a sequence's rows up to its first checkpoint,
// from there to the next, and so on.
struct StateRun {
    int64_t row_begin, row_count;
    int32_t from;  // -1: zeros
    int32_t to;    // may be from
};

}  // namespace hearth
