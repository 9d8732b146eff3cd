// What the tests that write programs share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hearth.h"

namespace hearth_test {

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

}  // namespace hearth_test
