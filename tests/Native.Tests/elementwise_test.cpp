#include <gtest/gtest.h>

#include "cpu/operations.h"
#include "rows_support.h"

using namespace hearth_test;

namespace {

constexpr int kRows[] = {1, 2, 5, 33};
constexpr int kWidths[] = {1, 3, 16, 17, 96, 100, 2053};

using Function = double (*)(double);

double silu(double x) {
    return x / (1 + std::exp(-x));
}
double gelu(double x) {
    return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}
double gelu_tanh(double x) {
    return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double relu(double x) {
    return x > 0 ? x : 0;
}
double relu_squared(double x) {
    return relu(x) * relu(x);
}
double sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}
double gelu_sigmoid(double x) {
    return x / (1 + std::exp(-1.702 * x));
}
double hyperbolic_tangent(double x) {
    return std::tanh(x);
}
double softplus(double x) {
    return std::log1p(std::exp(-std::fabs(x))) + relu(x);
}
double identity(double x) {
    return x;
}

struct Activation {
    hearth_function function;
    Function reference;
};
constexpr Activation kActivations[] = {{HEARTH_FUNCTION_NONE, identity},
                                       {HEARTH_FUNCTION_SILU, silu},
                                       {HEARTH_FUNCTION_GELU, gelu},
                                       {HEARTH_FUNCTION_GELU_TANH, gelu_tanh},
                                       {HEARTH_FUNCTION_RELU, relu},
                                       {HEARTH_FUNCTION_RELU_SQUARED, relu_squared},
                                       {HEARTH_FUNCTION_SIGMOID, sigmoid},
                                       {HEARTH_FUNCTION_GELU_SIGMOID, gelu_sigmoid},
                                       {HEARTH_FUNCTION_TANH, hyperbolic_tangent},
                                       {HEARTH_FUNCTION_SOFTPLUS, softplus},
                                       {HEARTH_FUNCTION_EXP, std::exp}};

hearth_activation_parameters plain(hearth_function function) {
    return {function, 0.0f, 0.0f, 0.0f, 0.0f};
}

// From -50 to 50, dense near 0, with both signs of tiny numbers.
std::vector<float> sweep() {
    std::vector<float> x;
    for (int i = -5000; i <= 5000; ++i) x.push_back(static_cast<float>(i) * 0.01f);
    for (int i = -1000; i <= 1000; ++i) x.push_back(static_cast<float>(i) * 0.001f);
    for (float v : {1e-6f, 1e-20f, 1e-38f, 1e-45f, 0.0f}) {
        x.push_back(v);
        x.push_back(-v);
    }
    return x;
}

TEST(Activation, FunctionsAreWithinAFewRoundingsOverTheirRange) {
    for (hearth_isa isa : isas_here())
        for (const Activation& a : kActivations) {
            const std::vector<float> x = sweep();
            std::vector<float> y(x.size());
            std::vector<double> expected;
            for (float v : x) expected.push_back(a.reference(v));
            hearth::ThreadPool pool(1);
            const int64_t count = static_cast<int64_t>(x.size());
            hearth::activation(isa, plain(a.function), {x.data(), 1, count}, nullptr, {y.data(), 1, count},
                               pool);
            // The fits are good to 2e-8. In the left tails an exponent of size e has a rounding of 6e-8 e:
            // where the result is still 1e-3, e is about 10. Relative above that, absolute (2e-9) under it.
            EXPECT_LE(largest_error(y.data(), expected, 1e-3), 2e-6)
                << hearth::isa_name(isa) << " " << a.function;
        }
}

TEST(Activation, GateAndShapesAndInPlace) {
    for (hearth_isa isa : isas_here())
        for (const Activation& a : kActivations)
            for (int rows : kRows)
                for (int width : kWidths) {
                    std::vector<float> x = normal_floats(static_cast<size_t>(rows * width), 1, 3.0f);
                    const std::vector<float> gate = normal_floats(x.size(), 2);
                    std::vector<double> alone, gated;
                    for (size_t i = 0; i < x.size(); ++i) {
                        alone.push_back(a.reference(x[i]));
                        gated.push_back(a.reference(x[i]) * gate[i]);
                    }
                    hearth::ThreadPool pool(1 + width % 3);
                    std::vector<float> y(x.size(), NAN);
                    hearth::activation(isa, plain(a.function), {x.data(), rows, width}, nullptr,
                                       {y.data(), rows, width}, pool);
                    EXPECT_LE(largest_error(y.data(), alone, 0.01), 1e-6);
                    hearth::activation(isa, plain(a.function), {x.data(), rows, width}, gate.data(),
                                       {x.data(), rows, width}, pool);
                    EXPECT_LE(largest_error(x.data(), gated, 0.01), 1e-6);
                }
}

TEST(Activation, ExtremesTakeTheirLimitsAndNaNStays) {
    for (hearth_isa isa : isas_here())
        for (const Activation& a : kActivations) {
            const std::vector<float> x{1e30f, -1e30f, INFINITY, NAN, 200.0f, -200.0f};
            std::vector<float> y(x.size());
            hearth::ThreadPool pool(1);
            hearth::activation(isa, plain(a.function), {x.data(), 1, 6}, nullptr, {y.data(), 1, 6}, pool);
            const bool square = a.function == HEARTH_FUNCTION_RELU_SQUARED,
                       none = a.function == HEARTH_FUNCTION_NONE;
            const bool bounded = a.function == HEARTH_FUNCTION_SIGMOID || a.function == HEARTH_FUNCTION_TANH;
            const float least = a.function == HEARTH_FUNCTION_TANH ? -1.0f : 0.0f;
            EXPECT_TRUE(std::isnan(y[3])) << hearth::isa_name(isa) << " " << a.function;
            const bool grows = square || a.function == HEARTH_FUNCTION_EXP;
            EXPECT_EQ(y[0], bounded ? 1.0f : grows ? INFINITY : 1e30f);
            EXPECT_EQ(y[1], none ? -1e30f : least);
            EXPECT_EQ(y[2], bounded ? 1.0f : INFINITY);
            EXPECT_EQ(y[4], bounded                             ? 1.0f
                            : square                            ? 40000.0f
                            : a.function == HEARTH_FUNCTION_EXP ? INFINITY
                                                                : 200.0f);
            EXPECT_NEAR(y[5], none ? -200.0f : least, 1e-35);
        }
}

TEST(Activation, XieluFollowsItsParametersOnBothSides) {
    const hearth_activation_parameters cases[] = {{HEARTH_FUNCTION_XIELU, 0.9f, 0.7f, 0.5f, -1e-6f},
                                                  {HEARTH_FUNCTION_XIELU, 3.5f, 0.01f, 0.5f, -0.3f},
                                                  {HEARTH_FUNCTION_XIELU, 0.0f, 2.0f, -1.0f, 0.0f}};
    for (hearth_isa isa : isas_here())
        for (const auto& p : cases) {
            const std::vector<float> x = sweep(), gate = normal_floats(x.size(), 3);
            std::vector<float> y(x.size()), gated(x.size());
            std::vector<double> expected, expected_gated;
            for (size_t i = 0; i < x.size(); ++i) {
                const double v = x[i], least = std::min(v, static_cast<double>(p.epsilon));
                expected.push_back(v > 0 ? p.positive_alpha * v * v + p.beta * v
                                         : p.negative_alpha * (std::expm1(least) - v) + p.beta * v);
                expected_gated.push_back(expected.back() * gate[i]);
            }
            hearth::ThreadPool pool(1);
            const int64_t count = static_cast<int64_t>(x.size());
            hearth::activation(isa, p, {x.data(), 1, count}, nullptr, {y.data(), 1, count}, pool);
            // Terms of opposite signs cancel: a few roundings of the terms, which are below 10 where the sum
            // is below 1.
            EXPECT_LE(largest_error(y.data(), expected, 1.0), 2e-6) << hearth::isa_name(isa);
            hearth::activation(isa, p, {x.data(), 1, count}, gate.data(), {gated.data(), 1, count}, pool);
            EXPECT_LE(largest_error(gated.data(), expected_gated, 1.0), 3e-6) << hearth::isa_name(isa);
        }
}

TEST(Activation, XieluKeepsSmallValuesAndNaN) {
    const hearth_activation_parameters p{HEARTH_FUNCTION_XIELU, 0.9f, 0.7f, 0.5f, -1e-6f};
    for (hearth_isa isa : isas_here()) {
        std::vector<float> x{-1e-4f, 1e-4f, 1e-20f, NAN, -200.0f};
        hearth::ThreadPool pool(1);
        hearth::activation(isa, p, {x.data(), 1, 5}, nullptr, {x.data(), 1, 5}, pool);
        EXPECT_NEAR(x[0] / (0.9 * (std::expm1(-1e-4) + 1e-4) - 0.5e-4), 1.0, 1e-6);
        EXPECT_NEAR(x[1] / (0.7e-8 + 0.5e-4), 1.0, 1e-6);
        EXPECT_EQ(x[2], 0.5e-20f);
        EXPECT_TRUE(std::isnan(x[3]));
        EXPECT_NEAR(x[4] / (0.9 * 199 - 100), 1.0, 1e-6);
    }
}

TEST(Arithmetic, ARightSideOneWideOrAVectorIsSpread) {
    for (hearth_isa isa : isas_here())
        for (int rows : kRows)
            for (int width : kWidths) {
                const auto a = normal_floats(static_cast<size_t>(rows * width), 1),
                           factors = normal_floats(static_cast<size_t>(rows), 2),
                           vector = normal_floats(static_cast<size_t>(width), 3);
                hearth::ThreadPool pool(1 + width % 3);
                const hearth::ConstRows left{a.data(), rows, width}, right{factors.data(), rows, 1};
                std::vector<float> y(a.size()), expected(a.size());
                const hearth::Rows output{y.data(), rows, width};
                const auto fill = [&](auto of) {
                    for (size_t i = 0; i < a.size(); ++i)
                        expected[i] =
                            of(a[i], i / static_cast<size_t>(width), i % static_cast<size_t>(width));
                };
                hearth::add(isa, left, right, output, pool);
                fill([&](float v, size_t row, size_t) { return v + factors[row]; });
                EXPECT_EQ(y, expected);
                hearth::multiply(isa, left, right, output, pool);
                fill([&](float v, size_t row, size_t) { return v * factors[row]; });
                EXPECT_EQ(y, expected);
                hearth::add_vector(isa, left, vector.data(), width, output, pool);
                fill([&](float v, size_t, size_t column) { return v + vector[column]; });
                EXPECT_EQ(y, expected);
                hearth::multiply_vector(isa, left, vector.data(), width, output, pool);
                fill([&](float v, size_t, size_t column) { return v * vector[column]; });
                EXPECT_EQ(y, expected);
                hearth::add_vector(isa, left, vector.data(), 1, output, pool);
                fill([&](float v, size_t, size_t) { return v + vector[0]; });
                EXPECT_EQ(y, expected);
                hearth::multiply_vector(isa, left, vector.data(), 1, output, pool);
                fill([&](float v, size_t, size_t) { return v * vector[0]; });
                EXPECT_EQ(y, expected);
                y = a;
                hearth::multiply(isa, {y.data(), rows, width}, right, output, pool);
                fill([&](float v, size_t row, size_t) { return v * factors[row]; });
                EXPECT_EQ(y, expected) << "in place";
            }
}

TEST(Arithmetic, ScaleAddsItsOffset) {
    for (hearth_isa isa : isas_here())
        for (int width : kWidths) {
            std::vector<float> x = normal_floats(static_cast<size_t>(3 * width), 4);
            std::vector<double> expected;
            for (float v : x) expected.push_back(double{v} * 1.7f - 0.4f);
            hearth::ThreadPool pool(2);
            hearth::scale(isa, {x.data(), 3, width}, 1.7f, -0.4f, {x.data(), 3, width}, pool);
            EXPECT_LE(largest_error(x.data(), expected, 1.0), 2e-7);
        }
}

TEST(Clamp, ValuesStayBetweenTheBoundsAndNaNStays) {
    for (hearth_isa isa : isas_here())
        for (int width : kWidths) {
            std::vector<float> x = normal_floats(static_cast<size_t>(5 * width), 5), expected = x;
            for (float& v : expected) v = std::min(std::max(v, -0.5f), 0.75f);
            x[0] = expected[0] = NAN;
            hearth::ThreadPool pool(2);
            hearth::clamp(isa, {x.data(), 5, width}, {-0.5f, 0.75f}, {x.data(), 5, width}, pool);
            EXPECT_TRUE(std::isnan(x[0])) << hearth::isa_name(isa);
            x[0] = expected[0] = 0;
            EXPECT_EQ(x, expected) << hearth::isa_name(isa);
        }
    std::vector<float> x{-1e30f, 5.0f, INFINITY, -INFINITY};
    hearth::ThreadPool pool(1);
    hearth::clamp(hearth::best_isa(), {x.data(), 1, 4}, {-INFINITY, 7.0f}, {x.data(), 1, 4}, pool);
    EXPECT_EQ(x, (std::vector<float>{-1e30f, 5.0f, 7.0f, -INFINITY}));
}

TEST(Slice, TakesTheSameColumnsOfEveryGroup) {
    for (const int groups : {1, 2, 7})
        for (const int group : {1, 5, 64})
            for (const int offset : {0, 1, 3})
                for (const int width : {1, 2, 61}) {
                    if (offset + width > group) continue;
                    const auto x = normal_floats(static_cast<size_t>(9 * groups * group), 6);
                    std::vector<float> y(static_cast<size_t>(9 * groups * width), NAN), expected;
                    for (int g = 0; g < 9 * groups; ++g)
                        for (int i = 0; i < width; ++i)
                            expected.push_back(x[static_cast<size_t>(g * group + offset + i)]);
                    hearth::ThreadPool pool(2);
                    hearth::slice({x.data(), 9, groups * group}, {groups, offset, width},
                                  {y.data(), 9, groups * width}, pool);
                    EXPECT_EQ(y, expected)
                        << groups << " groups of " << group << ": " << offset << ", " << width;
                }
}

TEST(Concat, JoinsGroupByGroupOrOneGroupToAll) {
    for (const int groups : {1, 2, 7})
        for (const int left : {1, 5, 64})
            for (const int right : {1, 3, 16})
                for (const bool shared : {false, true}) {
                    const int right_width = shared ? right : groups * right;
                    const auto a = normal_floats(static_cast<size_t>(9 * groups * left), 7),
                               b = normal_floats(static_cast<size_t>(9 * right_width), 8);
                    std::vector<float> expected, y(static_cast<size_t>(9 * groups * (left + right)), NAN);
                    for (int row = 0; row < 9; ++row)
                        for (int g = 0; g < groups; ++g) {
                            for (int i = 0; i < left; ++i)
                                expected.push_back(a[static_cast<size_t>((row * groups + g) * left + i)]);
                            for (int i = 0; i < right; ++i)
                                expected.push_back(
                                    b[static_cast<size_t>(row * right_width + (shared ? 0 : g * right) + i)]);
                        }
                    hearth::ThreadPool pool(2);
                    hearth::concat({a.data(), 9, groups * left}, {b.data(), 9, right_width}, {groups},
                                   {y.data(), 9, groups * (left + right)}, pool);
                    EXPECT_EQ(y, expected) << groups << " groups, " << left << " + " << right;
                }
}

TEST(ExpertSum, WeighsEveryPieceInOrder) {
    for (hearth_isa isa : isas_here())
        for (int rows : kRows)
            for (int width : kWidths)
                for (const int chosen : {1, 2, 8}) {
                    const auto x = normal_floats(static_cast<size_t>(rows * chosen * width), 9),
                               w = normal_floats(static_cast<size_t>(rows * chosen), 10);
                    std::vector<double> expected;
                    for (int row = 0; row < rows; ++row)
                        for (int i = 0; i < width; ++i) {
                            double sum = 0;
                            for (int c = 0; c < chosen; ++c)
                                sum += double{x[static_cast<size_t>((row * chosen + c) * width + i)]} *
                                       w[static_cast<size_t>(row * chosen + c)];
                            expected.push_back(sum);
                        }
                    hearth::ThreadPool one(1), three(3);
                    std::vector<float> y(expected.size(), NAN), again(expected.size(), NAN);
                    hearth::expert_sum(isa, {x.data(), rows, chosen * width}, {w.data(), rows, chosen},
                                       {y.data(), rows, width}, one);
                    EXPECT_LE(largest_error(y.data(), expected, 1.0), 1e-6) << hearth::isa_name(isa);
                    hearth::expert_sum(isa, {x.data(), rows, chosen * width}, {w.data(), rows, chosen},
                                       {again.data(), rows, width}, three);
                    EXPECT_EQ(y, again);
                }
}

TEST(Arithmetic, AddMultiplyAndScaleAreExactInEveryShapeInPlaceToo) {
    for (hearth_isa isa : isas_here())
        for (int rows : kRows)
            for (int width : kWidths) {
                const std::vector<float> a = normal_floats(static_cast<size_t>(rows * width), 1),
                                         b = normal_floats(a.size(), 2);
                std::vector<float> total(a.size()), product(a.size()), scaled(a.size());
                for (size_t i = 0; i < a.size(); ++i) {
                    total[i] = a[i] + b[i];
                    product[i] = a[i] * b[i];
                    scaled[i] = a[i] * 0.3f;
                }
                hearth::ThreadPool pool(1 + width % 3);
                std::vector<float> y(a.size());
                hearth::add(isa, {a.data(), rows, width}, {b.data(), rows, width}, {y.data(), rows, width},
                            pool);
                EXPECT_EQ(y, total);
                hearth::multiply(isa, {a.data(), rows, width}, {b.data(), rows, width},
                                 {y.data(), rows, width}, pool);
                EXPECT_EQ(y, product);
                hearth::scale(isa, {a.data(), rows, width}, 0.3f, 0.0f, {y.data(), rows, width}, pool);
                EXPECT_EQ(y, scaled);
                y = a;
                hearth::add(isa, {y.data(), rows, width}, {b.data(), rows, width}, {y.data(), rows, width},
                            pool);
                EXPECT_EQ(y, total);
                y = b;
                hearth::multiply(isa, {a.data(), rows, width}, {y.data(), rows, width},
                                 {y.data(), rows, width}, pool);
                EXPECT_EQ(y, product);
                y = a;
                hearth::scale(isa, {y.data(), rows, width}, 0.3f, 0.0f, {y.data(), rows, width}, pool);
                EXPECT_EQ(y, scaled);
            }
}

TEST(Softcap, BendsTowardsTheCapAndKeepsSmallValues) {
    for (hearth_isa isa : isas_here())
        for (float cap : {30.0f, 0.5f}) {
            std::vector<float> x = sweep(), y(x.size());
            std::vector<double> expected;
            for (float v : x) expected.push_back(cap * std::tanh(v / static_cast<double>(cap)));
            hearth::ThreadPool pool(2);
            const int64_t count = static_cast<int64_t>(x.size());
            hearth::softcap(isa, {x.data(), 1, count}, cap, {y.data(), 1, count}, pool);
            // Relative everywhere: a small value must come through unharmed.
            EXPECT_LE(largest_error(y.data(), expected, 1e-30), 5e-7) << hearth::isa_name(isa) << " " << cap;
            hearth::softcap(isa, {x.data(), 1, count}, cap, {x.data(), 1, count}, pool);
            EXPECT_EQ(x, y);
        }
}

TEST(Softcap, ExtremesReachTheCapAndNaNStays) {
    for (hearth_isa isa : isas_here()) {
        std::vector<float> x{INFINITY, -INFINITY, 3e38f, -3e38f, NAN};
        hearth::ThreadPool pool(1);
        hearth::softcap(isa, {x.data(), 1, 5}, 50.0f, {x.data(), 1, 5}, pool);
        EXPECT_EQ(x[0], 50.0f);
        EXPECT_EQ(x[1], -50.0f);
        EXPECT_EQ(x[2], 50.0f);
        EXPECT_EQ(x[3], -50.0f);
        EXPECT_TRUE(std::isnan(x[4]));
    }
}

}  // namespace
