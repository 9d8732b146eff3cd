// Grid entries looked up in registers with AVX512-VBMI, which has 128 bytes looked up by 64 numbers at once.
// An entry is 16 bits, the numbers of its values' levels; its two bytes are looked up apart.
#pragma once

#include "cpu/linear/expand_avx512.h"

namespace hearth {
namespace {

// Where the numbers of 8 bits of four columns of entries go.
struct ByteMoves {
    alignas(64) uint8_t bytes[64];

    constexpr ByteMoves() : bytes() {
        for (int row = 0; row < kPanelRows; ++row)
            for (int e = 0; e < 4; ++e)
                bytes[16 * (row / 4) + 8 * (e / 2) + 2 * (row % 4) + e % 2] =
                    static_cast<uint8_t>(16 * e + row);
    }
};
constexpr ByteMoves kByteMoves;

// Brings the numbers of two columns of entries into the two words of each row: words to their 128 bits,
// bytes to their word, then bits down. Above a number lie bits of others.
template <CodebookShape kShape>
struct NumberMoves {
    alignas(64) uint16_t words[32];
    alignas(64) uint8_t bytes[64];
    alignas(64) uint16_t shifts[32];

    constexpr NumberMoves() : words(), bytes(), shifts() {
        for (int row = 0; row < kPanelRows; ++row)
            for (int i = 0; i < 2; ++i) {
                const int lane = row / 4;
                const int lane_word = (8 * kShape.number_bytes() * i + kShape.bits * 4 * lane) / 16;
                const int bit = 8 * kShape.number_bytes() * i + kShape.bits * row;
                words[8 * lane + 4 * i + row % 4] = static_cast<uint16_t>(lane_word + row % 4);
                for (int b = 0; b < 2; ++b)
                    bytes[4 * row + 2 * i + b] = static_cast<uint8_t>(8 * i + bit / 8 - 2 * lane_word + b);
                shifts[2 * row + i] = static_cast<uint16_t>(bit % 8);
            }
    }
};

// Which bits of two rows' entries of two columns, 16 each, become a quad's bytes: the numbers of the
// even values lie 8 below those of the odd ones.
struct QuadBits {
    alignas(64) uint8_t first_bits[64];

    // first: the quad's place in the 64 bits; step: bits of a number.
    constexpr QuadBits(int first, int step) : first_bits() {
        for (int i = 0; i < 64; ++i)
            first_bits[i] = static_cast<uint8_t>(i % 8 / 4 * 32 + first + i % 2 * 8 + i % 4 / 2 * step);
    }
};

struct RegisterEntries {
    // As MemoryEntries::visit. Larger grids are left in memory: they would take more look-ups than they save.
    template <CodebookShape kShape, typename Use>
    HEARTH_EXPAND_INLINE static void visit(const uint8_t* group, const void* table, const Use& use) {
        if constexpr (kShape.values == 4 && kShape.bits == 9) {
            visit_512<kShape>(group, table, use);
        } else if constexpr (kShape.values == 4) {
            visit_256<kShape, 0>(group, table, use);
            visit_256<kShape, 4>(group, table, use);
        } else if constexpr (kShape.bits == 8) {
            visit_256<kShape, 0>(group, table, use);
        } else {
            MemoryEntries::visit<kShape>(group, table, use);
        }
    }

  private:
    static __m512i load(const void* p) { return _mm512_loadu_si512(p); }

    // Four columns of entries from kEntry on: a, b, c, d. In 128 bits lie, for 4 rows, numbers or bytes of a
    // and b in turn, then those of c and d.
    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void visit_256(const uint8_t* group, const void* table, const Use& use) {
        const auto& book = *static_cast<const TableOf<kShape>*>(table);
        const uint8_t* numbers = group + kShape.number_bytes() * kEntry;
        const __m512i places = _mm512_permutexvar_epi8(load(kByteMoves.bytes), load(numbers));
        const __m512i low = look_up(book.low_numbers, places);
        const __m512i high = look_up(book.high_numbers, places);
        use_pair<kShape, kEntry>(group, book.levels, _mm512_unpacklo_epi8(low, high), use);
        use_pair<kShape, kEntry + 2>(group, book.levels, _mm512_unpackhi_epi8(low, high), use);
    }

