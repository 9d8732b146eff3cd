#include <gtest/gtest.h>

#include "cpu/operations.h"
#include "rows_support.h"

using namespace hearth_test;

namespace {

constexpr int kRows[] = {1, 2, 5, 33};
constexpr int kWidths[] = {1, 3, 16, 17, 96, 100, 2053};

// Sums of up to some thousand squares in float32 lanes, a root and a product or two: a few roundings of 6e-8.
constexpr double kNormError = 1e-6;

struct Norm {
    const char* name;
    bool centered;
};
constexpr Norm kNorms[] = {{"rms_norm", false}, {"layer_norm", true}};

std::vector<double> reference(const Norm& norm, const std::vector<float>& x, int width, double epsilon,
                              const float* weight, const float* bias) {
    std::vector<double> y(x.size());
    for (size_t begin = 0; begin < x.size(); begin += static_cast<size_t>(width)) {
        double mean = 0, squares = 0;
        for (int i = 0; i < width; ++i) mean += x[begin + static_cast<size_t>(i)] / double(width);
        if (!norm.centered) mean = 0;
        for (int i = 0; i < width; ++i)
            squares += std::pow(x[begin + static_cast<size_t>(i)] - mean, 2) / width;
        for (int i = 0; i < width; ++i)
            y[begin + static_cast<size_t>(i)] = (x[begin + static_cast<size_t>(i)] - mean) /
                                                    std::sqrt(squares + epsilon) *
                                                    (weight ? weight[i] : 1.0) +
                                                (bias ? bias[i] : 0.0);
    }
    return y;
}

void run(const Norm& norm, hearth_isa isa, const float* x, int rows, int width, int group, float epsilon,
         const float* weight, const float* bias, float* y, int threads) {
    hearth::ThreadPool pool(threads);
    const hearth_norm_parameters parameters{epsilon, group};
    if (norm.centered)
        hearth::layer_norm(isa, {x, rows, width}, weight, bias, parameters, {y, rows, width}, pool);
    else
        hearth::rms_norm(isa, {x, rows, width}, weight, parameters, {y, rows, width}, pool);
}

TEST(Norm, EveryShapeGivesTheReferenceInPlaceToo) {
    for (const Norm& norm : kNorms)
        for (hearth_isa isa : isas_here())
            for (int rows : kRows)
                for (int width : kWidths)
                    for (bool weighted : {true, false}) {
                        std::vector<float> x = normal_floats(static_cast<size_t>(rows * width), 1);
                        const std::vector<float> w = normal_floats(static_cast<size_t>(width), 2);
                        const std::vector<float> b = normal_floats(static_cast<size_t>(width), 3);
                        const float* weight = weighted ? w.data() : nullptr;
                        const float* bias = weighted && norm.centered ? b.data() : nullptr;
                        const auto expected = reference(norm, x, width, 1e-5f, weight, bias);
                        std::vector<float> y(x.size(), NAN);
                        run(norm, isa, x.data(), rows, width, 0, 1e-5f, weight, bias, y.data(), 1 + rows % 3);
                        EXPECT_LE(largest_error(y.data(), expected, 1.0), kNormError)
                            << norm.name << " " << hearth::isa_name(isa) << " " << rows << "x" << width;
                        run(norm, isa, x.data(), rows, width, 0, 1e-5f, weight, bias, x.data(), 2);
                        EXPECT_EQ(x, y) << norm.name << " in place";
                    }
}

TEST(Norm, GroupsShareTheWeightOfOneGroup) {
    for (const Norm& norm : kNorms)
        for (hearth_isa isa : isas_here())
            for (int group : {1, 4, 20, 128}) {
                const std::vector<float> x = normal_floats(static_cast<size_t>(3 * 6 * group), 4);
                const std::vector<float> w = normal_floats(static_cast<size_t>(group), 5);
                std::vector<float> y(x.size(), NAN);
                run(norm, isa, x.data(), 3, 6 * group, group, 1e-6f, w.data(), nullptr, y.data(), 2);
                // A group of one is its own mean: epsilon alone decides, and the reference is 0 exactly.
                EXPECT_LE(largest_error(y.data(), reference(norm, x, group, 1e-6f, w.data(), nullptr), 1.0),
                          kNormError);
            }
}

TEST(Norm, WeightAndBiasAreOptionalEachAndBelongToAGroup) {
    for (hearth_isa isa : isas_here())
        for (const bool weighted : {false, true})
            for (const bool biased : {false, true}) {
                const std::vector<float> x = normal_floats(4 * 5 * 24, 14), w = normal_floats(24, 15),
                                         b = normal_floats(24, 16);
                const float* weight = weighted ? w.data() : nullptr;
                const float* bias = biased ? b.data() : nullptr;
                std::vector<float> y(x.size(), NAN);
                run(kNorms[1], isa, x.data(), 4, 5 * 24, 24, 1e-5f, weight, bias, y.data(), 2);
                EXPECT_LE(largest_error(y.data(), reference(kNorms[1], x, 24, 1e-5f, weight, bias), 1.0),
                          kNormError)
                    << hearth::isa_name(isa) << " " << weighted << biased;
            }
}

TEST(Norm, ALargeMeanDoesNotCancelTheVariance) {
    for (hearth_isa isa : isas_here()) {
        std::vector<float> x = normal_floats(4096, 6);
        for (float& v : x) v += 1000.0f;
        std::vector<float> y(x.size());
        run(kNorms[1], isa, x.data(), 1, 4096, 0, 1e-5f, nullptr, nullptr, y.data(), 1);
        // The mean itself is known to about a rounding of 1000, 6e-5 of the deviation.
        EXPECT_LE(largest_error(y.data(), reference(kNorms[1], x, 4096, 1e-5f, nullptr, nullptr), 1.0), 1e-4);
    }
}

TEST(Norm, ExtremeInputsHarmOnlyTheirRow) {
    for (const Norm& norm : kNorms)
        for (hearth_isa isa : isas_here())
            for (float bad : {NAN, INFINITY, -INFINITY, 3e38f, 1e-45f}) {
                std::vector<float> x = normal_floats(3 * 37, 7), y(x.size());
                const auto expected = reference(norm, x, 37, 1e-5f, nullptr, nullptr);
                for (size_t i = 37; i < 74; ++i) x[i] = i % 2 ? bad : -bad;
                run(norm, isa, x.data(), 3, 37, 0, 1e-5f, nullptr, nullptr, y.data(), 1);
                for (size_t i = 0; i < 37; ++i) {
                    EXPECT_NEAR(y[i], expected[i], 1e-6);
                    EXPECT_NEAR(y[i + 74], expected[i + 74], 1e-6);
                }
            }
}

TEST(Norm, ZerosStayZeros) {
    for (const Norm& norm : kNorms)
        for (hearth_isa isa : isas_here()) {
            std::vector<float> x(100, 0.0f);
            run(norm, isa, x.data(), 1, 100, 0, 1e-5f, nullptr, nullptr, x.data(), 1);
            EXPECT_EQ(x, std::vector<float>(100, 0.0f));
        }
}

}  // namespace
