// The row-wise operations: normalization, rotation, activation and arithmetic on float32 rows.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "hearth.h"

namespace hearth {

// A matrix of float32 [rows, width]; rows lie width floats apart.
struct Rows {
    float* data;
    int64_t rows;
    int64_t width;
};
struct ConstRows {
    const float* data;
    int64_t rows;
    int64_t width;
};

// Outputs may be the input's own memory in every operation of this file.

void rms_norm(hearth_isa isa, ConstRows input, const float* weight, const hearth_norm_parameters& parameters,
              Rows output, ThreadPool& pool);
void layer_norm(hearth_isa isa, ConstRows input, const float* weight, const float* bias,
                const hearth_norm_parameters& parameters, Rows output, ThreadPool& pool);

// positions [rows]; factors [dimensions / 2] or null. A step rotates many layers at the same positions, so
// the cosines and sines are made once (rope_table) and used by each. table [rows, dimensions] holds cos, sin
// of pair i at 2i, 2i + 1.
void rope_table(const int32_t* positions, int64_t rows, const float* factors,
                const hearth_rope_parameters& parameters, float* table, ThreadPool& pool);
void rope(hearth_isa isa, ConstRows input, const float* table, const hearth_rope_parameters& parameters,
          Rows output, ThreadPool& pool);

void add(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool);
void multiply(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool);
void scale(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool);
void softcap(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool);

// gate null: f(input); else f(input) * gate.
void activation(hearth_isa isa, hearth_function function, ConstRows input, const float* gate, Rows output,
                ThreadPool& pool);

}  // namespace hearth
