// The order in which packed weights and quantized activations lie in memory, the same for every instruction
// set.
//
// Weights. 16 rows (outputs) form a panel; the last panel is filled up with zero rows. A panel of a quantized
// type is a sequence of chunks of chunk_columns columns: a header with the scales of the 16 rows, then the
// codes, 32 columns (a group) after another. Codes are unsigned and split into bit planes. A 64-byte vector
// of a plane holds the same columns for 16 rows, 4 bytes a row, each byte for one column of a quad (4
// adjacent columns):
//   8-bit plane: 8 vectors a group; vector q holds quad q
//   4-bit plane: 4 vectors; vector v holds quad v in the low nibbles, quad v + 4 in the high ones
//   2-bit plane: 2 vectors; bits 2i of vector v hold quad 4v + i
//   1-bit plane: 1 vector; bit q holds quad q
// so one vector times one quad of activations yields 16 outputs without a sum across lanes.
// A panel of F32 or F16 is [columns][16]. One of BF16 is [pairs of columns][16][2], since products of
// bfloat16 take two columns at once; an odd last column is paired with zeros.
//
// Types whose codes name several values at once stay so when packed: each value apart would take a fifth to a
// half more memory. The kernels turn a chunk into an 8-bit plane first (value + 64), and read that.
//   Codebook, a group: its columns of entries, each with the numbers of 16 rows bit after bit; then the
//   signs, a 1-bit plane (set: the column is negative), or, for shifted codebooks, [4 columns of entries]
//   of 16 bits (bit r: row r lies below its levels)
//   Trits, a chunk: 13 vectors; byte 4 r + j of vector v holds column j of row r of quads 5 v .. 5 v + 4, as
//     digits of a base-3 number n, stored as n * 256 / 243 rounded up
//
// Activations. Rows of a call form tiles (see tiles.h) of R rows, the last one filled up with zero rows. A
// tile is a sequence of groups of 32 columns. Two adjacent groups, counted from the row's first, are a block
// and share a scale, so that the weights' scales alone meet each group's sums. A group is 13 arrays of R
// words: the scale (float), a word of its chunk, minus the sum of all codes, of the first 16, of the last 16
// (int32), then 8 quads of int8 codes. The words of a chunk (8 groups, 256 columns) are what its minimums
// meet: those of groups 0, 2, 4 and 6 hold the sums of their block's two groups in 16 bits each, in units of
// the chunk; that of group 1 is the unit (float): the largest sum is 32767 of it; the others are zero, as all
// are in a last chunk of fewer groups.
// A tile for floating-point weights is [columns][R] in float32; where the processor multiplies bfloat16, that
// for BF16 is [pairs of columns][R][2] in bfloat16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/formats/blocks.h"
#include "hearth.h"

namespace hearth {

constexpr int kPanelRows = 16;
constexpr int kGroupColumns = 32;
constexpr int kGroupWords = 13;  // words of a row's group of activations
constexpr int kWordScale = 0, kWordChunk = 1, kWordSum = 2, kWordHalfSum = 3, kWordCodes = 5;
constexpr int kBlockGroups = 2;  // groups of activations that share a scale
constexpr int kChunkGroups = 8;  // whose sums share a unit
constexpr int kUnitGroup = 1;    // of a chunk: its word is the unit

// How the header holds scales; arrays of 16 are one entry a row.
enum class ScaleKind {
    None,
    Half,            // [2 file blocks][16] f16, each for scale_groups groups
    HalfAndMinimum,  // [2 groups][16] f16 scales, likewise minimums (added)
    // d [16], dmin [16] f16, then 6-bit scales and minimums (subtracted): their upper two bits, [16][2
    // groups] of 16 bits, see crumb_bit; their lower four, [4 blocks][16][2 groups] of scale | minimum << 4
    Super32,
    Super16,         // d [16] f16; scales [16 half groups][16] i8
    SuperNibbles16,  // d [16], dmin [16] f16; [16 half groups][16] scale | minimum << 4 (subtracted)
    SuperCentred32,  // d [16] f16; scales [4 blocks][16][2 groups] i8
    Exponent,        // [4 groups][16] u8 e: the scale is 2^(e - 128)
    Float8,  // [4 half groups][16] u8, E4M3 without a sign, in units of 2^-7 * a number of half precision
    Super,   // d [16] f16
    Odd32,   // d [16] f16; [4 pairs of groups][16] s of the even group | s of the odd one << 4
    Odd16    // d [16] f16; [8 groups][16] s of the first half | s of the second << 4; the scale is d * (2 s +
             // 1)
};

// Where the words of upper and the bytes of lower bits lie in a header of Super32.
constexpr int kCrumbsAt = 64, kNibblesAt = 128;

// Where the upper bits of a block's scale lie in a word of Super32; those of its minimum lie 4 bits above.
// Shifted by 4 - crumb_bit(block) they are above the lower four, and the minimum's above its own << 4.
static constexpr int crumb_bit(int block) {
    return 8 * (block / 2) + 2 * (block % 2);
}

enum class Packing { Planes, Codebook, Trits };

// How numbers of entries and signs lie in a group.
struct CodebookShape {
    int values = 0;      // of an entry: 8 or 4
    int bits = 0;        // of an entry's number
    bool signs = false;  // else the codebook is shifted
    int largest = 0;     // magnitude of a value

