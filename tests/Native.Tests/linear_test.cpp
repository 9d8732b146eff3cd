// Products with packed weights against plain arithmetic in double precision.
#include "cpu/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/formats/formats.h"
#include "core/types.h"
#include "cpu/isa.h"
#include "cpu/linear/kernels.h"
#include "cpu/linear/tiles.h"
#include "rounded_activations.h"
#include "rows_support.h"
#include "weight_samples.h"

namespace {

using hearth::PackedWeight;
using hearth::ThreadPool;
using hearth_test::isas_here;
using hearth_tests::products_tolerance;
using hearth_tests::rounded;

double function_of(hearth_function function, double x) {
    switch (function) {
        case HEARTH_FUNCTION_SILU:
            return x / (1 + std::exp(-x));
        case HEARTH_FUNCTION_GELU:
            return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
        case HEARTH_FUNCTION_GELU_TANH:
            // 1 + tanh(u) = 2 / (1 + e^(-2u)), which does not cancel.
            return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case HEARTH_FUNCTION_RELU:
            return x > 0 ? x : 0;
        case HEARTH_FUNCTION_RELU_SQUARED:
            return x > 0 ? x * x : 0;
        case HEARTH_FUNCTION_SIGMOID:
            return 1 / (1 + std::exp(-x));
        case HEARTH_FUNCTION_GELU_SIGMOID:
            return x / (1 + std::exp(-1.702 * x));
        case HEARTH_FUNCTION_TANH:
            return std::tanh(x);
        default:
            return x;
    }
}

// The normalized mean squared error that rounding the activations may bring.
double rounding_tolerance(hearth_type type) {
    if (type == HEARTH_TYPE_BF16) return 1e-5;
    return hearth::type_info(type).block == 1 ? 1e-11 : 3e-4;
}

struct Difference {
    double error = 0, energy = 0, signed_error = 0, count = 0;
    void add(double expected, double actual) {
        error += (actual - expected) * (actual - expected);
        energy += expected * expected;
        signed_error += actual - expected;
        count += 1;
    }
    double nmse() const { return energy > 0 ? error / energy : error; }
};

// One output of a call under test, with guards around and between its rows.
struct Output {
    static constexpr float kGuard = -12345.5f;
    hearth_type type;
    int64_t rows;
    std::vector<uint8_t> file;
    std::vector<float> weights;  // dequantized [rows, columns]
    std::vector<float> bias;
    std::vector<float> values;
    int64_t stride;
    PackedWeight packed;

    Output(hearth_isa isa, hearth_type type, int64_t rows, int64_t columns, int64_t call_rows, bool with_bias,
           uint32_t seed, ThreadPool& pool)
        : type(type), rows(rows), file(hearth_tests::sample_blocks(type, rows, columns, seed)) {
        weights.resize(static_cast<size_t>(rows * columns));
        hearth::dequantize(type, file.data(), weights.data(), rows * columns);
        if (with_bias) bias = hearth_tests::sample_floats(static_cast<size_t>(rows), seed + 1);
        stride = rows + 5;
        values.assign(static_cast<size_t>(stride * call_rows), kGuard);
        packed = hearth::pack_weight(isa, type, rows, columns, file.data(), pool);
    }
    hearth::LinearOutput view() {
        return {&packed, bias.empty() ? nullptr : bias.data(), values.data(), stride};
    }
};

struct Case {
    int64_t rows, columns, call_rows;
};

std::vector<Case> cases(hearth_type type) {
    const int block = hearth::find_type(type)->block;
    if (block == 256)
        return {{1, 256, 1},  {3, 512, 2},    {15, 256, 3},  {16, 512, 5},  {17, 256, 6}, {33, 2816, 4},
                {33, 256, 9}, {100, 512, 13}, {48, 256, 40}, {17, 768, 12}, {31, 256, 25}};
    if (block > 1)
        return {{1, block, 1},       {3, 2 * block, 2},    {15, block, 3},     {16, 9 * block, 5},
                {17, 3 * block, 6},  {33, 2816, 4},        {33, block, 9},     {100, 9 * block, 13},
                {48, 5 * block, 40}, {17, 16 * block, 12}, {31, 2 * block, 25}};
    return {{1, 1, 1},  {3, 7, 2},      {15, 130, 3}, {16, 1, 5},    {17, 33, 6}, {33, 2816, 4},
            {33, 7, 9}, {100, 130, 13}, {48, 9, 40},  {17, 512, 12}, {31, 64, 25}};
}

std::string describe(const Case& c, hearth_isa isa, hearth_type type) {
    return std::string(hearth::isa_name(isa)) + " " + hearth::find_type(type)->name + " weight " +
           std::to_string(c.rows) + "x" + std::to_string(c.columns) + ", " + std::to_string(c.call_rows) +
           " rows";
}

struct Input {
    std::vector<float> values;  // [rows, columns]
    std::vector<float> memory;  // the same with strided rows; NaN between them
    int64_t stride;

