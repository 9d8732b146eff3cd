// Eight floats of AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr int kWidth = 8;

struct Floats {
    __m256 v;
};
struct Mask {
    __m256 m;
};

inline __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Floats splat(float x) {
    return {_mm256_set1_ps(x)};
}
inline Floats load(const float* p) {
    return {_mm256_loadu_ps(p)};
}
inline Floats load_first(const float* p, int n) {
    return {_mm256_maskload_ps(p, first(n))};
}
inline void store(float* p, Floats x) {
    _mm256_storeu_ps(p, x.v);
}
inline void store_first(float* p, Floats x, int n) {
    _mm256_maskstore_ps(p, first(n), x.v);
}

inline Floats operator+(Floats a, Floats b) {
    return {_mm256_add_ps(a.v, b.v)};
}
inline Floats operator-(Floats a, Floats b) {
    return {_mm256_sub_ps(a.v, b.v)};
}
inline Floats operator*(Floats a, Floats b) {
    return {_mm256_mul_ps(a.v, b.v)};
}
inline Floats operator/(Floats a, Floats b) {
    return {_mm256_div_ps(a.v, b.v)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline Floats maximum(Floats a, Floats b) {
    return {_mm256_max_ps(a.v, b.v)};
}
inline Floats minimum(Floats a, Floats b) {
    return {_mm256_min_ps(a.v, b.v)};
}
inline Floats absolute(Floats a) {
    return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)};
}
inline Mask less(Floats a, Floats b) {
    return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)};
}
inline Mask operator|(Mask a, Mask b) {
    return {_mm256_or_ps(a.m, b.m)};
}
inline Floats select(Mask m, Floats yes, Floats no) {
    return {_mm256_blendv_ps(no.v, yes.v, m.m)};
}

inline float sum(Floats a) {
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
inline float largest(Floats a) {
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}
inline Floats sums(const Floats (&x)[kWidth]) {
    __m256 a[4];
    for (int i = 0; i < 4; ++i) a[i] = _mm256_hadd_ps(x[2 * i].v, x[2 * i + 1].v);
    const __m256 low = _mm256_hadd_ps(a[0], a[1]), high = _mm256_hadd_ps(a[2], a[3]);
    return {_mm256_add_ps(_mm256_blend_ps(low, high, 0xf0), _mm256_permute2f128_ps(low, high, 0x21))};
}
template <int N>
inline Floats swap_lanes(Floats a) {
    static_assert(N == 1 || N == 2 || N == 4);
    if constexpr (N == 1) return {_mm256_permute_ps(a.v, _MM_SHUFFLE(2, 3, 0, 1))};
    if constexpr (N == 2) return {_mm256_permute_ps(a.v, _MM_SHUFFLE(1, 0, 3, 2))};
    return {_mm256_permute2f128_ps(a.v, a.v, 0x01)};
}
inline void transpose(Floats (&x)[kWidth]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(x[i].v, x[i + 1].v);
        a[i + 1] = _mm256_unpackhi_ps(x[i].v, x[i + 1].v);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; ++j) {
            b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + 2 + j], _MM_SHUFFLE(1, 0, 1, 0));
            b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + 2 + j], _MM_SHUFFLE(3, 2, 3, 2));
        }
    for (int j = 0; j < 4; ++j) {
        x[j] = {_mm256_permute2f128_ps(b[j], b[4 + j], 0x20)};
        x[4 + j] = {_mm256_permute2f128_ps(b[j], b[4 + j], 0x31)};
    }
}

inline void deinterleave(Floats a, Floats b, Floats& even, Floats& odd) {
    // Shuffles work within 128-bit lanes: the middle quarters of their results change places afterwards.
    even = {_mm256_castpd_ps(_mm256_permute4x64_pd(
        _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, _MM_SHUFFLE(2, 0, 2, 0))), _MM_SHUFFLE(3, 1, 2, 0)))};
    odd = {_mm256_castpd_ps(_mm256_permute4x64_pd(
        _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, _MM_SHUFFLE(3, 1, 3, 1))), _MM_SHUFFLE(3, 1, 2, 0)))};
}
inline void interleave(Floats even, Floats odd, Floats& a, Floats& b) {
    const __m256 low = _mm256_unpacklo_ps(even.v, odd.v);
    const __m256 high = _mm256_unpackhi_ps(even.v, odd.v);
    a = {_mm256_permute2f128_ps(low, high, 0x20)};
    b = {_mm256_permute2f128_ps(low, high, 0x31)};
}

// p * 2^n in two steps, so that results may be subnormal or infinite; n in -252 .. 254 sits in the low bits
// of t.
inline Floats scale_by_power(Floats p, Floats t, float magic) {
    const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(t.v), _mm256_castps_si256(_mm256_set1_ps(magic)));
    const __m256i half = _mm256_srai_epi32(n, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i one = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i two = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
    return {_mm256_mul_ps(_mm256_mul_ps(p.v, _mm256_castsi256_ps(one)), _mm256_castsi256_ps(two))};
}
// n + 127 is the exponent of 2^n; the least n gives 0.
constexpr float kLeastPower = -127.0f;
inline Floats scale_down_by_power(Floats p, Floats t, float magic) {
    const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(t.v), _mm256_castps_si256(_mm256_set1_ps(magic)));
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
    return {_mm256_mul_ps(p.v, _mm256_castsi256_ps(power))};
}

inline float half_to_float(uint16_t h) {
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
inline uint16_t float_to_half(float x) {
    return static_cast<uint16_t>(_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT)));
}
// The first n of eight halves, zeros after them; nothing beyond them is read.
inline __m128i load_first_halves(const uint16_t* p, int n) {
    alignas(16) uint16_t copy[8] = {};
    for (int i = 0; i < n; ++i) copy[i] = p[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(copy));
}
inline __m128i load_halves(const uint16_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline Floats load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(load_halves(p))};
}
inline Floats load_f16_first(const uint16_t* p, int n) {
    return {_mm256_cvtph_ps(load_first_halves(p, n))};
}
inline void store_f16(uint16_t* p, Floats x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}
inline Floats widen_bf16(__m128i h) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16))};
}
inline Floats load_bf16(const uint16_t* p) {
    return widen_bf16(load_halves(p));
}
inline Floats load_bf16_first(const uint16_t* p, int n) {
    return widen_bf16(load_first_halves(p, n));
}
inline Floats load_i8(const int8_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
template <bool High>
inline Floats load_i4(const uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    const __m128i codes = _mm_and_si128(High ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_sub_epi8(codes, _mm_set1_epi8(8))))};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
