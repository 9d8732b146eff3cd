#include "core/formats/formats.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/formats/blocks.h"
#include "core/formats/codebooks.h"
#include "core/formats/half.h"

namespace hearth {

namespace {

void dequantize_block(const BlockQ4_0& block, float* output) {
    const float d = float_from_half(block.d);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>((block.qs[j] & 15) - 8);
        output[j + 16] = d * static_cast<float>((block.qs[j] >> 4) - 8);
    }
}

void dequantize_block(const BlockQ4_1& block, float* output) {
    const float d = float_from_half(block.d), m = float_from_half(block.m);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>(block.qs[j] & 15) + m;
        output[j + 16] = d * static_cast<float>(block.qs[j] >> 4) + m;
    }
}

int high_bit(const uint8_t (&qh)[4], int j) {
    return (qh[j / 8] >> (j % 8)) & 1;
}

void dequantize_block(const BlockQ5_0& block, float* output) {
    const float d = float_from_half(block.d);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>(((block.qs[j] & 15) | (high_bit(block.qh, j) << 4)) - 16);
        output[j + 16] =
            d * static_cast<float>(((block.qs[j] >> 4) | (high_bit(block.qh, j + 16) << 4)) - 16);
    }
}

void dequantize_block(const BlockQ5_1& block, float* output) {
    const float d = float_from_half(block.d), m = float_from_half(block.m);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>((block.qs[j] & 15) | (high_bit(block.qh, j) << 4)) + m;
        output[j + 16] = d * static_cast<float>((block.qs[j] >> 4) | (high_bit(block.qh, j + 16) << 4)) + m;
    }
}

void dequantize_block(const BlockQ8_0& block, float* output) {
    const float d = float_from_half(block.d);
    for (int j = 0; j < 32; ++j) output[j] = d * static_cast<float>(block.qs[j]);
}

void dequantize_block(const BlockQ2_K& block, float* output) {
    const float d = float_from_half(block.d), dmin = float_from_half(block.dmin);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int half = i / 128, row = i % 128 / 32;
        const int code = (block.qs[32 * half + i % 32] >> (2 * row)) & 3;
        const uint8_t scale = block.scales[i / 16];
        output[i] = d * static_cast<float>(scale & 15) * static_cast<float>(code) -
                    dmin * static_cast<float>(scale >> 4);
    }
}

void dequantize_block(const BlockQ3_K& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int half = i / 128, row = i % 128 / 32;
        const int low = (block.qs[32 * half + i % 32] >> (2 * row)) & 3;
        const int high = (block.hmask[i % 32] >> (i / 32)) & 1;
        output[i] = d * static_cast<float>(read_scale_q3(block.scales, i / 16)) *
                    static_cast<float>((low | (high << 2)) - 4);
    }
}

void dequantize_block(const BlockQ4_K& block, float* output) {
    const float d = float_from_half(block.d), dmin = float_from_half(block.dmin);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int group = i / 32;
        uint8_t scale, minimum;
        read_scale_and_minimum(block.scales, group, scale, minimum);
        const int code = (block.qs[32 * (group / 2) + i % 32] >> (4 * (group % 2))) & 15;
        output[i] =
            d * static_cast<float>(scale) * static_cast<float>(code) - dmin * static_cast<float>(minimum);
    }
}

void dequantize_block(const BlockQ5_K& block, float* output) {
    const float d = float_from_half(block.d), dmin = float_from_half(block.dmin);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int group = i / 32;
        uint8_t scale, minimum;
        read_scale_and_minimum(block.scales, group, scale, minimum);
        const int low = (block.qs[32 * (group / 2) + i % 32] >> (4 * (group % 2))) & 15;
        const int high = (block.qh[i % 32] >> group) & 1;
        output[i] = d * static_cast<float>(scale) * static_cast<float>(low | (high << 4)) -
                    dmin * static_cast<float>(minimum);
    }
}