    Input(int64_t rows, int64_t columns, uint32_t seed)
        : values(hearth_tests::sample_floats(static_cast<size_t>(rows * columns), seed)) {
        spread(rows, columns);
    }
    void spread(int64_t rows, int64_t columns) {
        stride = columns + 3;
        memory.assign(static_cast<size_t>(rows * stride), std::numeric_limits<float>::quiet_NaN());
        for (int64_t r = 0; r < rows; ++r)
            std::memcpy(&memory[static_cast<size_t>(r * stride)], &values[static_cast<size_t>(r * columns)],
                        static_cast<size_t>(columns) * sizeof(float));
    }
};

void run(hearth_isa isa, const Case& c, const Input& input, std::vector<Output*> outputs,
         hearth_function function, ThreadPool& pool) {
    std::vector<hearth::LinearOutput> views;
    std::vector<hearth_type> types;
    for (Output* output : outputs) {
        views.push_back(output->view());
        types.push_back(output->type);
    }
    hearth::Buffer scratch(hearth::linear_scratch_bytes(isa, c.call_rows, c.columns, types.data(),
                                                        static_cast<int>(types.size())));
    const hearth::LinearCall call{input.memory.data(),
                                  input.stride,
                                  c.call_rows,
                                  c.columns,
                                  views.data(),
                                  static_cast<int>(views.size()),
                                  function};
    hearth::linear(isa, call, scratch, pool);
}

// The distance from exact arithmetic on what the kernel is given, and from unrounded activations.
void compare(const Case& c, const Input& input, const Output& output, hearth_function function,
             Difference& exact, Difference& unrounded) {
    const std::vector<double> activations = rounded(input.values, output.type, c.columns);
    for (int64_t r = 0; r < c.call_rows; ++r)
        for (int64_t o = 0; o < output.rows; ++o) {
            double sum = 0, full = 0;
            for (int64_t k = 0; k < c.columns; ++k) {
                const double w = output.weights[static_cast<size_t>(o * c.columns + k)];
                sum += w * activations[static_cast<size_t>(r * c.columns + k)];
                full += w * static_cast<double>(input.values[static_cast<size_t>(r * c.columns + k)]);
            }
            const double bias = output.bias.empty() ? 0 : output.bias[static_cast<size_t>(o)];
            const double actual = output.values[static_cast<size_t>(r * output.stride + o)];
            exact.add(function_of(function, sum + bias), actual);
            unrounded.add(function_of(function, full + bias), actual);
        }
}

bool guards_stand(const Output& output, int64_t call_rows) {
    for (int64_t r = 0; r < call_rows; ++r)
        for (int64_t o = output.rows; o < output.stride; ++o)
            if (output.values[static_cast<size_t>(r * output.stride + o)] != Output::kGuard) return false;
    return true;
}

class LinearTypes : public testing::TestWithParam<hearth_type> {};

TEST_P(LinearTypes, ProductsEqualPlainArithmetic) {
    const hearth_type type = GetParam();
    ThreadPool pool(3);
    for (const hearth_isa isa : isas_here())
        for (const Case& c : cases(type)) {
            SCOPED_TRACE(describe(c, isa, type));
            const Input input(c.call_rows, c.columns, 7);
            Output output(isa, type, c.rows, c.columns, c.call_rows, c.rows % 2 == 0, 11, pool);
            run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
            Difference exact, unrounded;
            compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
            EXPECT_LT(exact.nmse(), products_tolerance(type));
            // A few outputs may all be near zero by chance, so that their relative error says nothing.
            if (c.rows * c.call_rows > 32) {
                EXPECT_LT(unrounded.nmse(), rounding_tolerance(type));
            }
            EXPECT_TRUE(guards_stand(output, c.call_rows));
        }
}

TEST_P(LinearTypes, InstructionSetsAgree) {
    const hearth_type type = GetParam();
    ThreadPool pool(2);
    for (const Case& c : cases(type)) {
        if (c.rows * c.call_rows <= 32) continue;  // a lone product may cancel: no energy to measure by
        const Input input(c.call_rows, c.columns, 3);
        Output reference(HEARTH_ISA_SCALAR, type, c.rows, c.columns, c.call_rows, true, 5, pool);
        run(HEARTH_ISA_SCALAR, c, input, {&reference}, HEARTH_FUNCTION_NONE, pool);
        for (const hearth_isa isa : isas_here()) {
            SCOPED_TRACE(describe(c, isa, type));
            Output output(isa, type, c.rows, c.columns, c.call_rows, true, 5, pool);
            run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
            Difference difference;
            for (size_t i = 0; i < output.values.size(); ++i)
                if (reference.values[i] != Output::kGuard)
                    difference.add(reference.values[i], output.values[i]);
            EXPECT_LT(difference.nmse(), 1e-12);
        }
    }
}

// What lets a scheduler batch freely: company does not change a row.
TEST_P(LinearTypes, ARowAloneEqualsTheRowInABatch) {
    const hearth_type type = GetParam();
    ThreadPool pool(2);
    const Case batch{33, 512, 23};
    const Input input(batch.call_rows, batch.columns, 9);
    for (const hearth_isa isa : isas_here()) {
        Output together(isa, type, batch.rows, batch.columns, batch.call_rows, false, 5, pool);
        run(isa, batch, input, {&together}, HEARTH_FUNCTION_NONE, pool);
        for (int64_t r = 0; r < batch.call_rows; ++r) {
            const Case one{33, 512, 1};
            Input row(1, one.columns, 1);
            std::memcpy(row.values.data(), &input.values[static_cast<size_t>(r * one.columns)],
                        static_cast<size_t>(one.columns) * sizeof(float));
            row.spread(1, one.columns);
            Output alone(isa, type, one.rows, one.columns, 1, false, 5, pool);
            run(isa, one, row, {&alone}, HEARTH_FUNCTION_NONE, pool);
            for (int64_t o = 0; o < one.rows; ++o)
                ASSERT_EQ(alone.values[static_cast<size_t>(o)],
                          together.values[static_cast<size_t>(r * together.stride + o)])
                    << hearth::isa_name(isa) << " row " << r << " output " << o;
        }
    }
}

TEST_P(LinearTypes, UnpackedRowsEqualPlainDequantization) {
    const hearth_type type = GetParam();
    ThreadPool pool(2);
    for (const Case& c : cases(type)) {
        Output output(hearth::best_isa(), type, c.rows, c.columns, 1, false, 21, pool);
        std::vector<float> row(static_cast<size_t>(c.columns));
        for (int64_t r = 0; r < c.rows; ++r) {
            hearth::unpack_row(output.packed, r, row.data());
            for (int64_t k = 0; k < c.columns; ++k)
                ASSERT_EQ(row[static_cast<size_t>(k)], output.weights[static_cast<size_t>(r * c.columns + k)])
                    << hearth::find_type(type)->name << " row " << r << " column " << k;
        }
    }
}

TEST_P(LinearTypes, PackedWeightsAreHardlyLargerThanTheFile) {
    const hearth_type type = GetParam();
    ThreadPool pool(1);
    const auto file = hearth_tests::sample_blocks(type, 64, 1024, 2);
    const PackedWeight weight = hearth::pack_weight(hearth::best_isa(), type, 64, 1024, file.data(), pool);
    if (type == HEARTH_TYPE_Q4_K || type == HEARTH_TYPE_Q5_K) {
        EXPECT_EQ(weight.data.size(), file.size());
        return;
    }
    // IQ1_S has one shift for 32 columns in the file and four of them when packed.
    const double bound = type == HEARTH_TYPE_IQ1_S ? 1.081 : 1.061;
    EXPECT_LE(static_cast<double>(weight.data.size()), bound * static_cast<double>(file.size()));
}

TEST_P(LinearTypes, ZerosGiveZeros) {
    const hearth_type type = GetParam();
    ThreadPool pool(1);
    const Case c{20, 512, 5};
    Input input(c.call_rows, c.columns, 1);
    std::fill(input.values.begin(), input.values.end(), 0.0f);
    input.spread(c.call_rows, c.columns);
    for (const hearth_isa isa : isas_here()) {
        Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
        run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
        for (int64_t r = 0; r < c.call_rows; ++r)
            for (int64_t o = 0; o < c.rows; ++o)
                EXPECT_EQ(output.values[static_cast<size_t>(r * output.stride + o)], 0.0f);
    }
}

TEST_P(LinearTypes, ValuesThatAreNotFiniteStayInTheirRow) {
    const hearth_type type = GetParam();
    ThreadPool pool(2);
    const Case c{20, 512, 5};
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        Input input(c.call_rows, c.columns, 1);
        input.values[2 * 512 + 77] = bad;
        input.spread(c.call_rows, c.columns);
        for (const hearth_isa isa : isas_here()) {
            Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
            run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
            for (int64_t r = 0; r < c.call_rows; ++r)
                for (int64_t o = 0; o < c.rows; ++o)
                    EXPECT_EQ(std::isfinite(output.values[static_cast<size_t>(r * output.stride + o)]),
                              r != 2)
                        << hearth::isa_name(isa) << " row " << r;
        }
    }
}

