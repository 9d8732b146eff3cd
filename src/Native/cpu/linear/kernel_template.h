// The kernels, written once over the vector layer: include after vector_*.h and expand_*.h, in one unit an
// instruction set. All of it has internal linkage, since the linker would otherwise share code between
// instruction sets.
//
// y[r][o] = sum over blocks b of s_a[r][b] * sum over the groups g of b of
//             s_w[g][o] * (sum over columns of code_w * code_a, in int32) + offset[g][o] * (sum of code_a)
// Chunks whose scales are integers times one of the chunk take d[o] out of the sums over its blocks, and the
// minimums meet the chunk's sums by themselves: see multiply_paired_chunk.
// R: rows of the activation tile. Layouts are described in layout.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/linear/codebook_bytes.h"
#include "cpu/linear/kernels.h"
#include "cpu/linear/layout.h"
#include "cpu/linear/quantize_template.h"

namespace hearth {
namespace {

using F = Isa::F;
using I = Isa::I;
using B = Isa::B;

constexpr int kParts = kPanelRows / Isa::kLanes;

HEARTH_INLINE void prefetch_lines(const uint8_t* p, int bytes) {
    for (int line = 0; line < bytes; line += 64) Isa::prefetch(p + line);
}

// Codes of quad kQuad for the rows of one part of the panel.
template <Layout kLayout, int kQuad>
HEARTH_INLINE B load_quad(const uint8_t* group) {
    constexpr int kLow = kLayout.low_bits;
    const uint8_t* high = group + 64 * kLow;
    B codes;
    if constexpr (kLow == 8)
        codes = Isa::load_codes(group + 64 * kQuad);
    else if constexpr (kLow == 4)
        codes = Isa::take_bits < kQuad < 4 ? 0 : -4, 15 > (Isa::load_codes(group + 64 * (kQuad % 4)));
    else if constexpr (kLow == 1)
        codes =
            Isa::take_bits<kLayout.code_shift() - kQuad, 1 << kLayout.code_shift()>(Isa::load_codes(group));
    else
        codes = Isa::take_bits<-2 * (kQuad % 4), 3>(Isa::load_codes(group + 64 * (kQuad / 4)));
    if constexpr (kLayout.high_bits == 2)
        codes = Isa::merge_bits<kLow - 2 * (kQuad % 4), 3 << kLow>(codes,
                                                                   Isa::load_codes(high + 64 * (kQuad / 4)));
    else if constexpr (kLayout.high_bits == 1)
        codes = Isa::merge_bits<kLow - kQuad, 1 << kLow>(codes, Isa::load_codes(high));
    if constexpr (kLayout.table != CodeTable::None) {
        static constexpr TableBytes kTable = table_bytes(kLayout);
        codes = Isa::look_up(codes, kTable.values);
    }
    return codes;
}

// Scales of group kGroup of a chunk, half kHalf; header points at the part's first row of f16.
template <ScaleKind kKind>
HEARTH_INLINE F load_scale(const uint8_t* header, int group, int half, int part) {
    constexpr int kLanes = Isa::kLanes;
    const uint8_t* halves = header + 2 * kLanes * part;
    const uint8_t* bytes = header + kLanes * part;
    if constexpr (kKind == ScaleKind::Half || kKind == ScaleKind::HalfAndMinimum)
        return Isa::load_half(halves + 32 * group);
    else if constexpr (kKind == ScaleKind::Exponent)
        return Isa::load_exponent(bytes + 16 * group);
    else if constexpr (kKind == ScaleKind::Float8)
        return Isa::load_float8(bytes + 16 * (2 * group + half));
    else if constexpr (kKind == ScaleKind::Super)
        return Isa::load_half(halves);
    else if constexpr (kKind == ScaleKind::Odd32)
        return Isa::multiply(Isa::load_half(halves),
                             Isa::load_odd(bytes + 32 + 16 * (group / 2), 4 * (group % 2)));
    else if constexpr (kKind == ScaleKind::Odd16)
        return Isa::multiply(Isa::load_half(halves), Isa::load_odd(bytes + 32 + 16 * group, 4 * half));
    else if constexpr (kKind == ScaleKind::Super16)
        return Isa::multiply(Isa::load_half(halves), Isa::load_i8(bytes + 32 + 16 * (2 * group + half)));
    else
        return Isa::multiply(Isa::load_half(halves),
                             Isa::load_low_nibbles(bytes + 64 + 16 * (2 * group + half)));
}

// The minimums' magnitude; added for HalfAndMinimum, subtracted for the others.
template <ScaleKind kKind>
HEARTH_INLINE F load_minimum(const uint8_t* header, int group, int half, int part) {
    constexpr int kLanes = Isa::kLanes;
    const uint8_t* halves = header + 2 * kLanes * part;
    const uint8_t* bytes = header + kLanes * part;
    if constexpr (kKind == ScaleKind::HalfAndMinimum)
        return Isa::load_half(halves + 64 + 32 * group);
    else
        return Isa::multiply(Isa::load_half(halves + 32),
                             Isa::load_high_nibbles(bytes + 64 + 16 * (2 * group + half)));
}

// sums [R] += two quads of weights * their activations, by a layer that takes all rows at once or one by one.
template <typename Layer, int kBits, int R, int kQuad0, int kQuad1>
HEARTH_INLINE void dot_rows(I* sums, B weights0, B weights1, const int32_t* codes) {
    if constexpr (requires { Layer::kDotsRows; }) {
        Layer::template dot_rows<kBits, R, kQuad0, kQuad1>(sums, weights0, weights1, codes);
    } else {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            sums[r] = Layer::template dot_pair<kBits>(sums[r], weights0, codes + kQuad0 * R + r, weights1,
                                                      codes + kQuad1 * R + r);
    }
}

template <Layout kLayout, int R, int kQuad0, int kQuad1>
HEARTH_INLINE void multiply_quads(const uint8_t* group, const int32_t* codes, I* sums) {
    const B weights0 = load_quad<kLayout, kQuad0>(group);
    const B weights1 = load_quad<kLayout, kQuad1>(group);
    dot_rows<Isa, kLayout.value_bits(), R, kQuad0, kQuad1>(sums, weights0, weights1, codes);
}

template <Layout kLayout, int R>
HEARTH_INLINE void multiply_all_quads(const uint8_t* group, const int32_t* codes, I* sums) {
    multiply_quads<kLayout, R, 0, 4>(group, codes, sums);
    multiply_quads<kLayout, R, 1, 5>(group, codes, sums);
    multiply_quads<kLayout, R, 2, 6>(group, codes, sums);
    multiply_quads<kLayout, R, 3, 7>(group, codes, sums);
}

// One part of a panel's block times one block of activations that shares one scale, of up to two groups; sums
// [R] of the block.
template <Layout kLayout, int R>
HEARTH_INLINE void multiply_joined(const uint8_t* header, const uint8_t* codes, int index, int count,
                                   int part, const int32_t* activations, F* sums) {
    I dots[R] = {};
    for (int i = 0; i < count; ++i) {
        const int32_t* words = activations + i * kGroupWords * R;
        I group[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            group[r] = Isa::start<kLayout.value_bits(), kLayout.zero_shift>(words + kWordSum * R + r);
        multiply_all_quads<kLayout, R>(codes + i * kLayout.group_bytes(), words + kWordCodes * R, group);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) dots[r] = Isa::add(dots[r], group[r]);
    }
    const F scale = load_scale<kLayout.scales>(header, index / kLayout.scale_groups, 0, part);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r] = Isa::multiply(Isa::to_float(dots[r]), scale);
}

// One part of a panel's group times one group of activations; sums [R] of the block.
template <Layout kLayout, int R>
HEARTH_INLINE void multiply_group(const uint8_t* header, const uint8_t* group, int index, int part,
                                  const int32_t* activations, F* sums) {
    constexpr int kHalves = 32 / kLayout.scale_columns();
    const int32_t* codes = activations + kWordCodes * R;
#pragma GCC unroll 2
    for (int half = 0; half < kHalves; ++half) {
        const int32_t* code_sums = activations + (kHalves == 1 ? kWordSum : kWordHalfSum + half) * R;
        I dots[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            dots[r] = Isa::start<kLayout.value_bits(), kLayout.zero_shift>(code_sums + r);
        if constexpr (kHalves == 1) {
            multiply_all_quads<kLayout, R>(group, codes, dots);
        } else if (half == 0) {
            multiply_quads<kLayout, R, 0, 1>(group, codes, dots);
            multiply_quads<kLayout, R, 2, 3>(group, codes, dots);
        } else {
            multiply_quads<kLayout, R, 4, 5>(group, codes, dots);
            multiply_quads<kLayout, R, 6, 7>(group, codes, dots);
        }
        const F scale = load_scale<kLayout.scales>(header, index, half, part);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sums[r] = Isa::fma(Isa::to_float(dots[r]), scale, sums[r]);
        if constexpr (kLayout.has_offset()) {
            const F minimum = load_minimum<kLayout.scales>(header, index, half, part);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                // What lies in memory is minus the sum.
                const F minus_sum = Isa::to_float(Isa::splat_word(code_sums + r));
                sums[r] = kLayout.scales == ScaleKind::HalfAndMinimum
                              ? Isa::negative_fma(minimum, minus_sum, sums[r])
                              : Isa::fma(minimum, minus_sum, sums[r]);
            }
        }
    }
}

// sums += the block's scale * its sums.
template <int R>
HEARTH_INLINE void add_block(const F (&block)[kParts][R], const int32_t* activations, F (&sums)[kParts][R]) {
    const auto* scales = reinterpret_cast<const float*>(activations) + kWordScale * R;
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            sums[part][r] = Isa::fma(block[part][r], Isa::splat(scales[r]), sums[part][r]);
}

template <int R>
HEARTH_INLINE void store_tile(const F (&sums)[kParts][R], float* tile) {
    for (int part = 0; part < kParts; ++part)
        for (int r = 0; r < R; ++r) Isa::store(tile + r * kPanelRows + part * Isa::kLanes, sums[part][r]);
}

template <int R>
HEARTH_INLINE void clear_sums(F (&sums)[kParts][R]) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sums[part][r] = Isa::zero();
}

