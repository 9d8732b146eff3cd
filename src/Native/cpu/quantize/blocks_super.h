// Super-blocks of 256: Q2_K to Q6_K and IQ4_XS, as GGUF lays out their codes and scales.
#pragma once

#include "cpu/quantize/blocks_plain.h"
#include "cpu/quantize/super.h"

namespace hearth {
namespace {

// Codes of every group, with the scales as they are read back.
template <int kGroup, int kCodes>
HEARTH_INLINE void affine_codes(const Normalized<kSuper>& block, const AffineSuper<kGroup>& super,
                                uint8_t* codes) {
    for (int g = 0; g < kSuper / kGroup; ++g)
        write_affine_codes<kCodes>(block.x + g * kGroup, super.d.value * static_cast<float>(super.scales[g]),
                                   -super.dmin.value * static_cast<float>(super.minimums[g]), kGroup,
                                   codes + g * kGroup);
}

template <int kGroup, class Codes, int kShift>
HEARTH_INLINE void centred_codes(const Normalized<kSuper>& block, const CentredSuper<kGroup>& super,
                                 uint8_t* codes) {
    for (int g = 0; g < kSuper / kGroup; ++g)
        write_codes<Codes>(block.x + g * kGroup, super.d.value * static_cast<float>(super.scales[g]), kShift,
                           kGroup, codes + g * kGroup);
}

bool quantize_block(const float* input, const float* importance, BlockQ2_K& out) {
    Normalized<kSuper> block;
    normalize(input, importance, block);
    static constexpr float kDivisors[][2] = {{15, 15}, {14, 15}, {15, 14}, {13, 13}};
    AffineSearch<16, 3, 15> search{block};
    const auto super = search.run({-0.7f, 1.0f}, kDivisors);
    if (!block.in_range || !super.d.finite) return false;
    uint8_t codes[kSuper];
    affine_codes<16, 3>(block, super, codes);
    out = {};
    out.d = super.d.bits;
    out.dmin = super.dmin.bits;
    for (int g = 0; g < 16; ++g)
        out.scales[g] = static_cast<uint8_t>(super.scales[g] | (super.minimums[g] << 4));
    for (int i = 0; i < kSuper; ++i) {
        uint8_t& byte = out.qs[32 * (i / 128) + i % 32];
        byte = static_cast<uint8_t>(byte | (codes[i] << (2 * (i % 128 / 32))));
    }
    return true;
}

HEARTH_INLINE void store_scales_and_minimums(const AffineSuper<32>& super, uint8_t* scales) {
    for (int g = 0; g < 4; ++g) {
        const int high_scale = super.scales[g + 4], high_minimum = super.minimums[g + 4];
        scales[g] = static_cast<uint8_t>(super.scales[g] | ((high_scale >> 4) << 6));
        scales[g + 4] = static_cast<uint8_t>(super.minimums[g] | ((high_minimum >> 4) << 6));
        scales[g + 8] = static_cast<uint8_t>((high_scale & 15) | ((high_minimum & 15) << 4));
    }
}

template <class Block, int kCodes>
HEARTH_INLINE bool quantize_affine_super(const float* input, const float* importance, Steps steps,
                                         Block& out) {
    Normalized<kSuper> block;
    normalize(input, importance, block);
    static constexpr float kDivisors[][2] = {{63, 63}, {61, 61}};
    AffineSearch<32, kCodes, 63> search{block};
    const auto super = search.run(steps, kDivisors);
    if (!block.in_range || !super.d.finite) return false;
    uint8_t codes[kSuper];
    affine_codes<32, kCodes>(block, super, codes);
    out = {};
    out.d = super.d.bits;
    out.dmin = super.dmin.bits;
    store_scales_and_minimums(super, out.scales);
    for (int i = 0; i < kSuper; ++i) {
        const int group = i / 32;
        uint8_t& low = out.qs[32 * (group / 2) + i % 32];
        low = static_cast<uint8_t>(low | ((codes[i] & 15) << (4 * (group % 2))));
        if constexpr (requires { out.qh; })
            out.qh[i % 32] = static_cast<uint8_t>(out.qh[i % 32] | ((codes[i] >> 4) << group));
    }
    return true;
}

bool quantize_block(const float* input, const float* importance, BlockQ4_K& out) {
    return quantize_affine_super<BlockQ4_K, 15>(input, importance, {-2.5f, 0.8f}, out);
}

bool quantize_block(const float* input, const float* importance, BlockQ5_K& out) {
    return quantize_affine_super<BlockQ5_K, 31>(input, importance, {-4.0f, 0.8f}, out);
}

bool quantize_block(const float* input, const float* importance, BlockQ3_K& out) {
    Normalized<kSuper> block;
    normalize(input, importance, block);
    static constexpr float kDivisors[] = {31, 29};
    using Codes = UniformCodes<-4, 3>;
    CentredSearch<16, Codes, 1, -32, 31> search{block};
    const auto super = search.run({2.2f, 4.6f}, kDivisors);
    if (!block.in_range || !super.d.finite) return false;
    uint8_t codes[kSuper];
    centred_codes<16, Codes, 4>(block, super, codes);
    out = {};
    out.d = super.d.bits;
    for (int g = 0; g < 16; ++g) {
        const int scale = super.scales[g] + 32;
        uint8_t& low = out.scales[g % 8];
        uint8_t& high = out.scales[8 + g % 4];
        low = static_cast<uint8_t>(low | ((scale & 15) << (g < 8 ? 0 : 4)));
        high = static_cast<uint8_t>(high | ((scale >> 4) << (2 * (g / 4))));
    }
    for (int i = 0; i < kSuper; ++i) {
        uint8_t& low = out.qs[32 * (i / 128) + i % 32];
        low = static_cast<uint8_t>(low | ((codes[i] & 3) << (2 * (i % 128 / 32))));
        out.hmask[i % 32] = static_cast<uint8_t>(out.hmask[i % 32] | ((codes[i] >> 2) << (i / 32)));
    }
    return true;
}

bool quantize_block(const float* input, const float* importance, BlockQ6_K& out) {
    Normalized<kSuper> block;
    normalize(input, importance, block);
    static constexpr float kDivisors[] = {127, -128};
    using Codes = UniformCodes<-32, 31>;
    CentredSearch<16, Codes, 1, -128, 127> search{block};
    const auto super = search.run({26.0f, 33.0f}, kDivisors);
    if (!block.in_range || !super.d.finite) return false;
    uint8_t codes[kSuper];
    centred_codes<16, Codes, 32>(block, super, codes);
    out = {};
    out.d = super.d.bits;
    for (int g = 0; g < 16; ++g) out.scales[g] = static_cast<int8_t>(super.scales[g]);
    for (int i = 0; i < kSuper; ++i) {
        const int half = i / 128, row = i % 128 / 32, l = i % 32;
        uint8_t& low = out.ql[64 * half + 32 * (row % 2) + l];
        uint8_t& high = out.qh[32 * half + l];
        low = static_cast<uint8_t>(low | ((codes[i] & 15) << (4 * (row / 2))));
        high = static_cast<uint8_t>(high | ((codes[i] >> 4) << (2 * row)));
    }
    return true;
}

bool quantize_block(const float* input, const float* importance, BlockIQ4_XS& out) {
    Normalized<kSuper> block;
    normalize(input, importance, block);
    static constexpr float kDivisors[] = {31, -32};
    CentredSearch<32, Iq4Codes, 1, -32, 31> search{block};
    const auto super = search.run({88.0f, 138.0f}, kDivisors);
    if (!block.in_range || !super.d.finite) return false;
    out = {};
    out.d = super.d.bits;
    for (int g = 0; g < 8; ++g) {
        const int scale = super.scales[g] + 32;
        out.scales_l[g / 2] = static_cast<uint8_t>(out.scales_l[g / 2] | ((scale & 15) << (4 * (g % 2))));
        out.scales_h = static_cast<uint16_t>(out.scales_h | ((scale >> 4) << (2 * g)));
        uint8_t codes[32];
        write_iq4_codes(block.x + 32 * g, super.d.value * static_cast<float>(super.scales[g]), 32, codes);
        store_low_bits(codes, out.qs + 16 * g);
    }
    return true;
}

}  // namespace
}  // namespace hearth
