// Sixteen floats of AVX-512 (F, BW, DQ, VL).
#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr int kWidth = 16;

struct Floats {
    __m512 v;
};
struct Mask {
    __mmask16 m;
};

inline __mmask16 first(int n) {
    return static_cast<__mmask16>((1u << n) - 1u);
}

inline Floats splat(float x) {
    return {_mm512_set1_ps(x)};
}
inline Floats load(const float* p) {
    return {_mm512_loadu_ps(p)};
}
inline Floats load_first(const float* p, int n) {
    return {_mm512_maskz_loadu_ps(first(n), p)};
}
inline void store(float* p, Floats x) {
    _mm512_storeu_ps(p, x.v);
}
inline void store_first(float* p, Floats x, int n) {
    _mm512_mask_storeu_ps(p, first(n), x.v);
}

inline Floats operator+(Floats a, Floats b) {
    return {_mm512_add_ps(a.v, b.v)};
}
inline Floats operator-(Floats a, Floats b) {
    return {_mm512_sub_ps(a.v, b.v)};
}
inline Floats operator*(Floats a, Floats b) {
    return {_mm512_mul_ps(a.v, b.v)};
}
inline Floats operator/(Floats a, Floats b) {
    return {_mm512_div_ps(a.v, b.v)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Floats maximum(Floats a, Floats b) {
    return {_mm512_max_ps(a.v, b.v)};
}
inline Floats minimum(Floats a, Floats b) {
    return {_mm512_min_ps(a.v, b.v)};
}
inline Floats absolute(Floats a) {
    return {_mm512_abs_ps(a.v)};
}
inline Mask less(Floats a, Floats b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
inline Mask operator|(Mask a, Mask b) {
    return {static_cast<__mmask16>(a.m | b.m)};
}
inline Floats select(Mask m, Floats yes, Floats no) {
    return {_mm512_mask_blend_ps(m.m, no.v, yes.v)};
}

inline __m256 fold(__m512 a) {
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}
inline float sum(Floats a) {
    const __m256 b = fold(a.v);
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
inline float largest(Floats a) {
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}
inline void sum4(Floats a, Floats b, Floats c, Floats d, float* out) {
    const __m256 ab = _mm256_hadd_ps(fold(a.v), fold(b.v));
    const __m256 cd = _mm256_hadd_ps(fold(c.v), fold(d.v));
    const __m256 all = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

inline void deinterleave(Floats a, Floats b, Floats& even, Floats& odd) {
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    even = {_mm512_permutex2var_ps(a.v, evens, b.v)};
    odd = {_mm512_permutex2var_ps(a.v, odds, b.v)};
}
inline void interleave(Floats even, Floats odd, Floats& a, Floats& b) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    a = {_mm512_permutex2var_ps(even.v, low, odd.v)};
    b = {_mm512_permutex2var_ps(even.v, high, odd.v)};
}

// p * 2^n with n = t - magic.
inline Floats scale_by_power(Floats p, Floats t, float magic) {
    return {_mm512_scalef_ps(p.v, _mm512_sub_ps(t.v, _mm512_set1_ps(magic)))};
}

inline float half_to_float(uint16_t h) {
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
inline uint16_t float_to_half(float x) {
    return static_cast<uint16_t>(_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT)));
}
inline Floats load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline Floats load_f16_first(const uint16_t* p, int n) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p))};
}
inline void store_f16(uint16_t* p, Floats x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}
inline Floats widen_bf16(__m256i h) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
}
inline Floats load_bf16(const uint16_t* p) {
    return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Floats load_bf16_first(const uint16_t* p, int n) {
    return widen_bf16(_mm256_maskz_loadu_epi16(first(n), p));
}
inline Floats load_i8(const int8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