    constexpr int entries() const { return kGroupColumns / values; }
    constexpr int number_bytes() const { return 2 * bits; }  // of the 16 rows
    constexpr int signs_at() const { return number_bytes() * entries(); }
    constexpr int bytes() const { return signs_at() + (signs ? 64 : 8); }
};

// What a zero is in an expanded chunk; values are below it in magnitude.
constexpr int kExpandedZeroShift = 6;
constexpr int kExpandedBits = 7;
constexpr int kExpandedGroupBytes = 64 * 8;
constexpr int kExpandedChunkBytes = 8 * kExpandedGroupBytes;
constexpr int kTritVectors = 13;  // of a chunk: 64 quads, five to a vector

// Values that 4-bit codes stand for, as unsigned bytes: 1 << zero_shift is zero.
enum class CodeTable { None, Iq4, Mxfp4 };

struct Layout {
    ScaleKind scales;
    int low_bits;    // bits of the first plane
    int high_bits;   // bits of the second plane, 0 where there is none; they stand above the low bits
    int zero_shift;  // codes (or the table's values) are centred on 1 << zero_shift; -1: not centred
    CodeTable table = CodeTable::None;
    Packing packing = Packing::Planes;
    CodebookShape shape = {};
    int narrowed_bits = 0;  // bits of what is multiplied, where fewer than the plane's or the table's 8
    int scale_groups = 1;   // groups that a scale of ScaleKind::Half is for

