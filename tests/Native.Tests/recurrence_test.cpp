// What Transformer-XL adds: scores by distance, a memory before each segment, tables for ranges of tokens,
// log-probabilities.
#include <gtest/gtest.h>

#include "attention_support.h"
#include "cpu/operations.h"
#include "hearth.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

// Scores by distance are normal with deviation 2, as large as the products themselves.
constexpr double kLargeScores = 4 * kArithmetic;

TEST(Recurrence, AMemoryBeforeTheSegmentGivesTheReference) {
    uint32_t seed = 1;
    for (int window : {1, 6, 16, 50})
        for (int memory : {0, 1, 7, 24, 300})
            for (int past : {0, 5, 48, 200})
                for (int rows : {1, 7, 70})
                    expect_reference({.sequences = {{past, rows}, {0, 3}},
                                      .mask = HEARTH_MASK_CHUNKED,
                                      .window = window,
                                      .chunk_memory = memory,
                                      .seed = seed++});
}

TEST(Recurrence, ScoresByDistanceGiveTheReference) {
    uint32_t seed = 1;
    for (hearth_mask mask : {HEARTH_MASK_CAUSAL, HEARTH_MASK_CHUNKED})
        for (int distances : {1, 2, 31, 500})
            for (int past : {0, 30, 200})
                for (int rows : {1, 2, 9, 70})
                    expect_reference({.sequences = {{past, rows}, {3, 1}},
                                      .heads = 6,
                                      .kv_heads = rows % 2 ? 6 : 2,
                                      .mask = mask,
                                      .window = mask == HEARTH_MASK_CHUNKED ? 16 : 0,
                                      .chunk_memory = mask == HEARTH_MASK_CHUNKED ? 24 : 0,
                                      .relative_distances = distances,
                                      .seed = seed++},
                                     kLargeScores);
}

TEST(Recurrence, ScoresByDistanceOfLongSequencesThatAreSplitGiveTheReference) {
    for (int threads : {1, 3})
        for (hearth_type type : {HEARTH_TYPE_F32, HEARTH_TYPE_F16})
            expect_reference({.sequences = {{3000, 1}, {700, 2}},
                              .heads = 4,
                              .kv_heads = 4,
                              .key_type = type,
                              .value_type = type,
                              .mask = HEARTH_MASK_CHUNKED,
                              .window = 128,
                              .chunk_memory = 1600,
                              .relative_distances = 1001,
                              .threads = threads},
                             kLargeScores);
}

TEST(LogSoftmax, IsWithinAFewRoundingsOfItsDefinition) {
    for (hearth_isa isa : isas_here())
        for (int rows : {1, 5})
            for (int width : {1, 3, 16, 17, 100, 2053})
                for (float size : {0.01f, 1.0f, 40.0f}) {
                    const std::vector<float> x = normal_floats(static_cast<size_t>(rows * width), 7, size);
                    std::vector<float> y(x.size(), NAN);
                    hearth::ThreadPool pool(2);
                    hearth::log_softmax(isa, {x.data(), rows, width}, {y.data(), rows, width}, pool);
                    std::vector<double> expected;
                    for (int row = 0; row < rows; ++row) {
                        const float* in = x.data() + row * width;
                        const double most = *std::max_element(in, in + width);
                        double sum = 0;
                        for (int i = 0; i < width; ++i) sum += std::exp(in[i] - most);
                        for (int i = 0; i < width; ++i) expected.push_back(in[i] - most - std::log(sum));
                    }
                    EXPECT_LE(largest_error(y.data(), expected, 1.0), 1e-6)
                        << hearth::isa_name(isa) << " width " << width << " size " << size;
                }
}

