// Kernels of types whose chunks are expanded as they are read. Part of kernel_template.h, which includes it.
#pragma once

namespace hearth {
namespace {

// A chunk's packed body to an 8-bit plane.
template <hearth_type kType>
void expand_chunk(const uint8_t* body, uint8_t* codes) {
    constexpr Layout kLayout = layout_of(kType);
    prefetch_lines(body + kPrefetchBytes, kLayout.body_bytes());
    if constexpr (kLayout.packing == Packing::Trits) {
        Expand::trits(body, codes);
    } else {
        const void* words = codebook_bytes(kType);
        for (int g = 0; g < kLayout.chunk_groups(); ++g)
            Expand::group<kLayout.shape>(body + g * kLayout.group_bytes(), words,
                                         codes + g * kExpandedGroupBytes);
    }
}

// A codebook's group times one group of activations, without a detour over memory; sums of the block.
template <Layout kLayout, int R, typename Codes>
HEARTH_INLINE void multiply_codebook_group(const uint8_t* header, const uint8_t* group, int index,
                                           const void* table, const int32_t* activations,
                                           F (&sums)[kParts][R]) {
    constexpr int kHalves = 32 / kLayout.scale_columns();
    prefetch_lines(group + kPrefetchBytes, kLayout.group_bytes());
    I dots[kHalves][kParts][R];
    Codes::template multiply<kLayout.shape, R, kHalves>(group, table, activations, &dots[0][0][0]);
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 2
        for (int half = 0; half < kHalves; ++half) {
            const F scale = load_scale<kLayout.scales>(header, index, half, part);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
                sums[part][r] = Isa::fma(Isa::to_float(dots[half][part][r]), scale, sums[part][r]);
        }
}

// The same sums in the same order as those of an expanded tile.
template <hearth_type kType, int R, typename Codes = Expand>
void codebook_tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile) {
    constexpr Layout kLayout = layout_of(kType);
    const void* table = codebook_bytes(kType);
    const auto* words = reinterpret_cast<const int32_t*>(activations);
    F sums[kParts][R];
    clear_sums<R>(sums);
    for (int64_t chunk = 0; chunk < columns / (kLayout.chunk_groups() * kGroupColumns); ++chunk) {
        const uint8_t* header = panel;
        panel += kLayout.header_bytes();
        for (int index = 0; index < kLayout.chunk_groups(); index += kBlockGroups) {
            const int32_t* scales = words;
            F block[kParts][R];
            clear_sums<R>(block);
            for (int i = index; i < index + kBlockGroups; ++i) {
                multiply_codebook_group<kLayout, R, Codes>(header, panel, i, table, words, block);
                panel += kLayout.group_bytes();
                words += kGroupWords * R;
            }
            add_block<R>(block, scales, sums);
        }
    }
    store_tile<R>(sums, tile);
    const float unit = scale_unit(kType);
    for (int i = 0; i < R * kPanelRows; ++i) tile[i] *= unit;
}

// sums [R][16] += an expanded chunk times its activations.
template <Layout kLayout, int R>
void multiply_chunk(const uint8_t* header, const uint8_t* codes, const int32_t* words, float* tile) {
    F sums[kParts][R];
    for (int part = 0; part < kParts; ++part)
        for (int r = 0; r < R; ++r) sums[part][r] = Isa::load(tile + r * kPanelRows + part * Isa::kLanes);
    multiply_groups<kLayout, R, 0>(header, codes, kExpandedGroupBytes, kLayout.chunk_groups(), words, sums);
    store_tile<R>(sums, tile);
}

// Several tiles of R rows, so that a chunk is expanded once for all of them; sums [tiles][R][16].
template <hearth_type kType, int R>
void expanded_tiles(const uint8_t* panel, const uint8_t* activations, int64_t tile_bytes, int tiles,
                    int64_t columns, float* sums) {
    constexpr Layout kLayout = layout_of(kType);
    constexpr int kChunkActivationBytes = kLayout.chunk_groups() * kGroupWords * R * 4;
    constexpr int kTileFloats = R * kPanelRows;
    alignas(64) uint8_t codes[kExpandedChunkBytes];
    std::memset(sums, 0, static_cast<size_t>(tiles) * kTileFloats * sizeof(float));
    for (int64_t chunk = 0; chunk < columns / (kLayout.chunk_groups() * kGroupColumns); ++chunk) {
        expand_chunk<kType>(panel + kLayout.header_bytes(), codes);
        for (int t = 0; t < tiles; ++t)
            multiply_chunk<kLayout.expanded(), R>(
                panel, codes, reinterpret_cast<const int32_t*>(activations + t * tile_bytes),
                sums + t * kTileFloats);
        panel += kLayout.header_bytes() + kLayout.body_bytes();
        activations += kChunkActivationBytes;
    }
    const float unit = scale_unit(kType);
    for (int i = 0; i < tiles * kTileFloats; ++i) sums[i] *= unit;
}

template <hearth_type kType, int R>
void expanded_tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile) {
    expanded_tiles<kType, R>(panel, activations, 0, 1, columns, tile);
}

}  // namespace
}  // namespace hearth