// sums += count groups of a chunk, whose codes lie group_bytes apart; kAhead: bytes to prefetch ahead, or 0.
template <Layout kLayout, int R, int kAhead>
HEARTH_INLINE void multiply_groups(const uint8_t* header, const uint8_t* codes, int group_bytes, int count,
                                   const int32_t* words, F (&sums)[kParts][R]) {
    for (int index = 0; index < count; index += kBlockGroups) {
        const int32_t* scales = words;
        F block[kParts][R];
        if constexpr (kLayout.joins_groups()) {
            const int joined = count - index < kBlockGroups ? count - index : kBlockGroups;
            if constexpr (kAhead > 0) prefetch_lines(codes + kAhead, joined * group_bytes);
#pragma GCC unroll 4
            for (int part = 0; part < kParts; ++part)
                multiply_joined<kLayout, R>(header, codes + 4 * Isa::kLanes * part, index, joined, part,
                                            words, block[part]);
            codes += joined * group_bytes;
            words += joined * kGroupWords * R;
            add_block<R>(block, scales, sums);
            continue;
        }
        clear_sums<R>(block);
        for (int i = index; i < index + kBlockGroups && i < count; ++i) {
            if constexpr (kAhead > 0) prefetch_lines(codes + kAhead, group_bytes);
#pragma GCC unroll 4
            for (int part = 0; part < kParts; ++part)
                multiply_group<kLayout, R>(header, codes + 4 * Isa::kLanes * part, i, part, words,
                                           block[part]);
            codes += group_bytes;
            words += kGroupWords * R;
        }
        add_block<R>(block, scales, sums);
    }
}

