// Packed chunks to 8-bit planes with AVX2: 8 rows of a quad in a register.
#pragma once

#include "cpu/linear/expand_x86.h"

namespace hearth {
namespace {

struct Expand {
    static constexpr int kMultiplyRows = 0;

    // body: a chunk of Trits; codes: its 64 quads. A byte's first digit counts the thirds of 256 below it;
    // three times the byte, modulo 256, holds the others.
    static void trits(const uint8_t* body, uint8_t* codes) {
        const __m256i zero = _mm256_set1_epi8((1 << kExpandedZeroShift) - 1);
        const __m256i third = _mm256_set1_epi8(86), two_thirds = _mm256_set1_epi8(static_cast<char>(171));
        for (int v = 0; v < 2 * kTritVectors; ++v) {
            __m256i bytes = load(body + 32 * v);
            for (int n = 0; n < (v / 2 + 1 < kTritVectors ? 5 : 4); ++n) {
                // A comparison that holds is -1.
                const __m256i code = _mm256_sub_epi8(_mm256_sub_epi8(zero, at_least(bytes, third)),
                                                     at_least(bytes, two_thirds));
                store(codes + 64 * (5 * (v / 2) + n) + 32 * (v % 2), code);
                bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(bytes, bytes));
            }
        }
    }

    // group: packed; words: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* words, uint8_t* codes) {
        for (int e = 0; e < kShape.entries(); ++e) {
            store_entries<kShape, 0>(group, e, words, codes);
            store_entries<kShape, 1>(group, e, words, codes);
        }
    }

  private:
    static __m256i load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static void store(uint8_t* p, __m256i a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
    static __m256i at_least(__m256i a, __m256i b) { return _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a); }
    static __m256i join(__m128i a, __m128i b) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    }

    // Entry e of half of the rows.
    template <CodebookShape kShape, int kPart>
    static void store_entries(const uint8_t* group, int e, const void* words, uint8_t* codes) {
        constexpr int kRow = 8 * kPart;
        const Numbers<kShape.bits> numbers{group + kShape.number_bytes() * e};
        if constexpr (kShape.values == 4) {
            const auto* entries = static_cast<const uint32_t*>(words);
            store_quad<kShape>(
                group, e, kPart,
                join(load_entries_4<kRow>(entries, numbers), load_entries_4<kRow + 4>(entries, numbers)),
                codes);
        } else {
            const auto* entries = static_cast<const uint64_t*>(words);
            // Pairs of rows lie so that shuffling within 128 bits puts rows in order.
            const __m256 a = _mm256_castsi256_ps(
                join(load_entries_8<kRow>(entries, numbers), load_entries_8<kRow + 4>(entries, numbers)));
            const __m256 b = _mm256_castsi256_ps(
                join(load_entries_8<kRow + 2>(entries, numbers), load_entries_8<kRow + 6>(entries, numbers)));
            __m256i first = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
            __m256i second = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
            if constexpr (!kShape.signs) {
                const __m256i two = below(group[kShape.signs_at() + 2 * e + kPart]);
                first = _mm256_sub_epi8(first, two);
                second = _mm256_sub_epi8(second, two);
            }
            store_quad<kShape>(group, 2 * e, kPart, first, codes);
            store_quad<kShape>(group, 2 * e + 1, kPart, second, codes);
        }
    }

    // 2 in the bytes of the rows whose bit is set.
    static __m256i below(uint8_t rows) {
        const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(rows), each), each);
        return _mm256_and_si256(set, _mm256_set1_epi8(2));
    }

    template <CodebookShape kShape>
    static void store_quad(const uint8_t* group, int quad, int part, __m256i code, uint8_t* codes) {
        if constexpr (kShape.signs) {
            // The quad's bit becomes the top bit of every byte, which is all that blending looks at.
            const __m256i negative =
                _mm256_slli_epi16(load(group + kShape.signs_at() + 32 * part), 7 - quad);
            code = _mm256_blendv_epi8(code, _mm256_sub_epi8(_mm256_set1_epi8(kMirror), code), negative);
        }
        store(codes + 64 * quad + 32 * part, code);
    }
};

}  // namespace
}  // namespace hearth
