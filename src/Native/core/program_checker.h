// The check of a program: walks the operations in order, knowing which values exist so far.
#pragma once

#include <cstdint>
#include <vector>

#include "core/error.h"
#include "core/operations.h"
#include "core/program.h"

namespace hearth {

class ProgramChecker {
  public:
    ProgramChecker(Program& program, const hearth_program& source) : program_(program), source_(source) {}

    void check();

  private:
    // Bounds that no model comes near; they keep every later product of sizes inside 64 bits.
    static constexpr int32_t kMaxCount = 1 << 20;
    static constexpr int32_t kMaxWidth = 1 << 24;
    static constexpr int32_t kMaxRows = 1 << 20;
    static constexpr int32_t kMaxLayers = 1 << 12;
    static constexpr int32_t kMaxStack = 1 << 14;
    static constexpr int32_t kMaxKeyWidth = 1 << 12;  // of a head whose state is a matrix
    static constexpr int64_t kMaxStateWidth = int64_t{1} << 32;

    [[noreturn]] HEARTH_PRINTF(2, 3) void reject(const char* format, ...) const;
    void require(bool condition, const char* what) const;

    void copy();
    void check_slots();
    void check_operation();
    void check_result();

    // ---- Slots of the operation at hand (program.cpp)
    void expect_counts(int inputs, int outputs, int weights) const;
    const Value& input(int slot) const;
    bool has_input(int slot) const { return operation_->input[slot] >= 0; }
    void check_width(int slot, int64_t width) const;
    // The width of one of so many equal groups of a value's columns.
    int64_t group_width(int slot, int32_t groups) const;
    int64_t output_width(int slot) const;
    // The output exists from here on, with such rows; returns its width.
    int64_t define(int slot, RowKind rows);
    void define_like(int slot, const Value& other);
    void expect_output(int slot, RowKind rows, int64_t expected);
    // -1: any number of columns or rows.
    const hearth_weight& matrix(int slot, int64_t columns, int64_t rows, int32_t stack = 1);
    void vector(int slot, int64_t size);
    void optional_vector(int slot, int64_t size);
    const hearth_weight& use(int slot, WeightRole role);
    void use_layer(std::vector<CacheLayerShape>& layers, int32_t layer, int32_t kv_heads, int32_t key_width,
                   int32_t value_width);
    void check_function(int32_t function, int32_t last = HEARTH_FUNCTION_EXP) const;

    // ---- Row by row, and what chooses rows (program_rows.cpp)
    void check_embed();
    void check_norm();
    void check_rope();
    void check_binary();
    void check_factor();
    void check_log_softmax();
    void check_clamp();
    void check_slice();
    void check_concat();
    void check_activation();
    void check_gather();

    // ---- Products, experts and attention (program_products.cpp)
    void check_linear();
    void check_cache_write();
    void check_heads(int32_t heads, int32_t key_width, int32_t value_width) const;
    void check_attention();
    void check_source_rows(int slot, int64_t width) const;
    void check_choice() const;
    void check_choose_keys();
    void check_router();
    void check_expert_linear();
    void check_expert_sum();
    void check_grouped_linear();

    // ---- Operations that keep a state (program_states.cpp)
    void use_state(int64_t width);
    void check_step_rows() const;
    static bool in_range(int32_t value, int32_t most) { return value >= 1 && value <= most; }
    void check_short_convolution();
    void check_selective_scan();
    void check_delta_rule();
    void check_wkv();

    Program& program_;
    const hearth_program& source_;
    int32_t index_ = 0;
    const hearth_operation* operation_ = nullptr;
    bool embeds_tokens_ = false;
};

}  // namespace hearth
