// Products of rows with matrices chosen for each row out of stacks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/buffer.h"
#include "cpu/linear.h"
#include "cpu/thread_pool.h"
#include "hearth.h"

namespace hearth {

struct ExpertOutput {
    const PackedWeight* weight;
    const float* bias;  // [stack, weight->rows] or null
    float* output;      // [rows, chosen, weight->rows]
};

constexpr int kMaxExpertOutputs = 2;

// output_i[r][c] = input[r][c] * weight_i[matrix(r, c)]^T + bias_i[matrix(r, c)]; all weights have the same
// columns and the same stack.
struct ExpertCall {
    const float* input;    // [rows, columns] where shared, else [rows, chosen, columns]
    const float* choices;  // [rows, chosen] numbers of matrices; null: matrix(r, c) = c
    int64_t rows;
    int64_t chosen;
    int64_t columns;
    bool shared;
    const ExpertOutput* outputs;
    int output_count;  // at most kMaxExpertOutputs
};

// What the work space of a call depends on, besides the instruction set.
struct ExpertShape {
    int64_t rows, chosen, stack, columns;
    bool shared;
    hearth_type types[kMaxExpertOutputs];  // of the weights; the first twice where there is one
};

size_t expert_scratch_bytes(hearth_isa isa, const ExpertShape& shape);

// Rows do not depend on each other, nor on how many threads there are. Throws HEARTH_INTERNAL for a choice
// that is no matrix of the stack.
void expert_linear(hearth_isa isa, const ExpertCall& call, Buffer& scratch, ThreadPool& pool);

}  // namespace hearth
