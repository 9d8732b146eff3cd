// The grids as the kernels look them up.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

// Word: uint64_t or uint32_t, 8 or 4 bytes of value + 64; values of a shifted codebook are those above their
// levels.
template <typename Word, int kEntries>
struct CodebookTable {
    alignas(64) Word words[kEntries];
    // The same with numbers of levels in place of values, for processors that look up in registers. The low
    // byte holds the even values' numbers, the high one the odd values': 4 bits each (entries of 4 values) or
    // 2.
    alignas(64) uint16_t fields[kEntries];
    // Level + 64 at a field's 4 bits, of which those above a number of 2 bits mean nothing.
    alignas(16) uint8_t levels[16];
    // Words of 4 values, each twice, between readable bytes: what a load of 16 bytes brings to where it is
    // wanted lies within them.
    uint64_t before;
    uint64_t pairs[sizeof(Word) == 4 ? kEntries : 1];
    uint64_t after;
};

// A CodebookTable; its words come first. Null for a type without a grid. Valid for ever.
const void* codebook_bytes(hearth_type type);

// 2^-n by which a type's scales are smaller than what the packed header holds.
float scale_unit(hearth_type type);

}  // namespace hearth