// ---- Chunks whose scales are integers of 8 bits

// sums [R] = a group's products with the activations at words, kRounding added.
template <Layout kLayout, int R, int kRounding>
HEARTH_INLINE void multiply_paired_group(const uint8_t* group, const int32_t* words, I* sums) {
    constexpr int kBits = kLayout.value_bits();
    static_assert(kLayout.zero_shift < 0 || kRounding < 1 << kLayout.zero_shift);  // bits of its own
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
        sums[r] = Isa::set_bits(Isa::start<kBits, kLayout.zero_shift>(words + kWordSum * R + r), kRounding);
    multiply_all_quads<kLayout, R>(group, words + kWordCodes * R, sums);
}

constexpr int kChunkBlocks = kChunkGroups / kBlockGroups;

// Scales of a block of Super32; dots [R] += 16 * its minimums * the sums of the activations.
// first_nibbles: of block 0.
template <int R, int kBlock>
HEARTH_INLINE I load_block_scales(const uint8_t* first_nibbles, I crumbs, const int32_t* words, I* dots) {
    constexpr int kShift = 4 - crumb_bit(kBlock);
    const I nibbles = Isa::load_u8_pairs(first_nibbles + 32 * kBlock);
    const I minimums = Isa::join_bits<kShift, 0xf0, 0x300>(nibbles, crumbs);
    const int32_t* sums = words + (kBlockGroups * kBlock * kGroupWords + kWordChunk) * R;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) dots[r] = Isa::dot_words(dots[r], minimums, Isa::splat_word(sums + r));
    return Isa::join_bits<kShift, 0x0f, 0x30>(nibbles, crumbs);
}

