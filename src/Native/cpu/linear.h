// Products of activations with packed weight matrices.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/buffer.h"
#include "cpu/thread_pool.h"
#include "hearth.h"

namespace hearth {

// A weight matrix [rows, columns], or a stack of such matrices, in the order in which the kernels of one
// instruction set read it.
struct PackedWeight {
    hearth_type type = HEARTH_TYPE_F32;
    int64_t rows = 0;     // outputs
    int64_t columns = 0;  // inputs
    int64_t stack = 1;    // matrices; each takes an equal share of data
    Buffer data;
};

// Packs rows of GGUF blocks, matrix after matrix; the size of data is checked by the caller.
PackedWeight pack_weight(hearth_isa isa, hearth_type type, int64_t rows, int64_t columns, const void* data,
                         ThreadPool& pool, int64_t stack = 1);

// One row of the matrix as float32, output [columns]; what an embedding table is read with.
void unpack_row(const PackedWeight& weight, int64_t row, float* output);

struct LinearOutput {
    const PackedWeight* weight;
    const float* bias;  // [weight->rows] or null
    float* output;      // [rows of the call, weight->rows]
    int64_t stride;     // floats between rows of output
};

// output_i = function(input * weight_i^T + bias_i) for every output; all weights have the same columns.
struct LinearCall {
    const float* input;  // [rows, columns]
    int64_t stride;      // floats between rows of input
    int64_t rows;
    int64_t columns;
    const LinearOutput* outputs;
    int output_count;
    hearth_function function;
};

// Work space for the activations of a call with weights of these types.
size_t linear_scratch_bytes(hearth_isa isa, int64_t rows, int64_t columns, const hearth_type* types,
                            int count);

void linear(hearth_isa isa, const LinearCall& call, Buffer& scratch, ThreadPool& pool);

// The same in two parts, where linear_splits says that it can be: first its activations are prepared, some
// rows at a time, in the calling thread (first_row and, but for the last piece, row_count are multiples of
// linear_tile_rows), then all of them are multiplied.
bool linear_splits(hearth_isa isa, const LinearCall& call, const Buffer& scratch);
int linear_tile_rows(hearth_isa isa);
void linear_prepare(hearth_isa isa, const LinearCall& call, int64_t first_row, int64_t row_count,
                    Buffer& scratch);
void linear_multiply(hearth_isa isa, const LinearCall& call, Buffer& scratch, ThreadPool& pool);

}  // namespace hearth
