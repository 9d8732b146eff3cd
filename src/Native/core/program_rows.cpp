// What a program may write: operations that go row by row, and those that choose rows.
#include <algorithm>
#include <cmath>

#include "core/program_checker.h"

namespace hearth {

void ProgramChecker::check_embed() {
    const auto& p = operation_->parameters.embed;
    const int64_t width = define(0, RowKind::Step);
    const hearth_weight& table = matrix(0, width, -1);
    require(std::isfinite(p.scale), "scale must be finite");
    if (p.index < HEARTH_INDEX_TOKEN || p.index > HEARTH_INDEX_FIRST) reject("unknown index %d", p.index);
    require(p.ranged == 0 ? p.first == 0 : p.ranged == 1 && p.first >= 0 && p.index == HEARTH_INDEX_TOKEN,
            "only tokens have ranges, which begin at 0 or later");
    if (p.index == HEARTH_INDEX_FIRST) return;
    // Vectors that a step brings in place of tokens are as wide as every table of tokens.
    if (p.index == HEARTH_INDEX_TOKEN) {
        const bool same = !embeds_tokens_ || program_.embedding_width_ == width;
        program_.embedding_width_ = same ? width : 0;
        embeds_tokens_ = true;
    }
    if (p.ranged) {
        program_.ranged_ = true;
        program_.token_limit_ = std::max(program_.token_limit_, p.first + table.rows);
        return;
    }
    int64_t& limit = p.index == HEARTH_INDEX_TOKEN ? program_.token_limit_ : program_.position_limit_;
    limit = limit == 0 ? table.rows : std::min(limit, table.rows);
}

void ProgramChecker::check_norm() {
    const auto& p = operation_->parameters.norm;
    const Value source = input(0);
    define_like(0, source);
    require(std::isfinite(p.epsilon) && p.epsilon >= 0, "epsilon must be at least 0");
    require(p.group_width >= 0 && (p.group_width == 0 || source.width % p.group_width == 0),
            "group_width must divide the width");
    const int64_t width = p.group_width == 0 ? source.width : p.group_width;
    optional_vector(0, width);
    if (operation_->kind == HEARTH_LAYER_NORM) optional_vector(1, width);
}

void ProgramChecker::check_rope() {
    const auto& p = operation_->parameters.rope;
    const Value source = input(0);
    require(source.rows == RowKind::Step, "positions belong to the rows of the step");
    define_like(0, source);
    require(p.layout == HEARTH_ROPE_INTERLEAVED || p.layout == HEARTH_ROPE_HALVES, "unknown layout");
    require(p.head_width > 0 && source.width % p.head_width == 0, "head_width must divide the width");
    require(p.dimensions > 0 && p.dimensions % 2 == 0 && p.dimensions <= p.head_width,
            "dimensions must be even and at most head_width");
    require(p.offset >= 0 && p.offset <= p.head_width - p.dimensions,
            "offset + dimensions must be at most head_width");
    require(std::isfinite(p.base) && p.base > 0, "base must be above 0");
    require(std::isfinite(p.frequency_scale) && p.frequency_scale > 0, "frequency_scale must be above 0");
    require(std::isfinite(p.extrapolation) && std::isfinite(p.attention_factor) &&
                std::isfinite(p.beta_fast) && std::isfinite(p.beta_slow),
            "YaRN's parameters must be finite");
    require(p.extrapolation == 0 || p.original_context > 0, "YaRN needs original_context");
    optional_vector(0, p.dimensions / 2);
}

void ProgramChecker::check_binary() {
    const Value left = input(0);
    if (has_input(1)) {
        require(operation_->weight[0] < 0, "the right side is an input or a weight, not both");
        const Value right = input(1);
        require(left.rows == right.rows && (left.width == right.width || right.width == 1),
                "the right input must be of the left's shape or one wide");
    } else {
        const hearth_weight& right = use(0, WeightRole::Vector);
        vector(0, right.columns == 1 ? 1 : left.width);
    }
    define_like(0, left);
}

void ProgramChecker::check_factor() {
    const auto& p = operation_->parameters.factor;
    require(std::isfinite(p.factor) && std::isfinite(p.offset), "factor and offset must be finite");
    require(operation_->kind != HEARTH_SOFTCAP || (p.factor > 0 && p.offset == 0),
            "factor must be above 0, and offset 0");
    const Value source = input(0);
    define_like(0, source);
}

void ProgramChecker::check_log_softmax() {
    const Value source = input(0);
    define_like(0, source);
}

void ProgramChecker::check_clamp() {
    const auto& p = operation_->parameters.clamp;
    require(p.least <= p.most, "least must be at most most");  // either may be infinite
    const Value source = input(0);
    define_like(0, source);
}

void ProgramChecker::check_slice() {
    const auto& p = operation_->parameters.slice;
    const int64_t group = group_width(0, p.groups);
    require(p.offset >= 0 && p.width > 0 && p.offset <= group && p.width <= group - p.offset,
            "offset + width must be at most a group's width");
    expect_output(0, input(0).rows, int64_t{p.groups} * p.width);
}

void ProgramChecker::check_concat() {
    const auto& p = operation_->parameters.concat;
    const Value left = input(0), right = input(1);
    require(left.rows == right.rows, "both inputs must have the same rows");
    const int64_t group = group_width(0, p.groups), output = output_width(0);
    const int64_t added = output - left.width;
    require(added > 0 && added % p.groups == 0 && (added == right.width || added / p.groups == right.width),
            "the output must be as wide as the left input and the right, or a copy of it for each group");
    expect_output(0, left.rows, int64_t{p.groups} * (group + added / p.groups));
}

void ProgramChecker::check_activation() {
    const auto& p = operation_->parameters.activation;
    check_function(p.function);
    require(std::isfinite(p.negative_alpha) && std::isfinite(p.positive_alpha) && std::isfinite(p.beta) &&
                std::isfinite(p.epsilon),
            "XIELU's parameters must be finite");
    const Value source = input(0);
    if (has_input(1))
        require(input(1).rows == source.rows && input(1).width == source.width,
                "both inputs must have one shape");
    define_like(0, source);
}

void ProgramChecker::check_gather() {
    const Value source = input(0);
    require(source.rows == RowKind::Step, "the input must be rows of the step");
    const int64_t width = define(0, RowKind::Output);
    require(width == source.width, "output must be as wide as the input");
}

}  // namespace hearth