// Integer scales of a chunk's blocks; sums [R] -= its minimums * the sums of the activations.
template <Layout kLayout, int R>
HEARTH_INLINE void load_paired_scales(const uint8_t* header, int part, const int32_t* words,
                                      I (&scales)[kChunkBlocks], F* sums) {
    const uint8_t* halves = header + 2 * Isa::kLanes * part;
    if constexpr (!kLayout.has_offset()) {
#pragma GCC unroll 4
        for (int block = 0; block < kChunkBlocks; ++block)
            scales[block] = Isa::load_i8_pairs(halves + 32 + 32 * block);
    } else {
        const I crumbs = Isa::load_pairs(header + kCrumbsAt + 4 * Isa::kLanes * part);
        const uint8_t* nibbles = halves + kNibblesAt;
        I dots[R] = {};
        scales[0] = load_block_scales<R, 0>(nibbles, crumbs, words, dots);
        scales[1] = load_block_scales<R, 1>(nibbles, crumbs, words, dots);
        scales[2] = load_block_scales<R, 2>(nibbles, crumbs, words, dots);
        scales[3] = load_block_scales<R, 3>(nibbles, crumbs, words, dots);
        const auto* units =
            reinterpret_cast<const float*>(words) + (kUnitGroup * kGroupWords + kWordChunk) * R;
        const F scale = Isa::multiply(Isa::load_half(halves + 32), Isa::splat(1.0f / 16));
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            sums[r] = Isa::negative_fma(Isa::multiply(Isa::to_float(dots[r]), Isa::splat(units[r])), scale,
                                        sums[r]);
    }
}

// sums += a whole chunk. The sums of a block's two groups, shifted down to 16 bits, meet their scales in one
// product. Of the bits that are lost (at most 2^-15 of the largest possible sum), one group's are rounded up
// where the other's are rounded down, so that errors have no direction. A chunk's d is applied once.
template <Layout kLayout, int R, int kAhead>
HEARTH_INLINE void multiply_paired_chunk(const uint8_t* header, const uint8_t* codes, const int32_t* words,
                                         F (&sums)[kParts][R]) {
    constexpr int kShift = kLayout.pair_shift(), kGroupBytes = kLayout.group_bytes();
    static_assert(kLayout.chunk_groups() == kChunkGroups && kBlockGroups == 2 && kShift > 0);
    for (int part = 0; part < kParts; ++part) {
        I scales[kChunkBlocks];
        load_paired_scales<kLayout, R>(header, part, words, scales, sums[part]);
        const uint8_t* group = codes + 4 * Isa::kLanes * part;
        const int32_t* block_words = words;
        F chunk[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) chunk[r] = Isa::zero();
        for (int block = 0; block < kChunkBlocks; ++block) {
            if (kAhead > 0 && part == 0) prefetch_lines(group + kAhead, 2 * kGroupBytes);
            I first[R], second[R];
            multiply_paired_group<kLayout, R, (1 << kShift) / 2>(group, block_words, first);
            multiply_paired_group<kLayout, R, (1 << kShift) / 2 - 1>(group + kGroupBytes,
                                                                     block_words + kGroupWords * R, second);
            const auto* block_scales = reinterpret_cast<const float*>(block_words) + kWordScale * R;
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const I both = Isa::dot_words(I{}, Isa::pair_up<kShift>(first[r], second[r]), scales[block]);
                chunk[r] = Isa::fma(Isa::to_float(both), Isa::splat(block_scales[r]), chunk[r]);
            }
            group += 2 * kGroupBytes;
            block_words += 2 * kGroupWords * R;
        }
        const F scale =
            Isa::multiply(Isa::load_half(header + 2 * Isa::kLanes * part), Isa::splat(float{1 << kShift}));
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) sums[part][r] = Isa::fma(chunk[r], scale, sums[part][r]);
    }
}

