// What products with packed weights share: rows cut into tiles, and activations in the form that the kernels
// of a weight's type take.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/linear/kernels.h"
#include "hearth.h"

namespace hearth {

constexpr int kMaxTileRows = 16;

// Weights of a piece of work: small enough that threads end together, large enough to hide the handing out.
constexpr int64_t kDecodePieceBytes = int64_t{64} << 10;
constexpr int64_t kPrefillPieceBytes = int64_t{256} << 10;
// With many rows the activations of a piece's tiles stay in a core's own cache while its panels, which the
// kernels ask for ahead, pass over them one by one.
constexpr int64_t kPieceTileBytes = int64_t{448} << 10;
constexpr int64_t kPiecesPerThread = 8;
// Below this many values the activations are prepared by the calling thread alone: waking others costs more.
constexpr int64_t kParallelValues = 16384;

const LinearKernels& linear_kernels(hearth_isa isa);

// size: one of tile_sizes.
TileKernel find_tile(const LinearKernels& kernels, hearth_type type, int size);

// Tiles of tile_bytes of activations that a piece takes, of count, where at least cuts pieces are wanted.
int64_t piece_tiles(int64_t tile_bytes, int64_t count, int64_t cuts);

// Rows cut into tiles: all of the largest size but the last, which has the smallest size that holds the rest.
struct Tiles {
    int64_t rows;  // at least 1
    int64_t count;
    int largest;
    int last;  // size of the last tile

    // sizes: LinearKernels::tile_sizes.
    Tiles(int64_t rows, const int* sizes);

    int size(int64_t tile) const { return tile + 1 < count ? largest : last; }
    int valid(int64_t tile) const {
        return static_cast<int>(tile + 1 < count ? largest : rows - tile * largest);
    }
    int64_t padded_rows() const { return (count - 1) * largest + last; }
};

// How activations are handed to the kernels of a weight's type.
enum class Preparation {
    Exact,     // float32, for F32 and F16 weights
    Bfloat16,  // rounded to bfloat16, in the form that the kernels' products take
    Quantized  // 8-bit codes with a scale a block
};
constexpr int kPreparations = 3;

Preparation preparation_of(hearth_type type);

// preparation: not Exact.
PrepareTile find_prepare(const LinearKernels& kernels, Preparation preparation);

// Bytes of a row of a tile.
int64_t tile_row_bytes(const LinearKernels& kernels, Preparation preparation, int64_t columns);

// Copies a row of a tile's sums to the lanes that belong to outputs. Of a whole panel, as nearly all are, it
// takes no call of a function.
inline void store_lanes(float* output, const float* sums, int64_t lanes) {
    if (lanes == kPanelRows)
        std::memcpy(output, sums, kPanelRows * sizeof(float));
    else
        std::memcpy(output, sums, static_cast<size_t>(lanes) * sizeof(float));
}

inline int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace hearth
