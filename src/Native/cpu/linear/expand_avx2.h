// Packed chunks to 8-bit planes with AVX2: 8 rows of a quad in a register.
#pragma once

#include "cpu/linear/expand_x86.h"

namespace hearth {
namespace {

struct Expand {
    static constexpr int kMultiplyRows = 1;  // of tiles that are multiplied at once

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

    // group: packed; table: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* table, uint8_t* codes) {
        const auto* entries = static_cast<const TableOf<kShape>*>(table)->codes;
        visit<kShape, 0>(group, entries, [&]<int kQuad>(__m256i code) HEARTH_EXPAND_LAMBDA {
            store(codes + 64 * kQuad, with_signs<kShape, kQuad, 0>(group, code));
        });
        visit<kShape, 1>(group, entries, [&]<int kQuad>(__m256i code) HEARTH_EXPAND_LAMBDA {
            store(codes + 64 * kQuad + 32, with_signs<kShape, kQuad, 1>(group, code));
        });
    }

    // dots [kHalves][2] = the products of the 8 rows of each part with a row of activations, of all columns
    // or of each half.
    template <CodebookShape kShape, int R, int kHalves>
    HEARTH_EXPAND_INLINE static void multiply(const uint8_t* group, const void* table,
                                              const int32_t* activations, __m256i* dots) {
        static_assert(R == 1);
        multiply_part<kShape, kHalves, 0>(group, table, activations, dots);
        multiply_part<kShape, kHalves, 1>(group, table, activations, dots);
    }

  private:
    static __m256i load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static void store(uint8_t* p, __m256i a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
    static __m256i at_least(__m256i a, __m256i b) { return _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a); }
    static __m256i join(__m128i a, __m128i b) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    }

    // Calls use.operator()<quad>(codes without signs) for the 8 quads of a part's rows, in order.
    template <CodebookShape kShape, int kPart, typename Word, typename Use>
    HEARTH_EXPAND_INLINE static void visit(const uint8_t* group, const Word* entries, const Use& use) {
        visit_entry<kShape, kPart, 0>(group, entries, use);
        visit_entry<kShape, kPart, 1>(group, entries, use);
        visit_entry<kShape, kPart, 2>(group, entries, use);
        visit_entry<kShape, kPart, 3>(group, entries, use);
        if constexpr (kShape.values == 4) {
            visit_entry<kShape, kPart, 4>(group, entries, use);
            visit_entry<kShape, kPart, 5>(group, entries, use);
            visit_entry<kShape, kPart, 6>(group, entries, use);
            visit_entry<kShape, kPart, 7>(group, entries, use);
        }
    }

    template <CodebookShape kShape, int kPart, int kEntry, typename Word, typename Use>
    HEARTH_EXPAND_INLINE static void visit_entry(const uint8_t* group, const Word* entries, const Use& use) {
        const Numbers<kShape.bits> numbers(group + kShape.number_bytes() * kEntry + kShape.bits * kPart);
        if constexpr (kShape.values == 4) {
            use.template operator()<kEntry>(
                join(load_entries_4<0>(entries, numbers), load_entries_4<4>(entries, numbers)));
        } else {
            const Pairs low = load_entries_8<0>(entries, numbers);
            const Pairs high = load_entries_8<4>(entries, numbers);
            // Pairs of rows lie so that shuffling within 128 bits puts rows in order.
            const __m256 a = _mm256_castsi256_ps(join(low.first, high.first));
            const __m256 b = _mm256_castsi256_ps(join(low.second, high.second));
            __m256i first = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
            __m256i second = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
            if constexpr (!kShape.signs) {
                const __m256i two = below(group[kShape.signs_at() + 2 * kEntry + kPart]);
                first = _mm256_sub_epi8(first, two);
                second = _mm256_sub_epi8(second, two);
            }
            use.template operator()<2 * kEntry>(first);
            use.template operator()<2 * kEntry + 1>(second);
        }
    }

    // 2 in the bytes of the rows whose bit is set.
    HEARTH_EXPAND_INLINE static __m256i below(uint8_t rows) {
        const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(rows), each), each);
        return _mm256_and_si256(set, _mm256_set1_epi8(2));
    }

    // The quad's bits of the signs as the bytes' top bits; other bits mean nothing.
    template <CodebookShape kShape, int kQuad, int kPart>
    HEARTH_EXPAND_INLINE static __m256i signs_of(const uint8_t* group) {
        return _mm256_slli_epi16(load(group + kShape.signs_at() + 32 * kPart), 7 - kQuad);
    }

    template <CodebookShape kShape, int kQuad, int kPart>
    HEARTH_EXPAND_INLINE static __m256i with_signs(const uint8_t* group, __m256i code) {
        if constexpr (!kShape.signs) return code;
        return _mm256_blendv_epi8(code, _mm256_sub_epi8(_mm256_set1_epi8(kMirror), code),
                                  signs_of<kShape, kQuad, kPart>(group));
    }

    // Quads whose products, summed in pairs, fit into 16 bits together, within columns of one scale.
    template <CodebookShape kShape, int kHalves>
    static constexpr int summed_quads() {
        const int code = kShape.signs ? kShape.largest : kShape.largest + kNearZero;
        int quads = 8 / kHalves;
        while (quads * 2 * code * 127 > 32767) quads /= 2;
        return quads;
    }

    // Where there are signs, magnitudes times activations with the signs.
    template <CodebookShape kShape, int kHalves, int kPart>
    HEARTH_EXPAND_INLINE static void multiply_part(const uint8_t* group, const void* table,
                                                   const int32_t* activations, __m256i* dots) {
        constexpr int kSummed = summed_quads<kShape, kHalves>();
        __m256i sums[kHalves];
        for (int half = 0; half < kHalves; ++half)
            sums[half] = _mm256_slli_epi32(
                _mm256_set1_epi32(activations[kHalves == 1 ? kWordSum : kWordHalfSum + half]), kNearShift);
        if constexpr (kShape.signs)
            for (__m256i& sum : sums) sum = _mm256_setzero_si256();
        __m256i products;
        visit<kShape, kPart>(
            group, static_cast<const TableOf<kShape>*>(table)->near,
            [&]<int kQuad>(__m256i code) HEARTH_EXPAND_LAMBDA {
                __m256i quad = _mm256_set1_epi32(activations[kWordCodes + kQuad]);
                if constexpr (kShape.signs)
                    quad = _mm256_sign_epi8(
                        quad, _mm256_or_si256(signs_of<kShape, kQuad, kPart>(group), _mm256_set1_epi8(1)));
                const __m256i product = _mm256_maddubs_epi16(code, quad);
                products = kQuad % kSummed == 0 ? product : _mm256_add_epi16(products, product);
                if constexpr (kQuad % kSummed == kSummed - 1) {
                    __m256i& sum = sums[kQuad / 4 * kHalves / 2];
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
                }
            });
        for (int half = 0; half < kHalves; ++half) dots[2 * half + kPart] = sums[half];
    }
};

}  // namespace
}  // namespace hearth
