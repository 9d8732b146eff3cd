// Activations rounded to 8 bits and brought into the order of a tile (layout.h), written once over the vector
// layer as kernel_template.h is, which includes it.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/linear/layout.h"

#define HEARTH_INLINE inline __attribute__((always_inline))

namespace hearth {
namespace {

constexpr uint32_t kInfinityBits = 0x7f800000u;
// Below this (2^-100) the reciprocal of a scale would overflow; such a group counts as zero.
constexpr uint32_t kSmallestBits = (127u - 100u) << 23;

constexpr int kChunkWords = kChunkGroups * kGroupWords;  // of a row

constexpr int largest_size() {
    int index = 0;
    while (Isa::kTileSizes[index + 1] != 0) ++index;
    return Isa::kTileSizes[index];
}

// The finite scales of a chunk's groups and the sums of their codes.
struct ChunkSums {
    float scales[kChunkGroups];
    int32_t sums[kChunkGroups];
};

// words: of one row, group after group; first: the block's first group in its chunk. A block whose scale is
// zero or NaN has codes of zero.
template <int kGroups>
HEARTH_INLINE void quantize_block(const float* x, int32_t* words, int first, ChunkSums& chunk) {
    const uint32_t largest = Isa::largest_magnitude<kGroups>(x);
    float scale = 0.0f, inverse = 0.0f;
    if (largest >= kSmallestBits && largest < kInfinityBits) {
        float magnitude;
        std::memcpy(&magnitude, &largest, sizeof magnitude);
        scale = magnitude / 127.0f;
        inverse = 127.0f / magnitude;
    }
    alignas(64) int8_t codes[kGroups * kGroupColumns] = {};
    int32_t half_sums[2 * kGroups] = {};
    if (scale > 0.0f) Isa::round_codes<kGroups>(x, inverse, codes, half_sums);
    const float written = largest < kInfinityBits ? scale : __builtin_nanf("");
    for (int g = 0; g < kGroups; ++g, words += kGroupWords) {
        const int32_t sum = half_sums[2 * g] + half_sums[2 * g + 1];
        std::memcpy(words + kWordScale, &written, sizeof written);
        words[kWordChunk] = 0;
        words[kWordSum] = -sum;
        words[kWordHalfSum] = -half_sums[2 * g];
        words[kWordHalfSum + 1] = -half_sums[2 * g + 1];
        std::memcpy(words + kWordCodes, codes + kGroupColumns * g, kGroupColumns);
        chunk.scales[first + g] = scale;
        chunk.sums[first + g] = sum;
    }
}

void write_chunk_words(const ChunkSums& chunk, int32_t* words) {
    float values[kChunkGroups];  // in 32767ths, which do not overflow
    uint32_t largest = 0;
    for (int g = 0; g < kChunkGroups; ++g) {
        values[g] = chunk.scales[g] * (static_cast<float>(chunk.sums[g]) * (1.0f / 32767));
        uint32_t bits;
        std::memcpy(&bits, values + g, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    if (largest == 0) return;
    float unit;
    std::memcpy(&unit, &largest, sizeof unit);
    int32_t parts[kChunkGroups];
    for (int g = 0; g < kChunkGroups; ++g)
        parts[g] = static_cast<int32_t>(__builtin_rintf(values[g] / unit * 32767.0f));
    for (int g = 0; g < kChunkGroups; g += kBlockGroups)
        words[g * kGroupWords + kWordChunk] = static_cast<int32_t>(
            (static_cast<uint32_t>(parts[g]) & 0xffffu) | static_cast<uint32_t>(parts[g + 1]) << 16);
    std::memcpy(words + kUnitGroup * kGroupWords + kWordChunk, &unit, sizeof unit);
}

// A row's words of up to kChunkGroups groups.
void quantize_chunk(const float* x, int groups, int32_t* words) {
    ChunkSums chunk;
    int g = 0;
    for (; g + kBlockGroups <= groups; g += kBlockGroups)
        quantize_block<kBlockGroups>(x + g * kGroupColumns, words + g * kGroupWords, g, chunk);
    if (g < groups) quantize_block<1>(x + g * kGroupColumns, words + g * kGroupWords, g, chunk);
    if (groups == kChunkGroups) write_chunk_words(chunk, words);
}

// [8 words][8 rows] from rows that lie kChunkWords apart.
void transpose_words(const int32_t* rows, int32_t* words) {
    typedef int32_t V __attribute__((vector_size(32)));
    V r[8], pairs[8], quads[8];
    for (int i = 0; i < 8; ++i) std::memcpy(&r[i], rows + i * kChunkWords, sizeof(V));
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; ++k) {
            const V a = pairs[i + k], b = pairs[i + k + 2];
            quads[i + 2 * k] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
            quads[i + 2 * k + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < 4; ++i) {
        const V low = __builtin_shufflevector(quads[i], quads[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        const V high = __builtin_shufflevector(quads[i], quads[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        std::memcpy(words + 8 * i, &low, sizeof low);
        std::memcpy(words + 8 * (i + 4), &high, sizeof high);
    }
}

// words [count][size] from rows that lie kChunkWords apart.
void interleave_words(const int32_t* rows, int size, int count, int32_t* words) {
    int word = 0;
    if (size == 8)
        for (; word + 8 <= count; word += 8) transpose_words(rows + word, words + 8 * word);
    for (; word < count; ++word)
        for (int r = 0; r < size; ++r) words[word * size + r] = rows[r * kChunkWords + word];
}

void quantize(const float* input, int64_t stride, int64_t columns, int rows, int size, uint8_t* tile) {
    alignas(64) int32_t chunk[largest_size() * kChunkWords];
    for (int i = rows * kChunkWords; i < size * kChunkWords; ++i) chunk[i] = 0;
    auto* words = reinterpret_cast<int32_t*>(tile);
    const int64_t groups = columns / kGroupColumns;
    for (int64_t g = 0; g < groups; g += kChunkGroups) {
        const int count = groups - g < kChunkGroups ? static_cast<int>(groups - g) : kChunkGroups;
        const float* x = input + g * kGroupColumns;
        int32_t* target = words + g * kGroupWords * size;
        if (size == 1) {
            quantize_chunk(x, count, target);
            continue;
        }
        for (int r = 0; r < rows; ++r) quantize_chunk(x + r * stride, count, chunk + r * kChunkWords);
        interleave_words(chunk, size, count * kGroupWords, target);
    }
}

}  // namespace
}  // namespace hearth
