// Seeded random weights in the blocks of every tensor type.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

#include "core/formats/blocks.h"
#include "core/types.h"
#include "hearth.h"

namespace hearth_tests {

inline constexpr hearth_type kWeightTypes[] = {
    HEARTH_TYPE_F32,   HEARTH_TYPE_F16,     HEARTH_TYPE_BF16,   HEARTH_TYPE_Q4_0,     HEARTH_TYPE_Q4_1,
    HEARTH_TYPE_Q5_0,  HEARTH_TYPE_Q5_1,    HEARTH_TYPE_Q8_0,   HEARTH_TYPE_Q2_K,     HEARTH_TYPE_Q3_K,
    HEARTH_TYPE_Q4_K,  HEARTH_TYPE_Q5_K,    HEARTH_TYPE_Q6_K,   HEARTH_TYPE_IQ4_NL,   HEARTH_TYPE_IQ4_XS,
    HEARTH_TYPE_MXFP4, HEARTH_TYPE_IQ2_XXS, HEARTH_TYPE_IQ2_XS, HEARTH_TYPE_IQ2_S,    HEARTH_TYPE_IQ3_XXS,
    HEARTH_TYPE_IQ3_S, HEARTH_TYPE_IQ1_S,   HEARTH_TYPE_IQ1_M,  HEARTH_TYPE_TQ1_0,    HEARTH_TYPE_TQ2_0,
    HEARTH_TYPE_NVFP4, HEARTH_TYPE_Q1_0,    HEARTH_TYPE_Q2_0,   HEARTH_TYPE_Q2_0_G128};

inline std::vector<float> sample_floats(size_t count, uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) value = normal(generator);
    return values;
}

// A positive or negative f16 of magnitude 2^-8 .. 2^-5.
inline uint16_t sample_half(std::mt19937& generator, bool may_be_negative) {
    const uint32_t bits = generator();
    const uint32_t exponent = 15 - 8 + bits % 3;
    const uint32_t sign = may_be_negative ? (bits >> 31) << 15 : 0;
    return static_cast<uint16_t>(sign | (exponent << 10) | ((bits >> 8) & 0x3ff));
}

// Random bytes are valid codes and integer scales in every type; f16 scales are set apart.
template <typename Block>
void set_scales(Block& block, std::mt19937& generator) {
    if constexpr (requires { block.e; }) block.e = static_cast<uint8_t>(118 + generator() % 8);
    if constexpr (std::is_same_v<Block, hearth::BlockNVFP4>) {
        for (uint8_t& d : block.d) d &= 0x3f;  // up to 1.875; subnormal ones among them
    } else if constexpr (requires { block.d; }) {
        block.d = sample_half(generator, true);
    }
    if constexpr (std::is_same_v<Block, hearth::BlockIQ1_M>) {
        const uint16_t d = sample_half(generator, true);
        for (int i = 0; i < 4; ++i)
            block.scales[2 * i + 1] =
                static_cast<uint8_t>((block.scales[2 * i + 1] & 15) | (((d >> (4 * i)) & 15) << 4));
    }
    if constexpr (requires { block.m; }) block.m = sample_half(generator, true);
    if constexpr (requires { block.dmin; }) block.dmin = sample_half(generator, true);
}

template <typename Block>
void sample(std::vector<uint8_t>& bytes, std::mt19937& generator) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator());
    for (size_t i = 0; i + sizeof(Block) <= bytes.size(); i += sizeof(Block)) {
        Block block;
        std::memcpy(&block, &bytes[i], sizeof block);
        set_scales(block, generator);
        std::memcpy(&bytes[i], &block, sizeof block);
    }
}

inline std::vector<uint8_t> sample_blocks(hearth_type type, int64_t rows, int64_t columns, uint32_t seed) {
    std::vector<uint8_t> bytes(hearth::matrix_bytes(hearth::type_info(type), rows, columns));
    std::mt19937 generator(seed);
    switch (type) {
        case HEARTH_TYPE_F32:
            for (size_t i = 0; i < bytes.size(); i += 4) {
                const float value = std::normal_distribution<float>()(generator);
                std::memcpy(&bytes[i], &value, 4);
            }
            break;
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
            for (size_t i = 0; i < bytes.size(); i += 2) {
                // The upper half of a float is a bfloat16 of the same magnitude.
                const uint32_t random = generator();
                const uint32_t bf16 =
                    ((random >> 31) << 15) | ((124 + random % 4) << 7) | ((random >> 8) & 0x7f);
                const auto value =
                    static_cast<uint16_t>(type == HEARTH_TYPE_BF16 ? bf16 : sample_half(generator, true));
                std::memcpy(&bytes[i], &value, 2);
            }
            break;
        case HEARTH_TYPE_Q4_0:
            sample<hearth::BlockQ4_0>(bytes, generator);
            break;
        case HEARTH_TYPE_Q4_1:
            sample<hearth::BlockQ4_1>(bytes, generator);
            break;
        case HEARTH_TYPE_Q5_0:
            sample<hearth::BlockQ5_0>(bytes, generator);
            break;
        case HEARTH_TYPE_Q5_1:
            sample<hearth::BlockQ5_1>(bytes, generator);
            break;
        case HEARTH_TYPE_Q8_0:
            sample<hearth::BlockQ8_0>(bytes, generator);
            break;
        case HEARTH_TYPE_Q2_K:
            sample<hearth::BlockQ2_K>(bytes, generator);
            break;
        case HEARTH_TYPE_Q3_K:
            sample<hearth::BlockQ3_K>(bytes, generator);
            break;
        case HEARTH_TYPE_Q4_K:
            sample<hearth::BlockQ4_K>(bytes, generator);
            break;
        case HEARTH_TYPE_Q5_K:
            sample<hearth::BlockQ5_K>(bytes, generator);
            break;
        case HEARTH_TYPE_Q6_K:
            sample<hearth::BlockQ6_K>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ4_NL:
            sample<hearth::BlockIQ4_NL>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ4_XS:
            sample<hearth::BlockIQ4_XS>(bytes, generator);
            break;
        case HEARTH_TYPE_MXFP4:
            sample<hearth::BlockMXFP4>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ2_XXS:
            sample<hearth::BlockIQ2_XXS>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ2_XS:
            sample<hearth::BlockIQ2_XS>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ2_S:
            sample<hearth::BlockIQ2_S>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ3_XXS:
            sample<hearth::BlockIQ3_XXS>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ3_S:
            sample<hearth::BlockIQ3_S>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ1_S:
            sample<hearth::BlockIQ1_S>(bytes, generator);
            break;
        case HEARTH_TYPE_IQ1_M:
            sample<hearth::BlockIQ1_M>(bytes, generator);
            break;
        case HEARTH_TYPE_NVFP4:
            sample<hearth::BlockNVFP4>(bytes, generator);
            break;
        case HEARTH_TYPE_Q1_0:
            sample<hearth::BlockQ1_0>(bytes, generator);
            break;
        case HEARTH_TYPE_Q2_0:
            sample<hearth::BlockQ2_0>(bytes, generator);
            break;
        case HEARTH_TYPE_Q2_0_G128:
            sample<hearth::BlockQ2_0_G128>(bytes, generator);
            break;
        case HEARTH_TYPE_TQ1_0:
            sample<hearth::BlockTQ1_0>(bytes, generator);
            break;
        case HEARTH_TYPE_TQ2_0:
            sample<hearth::BlockTQ2_0>(bytes, generator);
            break;
    }
    return bytes;
}

}  // namespace hearth_tests
