// The operations of a mixture of experts: what they read and write.
#include <array>

#include "cpu/executor.h"

namespace hearth {

namespace {

// The weights of an expert linear operation: one or two.
int output_count(const hearth_operation& operation) {
    return operation.kind == HEARTH_EXPERT_LINEAR && operation.output[1] >= 0 ? 2 : 1;
}

}  // namespace

void Executor::route(const hearth_operation& operation, const CheckedStep& step) {
    const int32_t experts = operation.output[1];
    const RouterCall call{in(operation, 0, step), vector(operation.weight[0]), out(operation, step),
                          Rows{value(experts), rows(experts, step), width(experts)},
                          operation.parameters.router};
    hearth::route(engine_.isa, call, scratch_.router(), engine_.pool);
}

void Executor::expert_linear(const hearth_operation& operation, const CheckedStep& step) {
    const ConstRows input = in(operation, 0, step), choices = in(operation, 1, step);
    const int count = output_count(operation);
    std::array<ExpertOutput, kMaxExpertOutputs> outputs{};
    for (int i = 0; i < count; ++i)
        outputs[static_cast<size_t>(i)] = {&matrix(operation.weight[i]), vector(operation.weight[3 + i]),
                                           value(operation.output[i])};
    const int64_t columns = outputs[0].weight->columns;
    const ExpertCall call{input.data, choices.data,           input.rows,     choices.width,
                          columns,    input.width == columns, outputs.data(), count};
    hearth::expert_linear(engine_.isa, call, scratch_.linear(), engine_.pool);
}

void Executor::grouped_linear(const hearth_operation& operation, const CheckedStep& step) {
    const ConstRows input = in(operation, 0, step);
    const PackedWeight& weight = matrix(operation.weight[0]);
    const ExpertOutput output{&weight, nullptr, value(operation.output[0])};
    const ExpertCall call{input.data, nullptr, input.rows, weight.stack, weight.columns, false, &output, 1};
    hearth::expert_linear(engine_.isa, call, scratch_.linear(), engine_.pool);
}

}  // namespace hearth
