// What the expansions with AVX2 and AVX-512 share.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/linear/codebook_bytes.h"
#include "cpu/linear/layout.h"

#define HEARTH_EXPAND_INLINE inline __attribute__((always_inline))
#define HEARTH_EXPAND_LAMBDA __attribute__((always_inline))

namespace hearth {
namespace {

// Numbers of 4 adjacent rows' entries, the first of which is a multiple of 4, among those of 16 rows, kBits
// each, one after another.
template <int kRow, int kBits>
struct Numbers {
    uint64_t at[4];

    // Reads 8 bytes, which may reach into what follows the numbers.
    HEARTH_EXPAND_INLINE explicit Numbers(const uint8_t* numbers) {
        uint64_t word;
        std::memcpy(&word, numbers + kRow * kBits / 8, sizeof word);
        if constexpr (kBits == 8) {
            // Two bytes of a register are numbers as they are.
            auto low = static_cast<uint32_t>(word);
            at[0] = low & 255;
            at[1] = (low >> 8) & 255;
            low >>= 16;
            __asm__("" : "+Q"(low));
            at[2] = low & 255;
            at[3] = low >> 8;
        } else {
            word >>= kRow * kBits % 8;
            at[0] = word & ((1u << kBits) - 1);
            at[1] = _bextr_u64(word, kBits, kBits);
            at[2] = _bextr_u64(word, 2 * kBits, kBits);
            at[3] = _bextr_u64(word, 3 * kBits, kBits);
        }
    }
};

// Entries of 8 values of two adjacent rows.
HEARTH_EXPAND_INLINE __m128i load_entries_8(const uint64_t* words, uint64_t first, uint64_t second) {
    return _mm_castps_si128(
        _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words + first))),
                     reinterpret_cast<const __m64*>(words + second)));
}

// Entries of 8 values of four adjacent rows, two rows in a register.
struct Pairs {
    __m128i first, second;
};

template <int kRow, int kBits>
HEARTH_EXPAND_INLINE Pairs load_pairs(const uint64_t* words, const uint8_t* numbers) {
    const Numbers<kRow, kBits> number(numbers);
    return {load_entries_8(words, number.at[0], number.at[1]),
            load_entries_8(words, number.at[2], number.at[3])};
}

// Entries of 4 values of four adjacent rows.
template <int kRow, int kBits>
HEARTH_EXPAND_INLINE __m128i load_entries_4(const void* table, const uint8_t* numbers) {
    const uint64_t* pairs = static_cast<const CodebookTable<uint32_t, 1 << kBits>*>(table)->pairs;
    const Numbers<kRow, kBits> number(numbers);
    const auto load = [](const uint64_t* p) HEARTH_EXPAND_LAMBDA {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    };
    __m128i result = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pairs + number.at[0]));
    result = _mm_blend_epi32(result, load(pairs + number.at[1]), 2);
    result = _mm_blend_epi32(result, load(pairs - 1 + number.at[2]), 4);
    return _mm_blend_epi32(result, load(pairs - 1 + number.at[3]), 8);
}

// This minus a code is the code of the value's negative.
constexpr int8_t kMirror = static_cast<int8_t>(2 << kExpandedZeroShift);

}  // namespace
}  // namespace hearth