TEST_P(LinearTypes, MagnitudesFarFromOneKeepTheirAccuracy) {
    const hearth_type type = GetParam();
    ThreadPool pool(1);
    const Case c{20, 512, 5};
    for (const float factor : {1e-25f, 1e-6f, 1e6f, 1e25f}) {
        Input input(c.call_rows, c.columns, 1);
        for (float& value : input.values) value *= factor;
        input.spread(c.call_rows, c.columns);
        for (const hearth_isa isa : isas_here()) {
            Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
            run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
            Difference exact, unrounded;
            compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
            EXPECT_LT(exact.nmse(), products_tolerance(type))
                << hearth::isa_name(isa) << " factor " << factor;
        }
    }
}

// One value a hundred times the others: only its own block of 64 is rounded more coarsely.
TEST_P(LinearTypes, OutliersKeepTheAccuracyOfOtherBlocks) {
    const hearth_type type = GetParam();
    ThreadPool pool(1);
    const Case c{64, 2048, 5};
    Input input(c.call_rows, c.columns, 1);
    for (int64_t r = 0; r < c.call_rows; ++r)
        input.values[static_cast<size_t>(r * c.columns + 100 * r)] = 100;
    input.spread(c.call_rows, c.columns);
    for (const hearth_isa isa : isas_here()) {
        Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
        run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
        Difference exact, unrounded;
        compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
        EXPECT_LT(exact.nmse(), products_tolerance(type)) << hearth::isa_name(isa);
        EXPECT_LT(unrounded.nmse(), 1e-3) << hearth::isa_name(isa);
    }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, LinearTypes, testing::ValuesIn(hearth_tests::kWeightTypes),
                         [](const auto& info) { return std::string(hearth::find_type(info.param)->name); });

