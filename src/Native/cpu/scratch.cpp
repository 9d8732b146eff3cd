#include "cpu/scratch.h"

#include <algorithm>
#include <cstring>

#include "cpu/attention.h"
#include "cpu/experts.h"
#include "cpu/linear.h"
#include "cpu/routing.h"

namespace hearth {

namespace {

const hearth_weight& weight_of(const Program& program, const hearth_operation& operation, int slot) {
    return program.weights()[static_cast<size_t>(operation.weight[slot])];
}

const Value& input_of(const Program& program, const hearth_operation& operation, int slot) {
    return program.values()[static_cast<size_t>(operation.input[slot])];
}

size_t linear_bytes(const Engine& engine, const Program& program, const hearth_operation& operation) {
    const Value& input = input_of(program, operation, 0);
    hearth_type types[3];
    int count = 0;
    for (; count < 3 && operation.output[count] >= 0; ++count)
        types[count] = static_cast<hearth_type>(weight_of(program, operation, count).type);
    return linear_scratch_bytes(engine.isa, program.max_rows(input.rows), input.width, types, count);
}

size_t expert_bytes(const Engine& engine, const Program& program, const hearth_operation& operation) {
    const bool grouped = operation.kind == HEARTH_GROUPED_LINEAR;
    const Value& input = input_of(program, operation, 0);
    const hearth_weight& first = weight_of(program, operation, 0);
    const hearth_weight& last = weight_of(program, operation, !grouped && operation.output[1] >= 0 ? 1 : 0);
    const int64_t chosen = grouped ? first.stack : input_of(program, operation, 1).width;
    return expert_scratch_bytes(
        engine.isa, {program.max_rows(input.rows),
                     chosen,
                     first.stack,
                     first.columns,
                     !grouped && input.width == first.columns,
                     {static_cast<hearth_type>(first.type), static_cast<hearth_type>(last.type)}});
}

}  // namespace

StepScratch::StepScratch(const Engine& engine, const Program& program, const std::vector<Chain>& chains)
    : plan_(plan_memory(program, chains)) {
    plan_rope_tables(program);
    plan_work_space(engine, program);
    arena_ = Buffer(plan_.arena_bytes);
}

void StepScratch::plan_rope_tables(const Program& program) {
    const auto& operations = program.operations();
    rope_table_of_.assign(operations.size(), -1);
    for (size_t i = 0; i < operations.size(); ++i) {
        if (operations[i].kind != HEARTH_ROPE) continue;
        const hearth_rope_parameters& parameters = operations[i].parameters.rope;
        const int32_t factors = operations[i].weight[0];
        const auto same = [&](const RopeTable& table) {
            return table.factors == factors &&
                   std::memcmp(&table.parameters, &parameters, sizeof parameters) == 0;
        };
        auto found = std::find_if(rope_tables_.begin(), rope_tables_.end(), same);
        if (found == rope_tables_.end()) {
            const int64_t size = program.max_rows(RowKind::Step) * parameters.dimensions;
            rope_tables_.push_back({parameters, factors, Buffer(static_cast<size_t>(size) * sizeof(float))});
            found = rope_tables_.end() - 1;
        }
        rope_table_of_[i] = static_cast<int32_t>(found - rope_tables_.begin());
    }
}

void StepScratch::plan_work_space(const Engine& engine, const Program& program) {
    const int threads = engine.pool.threads();
    size_t linear = 0, attention = 0, router = 0;
    for (const hearth_operation& operation : program.operations()) {
        switch (operation.kind) {
            case HEARTH_LINEAR:
                linear = std::max(linear, linear_bytes(engine, program, operation));
                break;
            case HEARTH_EXPERT_LINEAR:
            case HEARTH_GROUPED_LINEAR:
                linear = std::max(linear, expert_bytes(engine, program, operation));
                break;
            case HEARTH_ROUTER:
                router =
                    std::max(router, route_scratch_bytes(input_of(program, operation, 0).width, threads));
                break;
            case HEARTH_ATTENTION:
                attention =
                    std::max(attention, attention_scratch_bytes(operation.parameters.attention,
                                                                program.max_rows(RowKind::Step), threads));
                break;
            default:
                break;
        }
    }
    linear_ = Buffer(linear);
    attention_ = Buffer(attention);
    router_ = Buffer(router);
}

size_t StepScratch::bytes() const {
    size_t bytes = arena_.size() + linear_.size() + attention_.size() + router_.size();
    for (const RopeTable& table : rope_tables_) bytes += table.values.size();
    return bytes;
}

}  // namespace hearth
