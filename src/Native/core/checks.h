// Checks that the program and the stand-alone kernels share.
#pragma once

#include <cmath>
#include <cstdint>

#include "hearth.h"

namespace hearth {

// Calls reject(const char*) with what is wrong, if anything is.
template <typename Reject>
void check_attention_parameters(const hearth_attention_parameters& p, Reject reject) {
    constexpr int32_t kMaxHeads = 1 << 16;
    constexpr int32_t kMaxHeadWidth = 1 << 14;
    if (p.heads < 1 || p.heads > kMaxHeads || p.kv_heads < 1 || p.heads % p.kv_heads != 0)
        reject("heads must be a multiple of kv_heads, both above 0");
    if (p.key_width < 1 || p.key_width > kMaxHeadWidth || p.value_width < 1 || p.value_width > kMaxHeadWidth)
        reject("key_width and value_width must be 1 to 16384");
    if (p.mask < HEARTH_MASK_CAUSAL || p.mask > HEARTH_MASK_CHUNKED) reject("unknown mask");
    if (p.window < 0 || p.prefix_length < 0) reject("window and prefix_length must be at least 0");
    if (p.mask == HEARTH_MASK_CHUNKED && p.window == 0) reject("the chunked mask needs a window");
    if (!std::isfinite(p.scale)) reject("scale must be finite");
    if (!std::isfinite(p.softcap) || p.softcap < 0) reject("softcap must be at least 0");
    if (!std::isfinite(p.alibi_bias) || p.alibi_bias < 0) reject("alibi_bias must be at least 0");
    // Half of the buckets of a direction are exact, and a logarithm is taken beyond them.
    const int32_t exact = p.mask == HEARTH_MASK_BIDIRECTIONAL ? p.bias_buckets / 4 : p.bias_buckets / 2;
    constexpr int32_t kMaxBuckets = 1 << 16, kMaxDistance = 1 << 16;
    if (p.bias_buckets != 0 && (p.bias_buckets < 4 || p.bias_buckets > kMaxBuckets ||
                                p.bias_distance <= exact || p.bias_distance > kMaxDistance))
        reject("bias_buckets must be 4 to 65536 and bias_distance above the exact distances, at most 65536");
    if (int64_t{p.bias_buckets} * p.heads > INT32_MAX) reject("the bias table is too large");
    if (p.bias_buckets == 0 && p.bias_distance != 0) reject("bias_distance needs bias_buckets");
    if (p.temperature_length < 0 || !std::isfinite(p.temperature) || !std::isfinite(p.temperature_offset) ||
        p.temperature_offset < 0)
        reject("the temperature's terms must be finite, its length and offset at least 0");
    if (p.values_in_keys != 0 && (p.values_in_keys != 1 || p.value_width > p.key_width))
        reject("values_in_keys must be 0 or 1, and then value_width at most key_width");
}

}  // namespace hearth
