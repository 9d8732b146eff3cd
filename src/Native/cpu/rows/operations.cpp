#include "cpu/operations.h"

#include <algorithm>
#include <cstring>

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

template <typename Body>
void for_rows(const Rows& output, ThreadPool& pool, Body&& body) {
    pool.parallel_for(output.rows, rows_per_piece(output.width), [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row) body(row);
    });
}

void copy(const float* from, int64_t count, float* to) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
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
                      parameters.dimensions, parameters.offset, parameters.layout});
    });
}

void add(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    if (right.width == left.width)
        return for_elements(output, pool, [&](int64_t at, int64_t count) {
            kernels.add(left.data + at, right.data + at, output.data + at, count);
        });
    for_rows(output, pool, [&](int64_t row) {
        kernels.scale(left.data + row * left.width, 1.0f, right.data[row], output.data + row * left.width,
                      left.width);
    });
}

void multiply(hearth_isa isa, ConstRows left, ConstRows right, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    if (right.width == left.width)
        return for_elements(output, pool, [&](int64_t at, int64_t count) {
            kernels.multiply(left.data + at, right.data + at, output.data + at, count);
        });
    for_rows(output, pool, [&](int64_t row) {
        kernels.scale(left.data + row * left.width, right.data[row], 0.0f, output.data + row * left.width,
                      left.width);
    });
}

void add_vector(hearth_isa isa, ConstRows left, const float* vector, int64_t size, Rows output,
                ThreadPool& pool) {
    if (size == 1) return scale(isa, left, 1.0f, vector[0], output, pool);
    const RowKernels& kernels = row_kernels(isa);
    for_rows(output, pool, [&](int64_t row) {
        kernels.add(left.data + row * left.width, vector, output.data + row * left.width, left.width);
    });
}

void multiply_vector(hearth_isa isa, ConstRows left, const float* vector, int64_t size, Rows output,
                     ThreadPool& pool) {
    if (size == 1) return scale(isa, left, vector[0], 0.0f, output, pool);
    const RowKernels& kernels = row_kernels(isa);
    for_rows(output, pool, [&](int64_t row) {
        kernels.multiply(left.data + row * left.width, vector, output.data + row * left.width, left.width);
    });
}

void scale(hearth_isa isa, ConstRows input, float factor, float offset, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.scale(input.data + at, factor, offset, output.data + at, count);
    });
}

void clamp(hearth_isa isa, ConstRows input, const hearth_clamp_parameters& parameters, Rows output,
           ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.clamp(input.data + at, parameters.least, parameters.most, output.data + at, count);
    });
}

void softcap(hearth_isa isa, ConstRows input, float factor, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        kernels.softcap(input.data + at, factor, output.data + at, count);
    });
}

void activation(hearth_isa isa, const hearth_activation_parameters& parameters, ConstRows input,
                const float* gate, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const auto function = static_cast<hearth_function>(parameters.function);
    for_elements(output, pool, [&](int64_t at, int64_t count) {
        const float* factors = gate ? gate + at : nullptr;
        if (function == HEARTH_FUNCTION_XIELU)
            kernels.xielu(parameters, input.data + at, factors, output.data + at, count);
        else
            kernels.activation(function, input.data + at, factors, output.data + at, count);
    });
}

void slice(ConstRows input, const hearth_slice_parameters& parameters, Rows output, ThreadPool& pool) {
    const int64_t group = input.width / parameters.groups;
    for_rows(output, pool, [&](int64_t row) {
        const float* from = input.data + row * input.width + parameters.offset;
        float* to = output.data + row * output.width;
        for (int32_t g = 0; g < parameters.groups; ++g, from += group, to += parameters.width)
            copy(from, parameters.width, to);
    });
}

void concat(ConstRows left, ConstRows right, const hearth_concat_parameters& parameters, Rows output,
            ThreadPool& pool) {
    const int64_t group = left.width / parameters.groups;
    const int64_t added = output.width / parameters.groups - group;
    const int64_t step = right.width == added ? 0 : added;
    for_rows(output, pool, [&](int64_t row) {
        const float* first = left.data + row * left.width;
        const float* second = right.data + row * right.width;
        float* to = output.data + row * output.width;
        for (int32_t g = 0; g < parameters.groups; ++g, first += group, second += step) {
            copy(first, group, to);
            copy(second, added, to + group);
            to += group + added;
        }
    });
}

void expert_sum(hearth_isa isa, ConstRows input, ConstRows weights, Rows output, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    for_rows(output, pool, [&](int64_t row) {
        kernels.weighted_sum(input.data + row * input.width, output.width, weights.data + row * weights.width,
                             weights.width, output.data + row * output.width, output.width);
    });
}

}  // namespace hearth
