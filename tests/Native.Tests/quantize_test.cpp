// Quantizers: what they write is read back by the plain dequantizer, and no search does worse than plain
// rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/formats/formats.h"
#include "core/formats/half.h"
#include "core/types.h"
#include "cpu/isa.h"
#include "cpu/quantize/kernels.h"
#include "cpu/quantize/narrow.h"
#include "hearth.h"

namespace {

constexpr hearth_type kBlockTypes[] = {
    HEARTH_TYPE_Q4_0,   HEARTH_TYPE_Q4_1,   HEARTH_TYPE_Q5_0, HEARTH_TYPE_Q5_1, HEARTH_TYPE_Q8_0,
    HEARTH_TYPE_Q2_K,   HEARTH_TYPE_Q3_K,   HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q5_K, HEARTH_TYPE_Q6_K,
    HEARTH_TYPE_IQ4_NL, HEARTH_TYPE_IQ4_XS, HEARTH_TYPE_MXFP4};

constexpr size_t kColumns = 256;

std::vector<uint8_t> quantized(hearth_type type, const std::vector<float>& values,
                               const float* importance = nullptr) {
    const auto columns = static_cast<int64_t>(kColumns);
    const auto rows = static_cast<int64_t>(values.size() / kColumns);
    std::vector<uint8_t> bytes(hearth::matrix_bytes(hearth::type_info(type), rows, columns));
    EXPECT_EQ(
        hearth_quantize(type, values.data(), values.size(), columns, importance, bytes.data(), bytes.size()),
        HEARTH_OK)
        << hearth_last_error();
    return bytes;
}

std::vector<float> round_trip(hearth_type type, const std::vector<float>& values,
                              const float* importance = nullptr) {
    const auto bytes = quantized(type, values, importance);
    std::vector<float> read(values.size());
    hearth::dequantize(type, bytes.data(), read.data(), static_cast<int64_t>(read.size()));
    return read;
}

double mean_squared_error(const std::vector<float>& a, const std::vector<float>& b) {
    double total = 0;
    for (size_t i = 0; i < a.size(); ++i) total += std::pow(static_cast<double>(a[i]) - b[i], 2);
    return total / static_cast<double>(a.size());
}

double mean_square(const std::vector<float>& a) {
    return mean_squared_error(a, std::vector<float>(a.size()));
}

std::vector<float> normal_weights(size_t count, uint32_t seed) {
    // Sums of uniform numbers: the same on every standard library.
    std::mt19937 generator(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        double total = -6;
        for (int i = 0; i < 12; ++i) total += generator() * 0x1p-32;
        value = static_cast<float>(0.02 * total);
    }
    return values;
}

// The noise that a type may leave in normal weights, as a share of their mean square: what exhaustive
// rounding of the best kind leaves lies a little below.
double largest_noise(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_Q8_0:
            return 2.4e-5;
        case HEARTH_TYPE_Q6_K:
            return 2.9e-4;
        case HEARTH_TYPE_Q5_K:
            return 1.25e-3;
        case HEARTH_TYPE_Q5_1:
            return 1.2e-3;
        case HEARTH_TYPE_Q5_0:
            return 1.75e-3;
        case HEARTH_TYPE_Q4_K:
            return 5.1e-3;
        case HEARTH_TYPE_Q4_1:
            return 5.0e-3;
        case HEARTH_TYPE_IQ4_NL:
            return 5.7e-3;
        case HEARTH_TYPE_IQ4_XS:
            return 5.8e-3;
        case HEARTH_TYPE_Q4_0:
            return 7.0e-3;
        case HEARTH_TYPE_MXFP4:
            return 1.32e-2;
        case HEARTH_TYPE_Q3_K:
            return 2.2e-2;
        default:
            return 7.1e-2;
    }
}

class QuantizedType : public testing::TestWithParam<hearth_type> {};

INSTANTIATE_TEST_SUITE_P(Blocks, QuantizedType, testing::ValuesIn(kBlockTypes),
                         [](const auto& info) { return std::string(hearth::type_info(info.param).name); });

TEST_P(QuantizedType, LeavesLittleNoiseInNormalWeights) {
    const auto weights = normal_weights(64 * kColumns, 1);
    const double noise = mean_squared_error(weights, round_trip(GetParam(), weights)) / mean_square(weights);
    EXPECT_LT(noise, largest_noise(GetParam()));
    EXPECT_GT(noise, 0);
}

TEST_P(QuantizedType, ScalesWithPowersOfTwo) {
    auto weights = normal_weights(4 * kColumns, 2);
    for (float& value : weights) value *= 64;  // scales are normal f16 numbers in every type
    auto larger = weights;
    for (float& value : larger) value *= 16;
    auto expected = round_trip(GetParam(), weights);
    for (float& value : expected) value *= 16;
    EXPECT_EQ(round_trip(GetParam(), larger), expected);
}

TEST_P(QuantizedType, KeepsZeros) {
    const std::vector<float> zeros(kColumns);
    EXPECT_EQ(round_trip(GetParam(), zeros), zeros);
    const std::vector<float> negative(kColumns, -0.0f);
    EXPECT_EQ(round_trip(GetParam(), negative), zeros);
}

