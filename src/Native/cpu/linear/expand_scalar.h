// Packed chunks to 8-bit planes for any processor, a row after another.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/linear/expanded_pack.h"
#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Expand {
    static constexpr int kMultiplyRows = 0;  // no multiply()

    // body: a chunk of Trits; codes: its 64 quads.
    static void trits(const uint8_t* body, uint8_t* codes) {
        for (int row = 0; row < kPanelRows; ++row) {
            uint8_t digits[kSuperColumns];
            read_packed_trits(body, row, digits);
            for (uint8_t& digit : digits) digit = static_cast<uint8_t>(digit + kZero - 1);
            for (int quad = 0; quad < kSuperColumns / 4; ++quad)
                std::memcpy(codes + 64 * quad + 4 * row, digits + 4 * quad, 4);
        }
    }

    // group: packed; words: codebook_bytes; codes: 8 quads.
    template <CodebookShape kShape>
    static void group(const uint8_t* group, const void* words, uint8_t* codes) {
        for (int row = 0; row < kPanelRows; ++row) {
            const CodebookGroup source = read_packed_group(kShape, group, row);
            uint8_t values[kGroupColumns];
            for (int e = 0; e < kShape.entries(); ++e)
                std::memcpy(values + kShape.values * e,
                            static_cast<const uint8_t*>(words) + kShape.values * source.entries[e],
                            kShape.values);
            for (int j = 0; j < kGroupColumns; ++j) {
                if ((source.signs[j / 8] >> (j % 8)) & 1)
                    values[j] = static_cast<uint8_t>(2 * kZero - values[j]);
                if ((source.shifts >> (j / 8)) & 1) values[j] = static_cast<uint8_t>(values[j] - 2);
            }
            for (int quad = 0; quad < 8; ++quad)
                std::memcpy(codes + 64 * quad + 4 * row, values + 4 * quad, 4);
        }
    }

  private:
    static constexpr int kZero = 1 << kExpandedZeroShift;
};

}  // namespace
}  // namespace hearth
