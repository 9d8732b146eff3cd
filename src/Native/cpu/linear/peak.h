// What the product instructions of a vector layer can do on registers and the nearest cache alone: the limit
// that no kernel over it exceeds. Included behind a vector layer, in its translation unit.
#pragma once

#include <cstdint>

#include "cpu/linear/kernels.h"
#include "cpu/linear/layout.h"

namespace hearth {
namespace {

constexpr int kChains = 8;  // independent sums, so that latency does not set the pace

// The compiler takes the value for another one afterwards; it stays in its register.
inline void hide(Isa::B& value) {
#if defined(__AVX512F__)
    __asm__ volatile("" : "+v"(value));
#elif defined(__AVX2__)
    __asm__ volatile("" : "+x"(value));
#else
    __asm__ volatile("" : "+m"(value));
#endif
}

// The sums start apart and meet other activations each, so that no two of them are one to the compiler.
inline int64_t spin_int8(int64_t rounds) {
    alignas(64) uint8_t codes[2][64];
    int32_t quads[2 * kChains], starts[kChains];
    for (int i = 0; i < 64; ++i) {
        codes[0][i] = static_cast<uint8_t>(i % 15);
        codes[1][i] = static_cast<uint8_t>(i % 13);
    }
    for (int i = 0; i < 2 * kChains; ++i) quads[i] = 0x01020301 + i;
    for (int i = 0; i < kChains; ++i) starts[i] = i;
    // Constants known to the compiler would be made anew in each round.
    __asm__ volatile("" : "+m"(quads));
    Isa::B first = Isa::load_codes(codes[0]), second = Isa::load_codes(codes[1]);
    Isa::I sums[kChains];
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) sums[i] = Isa::start<4, 0>(starts + i);
    for (int64_t round = 0; round < rounds; ++round) {
        // For all that the compiler knows the codes change: else it would make their products only once,
        // where these are sums in 16 bits that are added afterwards.
        hide(first);
        hide(second);
#pragma GCC unroll 8
        for (int i = 0; i < kChains; ++i)
            sums[i] = Isa::dot_pair<4>(sums[i], first, quads + 2 * i, second, quads + 2 * i + 1);
    }
    float kept[16] = {};
    float total = 0;
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) {
        Isa::store(kept, Isa::to_float(sums[i]));
        total += kept[0] + kept[Isa::kLanes - 1];
    }
    return static_cast<int64_t>(total);
}

inline int64_t spin_float(int64_t rounds) {
    Isa::F sums[kChains];
    for (int i = 0; i < kChains; ++i) sums[i] = Isa::splat(static_cast<float>(i));
    const Isa::F factor = Isa::splat(0.999f);
    const Isa::F added = Isa::splat(0.001f);
    for (int64_t round = 0; round < rounds; ++round)
        for (int i = 0; i < kChains; ++i) sums[i] = Isa::fma(sums[i], factor, added);
    float kept[16] = {};
    float total = 0;
    for (int i = 0; i < kChains; ++i) {
        Isa::store(kept, sums[i]);
        total += kept[0] + kept[Isa::kLanes - 1];
    }
    return static_cast<int64_t>(total);
}

// A dot_pair multiplies two quads into every lane.
constexpr PeakLoops kPeakLoops = {spin_int8, spin_float, int64_t{kChains} * 2 * 4 * Isa::kLanes,
                                  int64_t{kChains} * Isa::kLanes};

}  // namespace
}  // namespace hearth
