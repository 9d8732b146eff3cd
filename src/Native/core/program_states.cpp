// What a program may write: operations that keep a state.
#include <cmath>

#include "core/program_checker.h"

namespace hearth {

void ProgramChecker::use_state(int64_t width) {
    const int32_t state = state_of(*operation_);
    auto& widths = program_.state_widths_;
    if (state < 0 || state >= kMaxLayers) reject("state must be 0 to %d, got %d", kMaxLayers - 1, state);
    if (widths.size() <= static_cast<size_t>(state)) widths.resize(static_cast<size_t>(state) + 1, 0);
    if (widths[static_cast<size_t>(state)] != 0) reject("state %d belongs to two operations", state);
    if (width > kMaxStateWidth)
        reject("the state has %lld values, at most %lld are possible", static_cast<long long>(width),
               static_cast<long long>(kMaxStateWidth));
    widths[static_cast<size_t>(state)] = width;
}

void ProgramChecker::check_step_rows() const {
    for (int i = 0; i < HEARTH_INPUTS; ++i)
        require(!has_input(i) || input(i).rows == RowKind::Step,
                "a state goes on from row to row of the step");
}

void ProgramChecker::check_short_convolution() {
    const auto& p = operation_->parameters.convolution;
    constexpr int32_t kMaxTaps = 64;
    if (p.taps < 2 || p.taps > kMaxTaps) reject("taps must be 2 to %d, got %d", kMaxTaps, p.taps);
    check_function(p.function);
    require(p.function != HEARTH_FUNCTION_XIELU, "XIELU is for the activation operation");
    const Value source = input(0);
    define_like(0, source);
    vector(0, p.taps * source.width);
    optional_vector(1, source.width);
    use_state((p.taps - 1) * source.width);
}

void ProgramChecker::check_selective_scan() {
    const auto& p = operation_->parameters.scan;
    require(in_range(p.heads, kMaxWidth) && in_range(p.head_width, kMaxWidth) &&
                int64_t{p.heads} * p.head_width <= kMaxWidth,
            "heads and head_width must be above 0, their product at most 2^24");
    if (!in_range(p.state_width, kMaxKeyWidth))
        reject("state_width must be 1 to %d, got %d", kMaxKeyWidth, p.state_width);
    if (!in_range(p.groups, p.heads) || p.heads % p.groups != 0)
        reject("groups must divide the %d heads, got %d", p.heads, p.groups);
    require(p.decays_by_state == 0 || (p.decays_by_state == 1 && p.head_width == 1),
            "decays_by_state must be 0 or 1, and then head_width 1");
    check_width(0, int64_t{p.heads} * p.head_width);
    check_width(1, p.heads);
    check_width(2, int64_t{p.groups} * p.state_width);
    check_width(3, int64_t{p.groups} * p.state_width);
    define_like(0, input(0));
    vector(0, p.decays_by_state ? int64_t{p.heads} * p.state_width : p.heads);
    optional_vector(1, p.heads);
    use_state(int64_t{p.heads} * p.head_width * p.state_width);
}

void ProgramChecker::check_delta_rule() {
    const auto& p = operation_->parameters.delta;
    if (!in_range(p.heads, kMaxWidth) || !in_range(p.key_heads, p.heads) || p.heads % p.key_heads != 0)
        reject("key_heads must divide heads, got %d and %d", p.key_heads, p.heads);
    if (!in_range(p.key_width, kMaxKeyWidth))
        reject("key_width must be 1 to %d, got %d", kMaxKeyWidth, p.key_width);
    require(in_range(p.value_width, kMaxWidth), "value_width must be above 0");
    require(p.decay_width == 1 || p.decay_width == p.key_width, "decay_width must be 1 or key_width");
    require(p.keys_in_turns == 0 || p.keys_in_turns == 1, "keys_in_turns must be 0 or 1");
    require(std::isfinite(p.scale), "scale must be finite");
    check_width(0, int64_t{p.key_heads} * p.key_width);
    check_width(1, int64_t{p.key_heads} * p.key_width);
    check_width(2, int64_t{p.heads} * p.value_width);
    check_width(3, int64_t{p.heads} * p.decay_width);
    check_width(4, p.heads);
    define_like(0, input(2));
    use_state(int64_t{p.heads} * p.key_width * p.value_width);
}

void ProgramChecker::check_wkv() {
    const bool corrects = has_input(4);
    expect_counts(corrects ? 6 : 4, 1, 1);
    const auto& p = operation_->parameters.wkv;
    require(in_range(p.heads, kMaxWidth) && in_range(p.value_width, kMaxWidth),
            "heads and value_width must be above 0");
    if (!in_range(p.key_width, kMaxKeyWidth))
        reject("key_width must be 1 to %d, got %d", kMaxKeyWidth, p.key_width);
    require(std::isfinite(p.scale), "scale must be finite");
    const int64_t keys = int64_t{p.heads} * p.key_width;
    check_width(0, keys);
    check_width(1, keys);
    check_width(2, int64_t{p.heads} * p.value_width);
    check_width(3, keys);
    if (corrects) {
        check_width(4, keys);
        check_width(5, keys);
        require(operation_->weight[0] < 0, "takes inputs 4 and 5 or weight 0, not both");
    }
    optional_vector(0, keys);
    define_like(0, input(2));
    use_state(keys * p.value_width);
}

}  // namespace hearth
