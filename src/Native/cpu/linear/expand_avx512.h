// Packed chunks to 8-bit planes with AVX-512: all 16 rows of a quad in a register.
#pragma once

#include "cpu/linear/expand_x86.h"

namespace hearth {
namespace {

struct Expand {
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
        visit<kShape>(group, table, [codes]<int kQuad>(__m512i code) HEARTH_EXPAND_LAMBDA {
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
            sums[1][r] = kHalves == 1 ? _mm512_setzero_si512()
                                      : start(activations + (kWordHalfSum + 1) * R + r);
        }
        const int32_t* codes = activations + kWordCodes * R;
        visit<kShape>(group, table, [&]<int kQuad>(__m512i code) HEARTH_EXPAND_LAMBDA {
            for (int r = 0; r < R; ++r)
                sums[kQuad / 4][r] = _mm512_dpbusd_epi32(sums[kQuad / 4][r], code,
                                                         _mm512_set1_epi32(codes[kQuad * R + r]));
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

    // Calls use.operator()<quad>(code) for the 8 quads, in any order.
    template <CodebookShape kShape, typename Use>
    HEARTH_EXPAND_INLINE static void visit(const uint8_t* group, const void* table, const Use& use) {
        #ifndef FIELDS
#define FIELDS false
#endif
        constexpr bool kFields = FIELDS;
        if constexpr (kFields && kShape.values == 8) {
            visit_fields_of_8<kShape, 0>(group, table, use);
            visit_fields_of_8<kShape, 1>(group, table, use);
        } else if constexpr (kFields) {
            visit_fields_of_4<kShape, 0>(group, table, use);
            visit_fields_of_4<kShape, 1>(group, table, use);
            visit_fields_of_4<kShape, 4>(group, table, use);
            visit_fields_of_4<kShape, 5>(group, table, use);
        } else if constexpr (kShape.values==4) {
            visit_words_of_4<kShape, 0>(group, table, use);
            visit_words_of_4<kShape, 1>(group, table, use);
            visit_words_of_4<kShape, 2>(group, table, use);
            visit_words_of_4<kShape, 3>(group, table, use);
            visit_words_of_4<kShape, 4>(group, table, use);
            visit_words_of_4<kShape, 5>(group, table, use);
            visit_words_of_4<kShape, 6>(group, table, use);
            visit_words_of_4<kShape, 7>(group, table, use);
        } else {
            visit_words_of_8<kShape, 0>(group, table, use);
            visit_words_of_8<kShape, 1>(group, table, use);
            visit_words_of_8<kShape, 2>(group, table, use);
            visit_words_of_8<kShape, 3>(group, table, use);
        }
    }

    // ---- Entries looked up in registers: fields of 16 bits, 64 of them with one permutation

    // Brings numbers of entries kEntry and kEntry + 2 (of byte 0 on) into the two words of each row: words to
    // their 128 bits, bytes to their word, then bits down. Above a number lie bits of others.
    template <CodebookShape kShape>
    struct NumberMoves {
        alignas(64) uint16_t words[32];
        alignas(64) uint8_t bytes[64];
        alignas(64) uint16_t shifts[32];

        constexpr NumberMoves() : words(), bytes(), shifts() {
            for (int row = 0; row < kPanelRows; ++row)
                for (int i = 0; i < 2; ++i) {
                    const int lane = row / 4;
                    const int lane_word = (16 * kShape.number_bytes() * i + kShape.bits * 4 * lane) / 16;
                    const int bit = 16 * kShape.number_bytes() * i + kShape.bits * row;
                    words[8 * lane + 4 * i + row % 4] = static_cast<uint16_t>(lane_word + row % 4);
                    for (int b = 0; b < 2; ++b)
                        bytes[4 * row + 2 * i + b] =
                            static_cast<uint8_t>(8 * i + bit / 8 - 2 * lane_word + b);
                    shifts[2 * row + i] = static_cast<uint16_t>(bit % 8);
                }
        }
    };

    template <CodebookShape kShape>
    HEARTH_EXPAND_INLINE static __m512i load_numbers(const uint8_t* numbers) {
        static constexpr NumberMoves<kShape> kMoves;
        __m512i words = _mm512_loadu_si512(numbers);
        words = _mm512_permutexvar_epi16(_mm512_load_si512(kMoves.words), words);
        words = _mm512_shuffle_epi8(words, _mm512_load_si512(kMoves.bytes));
        if constexpr (kShape.bits > 8) words = _mm512_srlv_epi16(words, _mm512_load_si512(kMoves.shifts));
        return words;
    }

    // fields[number] for the numbers below 32 * kRegisters.
    template <int kRegisters>
    HEARTH_EXPAND_INLINE static __m512i look_up(const uint16_t* fields, __m512i numbers) {
        if constexpr (kRegisters == 2) {
            return _mm512_permutex2var_epi16(_mm512_load_si512(fields), numbers,
                                             _mm512_load_si512(fields + 32));
        } else {
            constexpr int kHalf = kRegisters / 2;
            const __mmask32 upper =
                _mm512_test_epi16_mask(numbers, _mm512_set1_epi16(static_cast<short>(32 * kHalf)));
            return _mm512_mask_blend_epi16(upper, look_up<kHalf>(fields, numbers),
                                           look_up<kHalf>(fields + 32 * kHalf, numbers));
        }
    }

    // The low words of a, the high ones of b.
    HEARTH_EXPAND_INLINE static __m512i join_words(__m512i a, __m512i b) {
        return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0xFFFF), a, b, 0xCA);
    }

    template <CodebookShape kShape, int kQuad, typename Use>
    HEARTH_EXPAND_INLINE static void use_quad(const uint8_t* group, __m512i code, const Use& use) {
        if constexpr (kShape.signs) {
            const __m512i signs = _mm512_loadu_si512(group + kShape.signs_at());
            const __mmask64 negative =
                _mm512_test_epi8_mask(signs, _mm512_set1_epi8(static_cast<char>(1 << kQuad)));
            code = _mm512_mask_sub_epi8(code, negative, _mm512_set1_epi8(kMirror), code);
        }
        use.template operator()<kQuad>(code);
    }

    // Quads kEntry and kEntry + 2. The table ignores the upper 4 bits, of which the topmost is never set.
    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_fields_of_4(const uint8_t* group, const void* table,
                                                       const Use& use) {
        const auto& book = *static_cast<const TableOf<kShape>*>(table);
        const __m512i levels = load_levels(book.levels);
        const __m512i fields = look_up<(1 << kShape.bits) / 32>(
            book.fields, load_numbers<kShape>(group + kShape.number_bytes() * kEntry));
        const __m512i first = join_words(fields, _mm512_slli_epi32(fields, 12));
        const __m512i second = join_words(_mm512_srli_epi32(fields, 16), _mm512_srli_epi32(fields, 4));
        use_quad<kShape, kEntry>(group, _mm512_shuffle_epi8(levels, first), use);
        use_quad<kShape, kEntry + 2>(group, _mm512_shuffle_epi8(levels, second), use);
    }

    // The four quads of entries kEntry and kEntry + 2.
    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_fields_of_8(const uint8_t* group, const void* table,
                                                       const Use& use) {
        const auto& book = *static_cast<const TableOf<kShape>*>(table);
        const __m512i levels = load_levels(book.levels);
        const __m512i fields = look_up<(1 << kShape.bits) / 32>(
            book.fields, load_numbers<kShape>(group + kShape.number_bytes() * kEntry));
        const __m512i quads[] = {
            join_words(fields, _mm512_slli_epi32(fields, 14)),
            join_words(_mm512_srli_epi32(fields, 4), _mm512_slli_epi32(fields, 10)),
            join_words(_mm512_srli_epi32(fields, 16), _mm512_srli_epi32(fields, 2)),
            join_words(_mm512_srli_epi32(fields, 20), _mm512_srli_epi32(fields, 6)),
        };
        use_quad<kShape, 2 * kEntry>(group, level_of_2_bits(levels, quads[0]), use);
        use_quad<kShape, 2 * kEntry + 1>(group, level_of_2_bits(levels, quads[1]), use);
        use_quad<kShape, 2 * kEntry + 4>(group, level_of_2_bits(levels, quads[2]), use);
        use_quad<kShape, 2 * kEntry + 5>(group, level_of_2_bits(levels, quads[3]), use);
    }

    HEARTH_EXPAND_INLINE static __m512i load_levels(const uint8_t* levels) {
        return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(levels)));
    }

    HEARTH_EXPAND_INLINE static __m512i level_of_2_bits(__m512i levels, __m512i numbers) {
        return _mm512_shuffle_epi8(levels, _mm512_and_si512(numbers, _mm512_set1_epi8(3)));
    }

    // ---- Entries looked up in memory: words of 8 values

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

}  // namespace
}  // namespace hearth