template <hearth_type kType, int R>
void quantized_tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile) {
    constexpr Layout kLayout = layout_of(kType);
    constexpr int kAhead = R < kPlanePrefetchRows ? 0 : kPlanePrefetchBytes;
    const auto* words = reinterpret_cast<const int32_t*>(activations);
    F sums[kParts][R];
    clear_sums<R>(sums);
    int64_t groups = columns / kGroupColumns;
    while (groups > 0) {
        // A chunk's scales are needed bit by bit while its codes pass. Where nothing is asked for ahead,
        // asking for them all at once keeps the lines in the order that the hardware's own prefetching
        // follows.
        prefetch_lines(panel + kAhead, kLayout.header_bytes());
        const uint8_t* codes = panel + kLayout.header_bytes();
        const int count = groups < kLayout.chunk_groups() ? static_cast<int>(groups) : kLayout.chunk_groups();
        if constexpr (kLayout.pairs_groups())
            multiply_paired_chunk<kLayout, R, kAhead>(panel, codes, words, sums);
        else
            multiply_groups<kLayout, R, kAhead>(panel, codes, kLayout.group_bytes(), count, words, sums);
        panel = codes + count * kLayout.group_bytes();
        words += count * kGroupWords * R;
        groups -= count;
    }
    if constexpr (kLayout.unit() != 1.0f)
        for (int part = 0; part < kParts; ++part)
            for (int r = 0; r < R; ++r)
                sums[part][r] = Isa::multiply(sums[part][r], Isa::splat(kLayout.unit()));
    store_tile<R>(sums, tile);
}

}  // namespace
}  // namespace hearth

#include "cpu/linear/expanded_template.h"
#include "cpu/linear/float_template.h"

namespace hearth {
namespace {

// ---- The table

template <hearth_type kType, int R>
constexpr TileKernel choose_tile() {
    if constexpr (layout_of(kType).packing == Packing::Codebook && R <= Expand::kMultiplyRows)
        return codebook_tile<kType, R>;
    else if constexpr (layout_of(kType).expands())
        return expanded_tile<kType, R>;
    else
        return quantized_tile<kType, R>;
}

template <hearth_type kType, int R>
constexpr TileKernel kTile = choose_tile<kType, R>();
template <int R>
constexpr TileKernel kTile<HEARTH_TYPE_F32, R> = float_tile<HEARTH_TYPE_F32, R>;
template <int R>
constexpr TileKernel kTile<HEARTH_TYPE_F16, R> = float_tile<HEARTH_TYPE_F16, R>;
template <int R>
constexpr TileKernel kTile<HEARTH_TYPE_BF16, R> = bfloat16_tile<R>;

template <hearth_type kType, int kIndex = 0>
TileKernel find_size(int size) {
    constexpr int R = Isa::kTileSizes[kIndex];
    if constexpr (R == 0)
        return nullptr;
    else
        return size == R ? kTile<kType, R> : find_size<kType, kIndex + 1>(size);
}

TileKernel find_tile(hearth_type type, int size) {
    switch (type) {
        case HEARTH_TYPE_F32:
            return find_size<HEARTH_TYPE_F32>(size);
        case HEARTH_TYPE_F16:
            return find_size<HEARTH_TYPE_F16>(size);
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return find_size<HEARTH_TYPE_##name>(size);
            HEARTH_QUANTIZED_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            return nullptr;
    }
}

constexpr Bfloat16Kernels kBfloat16 = {1, find_size<HEARTH_TYPE_BF16>, prepare_bfloat16};

BatchKernel find_batch(hearth_type type) {
    switch (type) {
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return expanded_tiles<HEARTH_TYPE_##name, largest_size()>;
        HEARTH_EXPANDED_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            return nullptr;
    }
}

}  // namespace
}  // namespace hearth
