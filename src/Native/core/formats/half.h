// 16-bit floating-point formats. Internal linkage, so that units for different instruction sets share no
// code.
#pragma once

#include <cstdint>
#include <cstring>

namespace hearth {

static inline float float_from_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_from_float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// IEEE 754 binary16. Subnormals are scaled up by a multiplication that is exact.
static inline float float_from_half(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t rest = static_cast<uint32_t>(half & 0x7fffu) << 13;
    if ((half & 0x7c00u) == 0x7c00u) return float_from_bits(sign | 0x7f800000u | rest);
    const float magnitude = float_from_bits(rest) * 0x1p112f;
    return float_from_bits(sign | bits_from_float(magnitude));
}

static inline float float_from_bfloat16(uint16_t value) {
    return float_from_bits(static_cast<uint32_t>(value) << 16);
}

}  // namespace hearth
