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
                                       {HEARTH_FUNCTION_TANH, hyperbolic_tangent}};

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
            EXPECT_EQ(y[0], bounded ? 1.0f : square ? INFINITY : 1e30f);
            EXPECT_EQ(y[1], none ? -1e30f : least);
            EXPECT_EQ(y[2], bounded ? 1.0f : INFINITY);
            EXPECT_EQ(y[4], bounded ? 1.0f : square ? 40000.0f : 200.0f);
            EXPECT_NEAR(y[5], none ? -200.0f : least, 1e-35);
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