TEST(LogSoftmax, InfinitelyUnlikelyValuesStaySo) {
    for (hearth_isa isa : isas_here()) {
        std::vector<float> x(20, -INFINITY);
        x[3] = x[18] = -1000.0f;
        hearth::ThreadPool pool(1);
        hearth::log_softmax(isa, {x.data(), 1, 20}, {x.data(), 1, 20}, pool);
        for (int i = 0; i < 20; ++i)
            if (i == 3 || i == 18)
                EXPECT_NEAR(x[static_cast<size_t>(i)], -std::log(2.0), 1e-6) << hearth::isa_name(isa);
            else
                EXPECT_EQ(x[static_cast<size_t>(i)], -INFINITY) << hearth::isa_name(isa);
    }
}

// Tokens 0 to 4 have rows of 3 in one table, tokens 5 to 11 rows of 3 in another; token 12 is in neither.
class RangedEmbedding : public testing::Test {
  protected:
    static constexpr int kWidth = 3, kFirst = 5, kSecond = 7;

    RangedEmbedding() {
        ProgramSource source;
        source.widths.assign(4, kWidth);
        for (int i = 0; i < 2; ++i) {
            const int32_t table = source.weight(i == 0 ? kFirst : kSecond, kWidth);
            hearth_embed_parameters& p = source.add(HEARTH_EMBED, {}, {i}, {table}).parameters.embed;
            p.scale = i == 0 ? 2.0f : 1.0f;
            p.ranged = 1;
            p.first = i * kFirst;
        }
        source.add(HEARTH_ADD, {0, 1}, {2}, {});
        source.add(HEARTH_GATHER, {2}, {3}, {});
        source.result = 3;
        model_ = create_model(engine_.get(), source);
        for (int i = 0; i < 2; ++i) {
            tables_.push_back(normal_floats(static_cast<size_t>(kWidth * (i == 0 ? kFirst : kSecond)),
                                            static_cast<uint32_t>(i) + 1));
            load_floats(model_, i, tables_.back());
        }
    }

    hearth_status run(const std::vector<int32_t>& tokens, const float* embeddings,
                      std::vector<float>& output) {
        const auto rows = static_cast<int32_t>(tokens.size());
        std::vector<int32_t> positions(tokens.size());
        std::iota(positions.begin(), positions.end(), 0);
        output.assign(tokens.size() * kWidth, NAN);
        hearth_sequence sequence{};
        sequence.row_count = rows;
        hearth_step step{};
        if (embeddings == nullptr) step.tokens = tokens.data();
        step.embeddings = embeddings;
        step.positions = positions.data();
        step.sequences = &sequence;
        step.output_rows = positions.data();
        step.output = output.data();
        step.output_size = output.size();
        step.row_count = step.output_count = rows;
        step.sequence_count = 1;
        return hearth_model_run(model_.get(), nullptr, nullptr, &step, sizeof step);
    }

    std::vector<std::vector<float>> tables_;

  private:
    const EnginePointer engine_ = make_engine(1);
    ModelPointer model_{nullptr, hearth_model_destroy};
};

TEST_F(RangedEmbedding, TakesEachTokenFromItsOwnTable) {
    const std::vector<int32_t> tokens{0, 11, 4, 5, 7, 2};
    std::vector<float> output;
    ASSERT_EQ(run(tokens, nullptr, output), HEARTH_OK) << hearth_last_error();
    for (size_t row = 0; row < tokens.size(); ++row)
        for (int i = 0; i < kWidth; ++i) {
            const int token = tokens[row];
            const float expected = token < kFirst
                                       ? 2.0f * tables_[0][static_cast<size_t>(token * kWidth + i)]
                                       : tables_[1][static_cast<size_t>((token - kFirst) * kWidth + i)];
            EXPECT_EQ(output[row * kWidth + static_cast<size_t>(i)], expected) << token;
        }
}

TEST_F(RangedEmbedding, RefusesTokensOfNoTableAndEmbeddings) {
    std::vector<float> output;
    EXPECT_EQ(run({12}, nullptr, output), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(run({-1}, nullptr, output), HEARTH_INVALID_ARGUMENT);
    const float embedding[kWidth] = {1, 2, 3};
    EXPECT_EQ(run({0}, embedding, output), HEARTH_INVALID_ARGUMENT);
}

}  // namespace
