// One float at a time: the fallback that every processor runs, and the plainest reading of simd.h's
// vocabulary.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/formats/half.h"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr int kWidth = 1;

struct Floats {
    float v;
};
struct Mask {
    bool m;
};

inline Floats splat(float x) {
    return {x};
}
inline Floats load(const float* p) {
    return {*p};
}
inline Floats load_first(const float* p, int) {
    return {*p};
}
inline void store(float* p, Floats x) {
    *p = x.v;
}
inline void store_first(float* p, Floats x, int) {
    *p = x.v;
}

inline Floats operator+(Floats a, Floats b) {
    return {a.v + b.v};
}
inline Floats operator-(Floats a, Floats b) {
    return {a.v - b.v};
}
inline Floats operator*(Floats a, Floats b) {
    return {a.v * b.v};
}
inline Floats operator/(Floats a, Floats b) {
    return {a.v / b.v};
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return {a.v * b.v + c.v};
}
inline Floats maximum(Floats a, Floats b) {
    return {a.v > b.v ? a.v : b.v};
}
inline Floats minimum(Floats a, Floats b) {
    return {a.v < b.v ? a.v : b.v};
}
inline Floats absolute(Floats a) {
    return {float_from_bits(bits_from_float(a.v) & 0x7fffffffu)};
}
inline Mask less(Floats a, Floats b) {
    return {a.v < b.v};
}
inline Mask operator|(Mask a, Mask b) {
    return {a.m || b.m};
}
inline Floats select(Mask m, Floats yes, Floats no) {
    return m.m ? yes : no;
}

inline float sum(Floats a) {
    return a.v;
}
inline float largest(Floats a) {
    return a.v;
}
inline Floats sums(const Floats (&x)[kWidth]) {
    return x[0];
}
template <int N>
inline Floats swap_lanes(Floats a) {
    return a;
}
inline void transpose(Floats (&)[kWidth]) {}

inline void deinterleave(Floats a, Floats b, Floats& even, Floats& odd) {
    even = a;
    odd = b;
}
inline void interleave(Floats even, Floats odd, Floats& a, Floats& b) {
    a = even;
    b = odd;
}

// p * 2^n in two steps, so that results may be subnormal or infinite; n in -252 .. 254 sits in the low bits
// of t.
inline Floats scale_by_power(Floats p, Floats t, float magic) {
    const int32_t n = static_cast<int32_t>(bits_from_float(t.v) - bits_from_float(magic));
    const int32_t half = n >> 1;
    return {p.v * float_from_bits(static_cast<uint32_t>(half + 127) << 23) *
            float_from_bits(static_cast<uint32_t>(n - half + 127) << 23)};
}

// n + 127 is the exponent of 2^n; the least n gives 0.
constexpr float kLeastPower = -127.0f;
inline Floats scale_down_by_power(Floats p, Floats t, float magic) {
    return {p.v * float_from_bits((bits_from_float(t.v) - bits_from_float(magic) + 127u) << 23)};
}

inline float half_to_float(uint16_t h) {
    return float_from_half(h);
}

// Rounds to nearest, ties to even.
inline uint16_t float_to_half(float x) {
    const uint32_t bits = bits_from_float(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {
        // Adding 0.5 leaves the subnormal's digits, rounded by the addition, in the low bits of the sum.
        const float shifted = float_from_bits(magnitude) + 0.5f;
        return static_cast<uint16_t>(sign | (bits_from_float(shifted) - bits_from_float(0.5f)));
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

inline Floats load_f16(const uint16_t* p) {
    return {half_to_float(*p)};
}
inline Floats load_f16_first(const uint16_t* p, int) {
    return load_f16(p);
}
inline void store_f16(uint16_t* p, Floats x) {
    *p = float_to_half(x.v);
}
inline Floats load_bf16(const uint16_t* p) {
    return {float_from_bfloat16(*p)};
}
inline Floats load_bf16_first(const uint16_t* p, int) {
    return load_bf16(p);
}
inline Floats load_i8(const int8_t* p) {
    return {static_cast<float>(*p)};
}
template <bool High>
inline Floats load_i4(const uint8_t* p) {
    return {static_cast<float>((High ? *p >> 4 : *p & 15) - 8)};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