    constexpr bool expands() const { return packing != Packing::Planes; }
    // What the kernels read a chunk as after expanding it.
    constexpr Layout expanded() const {
        return {scales, 8, 0, kExpandedZeroShift, CodeTable::None, Packing::Planes, {}, kExpandedBits};
    }
    constexpr bool quantized() const { return scales != ScaleKind::None; }
    constexpr int bits() const { return low_bits + high_bits; }
    // Bits of what is multiplied: a code, or the value that it stands for.
    constexpr int value_bits() const {
        if (narrowed_bits != 0) return narrowed_bits;
        if (low_bits == 1) return 2;  // signs
        return table == CodeTable::None ? bits() : 8;
    }
    // Bits that codes are moved up by before they are multiplied: signs are 0 or 2, so that 1 is their zero.
    constexpr int code_shift() const { return low_bits == 1 ? 1 : 0; }
    // Whether the two groups of a block of activations share a scale of the weights, too.
    constexpr bool joins_groups() const { return scale_groups > 1; }
    // 2^-n by which scales are smaller than what the header holds.
    constexpr float unit() const { return scales == ScaleKind::Float8 ? 128.0f : 1.0f; }
    // Columns that share a scale: a whole group or half of one.
    constexpr int scale_columns() const {
        return scales == ScaleKind::Super16 || scales == ScaleKind::SuperNibbles16 ||
                       scales == ScaleKind::Odd16 || scales == ScaleKind::Float8
                   ? 16
                   : 32;
    }
    // Whether the sums of a block's two groups meet their scales together, in 16 bits.
    constexpr bool pairs_groups() const {
        return scales == ScaleKind::Super32 || scales == ScaleKind::SuperCentred32;
    }
    // Bits that a group's sum is shifted down by to fit 16 bits, whatever the codes are.
    constexpr int pair_shift() const {
        const int largest = zero_shift < 0 ? (1 << value_bits()) - 1 : 1 << zero_shift;
        int shift = 0;
        while ((largest * 127 * kGroupColumns) >> shift > 32767) ++shift;
        return shift;
    }
    constexpr bool has_offset() const {
        return scales == ScaleKind::HalfAndMinimum || scales == ScaleKind::Super32 ||
               scales == ScaleKind::SuperNibbles16;
    }
    // Groups of a file's block.
    constexpr int block_groups() const {
        if (scales == ScaleKind::Float8) return 2;
        if (scales == ScaleKind::Half) return scale_groups;
        return scales == ScaleKind::HalfAndMinimum || scales == ScaleKind::Exponent ? 1 : 8;
    }
    constexpr int chunk_groups() const {
        if (scales == ScaleKind::Exponent) return 4;
        return block_groups() < 8 && scales != ScaleKind::Float8 ? 2 * block_groups() : block_groups();
    }
    constexpr int header_bytes() const {
        switch (scales) {
            case ScaleKind::None:
                return 0;
            case ScaleKind::Half:
            case ScaleKind::Exponent:
            case ScaleKind::Float8:
                return 64;
            case ScaleKind::HalfAndMinimum:
                return 128;
            case ScaleKind::SuperCentred32:
                return 192;
            case ScaleKind::Super32:
                return 256;
            case ScaleKind::Super:
                return expands() ? 32 : 64;  // planes are read in whole lines
            case ScaleKind::Odd32:
                return 96;
            case ScaleKind::Odd16:
                return 160;
            default:
                return 320;
        }
    }
    // Trits have no groups in their packed form.
    constexpr int group_bytes() const { return packing == Packing::Codebook ? shape.bytes() : 64 * bits(); }
    // Of a whole chunk, without its header.
    constexpr int body_bytes() const {
        return packing == Packing::Trits ? 64 * kTritVectors : chunk_groups() * group_bytes();
    }
    constexpr int64_t panel_bytes(int64_t columns) const {
        const int64_t groups = columns / kGroupColumns;
        if (expands()) return groups / chunk_groups() * (header_bytes() + body_bytes());
        const int64_t chunks = (groups + chunk_groups() - 1) / chunk_groups();
        return chunks * header_bytes() + groups * group_bytes();
    }
};

static constexpr Layout codebook_layout(ScaleKind scales, int values, int bits, bool signs, int largest) {
    return {scales, 0, 0, -1, CodeTable::None, Packing::Codebook, {values, bits, signs, largest}};
}

static constexpr Layout layout_of(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_Q4_0:
            return {ScaleKind::Half, 4, 0, 3};
        case HEARTH_TYPE_Q4_1:
            return {ScaleKind::HalfAndMinimum, 4, 0, -1};
        case HEARTH_TYPE_Q5_0:
            return {ScaleKind::Half, 4, 1, 4};
        case HEARTH_TYPE_Q5_1:
            return {ScaleKind::HalfAndMinimum, 4, 1, -1};
        case HEARTH_TYPE_Q8_0:
            return {ScaleKind::Half, 8, 0, 7};
        case HEARTH_TYPE_Q2_K:
            return {ScaleKind::SuperNibbles16, 2, 0, -1};
        case HEARTH_TYPE_Q3_K:
            return {ScaleKind::Super16, 2, 1, 2};
        case HEARTH_TYPE_Q4_K:
            return {ScaleKind::Super32, 4, 0, -1};
        case HEARTH_TYPE_Q5_K:
            return {ScaleKind::Super32, 4, 1, -1};
        case HEARTH_TYPE_Q6_K:
            return {ScaleKind::Super16, 4, 2, 5};
        case HEARTH_TYPE_IQ4_NL:
            return {ScaleKind::Half, 4, 0, 7, CodeTable::Iq4};
        case HEARTH_TYPE_IQ4_XS:
            return {ScaleKind::SuperCentred32, 4, 0, 7, CodeTable::Iq4};
        case HEARTH_TYPE_MXFP4:
            return {ScaleKind::Exponent, 4, 0, 4, CodeTable::Mxfp4, Packing::Planes, {}, 5};
        case HEARTH_TYPE_NVFP4:
            return {ScaleKind::Float8, 4, 0, 4, CodeTable::Mxfp4, Packing::Planes, {}, 5};
        case HEARTH_TYPE_Q1_0:
            return {ScaleKind::Half, 1, 0, 0, CodeTable::None, Packing::Planes, {}, 0, 4};
        case HEARTH_TYPE_Q2_0:
            return {ScaleKind::Half, 2, 0, 0, CodeTable::None, Packing::Planes, {}, 0, 2};
        case HEARTH_TYPE_Q2_0_G128:
            return {ScaleKind::Half, 2, 0, 0, CodeTable::None, Packing::Planes, {}, 0, 4};
        case HEARTH_TYPE_IQ2_XXS:
            return codebook_layout(ScaleKind::Odd32, 8, 8, true, 43);
        case HEARTH_TYPE_IQ2_XS:
            return codebook_layout(ScaleKind::Odd16, 8, 9, true, 43);
        case HEARTH_TYPE_IQ2_S:
            return codebook_layout(ScaleKind::Odd16, 8, 10, true, 43);
        case HEARTH_TYPE_IQ3_XXS:
            return codebook_layout(ScaleKind::Odd32, 4, 8, true, 62);
        case HEARTH_TYPE_IQ3_S:
            return codebook_layout(ScaleKind::Odd32, 4, 9, true, 15);
        case HEARTH_TYPE_IQ1_S:
            return codebook_layout(ScaleKind::Odd32, 8, 11, false, 9);
        case HEARTH_TYPE_IQ1_M:
            return codebook_layout(ScaleKind::Odd16, 8, 11, false, 9);
        case HEARTH_TYPE_TQ1_0:
            return {ScaleKind::Super, 0, 0, -1, CodeTable::None, Packing::Trits};
        case HEARTH_TYPE_TQ2_0:
            return {ScaleKind::Super, 2, 0, 0};
        default:
            return {ScaleKind::None, 0, 0, -1};
    }
}