TEST(Linear, SeveralOutputsOfSeveralTypesShareOneInput) {
    ThreadPool pool(3);
    const hearth_type types[] = {HEARTH_TYPE_Q4_K, HEARTH_TYPE_F16, HEARTH_TYPE_Q6_K};
    for (const hearth_isa isa : isas_here())
        for (int count = 1; count <= 3; ++count)
            for (const int64_t call_rows : {1, 4, 14}) {
                const Case c{0, 512, call_rows};
                const Input input(call_rows, c.columns, 17);
                std::vector<Output> outputs;
                for (int i = 0; i < count; ++i)
                    outputs.emplace_back(isa, types[i], 40 + 9 * i, c.columns, call_rows, i != 1,
                                         static_cast<uint32_t>(30 + i), pool);
                std::vector<Output*> pointers;
                for (Output& output : outputs) pointers.push_back(&output);
                run(isa, c, input, pointers, HEARTH_FUNCTION_SILU, pool);
                for (const Output& output : outputs) {
                    Difference exact, unrounded;
                    compare(c, input, output, HEARTH_FUNCTION_SILU, exact, unrounded);
                    EXPECT_LT(exact.nmse(), products_tolerance(output.type))
                        << hearth::isa_name(isa) << " " << output.rows;
                    EXPECT_TRUE(guards_stand(output, call_rows));
                }
            }
}

