// What the expansions with AVX2 and AVX-512 share.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/linear/layout.h"

namespace hearth {
namespace {

// The numbers of 16 rows' entries, shift bit included; low: their low bytes, high: 2 kHighBits bytes
// (layout.h).
template <int kHighBits>
inline __m256i entry_numbers(const uint8_t* low, const uint8_t* high) {
    const __m256i numbers = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
    uint64_t unit = 0;
    std::memcpy(&unit, high, 2 * kHighBits);
    // A product brings a row's bits to bit 8 of its word.
    __m128i bytes;
    __m256i factors;
    if constexpr (kHighBits == 1) {
        bytes = _mm_set1_epi16(static_cast<short>(unit));
        factors = _mm256_setr_epi16(256, 256, 128, 128, 64, 64, 32, 32, 16, 16, 8, 8, 4, 4, 2, 2);
    } else if constexpr (kHighBits == 2) {
        bytes = _mm_set1_epi32(static_cast<int>(unit));
        factors = _mm256_setr_epi16(256, 256, 256, 256, 64, 64, 64, 64, 16, 16, 16, 16, 4, 4, 4, 4);
    } else {
        static_assert(kHighBits == 4);
        bytes = _mm_set1_epi64x(static_cast<long long>(unit));
        factors = _mm256_setr_epi16(256, 256, 256, 256, 256, 256, 256, 256, 16, 16, 16, 16, 16, 16, 16, 16);
    }
    const __m256i bits = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(bytes), factors);
    constexpr int kMask = ((1 << kHighBits) - 1) << 8;
    return _mm256_or_si256(numbers, _mm256_and_si256(bits, _mm256_set1_epi16(kMask)));
}

// Entries of 8 values of two adjacent rows.
template <typename Number>
inline __m128i load_entries_8(const uint64_t* words, const Number* numbers) {
    const __m128 first =
        _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words + numbers[0])));
    return _mm_castps_si128(_mm_loadh_pi(first, reinterpret_cast<const __m64*>(words + numbers[1])));
}

// Entries of 4 values of four adjacent rows.
template <typename Number>
inline __m128i load_entries_4(const uint32_t* words, const Number* numbers) {
    __m128i entries = _mm_cvtsi32_si128(static_cast<int>(words[numbers[0]]));
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers[1]]), 1);
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers[2]]), 2);
    return _mm_insert_epi32(entries, static_cast<int>(words[numbers[3]]), 3);
}

constexpr int kShiftBit = 11;
constexpr int kNumberMask = (1 << kShiftBit) - 1;
constexpr int8_t kMirror = static_cast<int8_t>(2 << kExpandedZeroShift);  // minus a code is its negative

}  // namespace
}  // namespace hearth
