// Formats whose codes name entries of a grid: IQ2, IQ3 and IQ1. value = d * unit * (2 scale + 1) * grid
// value, where grid values are whole numbers.
#pragma once

#include <cstdint>

#include "core/formats/blocks.h"
#include "hearth.h"

namespace hearth {

struct Codebook {
    const uint16_t* grid;  // [entries], codebook_grids.h
    int entries;
    int values;        // of an entry: 8 or 4
    int8_t levels[8];  // what the grid's numbers stand for
    bool shifted;      // values lie 1 above the level or, where the group says so, 1 below
    float unit;

    constexpr int level(int entry, int i) const {
        const int bits = values == 8 ? 2 : 3;
        return levels[(grid[entry] >> (bits * i)) & ((1 << bits) - 1)];
    }
};

// Null for a type without a grid.
const Codebook* find_codebook(hearth_type type);

// What a block holds of 32 columns, in the same form for every type.
struct CodebookGroup {
    uint16_t entries[8];  // 4 numbers of entries of 8 values, or 8 of 4
    uint8_t signs[4];     // bit j of signs[i]: column 8 i + j is negative
    uint8_t scales[2];    // of the first and of the last 16 columns
    uint8_t shifts;       // bit i: columns 8 i .. 8 i + 7 lie below their levels (shifted codebooks)
};

CodebookGroup read_group(const BlockIQ2_XXS& block, int group);
CodebookGroup read_group(const BlockIQ2_XS& block, int group);
CodebookGroup read_group(const BlockIQ2_S& block, int group);
CodebookGroup read_group(const BlockIQ3_XXS& block, int group);
CodebookGroup read_group(const BlockIQ3_S& block, int group);
CodebookGroup read_group(const BlockIQ1_S& block, int group);
CodebookGroup read_group(const BlockIQ1_M& block, int group);

// The block's scale d as f16.
template <typename Block>
uint16_t read_d(const Block& block) {
    return block.d;
}
template <>
uint16_t read_d(const BlockIQ1_M& block);

// The whole numbers that 32 columns stand for.
void codebook_values(const Codebook& book, const CodebookGroup& group, int8_t* values);

}  // namespace hearth
