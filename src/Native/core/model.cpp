#include "core/model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/types.h"
#include "cpu/linear/layout.h"
#include "cpu/pooling.h"

namespace hearth {

Model::Model(std::shared_ptr<Engine> engine, const hearth_program& program)
    : engine_(std::move(engine)),
      program_(program),
      chains_(find_chains(program_)),
      plan_(plan_memory(program_, chains_)),
      weights_(program_.weights().size()),
      borrowed_(program_.weights().size(), false) {
    plan_rope_tables();
    plan_scratch();
    arena_ = Buffer(plan_.arena_bytes);
}

void Model::plan_rope_tables() {
    const auto& operations = program_.operations();
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
            const int64_t size = program_.max_rows(RowKind::Step) * parameters.dimensions;
            rope_tables_.push_back({parameters, factors, Buffer(static_cast<size_t>(size) * sizeof(float))});
            found = rope_tables_.end() - 1;
        }
        rope_table_of_[i] = static_cast<int32_t>(found - rope_tables_.begin());
    }
}

void Model::plan_scratch() {
    size_t linear_bytes = 0, attention_bytes = 0, router_bytes = 0;
    for (const hearth_operation& operation : program_.operations()) {
        if (operation.kind == HEARTH_LINEAR) {
            const Value& input = program_.values()[static_cast<size_t>(operation.input[0])];
            hearth_type types[3];
            int count = 0;
            for (; count < 3 && operation.output[count] >= 0; ++count)
                types[count] = static_cast<hearth_type>(
                    program_.weights()[static_cast<size_t>(operation.weight[count])].type);
            linear_bytes = std::max(
                linear_bytes,
                linear_scratch_bytes(engine_->isa, program_.max_rows(input.rows), input.width, types, count));
        } else if (operation.kind == HEARTH_EXPERT_LINEAR || operation.kind == HEARTH_GROUPED_LINEAR) {
            linear_bytes = std::max(linear_bytes, expert_scratch(operation));
        } else if (operation.kind == HEARTH_ROUTER) {
            const Value& scores = program_.values()[static_cast<size_t>(operation.input[0])];
            router_bytes = std::max(router_bytes, route_scratch_bytes(scores.width, engine_->pool.threads()));
        } else if (operation.kind == HEARTH_ATTENTION) {
            attention_bytes =
                std::max(attention_bytes,
                         attention_scratch_bytes(operation.parameters.attention,
                                                 program_.max_rows(RowKind::Step), engine_->pool.threads()));
        }
    }
    linear_scratch_ = Buffer(linear_bytes);
    attention_scratch_ = Buffer(attention_bytes);
    router_scratch_ = Buffer(router_bytes);
}

const hearth_weight& Model::shape_of(int32_t weight) const {
    if (weight < 0 || static_cast<size_t>(weight) >= weights_.size())
        fail(HEARTH_INVALID_ARGUMENT, "weight %d is not one of the program's %zu", weight, weights_.size());
    return program_.weights()[static_cast<size_t>(weight)];
}

void Model::load_weight(int32_t weight, const void* data, size_t size) {
    const hearth_weight& shape = shape_of(weight);
    const size_t expected = stack_bytes(type_info(shape.type), shape.stack, shape.rows, shape.columns);
    if (data == nullptr || size != expected)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d has %zu bytes, expected %zu", weight, size, expected);
    const StepTurn turn(*engine_);
    auto target = std::make_shared<Weight>();
    if (program_.roles()[static_cast<size_t>(weight)] == WeightRole::Matrix) {
        target->matrix = pack_weight(engine_->isa, static_cast<hearth_type>(shape.type), shape.rows,
                                     shape.columns, data, engine_->pool, shape.stack);
    } else if (program_.roles()[static_cast<size_t>(weight)] == WeightRole::Vector) {
        target->vector.resize(static_cast<size_t>(shape.columns));
        std::memcpy(target->vector.data(), data, size);
    }
    keep(weight, std::move(target));
}

void Model::keep(int32_t weight, std::shared_ptr<const Weight> loaded) {
    weights_[static_cast<size_t>(weight)] = std::move(loaded);
    borrowed_[static_cast<size_t>(weight)] = false;
}

