// Packed chunks to 8-bit planes with AVX-512: all 16 rows of a quad in a register.
#pragma once

#include "cpu/linear/expand_x86.h"

namespace hearth {
namespace {

// Calls use.operator()<quad>(code) after giving the code its signs.
template <CodebookShape kShape, int kQuad, typename Use>
HEARTH_EXPAND_INLINE void use_quad(const uint8_t* group, __m512i code, const Use& use) {
    if constexpr (kShape.signs) {
        const __m512i signs = _mm512_loadu_si512(group + kShape.signs_at());
        const __mmask64 negative =
            _mm512_test_epi8_mask(signs, _mm512_set1_epi8(static_cast<char>(1 << kQuad)));
        code = _mm512_mask_sub_epi8(code, negative, _mm512_set1_epi8(kMirror), code);
    }
    use.template operator()<kQuad>(code);
}

// Grid entries looked up in memory, one by one.
struct MemoryEntries {
    // Calls use.operator()<quad>(code) for the 8 quads of a packed group, in any order; table:
    // codebook_bytes.
    template <CodebookShape kShape, typename Use>
    HEARTH_EXPAND_INLINE static void visit(const uint8_t* group, const void* table, const Use& use) {
        visit_entry<kShape, 0>(group, table, use);
        visit_entry<kShape, 1>(group, table, use);
        visit_entry<kShape, 2>(group, table, use);
        visit_entry<kShape, 3>(group, table, use);
        if constexpr (kShape.values == 4) {
            visit_entry<kShape, 4>(group, table, use);
            visit_entry<kShape, 5>(group, table, use);
            visit_entry<kShape, 6>(group, table, use);
            visit_entry<kShape, 7>(group, table, use);
        }
    }

  private:
    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_entry(const uint8_t* group, const void* table, const Use& use) {
        if constexpr (kShape.values == 4)
            visit_words_of_4<kShape, kEntry>(group, table, use);
        else
            visit_words_of_8<kShape, kEntry>(group, table, use);
    }

    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_words_of_4(const uint8_t* group, const void* table,
                                                      const Use& use) {
        const uint32_t* words = static_cast<const TableOf<kShape>*>(table)->codes;
        const Numbers<kShape.bits> low(group + kShape.number_bytes() * kEntry);
        const Numbers<kShape.bits> high(group + kShape.number_bytes() * kEntry + kShape.bits);
        use_quad<kShape, kEntry>(group,
                                 join(load_entries_4<0>(words, low), load_entries_4<4>(words, low),
                                      load_entries_4<0>(words, high), load_entries_4<4>(words, high)),
                                 use);
    }

    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_words_of_8(const uint8_t* group, const void* table,
                                                      const Use& use) {
        const uint64_t* words = static_cast<const TableOf<kShape>*>(table)->codes;
        const Numbers<kShape.bits> low(group + kShape.number_bytes() * kEntry);
        const Numbers<kShape.bits> high(group + kShape.number_bytes() * kEntry + kShape.bits);
        const Pairs rows0 = load_entries_8<0>(words, low), rows4 = load_entries_8<4>(words, low);
        const Pairs rows8 = load_entries_8<0>(words, high), rows12 = load_entries_8<4>(words, high);
        // The registers hold pairs of rows so that shuffling within 128 bits puts rows in order.
        const __m512 a = _mm512_castsi512_ps(join(rows0.first, rows4.first, rows8.first, rows12.first));
        const __m512 b = _mm512_castsi512_ps(join(rows0.second, rows4.second, rows8.second, rows12.second));
        __m512i first = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
        __m512i second = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD));
        if constexpr (!kShape.signs) {
            uint16_t below;
            std::memcpy(&below, group + kShape.signs_at() + 2 * kEntry, sizeof below);
            const __m512i two = _mm512_set1_epi8(2);
            first = _mm512_mask_sub_epi32(first, below, first, two);
            second = _mm512_mask_sub_epi32(second, below, second, two);
        }
        use_quad<kShape, 2 * kEntry>(group, first, use);
        use_quad<kShape, 2 * kEntry + 1>(group, second, use);
    }

    HEARTH_EXPAND_INLINE static __m512i join(__m128i a, __m128i b, __m128i c, __m128i d) {
        const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
        const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
        return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
};

// Entries: MemoryEntries or what finds them in another way.
template <typename Entries>
struct ExpandWith {
    static constexpr int kMultiplyRows = 1;  // of tiles that are multiplied at once

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

    // group: packed; table: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* table, uint8_t* codes) {
        Entries::template visit<kShape>(group, table, [codes]<int kQuad>(__m512i code) HEARTH_EXPAND_LAMBDA {
            _mm512_store_si512(codes + 64 * kQuad, code);
        });
    }

    // dots [kHalves][R] = a group's products with R rows of activations, of all columns or of each half.
    template <CodebookShape kShape, int R, int kHalves>
    HEARTH_EXPAND_INLINE static void multiply(const uint8_t* group, const void* table,
                                              const int32_t* activations, __m512i* dots) {
        __m512i sums[2][R];
        for (int r = 0; r < R; ++r) {
            sums[0][r] = start(activations + (kHalves == 1 ? kWordSum : kWordHalfSum) * R + r);
            sums[1][r] =
                kHalves == 1 ? _mm512_setzero_si512() : start(activations + (kWordHalfSum + 1) * R + r);
        }
        const int32_t* codes = activations + kWordCodes * R;
        Entries::template visit<kShape>(group, table, [&]<int kQuad>(__m512i code) HEARTH_EXPAND_LAMBDA {
            for (int r = 0; r < R; ++r)
                sums[kQuad / 4][r] = Isa::dot(sums[kQuad / 4][r], code, codes + kQuad * R + r);
        });
        for (int r = 0; r < R; ++r) {
            dots[r] = kHalves == 1 ? _mm512_add_epi32(sums[0][r], sums[1][r]) : sums[0][r];
            if constexpr (kHalves == 2) dots[R + r] = sums[1][r];
        }
    }

  private:
    // Codes count from the value zero: minus what that adds to the products.
    HEARTH_EXPAND_INLINE static __m512i start(const int32_t* sum) {
        return _mm512_slli_epi32(_mm512_set1_epi32(*sum), kExpandedZeroShift);
    }
};

}  // namespace
}  // namespace hearth
