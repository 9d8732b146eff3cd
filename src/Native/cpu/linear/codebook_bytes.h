// The grids as the kernels look them up.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

// What stands for zero among a shifted codebook's near values.
constexpr int kNearShift = 4, kNearZero = 1 << kNearShift;

// Word: uint64_t or uint32_t, 8 or 4 values of a byte each.
template <typename Word, int kEntries>
struct CodebookTable {
    // value + 64; values of a shifted codebook are those above their levels.
    alignas(64) Word codes[kEntries];
    // Magnitudes, or for a shifted codebook value + kNearZero.
    alignas(64) Word near[kEntries];
    // Numbers of levels in place of values, 16 bits an entry, for processors that look up in registers: the
    // low byte holds the even values' numbers, the high one the odd values', 4 bits each (entries of 4
    // values) or 2.
    alignas(64) uint8_t low_numbers[kEntries];
    alignas(64) uint8_t high_numbers[kEntries];
    // Level + 64 at a number; bits above a number mean nothing.
    alignas(64) uint8_t levels[64];
};

// A CodebookTable; its codes come first. Null for a type without a grid. Valid for ever.
const void* codebook_bytes(hearth_type type);

// 2^-n by which a type's scales are smaller than what the packed header holds.
float scale_unit(hearth_type type);

}  // namespace hearth