// Panels of whole groups of rows lie one after another, so a matrix is its packed parts joined.
void Model::load_rows(int32_t weight, int64_t first_row, int64_t row_count, const void* data, size_t size) {
    const hearth_weight& shape = shape_of(weight);
    if (shape.stack != 1 || program_.roles()[static_cast<size_t>(weight)] != WeightRole::Matrix)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d is no single matrix: it is loaded whole", weight);
    const StepTurn turn(*engine_);
    const bool goes_on = partial_.weight == weight && partial_.rows == first_row;
    if (first_row != 0 && !goes_on)
        fail(HEARTH_INVALID_ARGUMENT,
             "weight %d: a part begins at row %lld, expected 0 or the row after the last", weight,
             static_cast<long long>(first_row));
    if (row_count < 1 || row_count > shape.rows - first_row ||
        (row_count % HEARTH_PART_ROWS != 0 && row_count != shape.rows - first_row))
        fail(HEARTH_INVALID_ARGUMENT,
             "weight %d: a part of %lld rows from row %lld of %lld; all but the last hold a multiple of %d",
             weight, static_cast<long long>(row_count), static_cast<long long>(first_row),
             static_cast<long long>(shape.rows), static_cast<int>(HEARTH_PART_ROWS));
    const size_t expected = matrix_bytes(type_info(shape.type), row_count, shape.columns);
    if (data == nullptr || size != expected)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d: the part has %zu bytes, expected %zu", weight, size,
             expected);

    const PackedWeight part = pack_weight(engine_->isa, static_cast<hearth_type>(shape.type), row_count,
                                          shape.columns, data, engine_->pool);
    static_assert(HEARTH_PART_ROWS % kPanelRows == 0);
    const auto panels = [](int64_t rows) {
        return static_cast<size_t>((rows + kPanelRows - 1) / kPanelRows);
    };
    const size_t panel_bytes = part.data.size() / panels(row_count);
    if (first_row == 0) {
        partial_ = {weight, 0, std::make_shared<Weight>()};
        partial_.loaded->matrix = {part.type, shape.rows, shape.columns, 1,
                                   Buffer(panel_bytes * panels(shape.rows))};
    }
    uint8_t* const target = partial_.loaded->matrix.data.data() + panel_bytes * panels(first_row);
    engine_->pool.parallel_for(
        static_cast<int64_t>(part.data.size()), int64_t{1} << 18, [&](int64_t begin, int64_t end, int) {
            std::memcpy(target + begin, part.data.data() + begin, static_cast<size_t>(end - begin));
        });
    partial_.rows = first_row + row_count;
    if (partial_.rows == shape.rows) keep(weight, std::exchange(partial_, {}).loaded);
}

void Model::share_weight(int32_t weight, const Model& other, int32_t other_weight) {
    if (weight < 0 || static_cast<size_t>(weight) >= weights_.size() || other_weight < 0 ||
        static_cast<size_t>(other_weight) >= other.weights_.size())
        fail(HEARTH_INVALID_ARGUMENT, "weights %d and %d are not both among the programs' %zu and %zu",
             weight, other_weight, weights_.size(), other.weights_.size());
    if (engine_ != other.engine_)
        fail(HEARTH_INVALID_ARGUMENT, "the weight's model belongs to another engine");
    const size_t mine = static_cast<size_t>(weight), theirs = static_cast<size_t>(other_weight);
    const hearth_weight &a = program_.weights()[mine], &b = other.program_.weights()[theirs];
    if (a.type != b.type || a.rows != b.rows || a.columns != b.columns || a.stack != b.stack ||
        program_.roles()[mine] != other.program_.roles()[theirs])
        fail(HEARTH_INVALID_ARGUMENT, "weights %d and %d differ in type, shape or use", weight, other_weight);
    std::lock_guard lock(engine_->step);
    if (!other.weights_[theirs])
        fail(HEARTH_INVALID_STATE, "weight %d of the other model is not loaded yet", other_weight);
    weights_[mine] = other.weights_[theirs];
    borrowed_[mine] = true;
}

void Model::require_weights() {
    if (complete_) return;
    for (size_t i = 0; i < weights_.size(); ++i)
        if (!weights_[i] && program_.roles()[i] != WeightRole::Unused)
            fail(HEARTH_INVALID_STATE, "weight %zu is not loaded yet", i);
    complete_ = true;
}

hearth_model_memory Model::measure() const {
    const std::lock_guard lock(engine_->step);
    hearth_model_memory memory{};
    for (size_t i = 0; i < weights_.size(); ++i)
        if (weights_[i] && !borrowed_[i])
            memory.weight_bytes +=
                weights_[i]->matrix.data.size() + weights_[i]->vector.size() * sizeof(float);
    memory.scratch_bytes =
        arena_.size() + linear_scratch_.size() + attention_scratch_.size() + router_scratch_.size();
    for (const RopeTable& table : rope_tables_) memory.scratch_bytes += table.values.size();
    return memory;
}