TEST_P(QuantizedType, HoldsConstantsOfBothSigns) {
    for (const float value : {0.37f, -0.37f, 1e-3f, -123.456f}) {
        const std::vector<float> weights(kColumns, value);
        const auto read = round_trip(GetParam(), weights);
        const bool power_scale = GetParam() == HEARTH_TYPE_MXFP4;
        for (const float got : read) EXPECT_NEAR(got, value, std::fabs(value) * (power_scale ? 0.2f : 0.02f));
    }
}

TEST_P(QuantizedType, HoldsOneOutlierAmongSmallWeights) {
    auto weights = normal_weights(kColumns, 3);
    weights[77] = -40;
    const auto read = round_trip(GetParam(), weights);
    EXPECT_NEAR(read[77], -40, GetParam() == HEARTH_TYPE_MXFP4 ? 8 : 3);
    EXPECT_LT(mean_squared_error(weights, read), 0.3);
}

TEST_P(QuantizedType, HoldsWeightsOfOneSign) {
    for (const float sign : {1.0f, -1.0f}) {
        auto weights = normal_weights(4 * kColumns, 4);
        for (float& value : weights) value = sign * (0.3f + value);
        const double noise = mean_squared_error(weights, round_trip(GetParam(), weights));
        EXPECT_LT(noise, 0.03 * mean_square(weights));
    }
}

TEST_P(QuantizedType, MakesNothingOfWeightsBelowItsRange) {
    std::vector<float> weights(kColumns, std::numeric_limits<float>::denorm_min());
    weights[3] = -1e-39f;
    for (const float got : round_trip(GetParam(), weights)) EXPECT_LE(std::fabs(got), 1e-37f);
}

TEST_P(QuantizedType, WorksInTheSubnormalRangeOfItsScale) {
    auto weights = normal_weights(kColumns, 5);
    for (float& value : weights) value *= 1e-3f;  // about 2e-5: scales near the smallest f16
    EXPECT_LT(mean_squared_error(weights, round_trip(GetParam(), weights)), 0.11 * mean_square(weights));
}

TEST_P(QuantizedType, RefusesWeightsBeyondItsRange) {
    std::vector<float> weights(kColumns, 1);
    weights[200] = 3e38f;
    std::vector<uint8_t> bytes(hearth::matrix_bytes(hearth::type_info(GetParam()), 1, kColumns));
    const auto status =
        hearth_quantize(GetParam(), weights.data(), kColumns, kColumns, nullptr, bytes.data(), bytes.size());
    if (GetParam() == HEARTH_TYPE_MXFP4) {
        EXPECT_EQ(status, HEARTH_OK);  // its exponent reaches as far as a float's
        return;
    }
    EXPECT_EQ(status, HEARTH_INVALID_ARGUMENT);
    EXPECT_NE(std::string(hearth_last_error()).find("beyond the range"), std::string::npos);
}

TEST_P(QuantizedType, HoldsTheLargestWeightsOfItsRange) {
    // Q4_1 and Q5_1 hold an offset in f16, the others a scale.
    const bool has_offset = GetParam() == HEARTH_TYPE_Q4_1 || GetParam() == HEARTH_TYPE_Q5_1;
    const float size = has_offset ? 6.5e4f : 3e5f;
    std::vector<float> weights(kColumns);
    for (size_t i = 0; i < kColumns; ++i) weights[i] = i % 2 ? size : -0.97f * size;
    EXPECT_LT(mean_squared_error(weights, round_trip(GetParam(), weights)), 0.03 * mean_square(weights));
}

TEST_P(QuantizedType, GivesItsOwnNumbersBack) {
    const auto once = round_trip(GetParam(), normal_weights(16 * kColumns, 6));
    const auto twice = round_trip(GetParam(), once);
    EXPECT_LT(mean_squared_error(once, twice), 0.2 * largest_noise(GetParam()) * mean_square(once));
}

TEST_P(QuantizedType, FollowsTheImportanceOfColumns) {
    const auto weights = normal_weights(32 * kColumns, 7);
    std::vector<float> importance(kColumns);
    for (size_t i = 0; i < kColumns; ++i) importance[i] = i % 4 == 0 ? 1000.0f : 1.0f;
    const auto error_of_important = [&](const std::vector<float>& read) {
        double total = 0;
        for (size_t i = 0; i < weights.size(); i += 4)
            total += std::pow(static_cast<double>(weights[i]) - read[i], 2);
        return total;
    };
    const double plain = error_of_important(round_trip(GetParam(), weights));
    EXPECT_LT(error_of_important(round_trip(GetParam(), weights, importance.data())), 0.97 * plain);
}

TEST_P(QuantizedType, TakesAnyFiniteImportance) {
    const auto weights = normal_weights(kColumns, 8);
    for (const float value : {0.0f, 1e-40f, 3e38f}) {
        const std::vector<float> importance(kColumns, value);
        EXPECT_LT(mean_squared_error(weights, round_trip(GetParam(), weights, importance.data())),
                  1.3 * largest_noise(GetParam()) * mean_square(weights));
    }
}

