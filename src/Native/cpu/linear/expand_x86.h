// What the expansions with AVX2 and AVX-512 share.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cpu/linear/codebook_bytes.h"
#include "cpu/linear/layout.h"

#define HEARTH_EXPAND_INLINE inline __attribute__((always_inline))
#define HEARTH_EXPAND_LAMBDA __attribute__((always_inline))

namespace hearth {
namespace {

// The numbers of 8 adjacent rows' entries, kBits each, one after another.
template <int kBits>
class Numbers {
  public:
    // Reads up to 15 bytes, which may reach into what follows the numbers.
    HEARTH_EXPAND_INLINE explicit Numbers(const uint8_t* numbers) {
        std::memcpy(&first_, numbers, sizeof first_);
        if constexpr (kBits > 8) std::memcpy(&rest_, numbers + kRestByte, sizeof rest_);
    }

    template <int kRow>
    HEARTH_EXPAND_INLINE uint64_t get() const {
        if constexpr (kBits * (kRow + 1) <= 64)
            return take<kBits * kRow>(first_);
        else
            return take<kBits * kRow - 8 * kRestByte>(rest_);
    }

  private:
    static constexpr int kRestByte = 64 / kBits * kBits / 8;

    template <int kBit>
    HEARTH_EXPAND_INLINE static uint64_t take(uint64_t word) {
        return kBit == 0 ? word & ((1u << kBits) - 1) : _bextr_u64(word, kBit, kBits);
    }

    uint64_t first_, rest_;
};

// Entries of 8 values of rows kRow .. kRow + 3 of Numbers, two rows in a register.
struct Pairs {
    __m128i first, second;
};

HEARTH_EXPAND_INLINE __m128i load_pair(const uint64_t* first, const uint64_t* second) {
    return _mm_castps_si128(
        _mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(first))),
                     reinterpret_cast<const __m64*>(second)));
}

template <int kRow, int kBits>
HEARTH_EXPAND_INLINE Pairs load_entries_8(const uint64_t* words, const Numbers<kBits>& numbers) {
    const __m128i first =
        load_pair(words + numbers.template get<kRow>(), words + numbers.template get<kRow + 1>());
    const __m128i second =
        load_pair(words + numbers.template get<kRow + 2>(), words + numbers.template get<kRow + 3>());
    return {first, second};
}

// Entries of 4 values of rows kRow .. kRow + 3 of Numbers.
template <int kRow, int kBits>
HEARTH_EXPAND_INLINE __m128i load_entries_4(const uint32_t* words, const Numbers<kBits>& numbers) {
    __m128i entries = _mm_cvtsi32_si128(static_cast<int>(words[numbers.template get<kRow>()]));
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 1>()]), 1);
    entries = _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 2>()]), 2);
    return _mm_insert_epi32(entries, static_cast<int>(words[numbers.template get<kRow + 3>()]), 3);
}

template <CodebookShape kShape>
using TableOf = std::conditional_t<kShape.values == 8, CodebookTable<uint64_t, 1 << kShape.bits>,
                                   CodebookTable<uint32_t, 1 << kShape.bits>>;

// This minus a code is the code of the value's negative.
constexpr int8_t kMirror = static_cast<int8_t>(2 << kExpandedZeroShift);

}  // namespace
}  // namespace hearth
