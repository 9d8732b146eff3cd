// The choice of experts for each row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/buffer.h"
#include "cpu/operations.h"
#include "cpu/thread_pool.h"
#include "hearth.h"

namespace hearth {

struct RouterCall {
    ConstRows scores;   // [rows, experts]
    const float* bias;  // [experts], of the choice alone, or null
    Rows weights;       // [rows, chosen]
    Rows experts;       // [rows, chosen] numbers of experts, best first
    hearth_router_parameters parameters;
};

size_t route_scratch_bytes(int64_t experts, int threads);

// A score that is not a number is the worst of all: the numbers are always different experts that exist,
// whatever the scores are. Rows do not depend on each other.
void route(hearth_isa isa, const RouterCall& call, Buffer& scratch, ThreadPool& pool);

}  // namespace hearth
