// Blocks brought to a common size, and scales rounded to f16 in that size.
#pragma once

#include "core/formats/half.h"
#include "cpu/quantize/lanes.h"
#include "cpu/quantize/narrow.h"

namespace hearth {
namespace {

// A block whose largest magnitude is brought to [1, 2) by a power of two, which is exact, so that sums of
// squares neither overflow nor vanish. What no f16 scale can tell from zero becomes zero.
template <int N>
struct Normalized {
    alignas(32) float x[N];
    alignas(32) float w[N];
    float up = 1;    // normalized value * up = value
    float down = 1;  // its inverse
    float largest = 0;
    bool in_range = true;  // false: beyond what any f16 scale serves
};

template <int N>
HEARTH_INLINE void normalize(const float* input, const float* importance, Normalized<N>& block) {
    constexpr int kSmallest = -30, kLargest = 40;
    float largest = 0;
    for (int i = 0; i < N; ++i) {
        const float size = magnitude(input[i]);
        largest = size > largest ? size : largest;
        block.w[i] = importance[i];
    }
    const int exponent = exponent_of(largest);
    block.in_range = exponent <= kLargest;
    const bool vanishes = largest == 0 || exponent < kSmallest;
    if (!vanishes && block.in_range) {
        block.up = power_of_two(exponent);
        block.down = power_of_two(-exponent);
    }
    const float factor = vanishes || !block.in_range ? 0.0f : block.down;
    for (int i = 0; i < N; ++i) block.x[i] = input[i] * factor;
    block.largest = largest * factor;
}

// A scale as the block stores it and, normalized, as it is read back.
struct HalfScale {
    uint16_t bits = 0;
    float value = 0;
    bool finite = true;
};

HEARTH_INLINE HalfScale read_half(uint16_t bits, float down) {
    return {bits, float_from_half(bits) * down, (bits & 0x7c00) != 0x7c00};
}

template <int N>
HEARTH_INLINE HalfScale half_scale(float value, const Normalized<N>& block) {
    return read_half(half_from_float(value * block.up), block.down);
}

// So many f16 numbers further from zero; itself where that leaves the finite ones of its sign.
HEARTH_INLINE HalfScale neighbour(const HalfScale& scale, int step, float down) {
    const int size = (scale.bits & 0x7fff) + step;
    return size < 0 || size >= 0x7c00 ? scale : read_half(static_cast<uint16_t>(scale.bits + step), down);
}

// The f16 near a scale that whole numbers multiply. Where f16 is coarse (subnormal), the one above: the whole
// numbers of the groups make up for its excess, but not for a lack.
template <int N>
HEARTH_INLINE HalfScale multiplied_half_scale(float value, const Normalized<N>& block) {
    constexpr int kSmallestNormal = 0x400;
    const HalfScale scale = half_scale(value, block);
    const bool lacks = magnitude(scale.value) < magnitude(value);
    return lacks && (scale.bits & 0x7fff) < kSmallestNormal ? neighbour(scale, 1, block.down) : scale;
}

}  // namespace
}  // namespace hearth
