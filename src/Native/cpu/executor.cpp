#include "cpu/executor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/operations.h"
#include "cpu/pooling.h"

namespace hearth {

Executor::Executor(Engine& engine, const Program& program)
    : engine_(engine),
      program_(program),
      chains_(find_chains(program)),
      scratch_(engine, program, chains_),
      weights_(program.weights().size()) {}

void Executor::bind(int32_t weight, std::shared_ptr<const WeightMemory> memory) {
    weights_[static_cast<size_t>(weight)] = std::static_pointer_cast<const CpuWeight>(std::move(memory));
}

void Executor::run(const CheckedStep& step) {
    const StepTurn turn(engine_);
    make_rope_tables(step.given);
    const auto& operations = program_.operations();
    auto chain = chains_.begin();
    for (size_t i = 0; i < operations.size();) {
        if (chain != chains_.end() && static_cast<size_t>(chain->begin) == i) {
            run_chain(*chain, step);
            i = static_cast<size_t>(chain->end) + (chain->feeds_product ? 1 : 0);
            ++chain;
            continue;
        }
        // Before the operation: whatever may write over its inputs comes after.
        for (const hearth_probe& probe : step.probes)
            if (static_cast<size_t>(probe.operation) == i)
                probe_attention(engine_.isa, attention_call(operations[i], step),
                                {probe.probabilities, probe.head_begin, probe.head_count, probe.key_count},
                                engine_.pool);
        execute(operations[i++], step);
    }
    const int64_t result_width = width(program_.result());
    if (step.given.output_count > 0)
        std::memcpy(step.given.output, value(program_.result()),
                    static_cast<size_t>(result_width * step.given.output_count) * sizeof(float));
}

void Executor::make_rope_tables(const hearth_step& step) {
    for (RopeTable& table : scratch_.rope_tables())
        rope_table(step.positions, step.row_count, vector(table.factors), table.parameters,
                   table.values.as<float>(), engine_.pool);
}

const float* Executor::vector(int32_t weight) const {
    return weight < 0 ? nullptr : weights_[static_cast<size_t>(weight)]->vector.data();
}

int64_t Executor::rows(int32_t number, const CheckedStep& step) const {
    return program_.values()[static_cast<size_t>(number)].rows == RowKind::Step ? step.given.row_count
                                                                                : step.given.output_count;
}

Rows Executor::out(const hearth_operation& operation, const CheckedStep& step) {
    const int32_t number = operation.output[0];
    return {value(number), rows(number, step), width(number)};
}

ConstRows Executor::in(const hearth_operation& operation, int slot, const CheckedStep& step) {
    const int32_t number = operation.input[slot];
    return {value(number), rows(number, step), width(number)};
}

void Executor::execute(const hearth_operation& operation, const CheckedStep& step) {
    if (operation_facts(operation.kind).keeps_state()) return go_on(operation, step);
    switch (operation.kind) {
        case HEARTH_EMBED:
            return embed(operation, step);
        case HEARTH_LINEAR:
            return linear(operation, step);
        case HEARTH_ATTENTION:
            return attend(operation, step);
        case HEARTH_ROUTER:
            return route(operation, step);
        case HEARTH_EXPERT_LINEAR:
            return expert_linear(operation, step);
        case HEARTH_GROUPED_LINEAR:
            return grouped_linear(operation, step);
        case HEARTH_GATHER:
            return gather(operation, step);
        case HEARTH_POOL:
            return pool_rows(in(operation, 0, step), step.sequences.data(), step.given.output_rows,
                             out(operation, step), engine_.pool);
        default:
            fail(HEARTH_INTERNAL, "operation %d cannot be run", operation.kind);
    }
}

void Executor::embed(const hearth_operation& operation, const CheckedStep& step) {
    const Rows output = out(operation, step);
    const int32_t index = operation.parameters.embed.index;
    const bool by_token = index == HEARTH_INDEX_TOKEN;
    if (by_token && step.given.embeddings != nullptr) {
        std::memcpy(output.data, step.given.embeddings,
                    static_cast<size_t>(output.rows * output.width) * sizeof(float));
        return;
    }
    const PackedWeight& table = matrix(operation.weight[0]);
    const int32_t* indices = by_token ? step.given.tokens : step.given.positions;
    const float factor = operation.parameters.embed.scale;
    const int32_t first = operation.parameters.embed.first;
    engine_.pool.parallel_for(output.rows, 8, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row) {
            float* target = output.data + row * output.width;
            const int64_t at = index == HEARTH_INDEX_FIRST ? 0 : int64_t{indices[row]} - first;
            if (at < 0 || at >= table.rows) {
                std::fill_n(target, output.width, 0.0f);  // another table's token
                continue;
            }
            unpack_row(table, at, target);
            if (factor == 1.0f) continue;
            for (int64_t i = 0; i < output.width; ++i) target[i] *= factor;
        }
    });
}

