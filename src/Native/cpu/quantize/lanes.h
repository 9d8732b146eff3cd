// Eight floats at a time in the compiler's portable vectors, so that a search is written once: units compiled
// for AVX2 use its registers, others what they have. The order of additions is fixed, so all give the same
// sums; units are compiled without fused multiply-adds for the same reason. Internal linkage: see
// CMakeLists.txt.
#pragma once

#include <cstdint>

#define HEARTH_INLINE inline __attribute__((always_inline))

namespace hearth {
namespace {

constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));

HEARTH_INLINE Floats load(const float* from) {
    Floats values;
    __builtin_memcpy(&values, from, sizeof values);
    return values;
}

HEARTH_INLINE void store(float* to, Floats values) {
    __builtin_memcpy(to, &values, sizeof values);
}

HEARTH_INLINE Floats splat(float value) {
    return Floats{value, value, value, value, value, value, value, value};
}

constexpr Floats kLaneNumbers = {0, 1, 2, 3, 4, 5, 6, 7};

HEARTH_INLINE int lane_of_largest(Floats v) {
    int best = 0;
    for (int i = 1; i < kLanes; ++i) best = v[i] > v[best] ? i : best;
    return best;
}

HEARTH_INLINE float sum(Floats v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// Nearest whole numbers within [low, high], whose magnitudes are below 2^22; ties go to even.
HEARTH_INLINE Floats round_within(Floats v, float low, float high) {
    v = v < splat(low) ? splat(low) : v;
    v = v > splat(high) ? splat(high) : v;
    constexpr float kMagic = 0x1.8p23f;  // adding it leaves no bits for a fraction
    return (v + splat(kMagic)) - splat(kMagic);
}

HEARTH_INLINE float round_within(float v, float low, float high) {
    v = v < low ? low : v;
    v = v > high ? high : v;
    constexpr float kMagic = 0x1.8p23f;
    return (v + kMagic) - kMagic;
}

HEARTH_INLINE float magnitude(float v) {
    return v < 0 ? -v : v;
}

// 2^exponent for exponents of normal floats.
HEARTH_INLINE float power_of_two(int exponent) {
    const uint32_t bits = static_cast<uint32_t>(exponent + 127) << 23;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

// Of a positive number; subnormals count as -127.
HEARTH_INLINE int exponent_of(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return static_cast<int>((bits >> 23) & 0xff) - 127;
}

}  // namespace
}  // namespace hearth