// One output with a bias: the products of rounded activations as exactly as the type has them, nothing beside
// them.
void expect_exact(hearth_isa isa, hearth_type type, const Case& c, const Input& input, ThreadPool& pool) {
    Output output(isa, type, c.rows, c.columns, c.call_rows, true, 4, pool);
    run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
    Difference exact, unrounded;
    compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
    EXPECT_LT(exact.nmse(), products_tolerance(type));
    EXPECT_TRUE(guards_stand(output, c.call_rows));
}

constexpr hearth_type kPairedTypes[] = {HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q5_K, HEARTH_TYPE_IQ4_XS};

void repack(hearth_isa isa, Output& output, int64_t columns, ThreadPool& pool) {
    hearth::dequantize(output.type, output.file.data(), output.weights.data(), output.rows * columns);
    output.packed = hearth::pack_weight(isa, output.type, output.rows, columns, output.file.data(), pool);
}

// The largest codes of both signs and activations that all round to 127: sums of groups reach their bounds.
TEST(Linear, TheLargestSumsFitTheirSixteenBits) {
    ThreadPool pool(1);
    const Case c{20, 512, 9};
    for (const hearth_type type : kPairedTypes)
        for (const uint8_t byte : {0x00, 0xff, 0x0f})
            for (const hearth_isa isa : isas_here()) {
                SCOPED_TRACE(describe(c, isa, type));
                Input input(c.call_rows, c.columns, 1);
                for (float& value : input.values) value = value < 0 ? -3.0f : 3.0f;
                for (size_t i = 0; i < 5 * 512; ++i) input.values[i] = i < 2 * 512 ? 3.0f : -3.0f;
                input.spread(c.call_rows, c.columns);
                Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
                // The codes are the last bytes of a block: 4 bits of 256, and a fifth before them for Q5_K.
                const auto block = static_cast<size_t>(hearth::type_info(type).block_bytes);
                const size_t codes = type == HEARTH_TYPE_Q5_K ? 160 : 128;
                for (size_t end = block; end <= output.file.size(); end += block)
                    std::memset(&output.file[end - codes], byte, codes);
                repack(isa, output, c.columns, pool);
                run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
                Difference exact, unrounded;
                compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
                EXPECT_LT(exact.nmse(), products_tolerance(type));
            }
}

