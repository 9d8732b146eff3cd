// The row-wise operations: normalization, rotation, activation and arithmetic on float32 rows.
#pragma once

#include <cstdint>

#include "cpu/thread_pool.h"
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

// Some adjacent rows of a step's matrices.
struct RowRange {
    int64_t first, count;
};

// Outputs may be the first input's own memory unless a comment says otherwise.

// Norms work on groups of parameters.group_width values, or on whole rows where that is 0; weight and bias
// have as many entries as a group and may be null (1 and 0).
void rms_norm(hearth_isa isa, ConstRows input, const float* weight, const hearth_norm_parameters& parameters,
              Rows output, ThreadPool& pool);
void layer_norm(hearth_isa isa, ConstRows input, const float* weight, const float* bias,
                const hearth_norm_parameters& parameters, Rows output, ThreadPool& pool);

// A step rotates many layers at the same positions, so the cosines and sines are made once (rope_table) and
// used by each. positions [rows]; factors [dimensions / 2] or null; table [rows, dimensions] holds magnitude
// * cos, magnitude * sin of pair i at 2i, 2i + 1. Angles are computed in float64, so that they are exact to
// float32 at any position.
//
// Without YaRN (extrapolation 0) the angle is frequency_scale * a with a = position * base^(-2i / dimensions)
// / factors[i], the magnitude attention_factor. With it (arXiv 2309.00071, section 3.2; the reference's ggml
// rope_yarn):
//   c(beta) = dimensions * ln(original_context / (2 pi beta)) / (2 ln base)
//   low, high = max(0, floor c(beta_fast)), min(dimensions - 1, ceil c(beta_slow))
//   mix       = extrapolation * (1 - clamp((i - low) / max(0.001, high - low), 0, 1))
//   angle     = frequency_scale * a * (1 - mix) + a * mix
//   magnitude = attention_factor * (1 + 0.1 ln(1 / frequency_scale))
void rope_table(const int32_t* positions, int64_t rows, const float* factors,
                const hearth_rope_parameters& parameters, float* table, ThreadPool& pool);
void rope(hearth_isa isa, ConstRows input, const float* table, const hearth_rope_parameters& parameters,
          Rows output, ThreadPool& pool);

// right: as many values as left has, or one for each row (width 1).
void add(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool);
void multiply(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool);
// vector [size]: the same for every row; size is left's width or 1.
void add_vector(hearth_isa isa, ConstRows left, const float* vector, int64_t size, Rows output,
                ThreadPool& pool);
void multiply_vector(hearth_isa isa, ConstRows left, const float* vector, int64_t size, Rows output,
                     ThreadPool& pool);
// input * factor + offset.
void scale(hearth_isa isa, ConstRows input, float factor, float offset, Rows output, ThreadPool& pool);
// A NaN stays one.
void clamp(hearth_isa isa, ConstRows input, const hearth_clamp_parameters& parameters, Rows output,
           ThreadPool& pool);
void softcap(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool);
// Row by row: the logarithm of the softmax.
void log_softmax(hearth_isa isa, ConstRows input, Rows output, ThreadPool& pool);

// gate null: f(input); else f(input) * gate.
void activation(hearth_isa isa, const hearth_activation_parameters& parameters, ConstRows input,
                const float* gate, Rows output, ThreadPool& pool);

// In these three output is memory of its own.

// Of each of parameters.groups groups of the columns: width columns from offset on.
void slice(ConstRows input, const hearth_slice_parameters& parameters, Rows output, ThreadPool& pool);
// Group by group the columns of left, then those of right; right is one group for all where the output has no
// room for more.
void concat(ConstRows left, ConstRows right, const hearth_concat_parameters& parameters, Rows output,
            ThreadPool& pool);
// output [rows, W] = the sum over c of weights [rows, chosen] * input [rows, chosen, W], in the order of c.
void expert_sum(hearth_isa isa, ConstRows input, ConstRows weights, Rows output, ThreadPool& pool);

}  // namespace hearth
