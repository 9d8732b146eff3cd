// The vector layer with AVX2, FMA and F16C: two registers hold a vector of a panel. Compiled for AVX-VNNI,
// four products and their sum are one instruction.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Isa {
    static constexpr int kLanes = 8;
    static constexpr int kTileSizes[] = {1, 2, 4, 0};

    using F = __m256;
    using I = __m256i;
    using B = __m256i;

    static F zero() { return _mm256_setzero_ps(); }
    static F splat(float x) { return _mm256_set1_ps(x); }
    static F load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
    static F load_half(const uint8_t* p) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    // Words of two bfloat16, and one of them as float32.
    static I load_pairs(const uint8_t* p) { return load_codes(p); }
    static F first(I pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
    static F second(I pairs) {
        return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
    }
    static __m128i load_8(const uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
    static F load_i8(const uint8_t* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8(p))); }
    static F load_low_nibbles(const uint8_t* p) {
        return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_and_si128(load_8(p), _mm_set1_epi8(15))));
    }
    static F load_high_nibbles(const uint8_t* p) {
        return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(load_8(p)), 4));
    }

    // 2 s + 1 for the nibbles s at a shift of 0 or 4.
    static F load_odd(const uint8_t* p, int shift) {
        const __m256i s = _mm256_srl_epi32(_mm256_cvtepu8_epi32(load_8(p)), _mm_cvtsi32_si128(shift));
        const __m256i twice = _mm256_slli_epi32(_mm256_and_si256(s, _mm256_set1_epi32(15)), 1);
        return _mm256_cvtepi32_ps(_mm256_or_si256(twice, _mm256_set1_epi32(1)));
    }

    // A float of 8 bits, E4M3 without a sign, shrunk by 2^-8: half precision has its mantissa and exponent.
    static F load_float8(const uint8_t* p) {
        return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(load_8(p)), 7));
    }

    // 2^(e - 128), as a product of two powers so that the smallest, which are subnormal, come out too.
    static F load_exponent(const uint8_t* p) {
        const __m256i e = _mm256_cvtepu8_epi32(load_8(p));
        const __m256i half = _mm256_srli_epi32(e, 1), bias = _mm256_set1_epi32(127 - 64);
        const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
        const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(e, half), bias), 23);
        return _mm256_mul_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
    }

    static __m128i load_16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    // Bytes widened to pairs of 16 bits, two a lane.
    static I load_u8_pairs(const uint8_t* p) { return _mm256_cvtepu8_epi16(load_16(p)); }
    static I load_i8_pairs(const uint8_t* p) { return _mm256_cvtepi8_epi16(load_16(p)); }
    // Of each 16 bits, those of a under kFirst and those of b, shifted up (down where negative), under
    // kSecond.
    template <int kShift, int kFirst, int kSecond>
    static I join_bits(I a, I b) {
        const I shifted = kShift > 0 ? _mm256_slli_epi32(b, kShift > 0 ? kShift : 0)
                                     : _mm256_srli_epi32(b, kShift < 0 ? -kShift : 0);
        return _mm256_or_si256(_mm256_and_si256(a, _mm256_set1_epi16(kFirst)),
                               _mm256_and_si256(shifted, _mm256_set1_epi16(kSecond)));
    }
    static I splat_word(const int32_t* p) { return _mm256_set1_epi32(*p); }
    static I set_bits(I a, int bits) { return _mm256_or_si256(a, _mm256_set1_epi32(bits)); }
    // The 16 bits above the lowest kShift of a and of b.
    template <int kShift>
    static I pair_up(I a, I b) {
        return _mm256_blend_epi16(_mm256_srai_epi32(a, kShift), _mm256_slli_epi32(b, 16 - kShift), 0xAA);
    }

    static F multiply(F a, F b) { return _mm256_mul_ps(a, b); }
    static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
    static F negative_fma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }

    static I add(I a, I b) { return _mm256_add_epi32(a, b); }
    static F to_float(I a) { return _mm256_cvtepi32_ps(a); }

    static B load_codes(const uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
    template <int kShift>
    static B shift(B a) {
        if constexpr (kShift > 0)
            return _mm256_slli_epi16(a, kShift);
        else if constexpr (kShift < 0)
            return _mm256_srli_epi16(a, -kShift);
        else
            return a;
    }
    // Bits moved up by kShift (down where negative), then masked.
    template <int kShift, int kMask>
    static B take_bits(B a) {
        return _mm256_and_si256(shift<kShift>(a), _mm256_set1_epi8(kMask));
    }
    template <int kShift, int kMask>
    static B merge_bits(B low, B a) {
        return _mm256_or_si256(low, take_bits<kShift, kMask>(a));
    }

    // table [16] at every 4-bit code.
    static B look_up(B codes, const uint8_t* table) {
        const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), codes);
    }