    // All eight columns of entries at once, since reading a grid of 512 takes as long as looking up in it.
    template <CodebookShape kShape, typename Use>
    HEARTH_EXPAND_INLINE static void visit_512(const uint8_t* group, const void* table, const Use& use) {
        const auto& book = *static_cast<const TableOf<kShape>*>(table);
        const __m512i byte = _mm512_set1_epi16(255), ninth = _mm512_set1_epi16(256);
        __m512i places[2], low[2], high[2];
        __mmask64 upper[2];
        for (int i = 0; i < 2; ++i) {
            const uint8_t* numbers = group + 4 * i * kShape.number_bytes();
            const __m512i first = load_numbers<kShape>(numbers);
            const __m512i second = load_numbers<kShape>(numbers + 2 * kShape.number_bytes());
            places[i] = _mm512_packus_epi16(_mm512_and_si512(first, byte), _mm512_and_si512(second, byte));
            const __m512i ninths =
                _mm512_packus_epi16(_mm512_and_si512(first, ninth), _mm512_and_si512(second, ninth));
            upper[i] = _mm512_test_epi8_mask(ninths, ninths);
        }
        look_up_both(book.low_numbers, places, upper, low);
        look_up_both(book.high_numbers, places, upper, high);
        use_pair<kShape, 0>(group, book.levels, _mm512_unpacklo_epi8(low[0], high[0]), use);
        use_pair<kShape, 2>(group, book.levels, _mm512_unpackhi_epi8(low[0], high[0]), use);
        use_pair<kShape, 4>(group, book.levels, _mm512_unpacklo_epi8(low[1], high[1]), use);
        use_pair<kShape, 6>(group, book.levels, _mm512_unpackhi_epi8(low[1], high[1]), use);
    }

    // bytes [512] at 2 x 64 places, the upper half of them where upper says so.
    HEARTH_EXPAND_INLINE static void look_up_both(const uint8_t* bytes, const __m512i* places,
                                                  const __mmask64* upper, __m512i* found) {
        __m512i quarters[4][2];
        for (int q = 0; q < 4; ++q) {
            const __m512i first = load(bytes + 128 * q), second = load(bytes + 128 * q + 64);
            for (int i = 0; i < 2; ++i) quarters[q][i] = _mm512_permutex2var_epi8(first, places[i], second);
        }
        for (int i = 0; i < 2; ++i) {
            const __mmask64 odd = _mm512_movepi8_mask(places[i]);
            found[i] =
                _mm512_mask_blend_epi8(upper[i], _mm512_mask_blend_epi8(odd, quarters[0][i], quarters[1][i]),
                                       _mm512_mask_blend_epi8(odd, quarters[2][i], quarters[3][i]));
        }
    }

    // bytes [256] at 64 places.
    HEARTH_EXPAND_INLINE static __m512i look_up(const uint8_t* bytes, __m512i places) {
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(places),
                                      _mm512_permutex2var_epi8(load(bytes), places, load(bytes + 64)),
                                      _mm512_permutex2var_epi8(load(bytes + 128), places, load(bytes + 192)));
    }

    template <CodebookShape kShape>
    HEARTH_EXPAND_INLINE static __m512i load_numbers(const uint8_t* numbers) {
        static constexpr NumberMoves<kShape> kMoves;
        const __m512i words = _mm512_permutexvar_epi16(load(kMoves.words), load(numbers));
        return _mm512_srlv_epi16(_mm512_shuffle_epi8(words, load(kMoves.bytes)), load(kMoves.shifts));
    }

    // entries: in each row's 32 bits, an entry of column kEntry and one of the next.
    template <CodebookShape kShape, int kEntry, typename Use>
    HEARTH_EXPAND_INLINE static void use_pair(const uint8_t* group, const uint8_t* levels, __m512i entries,
                                              const Use& use) {
        if constexpr (kShape.values == 4) {
            use_entry_quad<kShape, kEntry, 0, 4>(group, levels, entries, use);
            use_entry_quad<kShape, kEntry + 1, 16, 4>(group, levels, entries, use);
        } else {
            use_entry_quad<kShape, 2 * kEntry, 0, 2>(group, levels, entries, use);
            use_entry_quad<kShape, 2 * kEntry + 1, 4, 2>(group, levels, entries, use);
            use_entry_quad<kShape, 2 * kEntry + 2, 16, 2>(group, levels, entries, use);
            use_entry_quad<kShape, 2 * kEntry + 3, 20, 2>(group, levels, entries, use);
        }
    }

    template <CodebookShape kShape, int kQuad, int kFirst, int kStep, typename Use>
    HEARTH_EXPAND_INLINE static void use_entry_quad(const uint8_t* group, const uint8_t* levels,
                                                    __m512i entries, const Use& use) {
        static constexpr QuadBits kMoves(kFirst, kStep);
        const __m512i numbers = _mm512_multishift_epi64_epi8(load(kMoves.first_bits), entries);
        use_quad<kShape, kQuad>(group, _mm512_permutexvar_epi8(numbers, load(levels)), use);
    }
};

}  // namespace
}  // namespace hearth
