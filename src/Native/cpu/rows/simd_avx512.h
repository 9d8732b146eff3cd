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
// Halves the number of vectors four times: a pair of vectors gives one that holds the sums of both.
inline Floats sums(const Floats (&x)[kWidth]) {
    const __m512i swap = _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    __m512 eight[8], four[4], two[2];
    for (int i = 0; i < 8; ++i)
        eight[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, x[i].v, x[i + 8].v),
                                 _mm512_shuffle_f32x4(x[i].v, x[i + 8].v, _MM_SHUFFLE(1, 0, 3, 2)));
    for (int i = 0; i < 4; ++i)
        four[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xf0f0, eight[i], eight[i + 4]),
                                _mm512_permutex2var_ps(eight[i], swap, eight[i + 4]));
    for (int i = 0; i < 2; ++i)
        two[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, four[2 * i], four[2 * i + 1]),
                               _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], _MM_SHUFFLE(1, 0, 3, 2)));
    return {_mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], _MM_SHUFFLE(2, 0, 2, 0)),
                          _mm512_shuffle_ps(two[0], two[1], _MM_SHUFFLE(3, 1, 3, 1)))};
}
template <int N>
inline Floats swap_lanes(Floats a) {
    static_assert(N == 1 || N == 2 || N == 4 || N == 8);
    if constexpr (N == 1) return {_mm512_permute_ps(a.v, _MM_SHUFFLE(2, 3, 0, 1))};
    if constexpr (N == 2) return {_mm512_permute_ps(a.v, _MM_SHUFFLE(1, 0, 3, 2))};
    if constexpr (N == 4) return {_mm512_shuffle_f32x4(a.v, a.v, _MM_SHUFFLE(2, 3, 0, 1))};
    return {_mm512_shuffle_f32x4(a.v, a.v, _MM_SHUFFLE(1, 0, 3, 2))};
}
inline void transpose(Floats (&x)[kWidth]) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(x[i].v, x[i + 1].v);
        a[i + 1] = _mm512_unpackhi_ps(x[i].v, x[i + 1].v);
    }
    // b[4 * i + j]: column j of each 4 x 4 block of rows 4 i .. 4 i + 3.
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {
            const __m512d low = _mm512_castps_pd(a[i + j]), high = _mm512_castps_pd(a[i + 2 + j]);
            b[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int j = 0; j < 4; ++j) {
        const __m512 p = _mm512_shuffle_f32x4(b[j], b[4 + j], _MM_SHUFFLE(2, 0, 2, 0));
        const __m512 q = _mm512_shuffle_f32x4(b[j], b[4 + j], _MM_SHUFFLE(3, 1, 3, 1));
        const __m512 r = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], _MM_SHUFFLE(2, 0, 2, 0));
        const __m512 t = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], _MM_SHUFFLE(3, 1, 3, 1));
        x[j] = {_mm512_shuffle_f32x4(p, r, _MM_SHUFFLE(2, 0, 2, 0))};
        x[4 + j] = {_mm512_shuffle_f32x4(q, t, _MM_SHUFFLE(2, 0, 2, 0))};
        x[8 + j] = {_mm512_shuffle_f32x4(p, r, _MM_SHUFFLE(3, 1, 3, 1))};
        x[12 + j] = {_mm512_shuffle_f32x4(q, t, _MM_SHUFFLE(3, 1, 3, 1))};
    }
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
constexpr float kLeastPower = -200.0f;
inline Floats scale_down_by_power(Floats p, Floats t, float magic) {
    return scale_by_power(p, t, magic);
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
template <bool High>
inline Floats load_i4(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i codes = _mm_and_si128(High ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_sub_epi8(codes, _mm_set1_epi8(8))))};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
