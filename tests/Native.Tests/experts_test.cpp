// Products with chosen matrices of a stack, against plain arithmetic in double precision and against the
// product with each matrix for itself.
#include "cpu/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/formats/formats.h"
#include "rounded_activations.h"
#include "rows_support.h"
#include "weight_samples.h"

using hearth::PackedWeight;
using hearth::ThreadPool;
using hearth_tests::products_tolerance;
using namespace hearth_test;

namespace {

constexpr hearth_type kTypes[] = {HEARTH_TYPE_F32,  HEARTH_TYPE_F16,  HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0,
                                  HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q6_K, HEARTH_TYPE_MXFP4};

struct Shape {
    int64_t rows;  // of a matrix
    int64_t columns;
    int64_t stack, chosen;
    int64_t call_rows;
    bool shared;
};

// columns: in blocks for quantized types.
std::vector<Shape> shapes(hearth_type type) {
    const int64_t block = hearth::type_info(type).block;
    const auto columns = [&](int64_t odd) { return block == 1 ? odd : block * (1 + odd % 3); };
    return {{1, columns(1), 1, 1, 1, true},    {5, columns(7), 3, 2, 3, true},
            {16, columns(33), 8, 2, 1, true},  {17, columns(130), 17, 8, 3, false},
            {33, columns(8), 4, 4, 70, true},  {40, columns(31), 17, 3, 70, false},
            {20, columns(64), 2, 1, 70, true}, {31, columns(96), 7, 5, 3, false}};
}

std::string describe(const Shape& s, hearth_isa isa, hearth_type type) {
    return std::string(hearth::isa_name(isa)) + " " + hearth::type_info(type).name + " " +
           std::to_string(s.chosen) + " of " + std::to_string(s.stack) + " matrices " +
           std::to_string(s.rows) + "x" + std::to_string(s.columns) + ", " + std::to_string(s.call_rows) +
           " rows";
}

// Different matrices for every row, in random order.
std::vector<float> choices_for(const Shape& s, uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<float> all(static_cast<size_t>(s.stack)), choices;
    std::iota(all.begin(), all.end(), 0.0f);
    for (int64_t r = 0; r < s.call_rows; ++r) {
        std::shuffle(all.begin(), all.end(), generator);
        choices.insert(choices.end(), all.begin(), all.begin() + s.chosen);
    }
    return choices;
}

struct Stack {
    hearth_type type;
    Shape shape;
    std::vector<uint8_t> file;
    std::vector<float> bias;
    PackedWeight packed;
    std::vector<float> values;  // [call rows, chosen, rows]

