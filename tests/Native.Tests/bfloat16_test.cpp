// Products of BF16 weights, whose instructions take two columns at once: any number of columns and rows, and
// values at the edges of the format.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/formats/half.h"
#include "cpu/isa.h"
#include "cpu/linear.h"
#include "cpu/linear/kernels.h"
#include "cpu/linear/tiles.h"
#include "rounded_activations.h"
#include "rows_support.h"
#include "weight_samples.h"

using hearth::PackedWeight;
using hearth::ThreadPool;
using namespace hearth_test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();

std::vector<float> multiply(hearth_isa isa, const PackedWeight& weight, const std::vector<float>& input,
                            ThreadPool& pool) {
    const auto call_rows = static_cast<int64_t>(input.size()) / weight.columns;
    std::vector<float> values(static_cast<size_t>(call_rows * weight.rows));
    const hearth::LinearOutput output{&weight, nullptr, values.data(), weight.rows};
    const hearth::LinearCall call{input.data(),        weight.columns, call_rows, weight.columns, &output, 1,
                                  HEARTH_FUNCTION_NONE};
    hearth::Buffer scratch(hearth::linear_scratch_bytes(isa, call_rows, weight.columns, &weight.type, 1));
    hearth::linear(isa, call, scratch, pool);
    return values;
}

// A weight [rows, columns] of BF16 with its values.
struct Weight {
    std::vector<uint8_t> file;
    PackedWeight packed;
    std::vector<float> values;

    Weight(std::vector<uint8_t> bytes, int64_t rows, int64_t columns, ThreadPool& pool)
        : file(std::move(bytes)),
          packed(
              hearth::pack_weight(hearth::best_isa(), HEARTH_TYPE_BF16, rows, columns, file.data(), pool)) {
        for (size_t i = 0; i < file.size(); i += 2) {
            uint16_t word;
            std::memcpy(&word, &file[i], sizeof word);
            values.push_back(hearth::float_from_bfloat16(word));
        }
    }
    static Weight sample(int64_t rows, int64_t columns, ThreadPool& pool) {
        return {hearth_tests::sample_blocks(HEARTH_TYPE_BF16, rows, columns, 5), rows, columns, pool};
    }
};

// Every sum of float32 products lies within columns roundings of the exact one.
void expect_products(const Weight& weight, const std::vector<float>& input, const float* actual) {
    const int64_t columns = weight.packed.columns, rows = weight.packed.rows;
    const std::vector<double> activations = hearth_tests::rounded(input, HEARTH_TYPE_BF16, columns);
    for (size_t r = 0; r < input.size() / static_cast<size_t>(columns); ++r)
        for (int64_t o = 0; o < rows; ++o) {
            double sum = 0, magnitude = 0;
            for (int64_t k = 0; k < columns; ++k) {
                const double product =
                    static_cast<double>(weight.values[static_cast<size_t>(o * columns + k)]) *
                    activations[r * static_cast<size_t>(columns) + static_cast<size_t>(k)];
                sum += product;
                magnitude += std::fabs(product);
            }
            ASSERT_NEAR(actual[static_cast<int64_t>(r) * rows + o], sum,
                        magnitude * static_cast<double>(columns) * 0x1p-24)
                << "row " << r << " output " << o;
        }
}

TEST(Bfloat16, ProductsAreRightForAnyNumberOfColumnsAndRows) {
    ThreadPool pool(2);
    for (const int64_t columns : {1, 2, 3, 31, 32, 33, 63, 64, 65, 257}) {
        const Weight weight = Weight::sample(19, columns, pool);
        for (int64_t call_rows = 1; call_rows <= 19; ++call_rows) {
            const auto input = hearth_tests::sample_floats(static_cast<size_t>(call_rows * columns), 3);
            for (const hearth_isa isa : isas_here()) {
                SCOPED_TRACE(std::string(hearth::isa_name(isa)) + ", " + std::to_string(columns) +
                             " columns, " + std::to_string(call_rows) + " rows");
                expect_products(weight, input, multiply(isa, weight.packed, input, pool).data());
            }
        }
    }
}