void dequantize_block(const BlockQ6_K& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int half = i / 128, row = i % 128 / 32, l = i % 32;
        const int low = (block.ql[64 * half + 32 * (row % 2) + l] >> (4 * (row / 2))) & 15;
        const int high = (block.qh[32 * half + l] >> (2 * row)) & 3;
        output[i] =
            d * static_cast<float>(block.scales[i / 16]) * static_cast<float>((low | (high << 4)) - 32);
    }
}

void dequantize_block(const BlockIQ4_NL& block, float* output) {
    const float d = float_from_half(block.d);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>(kIq4Values[block.qs[j] & 15]);
        output[j + 16] = d * static_cast<float>(kIq4Values[block.qs[j] >> 4]);
    }
}

void dequantize_block(const BlockIQ4_XS& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int group = i / 32, j = i % 32;
        const int code = (block.qs[16 * group + j % 16] >> (4 * (j / 16))) & 15;
        output[i] =
            d * static_cast<float>(read_scale_iq4(block, group)) * static_cast<float>(kIq4Values[code]);
    }
}

void dequantize_block(const BlockMXFP4& block, float* output) {
    const float d = std::ldexp(1.0f, block.e - 128);
    for (int j = 0; j < 16; ++j) {
        output[j] = d * static_cast<float>(kMxfp4Values[block.qs[j] & 15]);
        output[j + 16] = d * static_cast<float>(kMxfp4Values[block.qs[j] >> 4]);
    }
}

// Half a scale of NVFP4: what E2M1 numbers that are doubled to be whole take.
float float_from_ue4m3(uint8_t d) {
    const int bits = read_ue4m3(d), exponent = bits >> 3, mantissa = bits & 7;
    return exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -10)
                         : std::ldexp(static_cast<float>(8 + mantissa), exponent - 11);
}

void dequantize_block(const BlockNVFP4& block, float* output) {
    for (int i = 0; i < 64; ++i) {
        const int sub = i / 16, j = i % 16;
        const int code = (block.qs[8 * sub + j % 8] >> (4 * (j / 8))) & 15;
        output[i] = float_from_ue4m3(block.d[sub]) * static_cast<float>(kMxfp4Values[code]);
    }
}

void dequantize_block(const BlockQ1_0& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < 128; ++i)
        output[i] = d * static_cast<float>(2 * ((block.qs[i / 8] >> (i % 8)) & 1) - 1);
}

template <typename Block>
void dequantize_crumbs(const Block& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < 4 * static_cast<int>(sizeof block.qs); ++i)
        output[i] = d * static_cast<float>(((block.qs[i / 4] >> (2 * (i % 4))) & 3) - 1);
}

void dequantize_block(const BlockQ2_0& block, float* output) {
    dequantize_crumbs(block, output);
}

void dequantize_block(const BlockQ2_0_G128& block, float* output) {
    dequantize_crumbs(block, output);
}

void dequantize_block(const BlockTQ1_0& block, float* output) {
    const float d = float_from_half(block.d);
    uint8_t digits[kSuperColumns];
    read_trits(block, digits);
    for (int i = 0; i < kSuperColumns; ++i) output[i] = d * static_cast<float>(digits[i] - 1);
}

void dequantize_block(const BlockTQ2_0& block, float* output) {
    const float d = float_from_half(block.d);
    for (int i = 0; i < kSuperColumns; ++i) {
        const int code = (block.qs[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32))) & 3;
        output[i] = d * static_cast<float>(code - 1);
    }
}

template <typename Block>
void dequantize_codebook(hearth_type type, const void* data, float* output, int64_t count) {
    const Codebook& book = *find_codebook(type);
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (int64_t i = 0; i < count / kSuperColumns; ++i) {
        Block block;
        std::memcpy(&block, bytes + static_cast<size_t>(i) * sizeof block, sizeof block);
        const float d = float_from_half(read_d(block)) * book.unit;
        for (int g = 0; g < kSuperColumns / 32; ++g) {
            const CodebookGroup group = read_group(block, g);
            int8_t values[32];
            codebook_values(book, group, values);
            for (int j = 0; j < 32; ++j)
                *output++ =
                    d * static_cast<float>(2 * group.scales[j / 16] + 1) * static_cast<float>(values[j]);
        }
    }
}

