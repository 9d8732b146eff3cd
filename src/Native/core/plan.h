// Where each value of a program lives during a step.
#pragma once

#include <cstddef>
#include <vector>

#include "core/chains.h"
#include "core/program.h"

namespace hearth {

// Values share one arena: memory of a value is reused once its last reader is done, and an element-wise
// operation writes over an input that nobody reads afterwards.
struct Plan {
    std::vector<size_t> offsets;  // of each value in the arena, in bytes
    size_t arena_bytes = 0;
};

Plan plan_memory(const Program& program, const std::vector<Chain>& chains);

}  // namespace hearth