void Model::run(Cache* cache, const Cache* memory, const hearth_step& given,
                std::span<const hearth_probe> probes) {
    const StepTurn turn(*engine_);
    for (const Cache* pages : {static_cast<const Cache*>(cache), memory})
        if (pages != nullptr && &pages->engine() != engine_.get())
            fail(HEARTH_INVALID_ARGUMENT, "the cache belongs to another engine than the model");
    require_weights();
    checker_.check(program_, cache, memory, given);
    const hearth_step& step = checker_.step();
    check_probes(probes, step);
    make_rope_tables(step);
    const auto& operations = program_.operations();
    auto chain = chains_.begin();
    for (size_t i = 0; i < operations.size();) {
        if (chain != chains_.end() && static_cast<size_t>(chain->begin) == i) {
            run_chain(*chain, cache, step);
            i = static_cast<size_t>(chain->end) + (chain->feeds_product ? 1 : 0);
            ++chain;
            continue;
        }
        // Before the operation: whatever may write over its inputs comes after.
        for (const hearth_probe& probe : probes)
            if (static_cast<size_t>(probe.operation) == i)
                probe_attention(engine_->isa, attention_call(operations[i], cache, memory, step),
                                {probe.probabilities, probe.head_begin, probe.head_count, probe.key_count},
                                engine_->pool);
        execute(operations[i++], cache, memory, step);
    }
    const int64_t result_width = width(program_.result());
    if (step.output_count > 0)
        std::memcpy(step.output, value(program_.result()),
                    static_cast<size_t>(result_width * step.output_count) * sizeof(float));
}

int64_t Model::most_keys(const hearth_attention_parameters& parameters) const {
    int64_t most = 0;
    for (const SequenceRows& s : checker_.sequences())
        most = std::max<int64_t>(most, parameters.source == HEARTH_SOURCE_MEMORY ? int64_t{s.memory_length}
                                       : parameters.source == HEARTH_SOURCE_ROWS
                                           ? int64_t{s.row_count}
                                           : int64_t{s.past} + s.row_count);
    return most;
}

void Model::check_probes(std::span<const hearth_probe> probes, const hearth_step& step) const {
    const auto& operations = program_.operations();
    for (size_t i = 0; i < probes.size(); ++i) {
        const hearth_probe& probe = probes[i];
        if (probe.operation < 0 || static_cast<size_t>(probe.operation) >= operations.size() ||
            operations[static_cast<size_t>(probe.operation)].kind != HEARTH_ATTENTION)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: operation %d is no attention of this program", i,
                 probe.operation);
        const auto& parameters = operations[static_cast<size_t>(probe.operation)].parameters.attention;
        if (probe.head_begin < 0 || probe.head_count < 1 || probe.head_begin >= parameters.heads ||
            probe.head_count > parameters.heads - probe.head_begin)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: heads %d + %d are not among the operation's %d", i,
                 probe.head_begin, probe.head_count, parameters.heads);
        if (const int64_t keys = most_keys(parameters); probe.key_count < keys)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: a sequence has %lld keys, there is room for %d", i,
                 static_cast<long long>(keys), probe.key_count);
        // Two factors fit 64 bits, three may not.
        const uint64_t lines =
            static_cast<uint64_t>(step.row_count) * static_cast<uint64_t>(probe.head_count);
        if (probe.probabilities == nullptr || probe.size % lines != 0 ||
            probe.size / lines != static_cast<uint64_t>(probe.key_count))
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu must hold %d x %d x %d values, it holds %zu", i,
                 step.row_count, probe.head_count, probe.key_count, probe.size);
    }
}

void Model::make_rope_tables(const hearth_step& step) {
    for (RopeTable& table : rope_tables_)
        rope_table(step.positions, step.row_count, vector(table.factors), table.parameters,
                   table.values.as<float>(), engine_->pool);
}

const float* Model::vector(int32_t weight) const {
    return weight < 0 ? nullptr : weights_[static_cast<size_t>(weight)]->vector.data();
}

int64_t Model::rows(int32_t number, const hearth_step& step) const {
    return program_.values()[static_cast<size_t>(number)].rows == RowKind::Step ? step.row_count
                                                                                : step.output_count;
}

Rows Model::out(const hearth_operation& operation, const hearth_step& step) {
    const int32_t number = operation.output[0];
    return {value(number), rows(number, step), width(number)};
}

ConstRows Model::in(const hearth_operation& operation, int slot, const hearth_step& step) {
    const int32_t number = operation.input[slot];
    return {value(number), rows(number, step), width(number)};
}

void Model::execute(const hearth_operation& operation, Cache* cache, const Cache* memory,
                    const hearth_step& step) {
    switch (operation.kind) {
        case HEARTH_EMBED:
            return embed(operation, step);
        case HEARTH_LINEAR:
            return linear(operation, step);
        case HEARTH_ATTENTION:
            return attend(operation, cache, memory, step);
        case HEARTH_ROUTER:
            return route(operation, step);
        case HEARTH_EXPERT_LINEAR:
            return expert_linear(operation, step);
        case HEARTH_GROUPED_LINEAR:
            return grouped_linear(operation, step);
        case HEARTH_SHORT_CONVOLUTION:
        case HEARTH_SELECTIVE_SCAN:
        case HEARTH_DELTA_RULE:
        case HEARTH_WKV:
            return go_on(operation, *cache, step);
        case HEARTH_GATHER:
            return gather(operation, step);
        case HEARTH_POOL:
            return pool_rows(in(operation, 0, step), checker_.sequences().data(), step.output_rows,
                             out(operation, step), engine_->pool);
        default:
            fail(HEARTH_INTERNAL, "operation %d cannot be run", operation.kind);
    }
}

