// Bit planes of one row's group of 32 codes (see layout.h): written when weights are packed, read back for
// single rows.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/linear/layout.h"

namespace hearth {

namespace planes {

inline uint32_t load(const uint8_t* source) {
    uint32_t word;
    std::memcpy(&word, source, sizeof word);
    return word;
}

inline void store(uint8_t* target, uint32_t word) {
    std::memcpy(target, &word, sizeof word);
}

// Every byte of a word set to value.
constexpr uint32_t bytes(uint32_t value) {
    return value * 0x01010101u;
}

// Moves 8 quads' bits [shift, shift + bits) into a plane; plane points at the row's word in the first vector.
template <int kBits>
void write(const uint32_t (&quads)[8], int shift, uint8_t* plane) {
    if constexpr (kBits == 8) {
        for (int q = 0; q < 8; ++q) store(plane + 64 * q, quads[q]);
    } else {
        constexpr int kPerVector = 8 / kBits;
        constexpr int kVectors = kBits;
        // A 4-bit vector pairs quads v and v + 4, a 2-bit one holds four adjacent quads, the 1-bit one all.
        constexpr int kStep = kBits == 4 ? 4 : 1;
        for (int v = 0; v < kVectors; ++v) {
            uint32_t word = 0;
            for (int i = 0; i < kPerVector; ++i) {
                const int quad = kBits == 4 ? v + kStep * i : kPerVector * v + i;
                word |= ((quads[quad] >> shift) & bytes((1u << kBits) - 1)) << (kBits * i);
            }
            store(plane + 64 * v, word);
        }
    }
}

template <int kBits>
void read(const uint8_t* plane, int shift, uint32_t (&quads)[8]) {
    if constexpr (kBits == 8) {
        for (int q = 0; q < 8; ++q) quads[q] |= load(plane + 64 * q);
    } else {
        constexpr int kPerVector = 8 / kBits;
        for (int v = 0; v < kBits; ++v) {
            const uint32_t word = load(plane + 64 * v);
            for (int i = 0; i < kPerVector; ++i) {
                const int quad = kBits == 4 ? v + 4 * i : kPerVector * v + i;
                quads[quad] |= ((word >> (kBits * i)) & bytes((1u << kBits) - 1)) << shift;
            }
        }
    }
}

// codes: 32 bytes of one row; group: the panel's group of codes.
template <hearth_type kType>
void write_group(const uint8_t* codes, int row, uint8_t* group) {
    constexpr Layout kLayout = layout_of(kType);
    uint32_t quads[8];
    std::memcpy(quads, codes, sizeof quads);
    write<kLayout.low_bits>(quads, 0, group + 4 * row);
    if constexpr (kLayout.high_bits != 0)
        write<kLayout.high_bits>(quads, kLayout.low_bits, group + 64 * kLayout.low_bits + 4 * row);
}

template <hearth_type kType>
void read_group(const uint8_t* group, int row, uint8_t* codes) {
    constexpr Layout kLayout = layout_of(kType);
    uint32_t quads[8] = {};
    read<kLayout.low_bits>(group + 4 * row, 0, quads);
    if constexpr (kLayout.high_bits != 0)
        read<kLayout.high_bits>(group + 64 * kLayout.low_bits + 4 * row, kLayout.low_bits, quads);
    std::memcpy(codes, quads, sizeof quads);
}

}  // namespace planes

}  // namespace hearth
