// The choice of experts against a plain reading of its definition in double precision.
#include "cpu/routing.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "rows_support.h"

using namespace hearth_test;

namespace {

struct Choice {
    std::vector<int> experts;
    std::vector<double> weights;
};

std::vector<double> softmax(const std::vector<double>& x) {
    std::vector<double> y;
    double sum = 0;
    const double top = *std::max_element(x.begin(), x.end());
    for (double v : x) sum += std::exp(v - top);
    for (double v : x) y.push_back(std::exp(v - top) / sum);
    return y;
}

// Numbers 0 .. count - 1 by falling value, the lower one first among equals.
std::vector<int> ranked(const std::vector<double>& values) {
    std::vector<int> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
    });
    return order;
}

bool group_is_usable(const std::vector<double>& values, const hearth_router_parameters& p, int group) {
    if (p.groups <= 1) return true;
    const size_t size = values.size() / static_cast<size_t>(p.groups);
    std::vector<double> sums;
    for (size_t g = 0; g < static_cast<size_t>(p.groups); ++g) {
        std::vector<double> members(values.begin() + static_cast<std::ptrdiff_t>(g * size),
                                    values.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
        std::sort(members.rbegin(), members.rend());
        sums.push_back(members[0] + (size > 1 ? members[1] : 0));
    }
    const std::vector<int> order = ranked(sums);
    return std::find(order.begin(), order.begin() + p.chosen_groups, group) < order.begin() + p.chosen_groups;
}

Choice reference(const float* scores, int experts, const float* bias, const hearth_router_parameters& p) {
    const std::vector<double> raw(scores, scores + experts);
    std::vector<double> gates = raw;
    if (p.gating == HEARTH_GATING_SOFTMAX) gates = softmax(raw);
    if (p.gating == HEARTH_GATING_SIGMOID)
        for (double& g : gates) g = 1 / (1 + std::exp(-g));
    std::vector<double> values = p.choose_by_score ? raw : gates;
    if (bias)
        for (int e = 0; e < experts; ++e) values[static_cast<size_t>(e)] += bias[e];
    Choice choice;
    std::vector<double> of_chosen;
    for (const int e : ranked(values)) {
        if (static_cast<int>(choice.experts.size()) == p.chosen) break;
        if (!group_is_usable(values, p, e / (experts / std::max(1, p.groups)))) continue;
        const int number = e / std::max(1, p.experts_per_matrix);
        choice.experts.push_back(number);
        of_chosen.push_back(gates[static_cast<size_t>(number)]);
    }
    if (p.gating == HEARTH_GATING_SOFTMAX_CHOSEN) of_chosen = softmax(of_chosen);
    const double sum =
        std::max(std::accumulate(of_chosen.begin(), of_chosen.end(), 0.0), static_cast<double>(p.least_sum));
    for (const double weight : of_chosen)
        choice.weights.push_back((p.normalize ? weight / sum : weight) * static_cast<double>(p.scale));
    return choice;
}

struct Routed {
    std::vector<float> weights, experts;  // [rows, chosen]
};

Routed route(hearth_isa isa, std::vector<float> scores, int experts, const float* bias,
             const hearth_router_parameters& p, int threads) {
    hearth::ThreadPool pool(threads);
    hearth::Buffer scratch(hearth::route_scratch_bytes(experts, threads));
    const int64_t rows = static_cast<int64_t>(scores.size()) / experts;
    Routed routed;
    routed.weights.assign(static_cast<size_t>(rows * p.chosen), NAN);
    routed.experts.assign(static_cast<size_t>(rows * p.chosen), NAN);
    hearth::route(isa,
                  {{scores.data(), rows, experts},
                   bias,
                   {routed.weights.data(), rows, p.chosen},
                   {routed.experts.data(), rows, p.chosen},
                   p},
                  scratch, pool);
    return routed;
}

// chosen, gating, groups, chosen_groups, normalize, choose_by_score, least_sum, scale, experts_per_matrix
hearth_router_parameters parameters(int chosen, hearth_gating gating) {
    return {chosen, gating, 0, 0, 0, 0, 6.103515625e-5f, 1.0f, 0};
}

constexpr hearth_gating kGatings[] = {HEARTH_GATING_SOFTMAX, HEARTH_GATING_SIGMOID,
                                      HEARTH_GATING_SOFTMAX_CHOSEN};

void expect_equal(const Routed& routed, const std::vector<float>& scores, int experts, const float* bias,
                  const hearth_router_parameters& p) {
    const size_t rows = scores.size() / static_cast<size_t>(experts), chosen = static_cast<size_t>(p.chosen);
    for (size_t row = 0; row < rows; ++row) {
        const Choice expected =
            reference(scores.data() + row * static_cast<size_t>(experts), experts, bias, p);
        for (size_t c = 0; c < chosen; ++c) {
            ASSERT_EQ(routed.experts[row * chosen + c], static_cast<float>(expected.experts[c]))
                << "row " << row << " choice " << c;
            ASSERT_NEAR(routed.weights[row * chosen + c], expected.weights[c],
                        1e-6 * std::max(1.0, std::abs(expected.weights[c])));
        }
    }
}

TEST(Router, EveryGatingAndShapeGivesTheDefinition) {
    for (const hearth_isa isa : isas_here())
        for (const hearth_gating gating : kGatings)
            for (const int experts : {1, 2, 3, 8, 17, 60, 128})
                for (const int chosen : {1, 2, 6, 8})
                    for (const int rows : {1, 3, 70}) {
                        if (chosen > experts) continue;
                        SCOPED_TRACE(std::string(hearth::isa_name(isa)) + " gating " +
                                     std::to_string(gating) + ", " + std::to_string(chosen) + " of " +
                                     std::to_string(experts));
                        const auto scores =
                            normal_floats(static_cast<size_t>(rows * experts), 5u + rows, 2.0f);
                        auto p = parameters(chosen, gating);
                        p.normalize = (experts + chosen) % 2;
                        p.scale = experts == 17 ? 2.5f : 1.0f;
                        const Routed routed = route(isa, scores, experts, nullptr, p, 1 + rows % 3);
                        expect_equal(routed, scores, experts, nullptr, p);
                    }
}

TEST(Router, TheBiasChoosesButDoesNotWeigh) {
    for (const hearth_isa isa : isas_here())
        for (const hearth_gating gating : kGatings)
            for (const int by_score : {0, 1}) {
                const auto scores = normal_floats(40 * 24, 8), bias = normal_floats(24, 9, 0.5f);
                auto p = parameters(4, gating);
                p.choose_by_score = by_score;
                p.normalize = 1;
                expect_equal(route(isa, scores, 24, bias.data(), p, 2), scores, 24, bias.data(), p);
            }
}

TEST(Router, OnlyTheBestGroupsAreLookedAt) {
    for (const hearth_isa isa : isas_here())
        for (const int groups : {2, 4, 8, 16})
            for (const int usable : {1, 2}) {
                const auto scores = normal_floats(50 * 16, 10), bias = normal_floats(16, 11, 0.3f);
                auto p = parameters(std::min(3, 16 / groups * usable), HEARTH_GATING_SIGMOID);
                p.groups = groups;
                p.chosen_groups = usable;
                p.normalize = 1;
                p.scale = 2.5f;
                expect_equal(route(isa, scores, 16, bias.data(), p, 2), scores, 16, bias.data(), p);
            }
}

TEST(Router, ExpertsThatShareAMatrixGiveItsNumberAndThatNumbersGate) {
    for (const hearth_isa isa : isas_here())
        for (const int shared : {1, 2, 4, 8}) {
            const auto scores = normal_floats(50 * 16, 12);
            auto p = parameters(std::min(6, 16 / shared), HEARTH_GATING_SOFTMAX);
            p.experts_per_matrix = shared;
            p.choose_by_score = 1;
            p.normalize = 1;
            expect_equal(route(isa, scores, 16, nullptr, p, 2), scores, 16, nullptr, p);
        }
}

TEST(Router, TheLowerNumberWinsAmongEquals) {
    for (const hearth_isa isa : isas_here()) {
        const std::vector<float> scores(12, 0.25f);
        const Routed routed = route(isa, scores, 12, nullptr, parameters(5, HEARTH_GATING_SOFTMAX), 1);
        EXPECT_EQ(routed.experts, (std::vector<float>{0, 1, 2, 3, 4}));
        auto p = parameters(4, HEARTH_GATING_SOFTMAX);
        p.groups = 4;
        p.chosen_groups = 2;
        EXPECT_EQ(route(isa, scores, 12, nullptr, p, 1).experts, (std::vector<float>{0, 1, 2, 3}));
    }
}

TEST(Router, AVanishingSumIsNotDividedBy) {
    for (const hearth_isa isa : isas_here()) {
        const std::vector<float> scores{-30.0f, -31.0f, -40.0f};
        auto p = parameters(2, HEARTH_GATING_SIGMOID);
        p.normalize = 1;
        const Routed routed = route(isa, scores, 3, nullptr, p, 1);
        EXPECT_NEAR(routed.weights[0] / (std::exp(-30.0) / 6.103515625e-5), 1.0, 1e-5);
        EXPECT_NEAR(routed.weights[1] / (std::exp(-31.0) / 6.103515625e-5), 1.0, 1e-5);
    }
}

TEST(Router, WhateverTheScoresAreTheExpertsExistAndDiffer) {
    for (const hearth_isa isa : isas_here())
        for (const hearth_gating gating : kGatings)
            for (const int groups : {0, 4})
                for (const float bad : {NAN, INFINITY, -INFINITY, 3e38f, -3e38f})
                    for (const int harmed : {1, 7, 16}) {
                        std::vector<float> scores = normal_floats(3 * 16, 12);
                        for (int i = 0; i < harmed; ++i) scores[static_cast<size_t>(16 + i)] = bad;
                        auto p = parameters(6, gating);
                        p.groups = groups;
                        p.chosen_groups = 2;
                        p.normalize = 1;
                        const Routed routed = route(isa, scores, 16, nullptr, p, 2);
                        for (size_t row = 0; row < 3; ++row) {
                            std::vector<float> numbers(
                                routed.experts.begin() + static_cast<std::ptrdiff_t>(6 * row),
                                routed.experts.begin() + static_cast<std::ptrdiff_t>(6 * row + 6));
                            std::sort(numbers.begin(), numbers.end());
                            EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
                            for (const float number : numbers)
                                EXPECT_TRUE(number >= 0 && number <= 15 && number == std::floor(number));
                        }
                        for (const size_t whole : {size_t{0}, size_t{2}})
                            for (size_t c = 0; c < 6; ++c)
                                EXPECT_TRUE(std::isfinite(routed.weights[whole * 6 + c]));
                    }
}

TEST(Router, AnExpertWithoutANumberIsChosenLast) {
    for (const hearth_isa isa : isas_here()) {
        std::vector<float> scores{1.0f, NAN, 3.0f, -9.0f, 2.0f};
        const Routed routed = route(isa, scores, 5, nullptr, parameters(4, HEARTH_GATING_SIGMOID), 1);
        EXPECT_EQ(routed.experts, (std::vector<float>{2, 4, 0, 3}));
    }
}

TEST(Router, ThreadsAndCompanyChangeNothing) {
    for (const hearth_isa isa : isas_here()) {
        const auto scores = normal_floats(300 * 64, 13);
        auto p = parameters(8, HEARTH_GATING_SOFTMAX);
        p.normalize = 1;
        const Routed one = route(isa, scores, 64, nullptr, p, 1),
                     four = route(isa, scores, 64, nullptr, p, 4);
        EXPECT_EQ(one.experts, four.experts);
        EXPECT_EQ(one.weights, four.weights);
        for (const size_t row : {size_t{0}, size_t{123}, size_t{299}}) {
            const auto begin = scores.begin() + static_cast<std::ptrdiff_t>(64 * row);
            const Routed alone = route(isa, std::vector<float>(begin, begin + 64), 64, nullptr, p, 1);
            EXPECT_TRUE(std::equal(alone.weights.begin(), alone.weights.end(), &one.weights[8 * row]));
        }
    }
}

}  // namespace
