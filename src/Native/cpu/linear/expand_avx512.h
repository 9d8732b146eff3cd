// Packed chunks to 8-bit planes with AVX-512: all 16 rows of a quad in a register.
#pragma once

#include "cpu/linear/expand_x86.h"

namespace hearth {
namespace {

struct Expand {
    // body: a chunk of Trits; codes: its 64 quads. A byte's first digit counts the thirds of 256 below it;
    // three times the byte, modulo 256, holds the others.
    static void trits(const uint8_t* body, uint8_t* codes) {
        const __m512i one = _mm512_set1_epi8(1), zero = _mm512_set1_epi8((1 << kExpandedZeroShift) - 1);
        for (int v = 0; v < kTritVectors; ++v) {
            __m512i bytes = _mm512_loadu_si512(body + 64 * v);
            for (int n = 0; n < (v + 1 < kTritVectors ? 5 : 4); ++n) {
                __m512i code = zero;
                code = _mm512_mask_add_epi8(code, _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(86)), code,
                                            one);
                code = _mm512_mask_add_epi8(
                    code, _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(static_cast<char>(171))), code, one);
                _mm512_store_si512(codes + 64 * (5 * v + n), code);
                bytes = _mm512_add_epi8(bytes, _mm512_add_epi8(bytes, bytes));
            }
        }
    }

    // group: packed; words: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* words, uint8_t* codes) {
        if constexpr (kShape.values == 8)
            group_of_8<kShape>(group, static_cast<const uint64_t*>(words), codes);
        else
            group_of_4<kShape>(group, static_cast<const uint32_t*>(words), codes);
    }

  private:
    template <CodebookShape kShape>
    static void group_of_8(const uint8_t* group, const uint64_t* words, uint8_t* codes) {
        for (int e = 0; e < 4; ++e) {
            const Numbers<kShape.bits> numbers{group + kShape.number_bytes() * e};
            // The registers hold pairs of rows so that shuffling within 128 bits puts rows in order.
            const __m512 a = _mm512_castsi512_ps(
                join(load_entries_8<0>(words, numbers), load_entries_8<4>(words, numbers),
                     load_entries_8<8>(words, numbers), load_entries_8<12>(words, numbers)));
            const __m512 b = _mm512_castsi512_ps(
                join(load_entries_8<2>(words, numbers), load_entries_8<6>(words, numbers),
                     load_entries_8<10>(words, numbers), load_entries_8<14>(words, numbers)));
            __m512i first = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
            __m512i second = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD));
            if constexpr (!kShape.signs) {
                uint16_t below;
                std::memcpy(&below, group + kShape.signs_at() + 2 * e, sizeof below);
                const __m512i two = _mm512_set1_epi8(2);
                first = _mm512_mask_sub_epi32(first, below, first, two);
                second = _mm512_mask_sub_epi32(second, below, second, two);
            }
            store_quad<kShape>(group, 2 * e, first, codes);
            store_quad<kShape>(group, 2 * e + 1, second, codes);
        }
    }

    template <CodebookShape kShape>
    static void group_of_4(const uint8_t* group, const uint32_t* words, uint8_t* codes) {
        for (int e = 0; e < 8; ++e) {
            const Numbers<kShape.bits> numbers{group + kShape.number_bytes() * e};
            store_quad<kShape>(group, e,
                               join(load_entries_4<0>(words, numbers), load_entries_4<4>(words, numbers),
                                    load_entries_4<8>(words, numbers), load_entries_4<12>(words, numbers)),
                               codes);
        }
    }

    static __m512i join(__m128i a, __m128i b, __m128i c, __m128i d) {
        const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
        const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
        return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }

    template <CodebookShape kShape>
    static void store_quad(const uint8_t* group, int quad, __m512i code, uint8_t* codes) {
        if constexpr (kShape.signs) {
            const __m512i signs = _mm512_loadu_si512(group + kShape.signs_at());
            const __mmask64 negative =
                _mm512_test_epi8_mask(signs, _mm512_set1_epi8(static_cast<char>(1 << quad)));
            code = _mm512_mask_sub_epi8(code, negative, _mm512_set1_epi8(kMirror), code);
        }
        _mm512_store_si512(codes + 64 * quad, code);
    }
};

}  // namespace
}  // namespace hearth