// Were the bits below 16 cut off, or rounded up, everywhere, errors would add up along a row.
TEST(Linear, SumsOfSixteenBitsErrInNoDirection) {
    ThreadPool pool(1);
    const Case c{64, 4096, 12};
    const Input input(c.call_rows, c.columns, 5);
    for (const hearth_type type : {HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q5_K})
        for (const hearth_isa isa : isas_here()) {
            Output output(isa, type, c.rows, c.columns, c.call_rows, false, 4, pool);
            // Scales that are all positive; d is the first word of a block.
            const auto block = static_cast<size_t>(hearth::type_info(type).block_bytes);
            for (size_t begin = 0; begin < output.file.size(); begin += block) output.file[begin + 1] &= 0x7f;
            repack(isa, output, c.columns, pool);
            run(isa, c, input, {&output}, HEARTH_FUNCTION_NONE, pool);
            Difference exact, unrounded;
            compare(c, input, output, HEARTH_FUNCTION_NONE, exact, unrounded);
            EXPECT_LT(std::fabs(exact.signed_error / exact.count), 0.2 * std::sqrt(exact.error / exact.count))
                << hearth::isa_name(isa) << " " << hearth::type_info(type).name;
        }
}

TEST(Linear, MoreRowsThanOnePassHolds) {
    ThreadPool pool(2);
    const Case c{19, 64, 1000};
    const Input input(c.call_rows, c.columns, 3);
    for (const hearth_type type : {HEARTH_TYPE_Q8_0, HEARTH_TYPE_F32}) {
        expect_exact(hearth::best_isa(), type, c, input, pool);
    }
}

TEST(Linear, APieceTakesTheTilesThatACoreHolds) {
    EXPECT_EQ(hearth::piece_tiles(1000, 10, 1), 10);
    EXPECT_EQ(hearth::piece_tiles(1000, 10, 3), 4);
    EXPECT_EQ(hearth::piece_tiles(1000, 10, 100), 1);
    EXPECT_EQ(hearth::piece_tiles(hearth::kPieceTileBytes / 4, 10, 1), 4);
    EXPECT_EQ(hearth::piece_tiles(hearth::kPieceTileBytes + 1, 10, 1), 1);
}

// Long rows: their tiles are more than a piece takes.
TEST(Linear, MoreTilesThanAPieceTakes) {
    ThreadPool pool(2);
    const Case c{35, 8192, 150};
    const Input input(c.call_rows, c.columns, 3);
    for (const hearth_type type :
         {HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q8_0, HEARTH_TYPE_IQ3_S, HEARTH_TYPE_F32, HEARTH_TYPE_BF16}) {
        SCOPED_TRACE(hearth::type_info(type).name);
        expect_exact(hearth::best_isa(), type, c, input, pool);
    }
}

#if defined(__x86_64__)
// The products of two tables of kernels for one instruction set are the same, for every size of a tile and in
// batches. The other tests run the table that the processor prefers.
void expect_same_products(hearth_isa isa, const hearth::LinearKernels& one,
                          const hearth::LinearKernels& other) {
    ThreadPool pool(1);
    const int64_t columns = 768;
    const int tiles = 3, most = hearth::Tiles(480, one.tile_sizes).largest;
    const auto input = hearth_tests::sample_floats(static_cast<size_t>(tiles * most * columns), 4);
    for (const hearth_type type : hearth_tests::kWeightTypes) {
        if (!hearth::layout_of(type).quantized()) continue;
        const auto file = hearth_tests::sample_blocks(type, 16, columns, 6);
        const PackedWeight weight = hearth::pack_weight(isa, type, 16, columns, file.data(), pool);
        const auto products = [&](const hearth::LinearKernels& kernels, int size) {
            const auto tile_bytes = static_cast<size_t>(
                hearth::tile_row_bytes(kernels, hearth::Preparation::Quantized, columns) * size);
            hearth::Buffer activations(tiles * tile_bytes);
            for (int t = 0; t < tiles; ++t)
                kernels.quantize(input.data() + t * size * columns, columns, columns, size, size,
                                 activations.data() + static_cast<size_t>(t) * tile_bytes);
            std::vector<float> sums(static_cast<size_t>(tiles * size * 16));
            if (size == most && kernels.find_batch(type))
                kernels.find_batch(type)(weight.data.data(), activations.data(),
                                         static_cast<int64_t>(tile_bytes), tiles, columns, sums.data());
            else
                hearth::find_tile(kernels, type, size)(weight.data.data(), activations.data(), columns,
                                                       sums.data());
            return sums;
        };
        for (const int* size = one.tile_sizes; *size != 0; ++size)
            EXPECT_EQ(products(one, *size), products(other, *size))
                << hearth::type_info(type).name << ", tiles of " << *size;
    }
}