#if defined(__AVXVNNI__)
    // sum += both 16-bit halves of a lane * those of b.
    static I dot_words(I sum, I a, I b) {
        return _mm256_dpwssd_avx_epi32(sum, a, b);
    }
    // The sum that a group's accumulator starts with so that codes count from 1 << kShift.
    template <int kBits, int kShift>
    static I start(const int32_t* sum) {
        if constexpr (kShift < 0)
            return _mm256_setzero_si256();
        else
            return _mm256_slli_epi32(_mm256_set1_epi32(*sum), kShift);
    }
    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits.
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        sum = _mm256_dpbusd_avx_epi32(sum, codes0, _mm256_set1_epi32(*quad0));
        return _mm256_dpbusd_avx_epi32(sum, codes1, _mm256_set1_epi32(*quad1));
    }
#else
    // sum += both 16-bit halves of a lane * those of b.
    static I dot_words(I sum, I a, I b) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    }
    // The sum that a group's accumulator starts with so that codes count from 1 << kShift. Codes of 8 bits
    // are centred by dot_pair itself.
    template <int kBits, int kShift>
    static I start(const int32_t* sum) {
        if constexpr (kShift < 0 || kBits == 8)
            return _mm256_setzero_si256();
        else
            return _mm256_slli_epi32(_mm256_set1_epi32(*sum), kShift);
    }
    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits. Pairs of products are summed in 16 bits,
    // where up to 6 bits leave room for two of them (2 * 2 * 63 * 127 < 2^15) and 7 bits for one; 8-bit codes
    // lend their sign to the activations, so that a pair is at most 2 * 128 * 127.
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        const __m256i ones = _mm256_set1_epi16(1);
        __m256i a0 = _mm256_set1_epi32(*quad0), a1 = _mm256_set1_epi32(*quad1);
        if constexpr (kBits == 8) {
            const __m256i centre = _mm256_set1_epi8(-128);
            const __m256i w0 = _mm256_xor_si256(codes0, centre), w1 = _mm256_xor_si256(codes1, centre);
            const __m256i p0 = _mm256_maddubs_epi16(_mm256_abs_epi8(w0), _mm256_sign_epi8(a0, w0));
            const __m256i p1 = _mm256_maddubs_epi16(_mm256_abs_epi8(w1), _mm256_sign_epi8(a1, w1));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p0, ones));
            return _mm256_add_epi32(sum, _mm256_madd_epi16(p1, ones));
        } else if constexpr (kBits == 7) {
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes0, a0), ones));
            return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes1, a1), ones));
        } else {
            static_assert(kBits <= 6);
            const __m256i p0 = _mm256_maddubs_epi16(codes0, a0);
            const __m256i p1 = _mm256_maddubs_epi16(codes1, a1);
            return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(p0, p1), ones));
        }
    }
#endif
    // GCC 12 leaves out calls of functions that only prefetch, hence always_inline.
    [[gnu::always_inline]] static void prefetch(const uint8_t* p) {
        _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
    }

    static int32_t sum_lanes(__m256i a) {
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        return _mm_cvtsi128_si32(half);
    }
    // Rounds x * inverse to the codes of one or two groups and sums each half of a group.
    template <int kGroups>
    static void round_codes(const float* x, float inverse, int8_t* codes, int32_t* sums) {
        const F factor = _mm256_set1_ps(inverse);
        for (int half = 0; half < 2 * kGroups; ++half) {
            const float* p = x + 16 * half;
            const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p), factor));
            const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p + 8), factor));
            // Packing works on 128-bit halves: the permutation puts the four parts in order.
            const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
            const __m128i bytes =
                _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16 * half), bytes);
            sums[half] = sum_lanes(_mm256_add_epi32(a, b));
        }
    }
    // The bits of the largest magnitude; NaN counts as larger than infinity.
    template <int kGroups>
    static uint32_t largest_magnitude(const float* x) {
        const __m256i mask = _mm256_set1_epi32(0x7fffffff);
        __m256i largest = _mm256_setzero_si256();
        for (int i = 0; i < kGroupColumns * kGroups; i += 8) {
            const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
            largest = _mm256_max_epu32(largest, _mm256_and_si256(bits, mask));
        }
        __m128i half = _mm_max_epu32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
        half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xB1));
        return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
    }
};

}  // namespace
}  // namespace hearth