constexpr int kPairBytes = 4 * kPanelRows;  // of a panel of BF16, two columns

static constexpr int64_t column_pairs(int64_t columns) {
    return (columns + 1) / 2;
}

static constexpr int64_t packed_panel_bytes(hearth_type type, int64_t columns) {
    switch (type) {
        case HEARTH_TYPE_F32:
            return columns * kPanelRows * 4;
        case HEARTH_TYPE_F16:
            return columns * kPanelRows * 2;
        case HEARTH_TYPE_BF16:
            return column_pairs(columns) * kPairBytes;
        default:
            return layout_of(type).panel_bytes(columns);
    }
}

struct TableBytes {
    uint8_t values[16];
};

static constexpr TableBytes table_bytes(const Layout& layout) {
    TableBytes bytes{};
    for (int i = 0; i < 16; ++i)
        bytes.values[i] =
            static_cast<uint8_t>((layout.table == CodeTable::Iq4 ? kIq4Values[i] : kMxfp4Values[i]) +
                                 (layout.zero_shift < 0 ? 0 : 1 << layout.zero_shift));
    return bytes;
}

}  // namespace hearth

// Every quantized type: X(name).
// clang-format off
#define HEARTH_PLANE_TYPES(X) \
    X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q8_0) \
    X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) \
    X(IQ4_NL) X(IQ4_XS) X(MXFP4) X(NVFP4) X(TQ2_0) \
    X(Q1_0) X(Q2_0) X(Q2_0_G128)
#define HEARTH_CODEBOOK_TYPES(X) \
    X(IQ2_XXS) X(IQ2_XS) X(IQ2_S) X(IQ3_XXS) X(IQ3_S) X(IQ1_S) X(IQ1_M)
#define HEARTH_EXPANDED_TYPES(X) HEARTH_CODEBOOK_TYPES(X) X(TQ1_0)
#define HEARTH_QUANTIZED_TYPES(X) HEARTH_PLANE_TYPES(X) HEARTH_EXPANDED_TYPES(X)
// clang-format on
