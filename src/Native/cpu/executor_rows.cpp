// The row-wise operations, and how chains of them are run.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "cpu/executor.h"

namespace hearth {

namespace {

// Floats of a piece's widest matrix: a piece stays in a core's own caches.
constexpr int64_t kPieceFloats = 16384;

}  // namespace

Rows Executor::out(const hearth_operation& operation, RowRange range) {
    const int32_t number = operation.output[0];
    return {value(number) + range.first * width(number), range.count, width(number)};
}

ConstRows Executor::in(const hearth_operation& operation, int slot, RowRange range) {
    const int32_t number = operation.input[slot];
    return {value(number) + range.first * width(number), range.count, width(number)};
}

void Executor::run_chain(const Chain& chain, const CheckedStep& step) {
    const hearth_isa isa = engine_.isa;
    ThreadPool& pool = engine_.pool;
    const int64_t rows = chain.rows == RowKind::Step ? step.given.row_count : step.given.output_count;
    if (rows == 0) return;
    const auto begin = static_cast<size_t>(chain.begin), end = static_cast<size_t>(chain.end);
    std::array<LinearOutput, 3> outputs{};
    LinearCall product{};
    if (chain.feeds_product) product = linear_call(program_.operations()[end], step, outputs);
    const bool prepares = chain.feeds_product && linear_splits(isa, product, scratch_.linear());
    const int64_t tile = prepares ? linear_tile_rows(isa) : 1;
    const int64_t unit = tile * std::max<int64_t>(1, kPieceFloats / (tile * chain.widest));
    if (rows <= unit * (pool.threads() - 1) || rows <= unit) {
        // Too few rows for every thread: each operation is cut as it can be.
        for (size_t i = begin; i < end; ++i) execute_rows(i, step, {0, rows}, pool);
        if (chain.feeds_product) hearth::linear(isa, product, scratch_.linear(), pool);
        return;
    }
    pool.parallel_for(rows, unit, [&](int64_t first, int64_t last, int) {
        for (int64_t row = first; row < last; row += unit) {
            const RowRange range{row, std::min(unit, last - row)};
            for (size_t i = begin; i < end; ++i) execute_rows(i, step, range, serial_);
            if (prepares) linear_prepare(isa, product, range.first, range.count, scratch_.linear());
        }
    });
    if (prepares)
        linear_multiply(isa, product, scratch_.linear(), pool);
    else if (chain.feeds_product)
        hearth::linear(isa, product, scratch_.linear(), pool);
}

void Executor::execute_rows(size_t index, const CheckedStep& step, RowRange range, ThreadPool& pool) {
    const hearth_operation& operation = program_.operations()[index];
    const hearth_isa isa = engine_.isa;
    if (operation.kind == HEARTH_CACHE_WRITE) return write_cache(operation, step, range, pool);
    const ConstRows input = in(operation, 0, range);
    const Rows output = out(operation, range);
    switch (operation.kind) {
        case HEARTH_RMS_NORM:
            return rms_norm(isa, input, vector(operation.weight[0]), operation.parameters.norm, output, pool);
        case HEARTH_LAYER_NORM:
            return layer_norm(isa, input, vector(operation.weight[0]), vector(operation.weight[1]),
                              operation.parameters.norm, output, pool);
        case HEARTH_ROPE: {
            const hearth_rope_parameters& parameters = operation.parameters.rope;
            const RopeTable& table = scratch_.rope_table(index);
            return rope(isa, input, table.values.as<float>() + range.first * parameters.dimensions,
                        parameters, output, pool);
        }
        case HEARTH_ADD:
        case HEARTH_MULTIPLY:
            return combine(operation, range, pool);
        case HEARTH_SCALE:
            return scale(isa, input, operation.parameters.factor.factor, operation.parameters.factor.offset,
                         output, pool);
        case HEARTH_CLAMP:
            return clamp(isa, input, operation.parameters.clamp, output, pool);
        case HEARTH_ACTIVATION:
            return activation(isa, operation.parameters.activation, input,
                              operation.input[1] < 0 ? nullptr : in(operation, 1, range).data, output, pool);
        case HEARTH_SOFTCAP:
            return softcap(isa, input, operation.parameters.factor.factor, output, pool);
        case HEARTH_LOG_SOFTMAX:
            return log_softmax(isa, input, output, pool);
        case HEARTH_SLICE:
            return slice(input, operation.parameters.slice, output, pool);
        case HEARTH_CONCAT:
            return concat(input, in(operation, 1, range), operation.parameters.concat, output, pool);
        case HEARTH_EXPERT_SUM:
            return expert_sum(isa, input, in(operation, 1, range), output, pool);
        default:
            fail(HEARTH_INTERNAL, "operation %d is not row-wise", operation.kind);
    }
}

void Executor::combine(const hearth_operation& operation, RowRange range, ThreadPool& pool) {
    const hearth_isa isa = engine_.isa;
    const ConstRows left = in(operation, 0, range);
    const Rows output = out(operation, range);
    const bool adds = operation.kind == HEARTH_ADD;
    if (operation.input[1] >= 0) {
        const ConstRows right = in(operation, 1, range);
        return adds ? add(isa, left, right, output, pool) : multiply(isa, left, right, output, pool);
    }
    const std::vector<float>& right = weights_[static_cast<size_t>(operation.weight[0])]->vector;
    const auto size = static_cast<int64_t>(right.size());
    return adds ? add_vector(isa, left, right.data(), size, output, pool)
                : multiply_vector(isa, left, right.data(), size, output, pool);
}

void Executor::write_cache(const hearth_operation& operation, const CheckedStep& step, RowRange range,
                           ThreadPool& pool) {
    const int32_t keys = operation.input[0], values = operation.input[1];
    const bool has_values = values >= 0;
    const CacheWriteCall call{value(keys),
                              has_values ? value(values) : nullptr,
                              width(keys),
                              has_values ? width(values) : 0,
                              step.sequences.data(),
                              static_cast<int32_t>(step.sequences.size()),
                              &static_cast<CpuCache*>(step.cache)
                                   ->layer(static_cast<size_t>(operation.parameters.cache_write.layer))};
    // With threads to share among, the range is the whole step.
    if (pool.threads() > 1)
        cache_write(engine_.isa, call, pool);
    else
        cache_write_rows(engine_.isa, call, range.first, range.count);
}

}  // namespace hearth
