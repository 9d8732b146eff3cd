#include "cpu/operations.h"

#include <algorithm>

#include "cpu/rows/kernels.h"

namespace hearth {

namespace {

// Floats of a piece of work: enough that handing it to another thread costs little beside it.
constexpr int64_t kPieceFloats = 16384;

int64_t group_of(const hearth_norm_parameters& parameters, int64_t width) {
    return parameters.group_width > 0 ? parameters.group_width : width;
}

int64_t rows_per_piece(int64_t width) {
    return std::max<int64_t>(1, kPieceFloats / std::max<int64_t>(1, width));
}

// Rows lie one after another, so element-wise work is cut regardless of where rows end.
template <typename Body>
void for_elements(const Rows& output, ThreadPool& pool, Body&& body) {
    pool.parallel_for(output.rows * output.width, kPieceFloats,
                      [&](int64_t begin, int64_t end, int) { body(begin, end - begin); });
}

}  // namespace

void rms_norm(hearth_isa isa, ConstRows input, const float* weight, const hearth_norm_parameters& parameters,
              Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const int64_t width = group_of(parameters, input.width);
    if (width == 0) return;
    pool.parallel_for(input.rows * input.width / width, rows_per_piece(width),
                      [&](int64_t begin, int64_t end, int) {
                          kernels.rms_norm(input.data + begin * width, weight, output.data + begin * width,
                                           end - begin, width, parameters.epsilon);
                      });
}

void layer_norm(hearth_isa isa, ConstRows input, const float* weight, const float* bias,
                const hearth_norm_parameters& parameters, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const int64_t width = group_of(parameters, input.width);
    if (width == 0) return;
    pool.parallel_for(
        input.rows * input.width / width, rows_per_piece(width), [&](int64_t begin, int64_t end, int) {
            kernels.layer_norm(input.data + begin * width, weight, bias, output.data + begin * width,
                               end - begin, width, parameters.epsilon);
        });
}

void rope(hearth_isa isa, ConstRows input, const float* table, const hearth_rope_parameters& parameters,
          Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    pool.parallel_for(input.rows, rows_per_piece(input.width), [&](int64_t begin, int64_t end, int) {
        kernels.rope({input.data + begin * input.width, table + begin * parameters.dimensions,
                      output.data + begin * input.width, end - begin, input.width, parameters.head_width,
                      parameters.dimensions, parameters.layout});
    });
}

void add(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.add(left.data + at, right.data + at, output.data + at, count);
    });
}

void multiply(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.multiply(left.data + at, right.data + at, output.data + at, count);
    });
}

void scale(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.scale(input.data + at, factor, output.data + at, count);
    });
}

void softcap(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.softcap(input.data + at, factor, output.data + at, count);
    });
}

void activation(hearth_isa isa, hearth_function function, ConstRows input, const float* gate, Rows output,
                ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.activation(function, input.data + at, gate ? gate + at : nullptr, output.data + at, count);
    });
}

}  // namespace hearth
