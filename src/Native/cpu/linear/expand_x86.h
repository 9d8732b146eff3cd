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

// The numbers of 16 rows' entries, kBits each, one after another.
template <int kBits>
struct Numbers {
    const uint8_t* data;

    // Several numbers come from one load, 8 bytes that may reach into what follows the numbers.
    template <int kRow>
    HEARTH_EXPAND_INLINE uint64_t get() const {
        constexpr int kPerLoad = kBits == 8 ? 8 : 5;
        constexpr int kFirst = kRow / kPerLoad * kPerLoad * kBits;
        uint64_t word;
        std::memcpy(&word, data + kFirst / 8, sizeof word);
        return (word >> (kRow * kBits - kFirst / 8 * 8)) & ((1u << kBits) - 1);
    }
};

// Entries of 8 values of two adjacent rows.
template <int kRow, int kBits>
HEARTH_EXPAND_INLINE __m128i load_entries_8(const uint64_t* words, Numbers<kBits> numbers) {
    const auto* first = reinterpret_cast<const __m128i*>(words + numbers.template get<kRow>());
    const auto* second = reinterpret_cast<const __m64*>(words + numbers.template get<kRow + 1>());
    return _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64(first)), second));
}

// Entries of 4 values of four adjacent rows.
template <int kRow, int kBits>
HEARTH_EXPAND_INLINE __m128i load_entries_4(const uint32_t* words, Numbers<kBits> numbers) {
    __m128i entries = _mm_cvtsi32_si128(static_cast<int>(words[numbers.template get<kRow>()]));
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 1>()]), 1);
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 2>()]), 2);
    return _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 3>()]), 3);
}

// This minus a code is the code of the value's negative.
constexpr int8_t kMirror = static_cast<int8_t>(2 << kExpandedZeroShift);

}  // namespace
}  // namespace hearth
