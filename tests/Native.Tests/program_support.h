// What the tests that write programs share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "hearth.h"

namespace hearth_test {

using EnginePointer = std::unique_ptr<hearth_engine, void (*)(hearth_engine*)>;
using ModelPointer = std::unique_ptr<hearth_model, void (*)(hearth_model*)>;
using CachePointer = std::unique_ptr<hearth_cache, void (*)(hearth_cache*)>;

inline EnginePointer make_engine(int threads = 2, hearth_isa isa = HEARTH_ISA_BEST) {
    const hearth_engine_options options{threads, isa, 0, 0};
    hearth_engine* engine = nullptr;
    EXPECT_EQ(hearth_engine_create(&options, sizeof options, &engine), HEARTH_OK) << hearth_last_error();
    return {engine, hearth_engine_destroy};
}

// An operation whose other slots are empty and whose parameters are 0.
inline hearth_operation make_operation(int32_t kind, const std::vector<int32_t>& inputs,
                                       const std::vector<int32_t>& outputs,
                                       const std::vector<int32_t>& weights) {
    hearth_operation operation{};
    operation.kind = kind;
    for (int32_t& slot : operation.input) slot = -1;
    for (int32_t& slot : operation.output) slot = -1;
    for (int32_t& slot : operation.weight) slot = -1;
    std::copy(inputs.begin(), inputs.end(), operation.input);
    std::copy(outputs.begin(), outputs.end(), operation.output);
    std::copy(weights.begin(), weights.end(), operation.weight);
    return operation;
}

// Causal attention over layer 0 of the cache, without any other term.
inline hearth_attention_parameters plain_attention(int32_t heads, int32_t kv_heads, int32_t width) {
    hearth_attention_parameters p{};
    p.source = HEARTH_SOURCE_CACHE;
    p.heads = heads;
    p.kv_heads = kv_heads;
    p.key_width = p.value_width = width;
    p.mask = HEARTH_MASK_CAUSAL;
    p.scale = 0.5f;
    return p;
}

// A program while it is written. Values and weights are numbered in the order in which they are added.
struct ProgramSource {
    std::vector<hearth_operation> operations;
    std::vector<int32_t> widths;
    std::vector<hearth_weight> weights;
    int32_t result = -1;
    int32_t max_rows = 16, max_output_rows = 16;

    // The operation is good until the next one is added.
    hearth_operation& add(int32_t kind, const std::vector<int32_t>& inputs,
                          const std::vector<int32_t>& outputs, const std::vector<int32_t>& used) {
        operations.push_back(make_operation(kind, inputs, outputs, used));
        return operations.back();
    }

    int32_t value(int32_t width) {
        widths.push_back(width);
        return static_cast<int32_t>(widths.size()) - 1;
    }

    int32_t weight(int64_t rows, int64_t columns, hearth_type type = HEARTH_TYPE_F32) {
        weights.push_back({type, 1, columns, rows});
        return static_cast<int32_t>(weights.size()) - 1;
    }

    // Points into this.
    hearth_program program() const {
        return {operations.data(),
                widths.data(),
                weights.data(),
                static_cast<int32_t>(operations.size()),
                static_cast<int32_t>(widths.size()),
                static_cast<int32_t>(weights.size()),
                result,
                max_rows,
                max_output_rows};
    }
};

// A model that lacks its weights.
inline ModelPointer create_model(hearth_engine* engine, const ProgramSource& source) {
    const hearth_program program = source.program();
    hearth_model* model = nullptr;
    EXPECT_EQ(hearth_model_create(engine, &program, sizeof program, &model), HEARTH_OK)
        << hearth_last_error();
    return {model, hearth_model_destroy};
}

inline void load_floats(const ModelPointer& model, int32_t weight, const std::vector<float>& values) {
    EXPECT_EQ(hearth_model_load_weight(model.get(), weight, values.data(), values.size() * sizeof(float)),
              HEARTH_OK)
        << hearth_last_error();
}

}  // namespace hearth_test