    Stack(hearth_isa isa, hearth_type type, const Shape& s, bool biased, uint32_t seed, ThreadPool& pool)
        : type(type), shape(s), file(hearth_tests::sample_blocks(type, s.stack * s.rows, s.columns, seed)) {
        if (biased) bias = normal_floats(static_cast<size_t>(s.stack * s.rows), seed + 1);
        packed = hearth::pack_weight(isa, type, s.rows, s.columns, file.data(), pool, s.stack);
        values.assign(static_cast<size_t>(s.call_rows * s.chosen * s.rows), NAN);
    }
    hearth::ExpertOutput view() { return {&packed, bias.empty() ? nullptr : bias.data(), values.data()}; }
    const uint8_t* matrix(int64_t number) const {
        return file.data() + file.size() / static_cast<size_t>(shape.stack) * static_cast<size_t>(number);
    }
};

void run(hearth_isa isa, const Shape& s, const std::vector<float>& input, const float* choices,
         std::vector<Stack*> stacks, ThreadPool& pool) {
    std::vector<hearth::ExpertOutput> outputs;
    for (Stack* stack : stacks) outputs.push_back(stack->view());
    hearth::Buffer scratch(hearth::expert_scratch_bytes(
        isa, {s.call_rows, s.chosen, s.stack, s.columns, s.shared, {stacks[0]->type, stacks.back()->type}}));
    hearth::expert_linear(isa,
                          {input.data(), choices, s.call_rows, s.chosen, s.columns, s.shared, outputs.data(),
                           static_cast<int>(outputs.size())},
                          scratch, pool);
}

std::vector<float> input_for(const Shape& s, uint32_t seed) {
    return normal_floats(static_cast<size_t>(s.call_rows * (s.shared ? 1 : s.chosen) * s.columns), seed);
}

// choices null: slot c meets matrix c.
std::vector<double> reference(const Stack& stack, const std::vector<float>& input, const float* choices) {
    const Shape& s = stack.shape;
    std::vector<float> weights(static_cast<size_t>(s.stack * s.rows * s.columns));
    hearth::dequantize(stack.type, stack.file.data(), weights.data(), s.stack * s.rows * s.columns);
    const std::vector<double> activations = hearth_tests::rounded(input, stack.type, s.columns);
    std::vector<double> expected;
    for (int64_t line = 0; line < s.call_rows * s.chosen; ++line) {
        const int64_t matrix = choices ? static_cast<int64_t>(choices[line]) : line % s.chosen;
        const double* x = &activations[static_cast<size_t>((s.shared ? line / s.chosen : line) * s.columns)];
        for (int64_t o = 0; o < s.rows; ++o) {
            const auto row = static_cast<size_t>(matrix * s.rows + o);
            double sum = stack.bias.empty() ? 0 : static_cast<double>(stack.bias[row]);
            for (int64_t k = 0; k < s.columns; ++k)
                sum += static_cast<double>(
                           weights[row * static_cast<size_t>(s.columns) + static_cast<size_t>(k)]) *
                       x[k];
            expected.push_back(sum);
        }
    }
    return expected;
}

class ExpertTypes : public testing::TestWithParam<hearth_type> {};

TEST_P(ExpertTypes, ProductsEqualPlainArithmetic) {
    ThreadPool pool(3);
    for (const hearth_isa isa : isas_here())
        for (const Shape& s : shapes(GetParam())) {
            SCOPED_TRACE(describe(s, isa, GetParam()));
            const auto input = input_for(s, 1);
            const auto choices = choices_for(s, 2);
            Stack gate(isa, GetParam(), s, true, 3, pool), up(isa, GetParam(), s, false, 5, pool);
            run(isa, s, input, choices.data(), {&gate, &up}, pool);
            EXPECT_LT(normalized_error(gate.values.data(), reference(gate, input, choices.data())),
                      products_tolerance(GetParam()));
            EXPECT_LT(normalized_error(up.values.data(), reference(up, input, choices.data())),
                      products_tolerance(GetParam()));
        }
}

TEST_P(ExpertTypes, WithoutChoicesEveryGroupMeetsItsOwnMatrix) {
    ThreadPool pool(2);
    for (const hearth_isa isa : isas_here())
        for (Shape s : shapes(GetParam())) {
            SCOPED_TRACE(describe(s, isa, GetParam()));
            s.chosen = s.stack;
            s.shared = false;
            const auto input = input_for(s, 1);
            Stack heads(isa, GetParam(), s, false, 3, pool);
            run(isa, s, input, nullptr, {&heads}, pool);
            EXPECT_LT(normalized_error(heads.values.data(), reference(heads, input, nullptr)),
                      products_tolerance(GetParam()));
        }
}

// The same kernels in the same order: not a bit may differ.
TEST_P(ExpertTypes, AMatrixOfAStackEqualsTheMatrixForItself) {
    ThreadPool pool(2);
    for (const hearth_isa isa : isas_here())
        for (const Shape& s : shapes(GetParam())) {
            SCOPED_TRACE(describe(s, isa, GetParam()));
            const auto input = input_for(s, 1);
            const auto choices = choices_for(s, 2);
            Stack stack(isa, GetParam(), s, true, 3, pool);
            run(isa, s, input, choices.data(), {&stack}, pool);
            const hearth_type type = GetParam();
            hearth::Buffer scratch(hearth::linear_scratch_bytes(isa, 1, s.columns, &type, 1));
            std::vector<float> alone(static_cast<size_t>(s.rows));
            for (int64_t line = 0; line < s.call_rows * s.chosen; ++line) {
                const auto matrix = static_cast<int64_t>(choices[static_cast<size_t>(line)]);
                const PackedWeight weight =
                    hearth::pack_weight(isa, GetParam(), s.rows, s.columns, stack.matrix(matrix), pool);
                const hearth::LinearOutput output{&weight, &stack.bias[static_cast<size_t>(matrix * s.rows)],
                                                  alone.data(), s.rows};
                const int64_t row = s.shared ? line / s.chosen : line;
                hearth::linear(isa,
                               {&input[static_cast<size_t>(row * s.columns)], s.columns, 1, s.columns,
                                &output, 1, HEARTH_FUNCTION_NONE},
                               scratch, pool);
                ASSERT_TRUE(
                    std::equal(alone.begin(), alone.end(), &stack.values[static_cast<size_t>(line * s.rows)]))
                    << "row " << line / s.chosen << " choice " << line % s.chosen;
            }
        }
}

TEST_P(ExpertTypes, ThreadsAndCompanyChangeNothing) {
    for (const hearth_isa isa : isas_here()) {
        ThreadPool one(1), four(4);
        const Shape s{40, 512, 9, 3, 41, true};
        const auto input = input_for(s, 1);
        const auto choices = choices_for(s, 2);
        Stack serial(isa, GetParam(), s, false, 3, one), parallel(isa, GetParam(), s, false, 3, four);
        run(isa, s, input, choices.data(), {&serial}, one);
        run(isa, s, input, choices.data(), {&parallel}, four);
        EXPECT_EQ(serial.values, parallel.values) << hearth::isa_name(isa);
        Shape alone = s;
        alone.call_rows = 1;
        for (const size_t row : {size_t{0}, size_t{20}, size_t{40}}) {
            const std::vector<float> x(input.begin() + static_cast<std::ptrdiff_t>(512 * row),
                                       input.begin() + static_cast<std::ptrdiff_t>(512 * row + 512));
            Stack single(isa, GetParam(), alone, false, 3, one);
            run(isa, alone, x, &choices[3 * row], {&single}, four);
            EXPECT_TRUE(std::equal(single.values.begin(), single.values.end(), &serial.values[3 * 40 * row]));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Experts, ExpertTypes, testing::ValuesIn(kTypes),
                         [](const auto& type) { return hearth::type_info(type.param).name; });

TEST(Experts, WeightsOfOneCallMayHaveDifferentTypes) {
    ThreadPool pool(2);
    for (const hearth_isa isa : isas_here())
        for (const hearth_type other : {HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q4_K}) {
            const Shape s{24, 256, 5, 2, 11, true};
            const auto input = input_for(s, 1);
            const auto choices = choices_for(s, 2);
            Stack gate(isa, HEARTH_TYPE_Q8_0, s, false, 3, pool), up(isa, other, s, true, 4, pool);
            run(isa, s, input, choices.data(), {&gate, &up}, pool);
            EXPECT_LT(normalized_error(gate.values.data(), reference(gate, input, choices.data())), 1e-11);
            EXPECT_LT(normalized_error(up.values.data(), reference(up, input, choices.data())),
                      products_tolerance(other));
        }
}

TEST(Experts, ARowMayMeetOneMatrixTwice) {
    ThreadPool pool(2);
    const Shape s{20, 64, 3, 2, 5, true};
    const auto input = input_for(s, 1);
    const std::vector<float> choices{1, 1, 0, 2, 2, 2, 1, 0, 0, 0};
    Stack stack(hearth::best_isa(), HEARTH_TYPE_Q8_0, s, false, 3, pool);
    run(hearth::best_isa(), s, input, choices.data(), {&stack}, pool);
    EXPECT_LT(normalized_error(stack.values.data(), reference(stack, input, choices.data())), 1e-11);
}

TEST(Experts, MoreRowsThanAPassHoldsGiveTheSame) {
    ThreadPool pool(2);
    // A pass holds 32 MiB of activations: 256 rows of 8 x 4096 floats.
    const Shape s{3, 4096, 16, 8, 300, false};
    const auto input = input_for(s, 1);
    const auto choices = choices_for(s, 2);
    Stack stack(hearth::best_isa(), HEARTH_TYPE_F32, s, false, 3, pool);
    run(hearth::best_isa(), s, input, choices.data(), {&stack}, pool);
    EXPECT_LT(normalized_error(stack.values.data(), reference(stack, input, choices.data())), 1e-11);
}

TEST(Experts, NoRowsIsNoWork) {
    ThreadPool pool(2);
    const Shape s{20, 64, 3, 2, 0, true};
    Stack stack(hearth::best_isa(), HEARTH_TYPE_Q8_0, s, false, 3, pool);
    run(hearth::best_isa(), s, {}, nullptr, {&stack}, pool);
    EXPECT_TRUE(stack.values.empty());
}

TEST(Experts, AChoiceOutsideTheStackIsRefused) {
    ThreadPool pool(2);
    const Shape s{20, 64, 3, 2, 1, true};
    const auto input = input_for(s, 1);
    for (const float bad : {-1.0f, 3.0f, 1e9f, -INFINITY, INFINITY, NAN}) {
        const std::vector<float> choices{1, bad};
        Stack stack(hearth::best_isa(), HEARTH_TYPE_Q8_0, s, false, 3, pool);
        EXPECT_THROW(run(hearth::best_isa(), s, input, choices.data(), {&stack}, pool), hearth::Error) << bad;
    }
}

TEST(Experts, TooLittleScratchIsRefused) {
    ThreadPool pool(1);
    const Shape s{20, 64, 3, 2, 4, true};
    const auto input = input_for(s, 1);
    const auto choices = choices_for(s, 2);
    Stack stack(hearth::best_isa(), HEARTH_TYPE_Q8_0, s, false, 3, pool);
    const hearth::ExpertOutput output = stack.view();
    hearth::Buffer scratch(64);
    EXPECT_THROW(
        hearth::expert_linear(hearth::best_isa(), {input.data(), choices.data(), 4, 2, 64, true, &output, 1},
                              scratch, pool),
        hearth::Error);
}

TEST(Experts, AStackIsPackedMatrixByMatrix) {
    ThreadPool pool(2);
    const auto file = hearth_tests::sample_blocks(HEARTH_TYPE_Q8_0, 5 * 17, 64, 1);
    const PackedWeight stack =
        hearth::pack_weight(hearth::best_isa(), HEARTH_TYPE_Q8_0, 17, 64, file.data(), pool, 5);
    const size_t bytes = stack.data.size() / 5;
    for (size_t m = 0; m < 5; ++m) {
        const PackedWeight one = hearth::pack_weight(hearth::best_isa(), HEARTH_TYPE_Q8_0, 17, 64,
                                                     file.data() + file.size() / 5 * m, pool);
        ASSERT_EQ(one.data.size(), bytes);
        EXPECT_TRUE(std::equal(one.data.data(), one.data.data() + bytes, stack.data.data() + bytes * m));
    }
    EXPECT_THROW(hearth::pack_weight(hearth::best_isa(), HEARTH_TYPE_Q8_0, 17, 64, file.data(), pool, 0),
                 hearth::Error);
}

}  // namespace