LinearCall Executor::linear_call(const hearth_operation& operation, const CheckedStep& step,
                                 std::array<LinearOutput, 3>& outputs) {
    const ConstRows input = in(operation, 0, step);
    int count = 0;
    for (; count < 3 && operation.output[count] >= 0; ++count) {
        const size_t slot = static_cast<size_t>(count);
        outputs[slot] = {&matrix(operation.weight[count]), vector(operation.weight[3 + count]),
                         value(operation.output[count]), width(operation.output[count])};
    }
    return {input.data,
            input.width,
            input.rows,
            input.width,
            outputs.data(),
            count,
            static_cast<hearth_function>(operation.parameters.linear.function)};
}

void Executor::linear(const hearth_operation& operation, const CheckedStep& step) {
    std::array<LinearOutput, 3> outputs{};
    hearth::linear(engine_.isa, linear_call(operation, step, outputs), scratch_.linear(), engine_.pool);
}

AttentionCall Executor::attention_call(const hearth_operation& operation, const CheckedStep& step) {
    const hearth_attention_parameters& parameters = operation.parameters.attention;
    const ConstRows queries = in(operation, 0, step);
    const Rows output = out(operation, step);
    AttentionCall call{};
    call.queries = queries.data;
    call.query_stride = queries.width;
    call.output = output.data;
    call.output_stride = output.width;
    call.sinks = vector(operation.weight[0]);
    call.biases = vector(operation.weight[1]);
    call.sequences = step.sequences.data();
    call.sequence_count = static_cast<int32_t>(step.sequences.size());
    call.parameters = parameters;
    if (parameters.relative_distances > 0) {
        const ConstRows relative = in(operation, 1, step);
        call.relative = relative.data;
        call.relative_stride = relative.width;
    }
    if (parameters.source != HEARTH_SOURCE_ROWS) {
        const CacheMemory* source = parameters.source == HEARTH_SOURCE_MEMORY ? step.memory : step.cache;
        call.layer = &static_cast<const CpuCache*>(source)->layer(static_cast<size_t>(parameters.layer));
    } else {
        const ConstRows keys = in(operation, 1, step);
        call.keys = keys.data;
        call.key_stride = keys.width;
        if (!parameters.values_in_keys) {
            const ConstRows values = in(operation, 2, step);
            call.values = values.data;
            call.value_stride = values.width;
        }
    }
    return call;
}

void Executor::attend(const hearth_operation& operation, const CheckedStep& step) {
    attention(engine_.isa, attention_call(operation, step), scratch_.attention(), engine_.pool);
}

StateSteps Executor::state_steps(const hearth_operation& operation, const CheckedStep& step) const {
    const size_t state = static_cast<size_t>(state_of(operation));
    return {step.runs.data(), step.run_begins.data(), static_cast<int32_t>(step.sequences.size()),
            static_cast<const CpuCache*>(step.cache)->states(state), program_.state_widths()[state]};
}

void Executor::go_on(const hearth_operation& operation, const CheckedStep& step) {
    const StateSteps steps = state_steps(operation, step);
    const auto input = [&](int slot) { return in(operation, slot, step); };
    const auto optional = [&](int slot) { return operation.input[slot] < 0 ? ConstRows{} : input(slot); };
    const auto weight = [&](int slot) { return vector(operation.weight[slot]); };
    const Rows output = out(operation, step);
    const auto& parameters = operation.parameters;
    switch (operation.kind) {
        case HEARTH_SHORT_CONVOLUTION:
            return short_convolution(engine_.isa, input(0), weight(0), weight(1), parameters.convolution,
                                     steps, output, engine_.pool);
        case HEARTH_SELECTIVE_SCAN:
            return selective_scan(engine_.isa,
                                  {input(0), input(1), input(2), input(3), weight(0), weight(1), output},
                                  parameters.scan, steps, engine_.pool);
        case HEARTH_DELTA_RULE:
            return delta_rule(engine_.isa, {input(0), input(1), input(2), input(3), input(4), output},
                              parameters.delta, steps, engine_.pool);
        case HEARTH_WKV:
            return wkv(engine_.isa,
                       {input(0), input(1), input(2), input(3), optional(4), optional(5), weight(0), output},
                       parameters.wkv, steps, engine_.pool);
        default:
            fail(HEARTH_INTERNAL, "operation %d keeps no state that is known", operation.kind);
    }
}

void Executor::gather(const hearth_operation& operation, const CheckedStep& step) {
    const ConstRows input = in(operation, 0, step);
    const Rows output = out(operation, step);
    for (int64_t row = 0; row < output.rows; ++row)
        std::memcpy(output.data + row * output.width, input.data + step.given.output_rows[row] * input.width,
                    static_cast<size_t>(input.width) * sizeof(float));
}

}  // namespace hearth