TEST_P(QuantizedType, WritesTheSameBytesWithEveryInstructionSet) {
#if defined(__x86_64__)
    if (!(hearth::available_isas() & (1u << HEARTH_ISA_AVX2))) GTEST_SKIP() << "this processor has no AVX2";
    const auto baseline = hearth::block_quantizer_baseline(GetParam());
    const auto wide = hearth::block_quantizer_avx2(GetParam());
    const auto& info = hearth::type_info(GetParam());
    const auto weights = normal_weights(64 * kColumns, 9);
    const std::vector<float> importance(kColumns, 1.0f);
    for (size_t i = 0; i < weights.size(); i += static_cast<size_t>(info.block)) {
        std::vector<uint8_t> a(static_cast<size_t>(info.block_bytes)), b(a.size());
        ASSERT_TRUE(baseline(&weights[i], importance.data(), a.data()));
        ASSERT_TRUE(wide(&weights[i], importance.data(), b.data()));
        ASSERT_EQ(a, b) << "block at " << i;
    }
#else
    GTEST_SKIP() << "this build has one set of quantizers";
#endif
}

TEST_P(QuantizedType, RefusesWhatIsNotFinite) {
    std::vector<uint8_t> bytes(hearth::matrix_bytes(hearth::type_info(GetParam()), 1, kColumns));
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
        std::vector<float> weights(kColumns, 1);
        weights[17] = odd;
        EXPECT_EQ(hearth_quantize(GetParam(), weights.data(), kColumns, kColumns, nullptr, bytes.data(),
                                  bytes.size()),
                  HEARTH_INVALID_ARGUMENT);
        EXPECT_NE(std::string(hearth_last_error()).find("17"), std::string::npos) << hearth_last_error();
    }
}

TEST(Quantize, EveryHalfAndBfloat16ComesBack) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        if ((half & 0x7c00) != 0x7c00) {
            EXPECT_EQ(hearth::half_from_float(hearth::float_from_half(half)), half);
        }
        if ((half & 0x7f80) != 0x7f80) {
            EXPECT_EQ(hearth::bfloat16_from_float(hearth::float_from_bfloat16(half)), half);
        }
    }
}

TEST(Quantize, NarrowingRoundsToNearestEven) {
    EXPECT_EQ(hearth::half_from_float(1.0f + 0x1p-11f), 0x3c00);             // a tie: down to even
    EXPECT_EQ(hearth::half_from_float(1.0f + 3 * 0x1p-11f), 0x3c02);         // a tie: up to even
    EXPECT_EQ(hearth::half_from_float(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);  // above it
    EXPECT_EQ(hearth::half_from_float(0x1p-25f), 0x0000);
    EXPECT_EQ(hearth::half_from_float(0x1.8p-25f), 0x0001);
    EXPECT_EQ(hearth::half_from_float(-65520.0f), 0xfc00);
    EXPECT_EQ(hearth::half_from_float(65519.0f), 0x7bff);
    EXPECT_EQ(hearth::bfloat16_from_float(1.0f + 0x1p-8f), 0x3f80);
    EXPECT_EQ(hearth::bfloat16_from_float(1.0f + 3 * 0x1p-8f), 0x3f82);
}

TEST(Quantize, SixteenBitTypesRefuseWhatWouldBecomeInfinite) {
    const float weights[2] = {1, 65536};
    uint16_t output[2];
    EXPECT_EQ(hearth_quantize(HEARTH_TYPE_F16, weights, 2, 2, nullptr, output, sizeof output),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_quantize(HEARTH_TYPE_BF16, weights, 2, 2, nullptr, output, sizeof output), HEARTH_OK);
    EXPECT_EQ(output[1], 0x4780);
    const float largest = std::numeric_limits<float>::max();
    EXPECT_EQ(hearth_quantize(HEARTH_TYPE_BF16, &largest, 1, 1, nullptr, output, 2), HEARTH_INVALID_ARGUMENT);
}

TEST(Quantize, TheCBoundaryChecksSizes) {
    const std::vector<float> weights(512, 1.0f), bad_importance(256, -1.0f);
    std::vector<uint8_t> bytes(2 * 144);
    const auto call = [&](int32_t type, const float* input, size_t count, int64_t columns,
                          const float* importance, void* output, size_t size) {
        return hearth_quantize(type, input, count, columns, importance, output, size);
    };
    const float* in = weights.data();
    void* out = bytes.data();
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 256, nullptr, out, 288), HEARTH_OK);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 256, nullptr, out, 287), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 128, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 511, 256, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 0, 256, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 0, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, -256, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, SIZE_MAX, 1, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, nullptr, 512, 256, nullptr, out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 256, nullptr, nullptr, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(HEARTH_TYPE_Q4_K, in, 512, 256, bad_importance.data(), out, 288), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(call(4, in, 512, 256, nullptr, out, 288), HEARTH_UNSUPPORTED);
}

}  // namespace