struct Edge {
    uint32_t bits;
    float rounded;  // what products meet; NaN for any of them
};

constexpr Edge kEdges[] = {
    {0x3f800000, 1.0f},
    {0x3f808000, 1.0f},              // a tie, to the even one below
    {0x3f818000, 1.015625f},         // a tie, to the even one above
    {0x3f808001, 1.0078125f},        // above a tie
    {0xbf807fff, -1.0f},             // below a tie
    {0x7f7f7fff, 0x1.fep127f},       // the largest that is not rounded to infinity
    {0x7f7f8000, kInfinity},         // rounded up to it
    {0xff7fffff, -kInfinity},        //
    {0x7f800000, kInfinity},         //
    {0xff800000, -kInfinity},        //
    {0x7fc00000, std::nanf("")},     //
    {0x7f800001, std::nanf("")},     // a NaN by its lower half only
    {0xffff8000, std::nanf("")},     // a NaN that rounding up would turn into zero
    {0x00800000, kSmallestNormal},   //
    {0x80800000, -kSmallestNormal},  //
    {0x00000000, 0.0f},              //
    {0x80000000, 0.0f},              //
};

void expect_edge(const Edge& edge, float actual) {
    if (std::isnan(edge.rounded))
        EXPECT_TRUE(std::isnan(actual)) << std::hex << edge.bits;
    else
        EXPECT_EQ(actual, edge.rounded) << std::hex << edge.bits;
}

// Row i holds edge i alone, in turn in the first and the second half of a pair and in a last one without the
// other; every weight is 1.
TEST(Bfloat16, ActivationsAreRoundedTiesToEvenAndStayInTheirRow) {
    ThreadPool pool(1);
    constexpr int64_t kColumns = 3;
    constexpr size_t kCount = std::size(kEdges);
    std::vector<uint8_t> ones(2 * kColumns * 18);
    for (size_t i = 0; i < ones.size(); i += 2) std::memcpy(&ones[i], "\x80\x3f", 2);
    const Weight weight(ones, 18, kColumns, pool);
    std::vector<float> input(kCount * kColumns);
    for (size_t i = 0; i < kCount; ++i) {
        const float value = hearth::float_from_bits(kEdges[i].bits);
        input[i * kColumns + i % kColumns] = value;
    }
    for (const hearth_isa isa : isas_here()) {
        SCOPED_TRACE(hearth::isa_name(isa));
        const auto together = multiply(isa, weight.packed, input, pool);
        for (size_t i = 0; i < kCount; ++i) {
            const std::vector<float> row(&input[i * kColumns], &input[i * kColumns] + kColumns);
            const auto alone = multiply(isa, weight.packed, row, pool);
            for (size_t o = 0; o < 18; ++o) {
                expect_edge(kEdges[i], together[i * 18 + o]);
                expect_edge(kEdges[i], alone[o]);
            }
        }
    }
}

// Output i has its edge, cut to bfloat16, in one of its columns and zeros in the others; every activation
// is 1.
TEST(Bfloat16, WeightsThatAreNotFiniteStayInTheirOutput) {
    ThreadPool pool(1);
    constexpr int64_t kColumns = 3;
    constexpr auto kRows = static_cast<int64_t>(std::size(kEdges));
    std::vector<uint8_t> bytes(2 * kColumns * kRows);
    std::vector<Edge> expected;
    for (int64_t i = 0; i < kRows; ++i) {
        uint32_t bits = kEdges[i].bits & 0xffff0000u;
        if (std::isnan(kEdges[i].rounded)) bits |= 0x00400000u;
        std::memcpy(&bytes[static_cast<size_t>(2 * (i * kColumns + i % kColumns))],
                    reinterpret_cast<const uint8_t*>(&bits) + 2, 2);
        expected.push_back({bits, hearth::float_from_bits(bits)});
    }
    const Weight weight(bytes, kRows, kColumns, pool);
    for (const hearth_isa isa : isas_here())
        for (const int64_t call_rows : {1, 2, 5, 8, 11}) {
            SCOPED_TRACE(std::string(hearth::isa_name(isa)) + ", " + std::to_string(call_rows) + " rows");
            const std::vector<float> input(static_cast<size_t>(call_rows * kColumns), 1.0f);
            const auto values = multiply(isa, weight.packed, input, pool);
            for (size_t i = 0; i < values.size(); ++i) expect_edge(expected[i % kRows], values[i]);
        }
}

