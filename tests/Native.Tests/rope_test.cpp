#include <gtest/gtest.h>

#include <array>

#include "cpu/operations.h"
#include "rows_support.h"

using namespace hearth_test;

namespace {

hearth_rope_parameters plain(int head_width, int dimensions, hearth_rope_layout layout) {
    return {layout, head_width, dimensions, 0, 10000.0f, 1.0f, 0.0f, 1.0f, 32.0f, 1.0f, 0};
}

std::vector<float> table_of(const std::vector<int32_t>& positions, const float* factors,
                            const hearth_rope_parameters& parameters, int threads = 1) {
    std::vector<float> table(positions.size() * static_cast<size_t>(parameters.dimensions));
    hearth::ThreadPool pool(threads);
    hearth::rope_table(positions.data(), static_cast<int64_t>(positions.size()), factors, parameters,
                       table.data(), pool);
    return table;
}

TEST(RopeTable, AnglesAreExactUpToAMillionPositions) {
    const std::vector<int32_t> positions{0, 1, 31, 4095, 131071, 1000003};
    const auto p = plain(128, 128, HEARTH_ROPE_HALVES);
    const auto table = table_of(positions, nullptr, p, 2);
    for (size_t row = 0; row < positions.size(); ++row)
        for (size_t pair = 0; pair < 64; ++pair) {
            const long double angle = positions[row] * std::pow(10000.0L, -2.0L * pair / 128.0L);
            // Half a rounding of a float32 near 1, and the angle's own error in float64.
            EXPECT_NEAR(table[row * 128 + 2 * pair], static_cast<double>(std::cos(angle)), 4e-8);
            EXPECT_NEAR(table[row * 128 + 2 * pair + 1], static_cast<double>(std::sin(angle)), 4e-8);
        }
}

TEST(RopeTable, ScaleAndFactorsDivideFrequencies) {
    auto p = plain(8, 8, HEARTH_ROPE_HALVES);
    p.frequency_scale = 0.25f;
    p.attention_factor = 1.5f;
    const float factors[] = {1.0f, 2.0f, 4.0f, 8.0f};
    const auto table = table_of({100}, factors, p);
    for (size_t pair = 0; pair < 4; ++pair) {
        const double angle = 100 * std::pow(10000.0, -2.0 * pair / 8) / factors[pair] * 0.25;
        EXPECT_NEAR(table[2 * pair], 1.5 * std::cos(angle), 1e-7);
        EXPECT_NEAR(table[2 * pair + 1], 1.5 * std::sin(angle), 1e-7);
    }
}

// The formulae of the paper (arXiv 2309.00071, section 3.2) in wavelengths, another way than the code's: a
// pair keeps its frequency where its wave turns more than beta_fast times over the original context, is
// interpolated where it turns less than beta_slow times, with a linear ramp over the pairs between, whose
// ends are whole pairs.
TEST(RopeTable, YarnKeepsFastWavesAndInterpolatesSlowOnes) {
    auto p = plain(128, 128, HEARTH_ROPE_HALVES);
    p.frequency_scale = 1.0f / 16;
    p.extrapolation = 1.0f;
    p.original_context = 4096;
    const auto turns = [](double pair) { return 4096 * std::pow(10000.0, -pair / 64) / (2 * M_PI); };
    int low = 0, high = 0;
    while (turns(low + 1) > 32) ++low;  // the last whole pair before 32 turns
    while (turns(high) > 1) ++high;     // the first after 1 turn
    ASSERT_GT(low, 0);
    ASSERT_LT(low, high);
    const double magnitude = 1 + 0.1 * std::log(16.0);
    const int position = 777;
    const auto table = table_of({position}, nullptr, p);
    for (int pair = 0; pair < 64; ++pair) {
        const double keep = pair <= low ? 1.0 : pair >= high ? 0.0 : 1.0 - double(pair - low) / (high - low);
        const double angle = position * std::pow(10000.0, -pair / 64.0) * (keep + (1 - keep) / 16);
        EXPECT_NEAR(table[static_cast<size_t>(2 * pair)], magnitude * std::cos(angle), 1e-7) << pair;
        EXPECT_NEAR(table[static_cast<size_t>(2 * pair + 1)], magnitude * std::sin(angle), 1e-7) << pair;
    }
}

TEST(RopeTable, HalfTheExtrapolationKeepsHalfTheFastFrequencies) {
    auto p = plain(128, 128, HEARTH_ROPE_HALVES);
    p.frequency_scale = 0.5f;
    p.extrapolation = 0.5f;
    p.attention_factor = 2.0f;
    p.original_context = 4096;
    const auto table = table_of({3}, nullptr, p);
    const double magnitude = 2 * (1 + 0.1 * std::log(2.0));
    EXPECT_NEAR(table[0], magnitude * std::cos(3 * (0.5 * 0.5 + 0.5)), 2e-7);
    EXPECT_NEAR(table[1], magnitude * std::sin(3 * (0.5 * 0.5 + 0.5)), 2e-7);
}

TEST(Rope, BothLayoutsRotateEveryShapeInPlaceToo) {
    const int shapes[][3] = {{1, 2, 2},     {2, 6, 4},   {3, 32, 32},  {2, 64, 64},
                             {4, 128, 128}, {5, 80, 32}, {3, 100, 50}, {2, 256, 64}};
    for (hearth_rope_layout layout : {HEARTH_ROPE_INTERLEAVED, HEARTH_ROPE_HALVES})
        for (hearth_isa isa : isas_here())
            for (const auto& [heads, head_width, dimensions] : shapes)
                for (int rows : {1, 2, 5, 33}) {
                    const auto p = plain(head_width, dimensions, layout);
                    const int width = heads * head_width;
                    std::vector<float> x = normal_floats(static_cast<size_t>(rows * width), 8),
                                       y(x.size(), NAN);
                    std::vector<int32_t> positions;
                    for (int r = 0; r < rows; ++r) positions.push_back(r * r + 3);
                    std::vector<double> expected(x.begin(), x.end());
                    for (int r = 0; r < rows; ++r)
                        for (int h = 0; h < heads; ++h)
                            for (int i = 0; i < dimensions / 2; ++i) {
                                const double angle = positions[static_cast<size_t>(r)] *
                                                     std::pow(10000.0, -2.0 * i / dimensions);
                                const size_t head = static_cast<size_t>(r * width + h * head_width);
                                const bool halves = layout == HEARTH_ROPE_HALVES;
                                const size_t a = head + static_cast<size_t>(halves ? i : 2 * i);
                                const size_t b =
                                    head + static_cast<size_t>(halves ? i + dimensions / 2 : 2 * i + 1);
                                expected[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
                                expected[b] = x[a] * std::sin(angle) + x[b] * std::cos(angle);
                            }
                    const auto table = table_of(positions, nullptr, p);
                    hearth::ThreadPool pool(2);
                    hearth::rope(isa, {x.data(), rows, width}, table.data(), p, {y.data(), rows, width},
                                 pool);
                    EXPECT_LE(largest_error(y.data(), expected, 1.0), 3e-7)
                        << hearth::isa_name(isa) << " layout " << layout << " " << heads << "x" << head_width;
                    hearth::rope(isa, {x.data(), rows, width}, table.data(), p, {x.data(), rows, width},
                                 pool);
                    EXPECT_EQ(x, y);
                }
}

TEST(Rope, AnOffsetRotatesInsideTheHeadAndLeavesTheRest) {
    for (hearth_rope_layout layout : {HEARTH_ROPE_INTERLEAVED, HEARTH_ROPE_HALVES})
        for (hearth_isa isa : isas_here())
            for (const auto& [heads, head_width, dimensions, offset] :
                 {std::array{3, 24, 8, 16}, std::array{1, 64, 32, 7}, std::array{16, 192, 64, 128},
                  std::array{2, 10, 4, 1}}) {
                auto p = plain(head_width, dimensions, layout);
                const auto x = normal_floats(static_cast<size_t>(5 * heads * head_width), 9);
                const auto table = table_of({0, 3, 10, 1000, 77}, nullptr, p);
                hearth::ThreadPool pool(2);
                p.offset = offset;
                std::vector<float> y(x.size(), NAN), in_place = x;
                const int width = heads * head_width;
                hearth::rope(isa, {x.data(), 5, width}, table.data(), p, {y.data(), 5, width}, pool);
                hearth::rope(isa, {in_place.data(), 5, width}, table.data(), p, {in_place.data(), 5, width},
                             pool);
                EXPECT_EQ(y, in_place);
                // The rotated part alone, as heads of its own.
                std::vector<float> part, expected = x;
                for (int h = 0; h < 5 * heads; ++h)
                    for (int i = 0; i < dimensions; ++i)
                        part.push_back(x[static_cast<size_t>(h * head_width + offset + i)]);
                const auto alone = plain(dimensions, dimensions, layout);
                hearth::rope(isa, {part.data(), 5, heads * dimensions}, table.data(), alone,
                             {part.data(), 5, heads * dimensions}, pool);
                for (int h = 0; h < 5 * heads; ++h)
                    for (int i = 0; i < dimensions; ++i)
                        expected[static_cast<size_t>(h * head_width + offset + i)] =
                            part[static_cast<size_t>(h * dimensions + i)];
                EXPECT_EQ(y, expected) << hearth::isa_name(isa) << " layout " << layout;
            }
}

}  // namespace
