// What is known of an operation by its kind alone (operations.def).
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

enum OperationTraits : uint32_t { kNone = 0, kRowWise = 1, kInPlace = 2, kKeepsState = 4 };

struct OperationFacts {
    const char* name;
    int inputs, outputs, weights;  // the most that it takes
    uint32_t traits;

    // Row r of its outputs comes from row r of its inputs.
    bool is_row_wise() const { return (traits & kRowWise) != 0; }
    // Its output may lie over its first input.
    bool works_in_place() const { return (traits & kInPlace) != 0; }
    // It goes on from row to row of a sequence.
    bool keeps_state() const { return (traits & kKeepsState) != 0; }
};

// Null for a number that is no operation's.
const OperationFacts* find_operation(int32_t kind);

// Of a kind that is known: one of a checked program.
const OperationFacts& operation_facts(int32_t kind);

const char* operation_name(int32_t kind);

// The state of an operation that keeps one.
int32_t state_of(const hearth_operation& operation);

}  // namespace hearth
