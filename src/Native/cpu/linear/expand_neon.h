// Packed chunks to 8-bit planes with NEON: 4 rows of a quad in a register.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Expand {
    static constexpr int kMultiplyRows = 0;  // no multiply()

    // body: a chunk of Trits; codes: its 64 quads. A byte's first digit counts the thirds of 256 below it;
    // three times the byte, modulo 256, holds the others.
    static void trits(const uint8_t* body, uint8_t* codes) {
        const uint8x16_t zero = vdupq_n_u8((1 << kExpandedZeroShift) - 1);
        const uint8x16_t third = vdupq_n_u8(86), two_thirds = vdupq_n_u8(171);
        for (int v = 0; v < 4 * kTritVectors; ++v) {
            uint8x16_t bytes = vld1q_u8(body + 16 * v);
            for (int n = 0; n < (v / 4 + 1 < kTritVectors ? 5 : 4); ++n) {
                // A comparison that holds is -1.
                const uint8x16_t code =
                    vsubq_u8(vsubq_u8(zero, vcgeq_u8(bytes, third)), vcgeq_u8(bytes, two_thirds));
                vst1q_u8(codes + 64 * (5 * (v / 4) + n) + 16 * (v % 4), code);
                bytes = vmulq_u8(bytes, vdupq_n_u8(3));
            }
        }
    }

    // group: packed; words: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* words, uint8_t* codes) {
        for (int e = 0; e < kShape.entries(); ++e) {
            store_entries<kShape, 0>(group, e, words, codes);
            store_entries<kShape, 1>(group, e, words, codes);
            store_entries<kShape, 2>(group, e, words, codes);
            store_entries<kShape, 3>(group, e, words, codes);
        }
    }

  private:
    // The number of an entry: kBits each, one row after another. Several come from one load, 8 bytes that
    // may reach into what follows the numbers.
    template <int kBits, int kRow>
    static uint64_t number(const uint8_t* numbers) {
        constexpr int kPerLoad = kBits == 8 ? 8 : 5;
        constexpr int kFirst = kRow / kPerLoad * kPerLoad * kBits;
        uint64_t word;
        std::memcpy(&word, numbers + kFirst / 8, sizeof word);
        return (word >> (kRow * kBits - kFirst / 8 * 8)) & ((1u << kBits) - 1);
    }

    // Entry e of a quarter of the rows.
    template <CodebookShape kShape, int kPart>
    static void store_entries(const uint8_t* group, int e, const void* words, uint8_t* codes) {
        constexpr int kBits = kShape.bits, kRow = 4 * kPart;
        const uint8_t* numbers = group + kShape.number_bytes() * e;
        const uint64_t n0 = number<kBits, kRow>(numbers), n1 = number<kBits, kRow + 1>(numbers),
                       n2 = number<kBits, kRow + 2>(numbers), n3 = number<kBits, kRow + 3>(numbers);
        if constexpr (kShape.values == 4) {
            const auto* entries = static_cast<const uint32_t*>(words);
            const uint32x4_t quad = {entries[n0], entries[n1], entries[n2], entries[n3]};
            store_quad<kShape>(group, e, kPart, vreinterpretq_u8_u32(quad), codes);
        } else {
            const auto* entries = static_cast<const uint64_t*>(words);
            const uint32x4_t a =
                vreinterpretq_u32_u64(vcombine_u64(vld1_u64(entries + n0), vld1_u64(entries + n1)));
            const uint32x4_t b =
                vreinterpretq_u32_u64(vcombine_u64(vld1_u64(entries + n2), vld1_u64(entries + n3)));
            uint8x16_t first = vreinterpretq_u8_u32(vuzp1q_u32(a, b));
            uint8x16_t second = vreinterpretq_u8_u32(vuzp2q_u32(a, b));
            if constexpr (!kShape.signs) {
                const uint8x16_t two = below<kPart>(group + kShape.signs_at() + 2 * e);
                first = vsubq_u8(first, two);
                second = vsubq_u8(second, two);
            }
            store_quad<kShape>(group, 2 * e, kPart, first, codes);
            store_quad<kShape>(group, 2 * e + 1, kPart, second, codes);
        }
    }

    // 2 in the bytes of those of the part's rows whose bit is set; rows: 16 bits.
    template <int kPart>
    static uint8x16_t below(const uint8_t* rows) {
        constexpr uint32_t kFirst = 1u << (4 * (kPart % 2));
        const uint32x4_t each = {kFirst, kFirst << 1, kFirst << 2, kFirst << 3};
        const uint32x4_t set = vtstq_u32(vdupq_n_u32(rows[kPart / 2]), each);
        return vandq_u8(vreinterpretq_u8_u32(set), vdupq_n_u8(2));
    }

    template <CodebookShape kShape>
    static void store_quad(const uint8_t* group, int quad, int part, uint8x16_t code, uint8_t* codes) {
        if constexpr (kShape.signs) {
            // This minus a code is the code of the value's negative.
            const uint8x16_t mirror = vdupq_n_u8(2 << kExpandedZeroShift);
            const uint8x16_t signs = vld1q_u8(group + kShape.signs_at() + 16 * part);
            const uint8x16_t negative = vtstq_u8(signs, vdupq_n_u8(static_cast<uint8_t>(1u << quad)));
            code = vbslq_u8(negative, vsubq_u8(mirror, code), code);
        }
        vst1q_u8(codes + 64 * quad + 16 * part, code);
    }
};

}  // namespace
}  // namespace hearth
