// Blocks dequantized by hand: layouts as GGUF's files have them.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/formats/blocks.h"
#include "core/formats/formats.h"
#include "core/formats/half.h"
#include "core/types.h"
#include "hearth.h"
#include "weight_samples.h"

namespace {

constexpr uint16_t kHalfOne = 0x3c00, kHalfTwo = 0x4000, kHalfQuarter = 0x3400;

template <typename Block>
std::vector<float> dequantized(hearth_type type, const Block& block) {
    std::vector<float> values(static_cast<size_t>(hearth::type_info(type).block));
    hearth::dequantize(type, &block, values.data(), static_cast<int64_t>(values.size()));
    return values;
}

TEST(Formats, HalvesOfEveryClassAreExact) {
    EXPECT_EQ(hearth::float_from_half(kHalfOne), 1.0f);
    EXPECT_EQ(hearth::float_from_half(0xc000), -2.0f);
    EXPECT_EQ(hearth::float_from_half(0x0001), 0x1p-24f);  // the smallest subnormal
    EXPECT_EQ(hearth::float_from_half(0x03ff), 0x1.ff8p-15f);
    EXPECT_EQ(hearth::float_from_half(0x7bff), 65504.0f);
    EXPECT_EQ(hearth::float_from_half(0xfc00), -__builtin_inff());
    EXPECT_TRUE(hearth::float_from_half(0x7e00) != hearth::float_from_half(0x7e00));
    EXPECT_EQ(hearth::float_from_bfloat16(0x3f80), 1.0f);
}

TEST(Formats, Q4_0PairsColumnsSixteenApart) {
    hearth::BlockQ4_0 block{kHalfTwo, {}};
    block.qs[3] = 0xf1;  // column 3: 1 - 8, column 19: 15 - 8
    const auto values = dequantized(HEARTH_TYPE_Q4_0, block);
    EXPECT_EQ(values[3], -14.0f);
    EXPECT_EQ(values[19], 14.0f);
    EXPECT_EQ(values[0], -16.0f);
}

TEST(Formats, Q5_1TakesTheFifthBitAndAddsTheMinimum) {
    hearth::BlockQ5_1 block{kHalfTwo, kHalfQuarter, {}, {}};
    block.qh[2] = 1 << 4;  // column 20
    block.qs[4] = 0x3a;
    const auto values = dequantized(HEARTH_TYPE_Q5_1, block);
    EXPECT_EQ(values[4], 2.0f * 10 + 0.25f);
    EXPECT_EQ(values[20], 2.0f * (16 + 3) + 0.25f);
}

TEST(Formats, Q2_KReadsColumnsInStripesOf32) {
    hearth::BlockQ2_K block{};
    block.d = kHalfOne;
    block.dmin = kHalfQuarter;
    block.scales[13] = 0x25;       // columns 208..223: scale 5, minimum 2
    block.qs[32 + 17] = 0b100100;  // column 128 + 17: 0, + 32: 1, + 64: 2, + 96: 0
    block.scales[9 + 2] = 0x03;    // columns 176..191
    const auto values = dequantized(HEARTH_TYPE_Q2_K, block);
    EXPECT_EQ(values[128 + 32 + 17], 3.0f);
    EXPECT_EQ(values[128 + 64 + 17], 5.0f * 2 - 0.25f * 2);
    EXPECT_EQ(values[128 + 64 + 16], -0.25f * 2);
}

TEST(Formats, Q3_KCentresScalesAndCodes) {
    hearth::BlockQ3_K block{};
    block.d = kHalfOne;
    block.scales[5] = 0x10;           // low bits of scale 5: 0, of scale 13: 1
    block.scales[8 + 1] = 0b11 << 6;  // high bits of scale 13: 48
    block.qs[32 + 18] = 0b10 << 4;    // column 128 + 64 + 18 = 210
    block.hmask[18] = 1 << 6;         // its third bit
    const auto values = dequantized(HEARTH_TYPE_Q3_K, block);
    EXPECT_EQ(values[210], (49.0f - 32) * (6 - 4));
    EXPECT_EQ(values[211], (49.0f - 32) * (0 - 4));
    EXPECT_EQ(values[0], -32.0f * -4);
}

TEST(Formats, Q4_KSplitsSixBitScalesAndMinimums) {
    hearth::BlockQ4_K block{};
    block.d = kHalfTwo;
    block.dmin = kHalfQuarter;
    block.scales[1] = 0b10'000111;  // scale of group 1: 7; high bits of scale 5
    block.scales[5] = 0b01'000011;  // minimum of group 1: 3; high bits of minimum 5
    block.scales[9] = 0x4c;         // low bits of scale 5: 12, of minimum 5: 4
    block.qs[6] = 0x90;             // column 6 of group 0: 0, of group 1: 9
    block.qs[64 + 6] = 0xb0;        // column 6 of group 5: 11
    const auto values = dequantized(HEARTH_TYPE_Q4_K, block);
    EXPECT_EQ(values[32 + 6], 2.0f * 7 * 9 - 0.25f * 3);
    EXPECT_EQ(values[5 * 32 + 6], 2.0f * 44 * 11 - 0.25f * 20);
    EXPECT_EQ(values[5 * 32 + 7], -0.25f * 20);
}

TEST(Formats, Q6_KJoinsFourAndTwoBits) {
    hearth::BlockQ6_K block{};
    block.d = kHalfTwo;
    block.scales[8 + 7] = -3;       // columns 240..255
    block.ql[64 + 32 + 20] = 0x50;  // column 128 + 96 + 20 = 244
    block.qh[32 + 20] = 0b11 << 6;
    const auto values = dequantized(HEARTH_TYPE_Q6_K, block);
    EXPECT_EQ(values[244], 2.0f * -3 * (53 - 32));
    EXPECT_EQ(values[245], 2.0f * -3 * -32);
}

TEST(Formats, IQ4_XSLooksCodesUpAndCentresScales) {
    hearth::BlockIQ4_XS block{};
    block.d = kHalfTwo;
    block.scales_l[2] = 0x70;     // low bits of scale 5: 7
    block.scales_h = 3 << 10;     // its high bits: 48
    block.qs[5 * 16 + 4] = 0xf0;  // group 5: column 4: code 0, column 20: code 15
    const auto values = dequantized(HEARTH_TYPE_IQ4_XS, block);
    EXPECT_EQ(values[5 * 32 + 4], 2.0f * (55 - 32) * -127);
    EXPECT_EQ(values[5 * 32 + 20], 2.0f * (55 - 32) * 113);
    EXPECT_EQ(values[0], 2.0f * -32 * -127);
}

TEST(Formats, MXFP4ScalesE2M1ByAPowerOfTwo) {
    hearth::BlockMXFP4 block{};
    block.e = 130;       // 2^3
    block.qs[1] = 0xf7;  // columns 1 and 17: 6 and -6
    auto values = dequantized(HEARTH_TYPE_MXFP4, block);
    EXPECT_EQ(values[1], 48.0f);
    EXPECT_EQ(values[17], -48.0f);
    EXPECT_EQ(values[0], 0.0f);
    block.e = 0;
    values = dequantized(HEARTH_TYPE_MXFP4, block);
    EXPECT_EQ(values[1], 0x1.8p-125f);  // 6 * 2^-127
}

TEST(Formats, NVFP4ScalesE2M1BySubBlocksOfEightBitFloats) {
    hearth::BlockNVFP4 block{};
    block.d[1] = 0x3c;   // columns 16..31: 2^(7 - 7) * 1.5
    block.d[2] = 0x03;   // subnormal: 3 * 2^-9
    block.d[3] = 0x7f;   // not a number: zero
    block.qs[8] = 0xf7;  // columns 16 and 24: 6 and -6
    block.qs[17] = 0x21;
    block.qs[24] = 0x77;
    auto values = dequantized(HEARTH_TYPE_NVFP4, block);
    EXPECT_EQ(values[16], 9.0f);
    EXPECT_EQ(values[24], -9.0f);
    EXPECT_EQ(values[33], 0.5f * 3 * 0x1p-9f);
    EXPECT_EQ(values[41], 1.0f * 3 * 0x1p-9f);
    EXPECT_EQ(values[48], 0.0f);
    block.d[1] = 0x7e;  // the largest: 448
    values = dequantized(HEARTH_TYPE_NVFP4, block);
    EXPECT_EQ(values[16], 2688.0f);
    block.d[1] = 0xbc;  // the upper bit has no meaning
    values = dequantized(HEARTH_TYPE_NVFP4, block);
    EXPECT_EQ(values[16], 9.0f);
}

TEST(Formats, Q1_0HoldsSigns) {
    hearth::BlockQ1_0 block{};
    block.d = kHalfTwo;
    block.qs[5] = 0x04;
    const auto values = dequantized(HEARTH_TYPE_Q1_0, block);
    EXPECT_EQ(values[42], 2.0f);
    EXPECT_EQ(values[41], -2.0f);
    EXPECT_EQ(values[127], -2.0f);
}

TEST(Formats, Q2_0CountsFromMinusOneInBothGroupSizes) {
    hearth::BlockQ2_0 small{};
    small.d = kHalfTwo;
    small.qs[15] = 0b11'10'01'00;
    const auto of_64 = dequantized(HEARTH_TYPE_Q2_0, small);
    hearth::BlockQ2_0_G128 large{};
    large.d = kHalfTwo;
    large.qs[31] = 0b11'10'01'00;
    const auto of_128 = dequantized(HEARTH_TYPE_Q2_0_G128, large);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(of_64[static_cast<size_t>(60 + i)], 2.0f * static_cast<float>(i - 1));
        EXPECT_EQ(of_128[static_cast<size_t>(124 + i)], 2.0f * static_cast<float>(i - 1));
    }
    EXPECT_EQ(of_128[64], -2.0f);
}

TEST(Formats, TheCBoundaryDequantizesWholeBlocksOnly) {
    const auto blocks = hearth_tests::sample_blocks(HEARTH_TYPE_Q4_K, 1, 512, 3);
    std::vector<float> expected(512), values(512);
    hearth::dequantize(HEARTH_TYPE_Q4_K, blocks.data(), expected.data(), 512);
    EXPECT_EQ(hearth_dequantize(HEARTH_TYPE_Q4_K, blocks.data(), blocks.size(), values.data(), 512),
              HEARTH_OK);
    EXPECT_EQ(values, expected);
    EXPECT_EQ(hearth_dequantize(HEARTH_TYPE_Q4_K, blocks.data(), blocks.size(), values.data(), 511),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_dequantize(HEARTH_TYPE_Q4_K, blocks.data(), blocks.size() - 1, values.data(), 512),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_dequantize(HEARTH_TYPE_Q4_K, nullptr, blocks.size(), values.data(), 512),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_dequantize(HEARTH_TYPE_Q4_K, blocks.data(), blocks.size(), values.data(), SIZE_MAX),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_dequantize(4, blocks.data(), blocks.size(), values.data(), 512), HEARTH_UNSUPPORTED);
}

}  // namespace
