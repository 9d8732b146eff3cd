// Float32 to 16-bit floating point, to nearest, ties to even (IEEE 754). Internal linkage, as in half.h.
#pragma once

#include "core/formats/half.h"

namespace hearth {

// Beyond the range: infinity.
static inline uint16_t half_from_float(float value) {
    const uint32_t bits = bits_from_float(value);
    const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
    if (rest >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (rest < 0x38800000u) {
        // Subnormal: adding 1/2 aligns the last place of a half with the last place of the float, and rounds.
        const float aligned = float_from_bits(rest) + 0.5f;
        return static_cast<uint16_t>(sign | (bits_from_float(aligned) - 0x3f000000u));
    }
    const uint32_t odd = (rest >> 13) & 1;
    return static_cast<uint16_t>(sign | ((rest - 0x38000000u + 0xfffu + odd) >> 13));
}

static inline uint16_t bfloat16_from_float(float value) {
    const uint32_t bits = bits_from_float(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

}  // namespace hearth