void Model::embed(const hearth_operation& operation, const hearth_step& step) {
    const Rows output = out(operation, step);
    const int32_t index = operation.parameters.embed.index;
    const bool by_token = index == HEARTH_INDEX_TOKEN;
    if (by_token && step.embeddings != nullptr) {
        std::memcpy(output.data, step.embeddings,
                    static_cast<size_t>(output.rows * output.width) * sizeof(float));
        return;
    }
    const PackedWeight& table = matrix(operation.weight[0]);
    const int32_t* indices = by_token ? step.tokens : step.positions;
    const float factor = operation.parameters.embed.scale;
    const int32_t first = operation.parameters.embed.first;
    engine_->pool.parallel_for(output.rows, 8, [&](int64_t begin, int64_t end, int) {
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

LinearCall Model::linear_call(const hearth_operation& operation, const hearth_step& step,
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

void Model::linear(const hearth_operation& operation, const hearth_step& step) {
    std::array<LinearOutput, 3> outputs{};
    hearth::linear(engine_->isa, linear_call(operation, step, outputs), linear_scratch_, engine_->pool);
}

AttentionCall Model::attention_call(const hearth_operation& operation, const Cache* cache,
                                    const Cache* memory, const hearth_step& step) {
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
    call.sequences = checker_.sequences().data();
    call.sequence_count = static_cast<int32_t>(checker_.sequences().size());
    call.parameters = parameters;
    if (parameters.relative_distances > 0) {
        const ConstRows relative = in(operation, 1, step);
        call.relative = relative.data;
        call.relative_stride = relative.width;
    }
    if (parameters.source != HEARTH_SOURCE_ROWS) {
        const Cache* source = parameters.source == HEARTH_SOURCE_MEMORY ? memory : cache;
        call.layer = &source->layer(static_cast<size_t>(parameters.layer));
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

void Model::attend(const hearth_operation& operation, const Cache* cache, const Cache* memory,
                   const hearth_step& step) {
    attention(engine_->isa, attention_call(operation, cache, memory, step), attention_scratch_,
              engine_->pool);
}

StateSteps Model::state_steps(int32_t state, const Cache& cache) const {
    return {checker_.runs().data(), checker_.run_begins().data(),
            static_cast<int32_t>(checker_.sequences().size()), cache.states(static_cast<size_t>(state)),
            program_.state_widths()[static_cast<size_t>(state)]};
}

void Model::go_on(const hearth_operation& operation, const Cache& cache, const hearth_step& step) {
    const auto input = [&](int slot) { return in(operation, slot, step); };
    const Rows output = out(operation, step);
    const auto& parameters = operation.parameters;
    if (operation.kind == HEARTH_SHORT_CONVOLUTION)
        return short_convolution(engine_->isa, input(0), vector(operation.weight[0]),
                                 vector(operation.weight[1]), parameters.convolution,
                                 state_steps(parameters.convolution.state, cache), output, engine_->pool);
    if (operation.kind == HEARTH_SELECTIVE_SCAN)
        return selective_scan(engine_->isa,
                              {input(0), input(1), input(2), input(3), vector(operation.weight[0]),
                               vector(operation.weight[1]), output},
                              parameters.scan, state_steps(parameters.scan.state, cache), engine_->pool);
    if (operation.kind == HEARTH_DELTA_RULE)
        return delta_rule(engine_->isa, {input(0), input(1), input(2), input(3), input(4), output},
                          parameters.delta, state_steps(parameters.delta.state, cache), engine_->pool);
    const auto optional = [&](int slot) { return operation.input[slot] < 0 ? ConstRows{} : input(slot); };
    wkv(engine_->isa,
        {input(0), input(1), input(2), input(3), optional(4), optional(5), vector(operation.weight[0]),
         output},
        parameters.wkv, state_steps(parameters.wkv.state, cache), engine_->pool);
}

void Model::gather(const hearth_operation& operation, const hearth_step& step) {
    const ConstRows input = in(operation, 0, step);
    const Rows output = out(operation, step);
    for (int64_t row = 0; row < output.rows; ++row)
        std::memcpy(output.data + row * output.width, input.data + step.output_rows[row] * input.width,
                    static_cast<size_t>(input.width) * sizeof(float));
}

}  // namespace hearth
