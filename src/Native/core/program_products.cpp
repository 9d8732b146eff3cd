// What a program may write: products, experts and attention.
#include <algorithm>
#include <cmath>

#include "core/checks.h"
#include "core/program_checker.h"

namespace hearth {

void ProgramChecker::check_linear() {
    const Value source = input(0);
    check_function(operation_->parameters.linear.function);
    require(operation_->parameters.linear.function != HEARTH_FUNCTION_XIELU,
            "XIELU is for the activation operation");
    for (int i = 0; i < 3; ++i) {
        if (operation_->output[i] < 0) {
            require(i > 0, "at least one output is needed");
            require(operation_->weight[i] < 0 && operation_->weight[3 + i] < 0, "a weight has no output");
            continue;
        }
        require(i == 0 || operation_->output[i - 1] >= 0, "outputs must be given without gaps");
        const int64_t width = define(i, source.rows);
        matrix(i, source.width, width);
        optional_vector(3 + i, width);
    }
}

void ProgramChecker::check_cache_write() {
    const auto& p = operation_->parameters.cache_write;
    const bool has_values = p.value_width != 0;
    expect_counts(has_values ? 2 : 1, 0, 0);
    require(input(0).rows == RowKind::Step && (!has_values || input(1).rows == RowKind::Step),
            "only rows of the step are cached");
    check_heads(p.kv_heads, p.key_width, has_values ? p.value_width : p.key_width);
    check_width(0, int64_t{p.kv_heads} * p.key_width);
    if (has_values) check_width(1, int64_t{p.kv_heads} * p.value_width);
    use_layer(program_.cache_layers_, p.layer, p.kv_heads, p.key_width, p.value_width);
}

void ProgramChecker::check_heads(int32_t heads, int32_t key_width, int32_t value_width) const {
    require(heads > 0 && heads <= kMaxWidth && key_width > 0 && key_width <= kMaxWidth && value_width > 0 &&
                value_width <= kMaxWidth,
            "heads and their widths must be above 0");
}

void ProgramChecker::check_attention() {
    const auto& p = operation_->parameters.attention;
    require(p.source >= HEARTH_SOURCE_CACHE && p.source <= HEARTH_SOURCE_MEMORY, "unknown source");
    const bool rows = p.source == HEARTH_SOURCE_ROWS;
    const bool relative = p.relative_distances > 0;
    expect_counts(rows ? (p.values_in_keys ? 2 : 3) : relative ? 2 : 1, 1, 2);
    require(input(0).rows == RowKind::Step, "queries must be rows of the step");
    check_attention_parameters(p, [this](const char* what) { reject("%s", what); });
    check_width(0, int64_t{p.heads} * p.key_width);
    if (rows) {
        check_source_rows(1, int64_t{p.kv_heads} * p.key_width);
        if (!p.values_in_keys) check_source_rows(2, int64_t{p.kv_heads} * p.value_width);
    } else {
        auto& layers = p.source == HEARTH_SOURCE_CACHE ? program_.cache_layers_ : program_.memory_layers_;
        use_layer(layers, p.layer, p.kv_heads, p.key_width, p.values_in_keys ? 0 : p.value_width);
        if (relative) check_source_rows(1, int64_t{p.heads} * p.relative_distances);
    }
    require(p.source != HEARTH_SOURCE_MEMORY || (p.alibi_bias == 0 && p.bias_buckets == 0),
            "positions of the memory have no distance to the step's");
    const int64_t width = define(0, RowKind::Step);
    require(width == int64_t{p.heads} * p.value_width, "output must be heads * value_width wide");
    optional_vector(0, p.heads);
    require((p.bias_buckets > 0) == (operation_->weight[1] >= 0), "bias_buckets needs its table, weight 1");
    optional_vector(1, int64_t{p.bias_buckets} * p.heads);
}

void ProgramChecker::check_source_rows(int slot, int64_t width) const {
    check_width(slot, width);
    require(input(slot).rows == RowKind::Step, "keys and values must be rows of the step");
}

void ProgramChecker::check_router() {
    const auto& p = operation_->parameters.router;
    const Value scores = input(0);
    require(p.gating >= HEARTH_GATING_SOFTMAX && p.gating <= HEARTH_GATING_SOFTMAX_CHOSEN, "unknown gating");
    require(scores.width <= kMaxStack, "there are too many experts");
    const int64_t groups = std::max(p.groups, 1);
    const int64_t usable = p.groups > 1 ? p.chosen_groups : 1;
    require(p.groups >= 0 && scores.width % groups == 0 && usable >= 1 && usable <= groups,
            "groups must divide the experts, and chosen_groups be 1 to groups");
    require(p.chosen >= 1 && p.chosen <= scores.width / groups * usable,
            "chosen must be 1 to the experts that can be chosen");
    require((p.normalize == 0 || p.normalize == 1) && (p.choose_by_score == 0 || p.choose_by_score == 1),
            "normalize and choose_by_score must be 0 or 1");
    require(std::isfinite(p.least_sum) && p.least_sum >= 0 && std::isfinite(p.scale),
            "least_sum and scale must be finite");
    const int64_t shared = std::max(p.experts_per_matrix, 1);
    require(p.experts_per_matrix >= 0 && scores.width % shared == 0,
            "experts_per_matrix must divide the experts");
    expect_output(0, scores.rows, p.chosen);
    expect_output(1, scores.rows, p.chosen);
    optional_vector(0, scores.width);
    program_.experts_of_[operation_->output[1]] = static_cast<int32_t>(scores.width / shared);
}

void ProgramChecker::check_expert_linear() {
    require(operation_->weight[2] < 0, "takes two weights at most, with their biases in 3 and 4");
    const Value source = input(0), experts = input(1);
    require(source.rows == experts.rows, "both inputs must have the same rows");
    // Only a router's numbers are known to be experts that exist.
    const auto known = program_.experts_of_.find(operation_->input[1]);
    require(known != program_.experts_of_.end(), "input 1 must be a router's choice");
    const int64_t chosen = experts.width;
    for (int i = 0; i < 2; ++i) {
        if (operation_->output[i] < 0) {
            require(i > 0, "at least one output is needed");
            require(operation_->weight[i] < 0 && operation_->weight[3 + i] < 0, "a weight has no output");
            continue;
        }
        const int64_t width = define(i, source.rows);
        require(width % chosen == 0, "the output must be chosen * rows wide");
        const hearth_weight& weight = matrix(i, -1, width / chosen, known->second);
        require(source.width == weight.columns || source.width == chosen * weight.columns,
                "the input must be columns or chosen * columns wide");
        optional_vector(3 + i, weight.rows * weight.stack);
    }
    require(operation_->output[1] < 0 ||
                program_.weights_[static_cast<size_t>(operation_->weight[0])].columns ==
                    program_.weights_[static_cast<size_t>(operation_->weight[1])].columns,
            "both weights must have the same columns");
}

void ProgramChecker::check_expert_sum() {
    const Value source = input(0), weights = input(1);
    require(source.rows == weights.rows && source.width % weights.width == 0,
            "input 0 must be a multiple as wide as input 1, with the same rows");
    expect_output(0, source.rows, source.width / weights.width);
}

void ProgramChecker::check_grouped_linear() {
    const Value source = input(0);
    const hearth_weight& weight = use(0, WeightRole::Matrix);
    require(source.width == weight.columns * weight.stack, "the input must be stack * columns wide");
    expect_output(0, source.rows, weight.rows * weight.stack);
}

}  // namespace hearth