template <typename Block>
void dequantize_blocks(const void* data, float* output, int64_t count, int columns) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (int64_t i = 0; i < count / columns; ++i) {
        Block block;  // files align tensors, not blocks
        std::memcpy(&block, bytes + static_cast<size_t>(i) * sizeof block, sizeof block);
        dequantize_block(block, output + i * columns);
    }
}

void widen(const void* data, float* output, int64_t count, float (*convert)(uint16_t)) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (int64_t i = 0; i < count; ++i) {
        uint16_t value;
        std::memcpy(&value, bytes + 2 * i, sizeof value);
        output[i] = convert(value);
    }
}

}  // namespace

void dequantize(hearth_type type, const void* data, float* output, int64_t count) {
    switch (type) {
        case HEARTH_TYPE_F32:
            std::memcpy(output, data, static_cast<size_t>(count) * sizeof(float));
            return;
        case HEARTH_TYPE_F16:
            return widen(data, output, count, float_from_half);
        case HEARTH_TYPE_BF16:
            return widen(data, output, count, float_from_bfloat16);
        case HEARTH_TYPE_Q4_0:
            return dequantize_blocks<BlockQ4_0>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_Q4_1:
            return dequantize_blocks<BlockQ4_1>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_Q5_0:
            return dequantize_blocks<BlockQ5_0>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_Q5_1:
            return dequantize_blocks<BlockQ5_1>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_Q8_0:
            return dequantize_blocks<BlockQ8_0>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_Q2_K:
            return dequantize_blocks<BlockQ2_K>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_Q3_K:
            return dequantize_blocks<BlockQ3_K>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_Q4_K:
            return dequantize_blocks<BlockQ4_K>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_Q5_K:
            return dequantize_blocks<BlockQ5_K>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_Q6_K:
            return dequantize_blocks<BlockQ6_K>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_IQ4_NL:
            return dequantize_blocks<BlockIQ4_NL>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_IQ4_XS:
            return dequantize_blocks<BlockIQ4_XS>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_MXFP4:
            return dequantize_blocks<BlockMXFP4>(data, output, count, kBlockColumns);
        case HEARTH_TYPE_NVFP4:
            return dequantize_blocks<BlockNVFP4>(data, output, count, 64);
        case HEARTH_TYPE_Q1_0:
            return dequantize_blocks<BlockQ1_0>(data, output, count, 128);
        case HEARTH_TYPE_Q2_0:
            return dequantize_blocks<BlockQ2_0>(data, output, count, 64);
        case HEARTH_TYPE_Q2_0_G128:
            return dequantize_blocks<BlockQ2_0_G128>(data, output, count, 128);
        case HEARTH_TYPE_TQ1_0:
            return dequantize_blocks<BlockTQ1_0>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_TQ2_0:
            return dequantize_blocks<BlockTQ2_0>(data, output, count, kSuperColumns);
        case HEARTH_TYPE_IQ2_XXS:
            return dequantize_codebook<BlockIQ2_XXS>(type, data, output, count);
        case HEARTH_TYPE_IQ2_XS:
            return dequantize_codebook<BlockIQ2_XS>(type, data, output, count);
        case HEARTH_TYPE_IQ2_S:
            return dequantize_codebook<BlockIQ2_S>(type, data, output, count);
        case HEARTH_TYPE_IQ3_XXS:
            return dequantize_codebook<BlockIQ3_XXS>(type, data, output, count);
        case HEARTH_TYPE_IQ3_S:
            return dequantize_codebook<BlockIQ3_S>(type, data, output, count);
        case HEARTH_TYPE_IQ1_S:
            return dequantize_codebook<BlockIQ1_S>(type, data, output, count);
        case HEARTH_TYPE_IQ1_M:
            return dequantize_codebook<BlockIQ1_M>(type, data, output, count);
    }
    fail(HEARTH_UNSUPPORTED, "tensor type %d cannot be dequantized", static_cast<int>(type));
}

}  // namespace hearth