// Instructions for bfloat16 may take numbers below the smallest normal one for zero; nothing else may come of
// them.
TEST(Bfloat16, SubnormalNumbersAreKeptOrBecomeZero) {
    ThreadPool pool(1);
    const int64_t columns = 33;
    std::vector<uint8_t> bytes(static_cast<size_t>(2 * 17 * columns));
    for (size_t i = 0; i < bytes.size(); i += 2)
        std::memcpy(&bytes[i], i % 4 == 0 ? "\x01\x00" : "\x80\x3f", 2);
    const Weight weight(bytes, 17, columns, pool);
    for (const hearth_isa isa : isas_here())
        for (const int64_t call_rows : {1, 3, 8, 9}) {
            std::vector<float> input(static_cast<size_t>(call_rows * columns));
            for (size_t i = 0; i < input.size(); ++i) input[i] = i % 3 == 0 ? 1.0f : 1e-39f;
            const auto values = multiply(isa, weight.packed, input, pool);
            const std::vector<double> activations = hearth_tests::rounded(input, HEARTH_TYPE_BF16, columns);
            for (size_t i = 0; i < values.size(); ++i) {
                double sum = 0;
                for (int64_t k = 0; k < columns; ++k)
                    sum += static_cast<double>(weight.values[i % 17 * 33 + static_cast<size_t>(k)]) *
                           activations[i / 17 * 33 + static_cast<size_t>(k)];
                EXPECT_NEAR(values[i], sum, 33 * 1.2e-38 + std::fabs(sum) * 1e-6) << hearth::isa_name(isa);
            }
        }
}

#if defined(__x86_64__)
// The processor's own table has them; the one for processors without is run here beside it.
TEST(Bfloat16, Avx512KernelsAgreeWithAndWithoutProductsOfBfloat16) {
    if (!(hearth::available_isas() & (1u << HEARTH_ISA_AVX512)) || !hearth::has_bf16())
        GTEST_SKIP() << "this processor has no AVX512-BF16";
    EXPECT_EQ(hearth::linear_kernels(HEARTH_ISA_AVX512).bfloat16.prepare, hearth::kBfloat16Avx512.prepare);
    ThreadPool pool(1);
    const hearth::LinearKernels& plain = hearth::kLinearAvx512;
    for (const int64_t columns : {1, 2, 33, 768, 769}) {
        const Weight weight = Weight::sample(16, columns, pool);
        for (const int* size = plain.tile_sizes; *size != 0; ++size)
            for (const int rows : {*size, (*size + 1) / 2}) {
                SCOPED_TRACE(std::to_string(columns) + " columns, " + std::to_string(rows) + " rows of " +
                             std::to_string(*size));
                const auto input = hearth_tests::sample_floats(static_cast<size_t>(rows * columns), 4);
                for (const hearth::Bfloat16Kernels& kernels : {plain.bfloat16, hearth::kBfloat16Avx512}) {
                    hearth::Buffer tile(static_cast<size_t>(4 * *size * columns));
                    std::memset(tile.data(), 0xff, tile.size());
                    kernels.prepare(input.data(), columns, columns, rows, *size, tile.data());
                    std::vector<float> sums(static_cast<size_t>(*size) * 16);
                    kernels.find_tile (*size)(weight.packed.data.data(), tile.data(), columns, sums.data());
                    expect_products(weight, input, sums.data());
                    for (size_t i = static_cast<size_t>(rows) * 16; i < sums.size(); ++i)
                        ASSERT_EQ(sums[i], 0.0f);
                }
            }
    }
}
#endif

}  // namespace
