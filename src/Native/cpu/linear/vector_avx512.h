// The vector layer with AVX-512 and VNNI: one register holds a vector of a panel.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Isa {
    static constexpr int kLanes = 16;
    static constexpr int kTileSizes[] = {1, 2, 3, 4, 6, 8, 0};

    using F = __m512;
    using I = __m512i;
    using B = __m512i;

    static F zero() { return _mm512_setzero_ps(); }
    static F splat(float x) { return _mm512_set1_ps(x); }
    static F load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
    static F load_half(const uint8_t* p) { return _mm512_cvtph_ps(load_32(p)); }
    // Words of two bfloat16, and one of them as float32.
    static I load_pairs(const uint8_t* p) { return _mm512_load_si512(p); }
    static F first(I pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
    static F second(I pairs) {
        return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
    }
    static __m128i load_16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static F load_i8(const uint8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(p))); }
    static F load_low_nibbles(const uint8_t* p) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(load_16(p), _mm_set1_epi8(15))));
    }
    static F load_high_nibbles(const uint8_t* p) {
        return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(load_16(p)), 4));
    }

    // 2 s + 1 for the nibbles s at a shift of 0 or 4.
    static F load_odd(const uint8_t* p, int shift) {
        const __m512i s = _mm512_srl_epi32(_mm512_cvtepu8_epi32(load_16(p)), _mm_cvtsi32_si128(shift));
        const __m512i twice = _mm512_slli_epi32(_mm512_and_si512(s, _mm512_set1_epi32(15)), 1);
        return _mm512_cvtepi32_ps(_mm512_or_si512(twice, _mm512_set1_epi32(1)));
    }

    // A float of 8 bits, E4M3 without a sign, shrunk by 2^-8: half precision has its mantissa and exponent.
    static F load_float8(const uint8_t* p) {
        return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(load_16(p)), 7));
    }

    // 2^(e - 128), as a product of two powers so that the smallest, which are subnormal, come out too.
    static F load_exponent(const uint8_t* p) {
        const __m512i e = _mm512_cvtepu8_epi32(load_16(p));
        const __m512i half = _mm512_srli_epi32(e, 1), bias = _mm512_set1_epi32(127 - 64);
        const __m512i a = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
        const __m512i b = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(e, half), bias), 23);
        return _mm512_mul_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b));
    }

    static __m256i load_32(const uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    // Bytes widened to pairs of 16 bits, two a lane.
    static I load_u8_pairs(const uint8_t* p) { return _mm512_cvtepu8_epi16(load_32(p)); }
    static I load_i8_pairs(const uint8_t* p) { return _mm512_cvtepi8_epi16(load_32(p)); }
    // Of each 16 bits, those of a under kFirst and those of b, shifted up (down where negative), under
    // kSecond.
    template <int kShift, int kFirst, int kSecond>
    static I join_bits(I a, I b) {
        const I shifted = kShift > 0 ? _mm512_slli_epi32(b, kShift > 0 ? kShift : 0)
                                     : _mm512_srli_epi32(b, kShift < 0 ? -kShift : 0);
        return _mm512_ternarylogic_epi32(_mm512_and_si512(a, _mm512_set1_epi16(kFirst)), shifted,
                                         _mm512_set1_epi16(kSecond), 0xF8);
    }
    static I splat_word(const int32_t* p) { return _mm512_set1_epi32(*p); }
    static I set_bits(I a, int bits) { return _mm512_or_si512(a, _mm512_set1_epi32(bits)); }
    // The 16 bits above the lowest kShift of a and of b.
    template <int kShift>
    static I pair_up(I a, I b) {
        return _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srai_epi32(a, kShift),
                                       _mm512_slli_epi32(b, 16 - kShift));
    }
    // sum += both 16-bit halves of a lane * those of b.
    static I dot_words(I sum, I a, I b) { return _mm512_dpwssd_epi32(sum, a, b); }

    static F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
    static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    static F negative_fma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }

    static I add(I a, I b) { return _mm512_add_epi32(a, b); }
    static F to_float(I a) { return _mm512_cvtepi32_ps(a); }

    static B load_codes(const uint8_t* p) { return _mm512_load_si512(p); }
    // Bits moved up by kShift (down where negative), then masked.
    template <int kShift>
    static B shift(B a) {
        if constexpr (kShift > 0)
            return _mm512_slli_epi16(a, kShift);
        else if constexpr (kShift < 0)
            return _mm512_srli_epi16(a, -kShift);
        else
            return a;
    }
    template <int kShift, int kMask>
    static B take_bits(B a) {
        return _mm512_and_si512(shift<kShift>(a), _mm512_set1_epi8(kMask));
    }
    template <int kShift, int kMask>
    static B merge_bits(B low, B a) {
        // low | (a & mask)
        return _mm512_ternarylogic_epi32(low, shift<kShift>(a), _mm512_set1_epi8(kMask), 0xF8);
    }

    // table [16] at every 4-bit code.
    static B look_up(B codes, const uint8_t* table) {
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(load_16(table)), codes);
    }

    // The sum that a group's accumulator starts with so that codes count from 1 << kShift.
    template <int kBits, int kShift>
    static I start(const int32_t* sum) {
        if constexpr (kShift < 0)
            return _mm512_setzero_si512();
        else
            return _mm512_slli_epi32(_mm512_set1_epi32(*sum), kShift);
    }
    // sum += codes * quad. GCC 12 broadcasts the quad by an instruction of its own, which one instruction
    // that does both is not slowed by.
    static I dot(I sum, B codes, const int32_t* quad) {
        __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(*quad));
        return sum;
    }
    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits.
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        return dot(dot(sum, codes0, quad0), codes1, quad1);
    }
    // GCC 12 leaves out calls of functions that only prefetch, hence always_inline.
    [[gnu::always_inline]] static void prefetch(const uint8_t* p) {
        _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
    }

    // Rounds x * inverse to the codes of one or two groups and sums each half of a group.
    template <int kGroups>
    static void round_codes(const float* x, float inverse, int8_t* codes, int32_t* sums) {
        I rounded[4] = {};
#pragma GCC unroll 4
        for (int i = 0; i < 2 * kGroups; ++i)
            rounded[i] =
                _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16 * i), _mm512_set1_ps(inverse)));
        // Packing works on 128-bit parts: part k now holds the quads k of the four halves.
        const I quads = _mm512_packs_epi16(_mm512_packs_epi32(rounded[0], rounded[1]),
                                           _mm512_packs_epi32(rounded[2], rounded[3]));
        const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const I ordered = _mm512_permutexvar_epi32(order, quads);
        const I quad_sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), quads);
        const __m256i pairs =
            _mm256_add_epi32(_mm512_castsi512_si256(quad_sums), _mm512_extracti64x4_epi64(quad_sums, 1));
        const __m128i all = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        if constexpr (kGroups == 2) {
            _mm512_storeu_si512(codes, ordered);
            _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), all);
        } else {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), _mm512_castsi512_si256(ordered));
            _mm_storel_epi64(reinterpret_cast<__m128i*>(sums), all);
        }
    }
    // The bits of the largest magnitude; NaN counts as larger than infinity.
    template <int kGroups>
    static uint32_t largest_magnitude(const float* x) {
        const __m512i mask = _mm512_set1_epi32(0x7fffffff);
        __m512i largest = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (int i = 0; i < 2 * kGroups; ++i)
            largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(x + 16 * i), mask));
        return _mm512_reduce_max_epu32(largest);
    }
};

}  // namespace
}  // namespace hearth