TEST(Linear, Avx512KernelsGiveTheSameWithAndWithoutVbmi) {
    if (!(hearth::available_isas() & (1u << HEARTH_ISA_AVX512)) || !hearth::has_vbmi())
        GTEST_SKIP() << "this processor has no AVX512-VBMI";
    expect_same_products(HEARTH_ISA_AVX512, hearth::kLinearAvx512, hearth::kLinearAvx512Vbmi);
}

TEST(Linear, Avx2KernelsGiveTheSameWithAndWithoutVnni) {
    if (!(hearth::available_isas() & (1u << HEARTH_ISA_AVX2)) || !hearth::has_avx_vnni())
        GTEST_SKIP() << "this processor has no AVX-VNNI";
    expect_same_products(HEARTH_ISA_AVX2, hearth::kLinearAvx2, hearth::kLinearAvxVnni);
}
#endif

// Chunks are expanded once for several tiles: whole batches, the rest of one, and the last tile.
TEST(Linear, ExpandedTypesTakeManyRowsInBatches) {
    ThreadPool pool(2);
    for (const hearth_type type : {HEARTH_TYPE_IQ3_S, HEARTH_TYPE_IQ1_M, HEARTH_TYPE_TQ1_0})
        for (const int64_t call_rows : {64, 65, 141, 500}) {
            const Case c{19, 512, call_rows};
            const Input input(c.call_rows, c.columns, 3);
            for (const hearth_isa isa : isas_here()) {
                SCOPED_TRACE(describe(c, isa, type));
                expect_exact(isa, type, c, input, pool);
            }
        }
}

// Through a weight of one column that is 1, so that the function's argument is the input itself.
TEST(Linear, FunctionsAreAccurateEverywhere) {
    ThreadPool pool(1);
    const Case c{1, 1, 4001};
    Input input(c.call_rows, 1, 1);
    for (int i = 0; i < 4001; ++i)
        input.values[static_cast<size_t>(i)] = static_cast<float>(i - 2000) * 0.01f;
    input.spread(c.call_rows, 1);
    for (const hearth_isa isa : isas_here())
        for (int f = HEARTH_FUNCTION_NONE; f <= HEARTH_FUNCTION_TANH; ++f) {
            const auto function = static_cast<hearth_function>(f);
            Output output(isa, HEARTH_TYPE_F32, 1, 1, c.call_rows, false, 1, pool);
            const float one = 1.0f;
            output.packed = hearth::pack_weight(isa, HEARTH_TYPE_F32, 1, 1, &one, pool);
            run(isa, c, input, {&output}, function, pool);
            for (int i = 0; i < 4001; ++i) {
                const double x = input.values[static_cast<size_t>(i)];
                const double expected = function_of(function, x);
                // Far in the tail an exponent of x^2 carries x^2 rounding errors.
                const double tolerance = std::fabs(expected) * (1e-6 + 2e-7 * x * x) + 1e-36;
                ASSERT_NEAR(output.values[static_cast<size_t>(i * output.stride)], expected, tolerance)
                    << hearth::isa_name(isa) << " function " << f << " at " << x;
            }
        }
}

}  // namespace
