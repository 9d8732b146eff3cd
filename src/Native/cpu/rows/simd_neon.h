// Four floats of AArch64 NEON.
#pragma once

#include <arm_neon.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr int kWidth = 4;

struct Floats {
    float32x4_t v;
};
struct Mask {
    uint32x4_t m;
};

inline Floats splat(float x) {
    return {vdupq_n_f32(x)};
}
inline Floats load(const float* p) {
    return {vld1q_f32(p)};
}
inline Floats load_first(const float* p, int n) {
    float copy[4] = {};
    for (int i = 0; i < n; ++i) copy[i] = p[i];
    return {vld1q_f32(copy)};
}
inline void store(float* p, Floats x) {
    vst1q_f32(p, x.v);
}
inline void store_first(float* p, Floats x, int n) {
    float copy[4];
    vst1q_f32(copy, x.v);
    for (int i = 0; i < n; ++i) p[i] = copy[i];
}

inline Floats operator+(Floats a, Floats b) {
    return {vaddq_f32(a.v, b.v)};
}
inline Floats operator-(Floats a, Floats b) {
    return {vsubq_f32(a.v, b.v)};
}
inline Floats operator*(Floats a, Floats b) {
    return {vmulq_f32(a.v, b.v)};
}
inline Floats operator/(Floats a, Floats b) {
    return {vdivq_f32(a.v, b.v)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return {vfmaq_f32(c.v, a.v, b.v)};
}
inline Floats maximum(Floats a, Floats b) {
    return {vmaxq_f32(a.v, b.v)};
}
inline Floats minimum(Floats a, Floats b) {
    return {vminq_f32(a.v, b.v)};
}
inline Floats absolute(Floats a) {
    return {vabsq_f32(a.v)};
}
inline Mask less(Floats a, Floats b) {
    return {vcltq_f32(a.v, b.v)};
}
inline Mask operator|(Mask a, Mask b) {
    return {vorrq_u32(a.m, b.m)};
}
inline Floats select(Mask m, Floats yes, Floats no) {
    return {vbslq_f32(m.m, yes.v, no.v)};
}

inline float sum(Floats a) {
    return vaddvq_f32(a.v);
}
inline float largest(Floats a) {
    return vmaxvq_f32(a.v);
}
inline Floats sums(const Floats (&x)[kWidth]) {
    return {vpaddq_f32(vpaddq_f32(x[0].v, x[1].v), vpaddq_f32(x[2].v, x[3].v))};
}
template <int N>
inline Floats swap_lanes(Floats a) {
    static_assert(N == 1 || N == 2);
    if constexpr (N == 1) return {vrev64q_f32(a.v)};
    return {vextq_f32(a.v, a.v, 2)};
}
inline void transpose(Floats (&x)[kWidth]) {
    const float32x4x2_t a = vtrnq_f32(x[0].v, x[1].v), b = vtrnq_f32(x[2].v, x[3].v);
    for (int j = 0; j < 2; ++j) {
        x[j] = {vcombine_f32(vget_low_f32(a.val[j]), vget_low_f32(b.val[j]))};
        x[2 + j] = {vcombine_f32(vget_high_f32(a.val[j]), vget_high_f32(b.val[j]))};
    }
}

inline void deinterleave(Floats a, Floats b, Floats& even, Floats& odd) {
    even = {vuzp1q_f32(a.v, b.v)};
    odd = {vuzp2q_f32(a.v, b.v)};
}
inline void interleave(Floats even, Floats odd, Floats& a, Floats& b) {
    a = {vzip1q_f32(even.v, odd.v)};
    b = {vzip2q_f32(even.v, odd.v)};
}

// p * 2^n in two steps, so that results may be subnormal or infinite; n in -252 .. 254 sits in the low bits
// of t.
inline Floats scale_by_power(Floats p, Floats t, float magic) {
    const int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(t.v), vreinterpretq_s32_f32(vdupq_n_f32(magic)));
    const int32x4_t half = vshrq_n_s32(n, 1);
    const int32x4_t bias = vdupq_n_s32(127);
    const int32x4_t one = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t two = vshlq_n_s32(vaddq_s32(vsubq_s32(n, half), bias), 23);
    return {vmulq_f32(vmulq_f32(p.v, vreinterpretq_f32_s32(one)), vreinterpretq_f32_s32(two))};
}

// n + 127 is the exponent of 2^n; the least n gives 0.
constexpr float kLeastPower = -127.0f;
inline Floats scale_down_by_power(Floats p, Floats t, float magic) {
    const int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(t.v), vreinterpretq_s32_f32(vdupq_n_f32(magic)));
    const int32x4_t power = vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23);
    return {vmulq_f32(p.v, vreinterpretq_f32_s32(power))};
}

inline Floats widen_f16(uint16x4_t h) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(h))};
}
inline Floats widen_bf16(uint16x4_t h) {
    return {vreinterpretq_f32_u32(vshll_n_u16(h, 16))};
}
inline uint16x4_t load_first_halves(const uint16_t* p, int n) {
    uint16_t copy[4] = {};
    for (int i = 0; i < n; ++i) copy[i] = p[i];
    return vld1_u16(copy);
}
inline float half_to_float(uint16_t h) {
    return vgetq_lane_f32(widen_f16(vdup_n_u16(h)).v, 0);
}
inline uint16_t float_to_half(float x) {
    return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(x))), 0);
}
inline Floats load_f16(const uint16_t* p) {
    return widen_f16(vld1_u16(p));
}
inline Floats load_f16_first(const uint16_t* p, int n) {
    return widen_f16(load_first_halves(p, n));
}
inline void store_f16(uint16_t* p, Floats x) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x.v)));
}
inline Floats load_bf16(const uint16_t* p) {
    return widen_bf16(vld1_u16(p));
}
inline Floats load_bf16_first(const uint16_t* p, int n) {
    return widen_bf16(load_first_halves(p, n));
}
inline Floats load_i8(const int8_t* p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))};
}
template <bool High>
inline Floats load_i4(const uint8_t* p) {
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const uint8x8_t bytes = vcreate_u8(four);
    const uint8x8_t codes = High ? vshr_n_u8(bytes, 4) : vand_u8(bytes, vdup_n_u8(15));
    const int8x8_t less = vsub_s8(vreinterpret_s8_u8(codes), vdup_n_s8(8));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(less))))};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
