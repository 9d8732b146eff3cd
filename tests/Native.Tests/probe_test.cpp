// The probabilities that attention gives its keys: checked by what they make of the values, and by the whole
// call through the boundary.
#include <gtest/gtest.h>

#include <vector>

#include "attention_support.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

int most_keys(const AttentionCase& c) {
    int most = 0;
    for (size_t s = 0; s < c.sequences.size(); ++s) most = std::max(most, c.key_count(s));
    return most;
}

// With at least as many value columns as keys, random values let only one set of probabilities give the
// reference's output.
void expect_probabilities(const AttentionCase& c) {
    SCOPED_TRACE(describe(c));
    AttentionData data(c);
    data.fill_cache(HEARTH_ISA_SCALAR);
    const std::vector<double> expected = data.reference(true);
    const auto rows = data.sequence_rows();
    const int room = most_keys(c) + 3;
    std::vector<float> scalar;
    for (hearth_isa isa : isas_here()) {
        const std::vector<float> found = data.probed(isa, 0, c.heads, room);
        std::vector<float> output(expected.size());
        for (size_t s = 0; s < rows.size(); ++s)
            for (int i = 0; i < rows[s].row_count; ++i)
                for (int head = 0; head < c.heads; ++head) {
                    const size_t line = static_cast<size_t>((rows[s].row_begin + i) * c.heads + head);
                    const float* p = found.data() + line * static_cast<size_t>(room);
                    for (int k = c.key_count(s); k < room; ++k) ASSERT_EQ(p[k], 0.0f);
                    for (int e = 0; e < c.value_width; ++e) {
                        double sum = 0;
                        for (int k = 0; k < c.key_count(s); ++k)
                            sum += p[k] * data.value_at(s, k, head / (c.heads / c.kv_heads), e);
                        output[line * static_cast<size_t>(c.value_width) + static_cast<size_t>(e)] =
                            static_cast<float>(sum);
                    }
                }
        EXPECT_LT(largest_error(output.data(), expected, 1.0), 3e-5) << "instruction set " << isa;
        if (scalar.empty()) scalar = found;
        for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], scalar[i], 1e-6);
    }
}

TEST(AttentionProbe, EveryMaskAndTermIsInTheProbabilities) {
    for (hearth_mask mask :
         {HEARTH_MASK_CAUSAL, HEARTH_MASK_BIDIRECTIONAL, HEARTH_MASK_PREFIX, HEARTH_MASK_CHUNKED})
        for (int window : {mask == HEARTH_MASK_CHUNKED ? 13 : 0, 7})
            for (int variant = 0; variant < 8; ++variant)
                expect_probabilities({.sequences = {{11, 5}, {0, 40}, {60, 1}},
                                      .heads = 6,
                                      .kv_heads = 3,
                                      .value_width = 96,
                                      .mask = mask,
                                      .window = window,
                                      .prefix = mask == HEARTH_MASK_PREFIX ? 20 : 0,
                                      .softcap = variant & 1 ? 2.5f : 0.0f,
                                      .alibi = variant & 2 ? 8.0f : 0.0f,
                                      .sinks = (variant & 4) != 0,
                                      .bias_buckets = variant & 2 ? 0 : 8,
                                      .bias_distance = variant & 2 ? 0 : 20,
                                      .temperature_length = variant & 1 ? 4 : 0,
                                      .temperature = variant & 1 ? 0.3f : 0.0f});
}

TEST(AttentionProbe, QuantizedAndLatentCachesAreProbedAsTheyAre) {
    for (hearth_type type : {HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0})
        expect_probabilities({.sequences = {{30, 1}, {20, 17}},
                              .key_width = 64,
                              .value_width = 64,
                              .key_type = type,
                              .value_type = type});
    expect_probabilities({.sequences = {{30, 1}, {20, 17}},
                          .heads = 8,
                          .kv_heads = 1,
                          .key_width = 96,
                          .value_width = 64,
                          .values_in_keys = true});
}

TEST(AttentionProbe, AMemoryIsProbedOverAllItsPositions) {
    expect_probabilities({.sequences = {{3, 4}, {0, 1}}, .value_width = 64, .memory = {50, 9}});
}

TEST(AttentionProbe, LongSequencesAreProbedAcrossTheirChunks) {
    expect_probabilities({.sequences = {{1500, 2}}, .value_width = 32, .threads = 4});
    expect_probabilities({.sequences = {{700, 65}}, .value_width = 32, .threads = 3});
}

TEST(AttentionProbe, SomeHeadsAreAsAmongAll) {
    const AttentionCase c{.sequences = {{9, 3}}, .heads = 6, .kv_heads = 3};
    AttentionData data(c);
    data.fill_cache(HEARTH_ISA_SCALAR);
    const auto all = data.probed(HEARTH_ISA_SCALAR, 0, 6, 12),
               some = data.probed(HEARTH_ISA_SCALAR, 2, 3, 12);
    for (size_t row = 0; row < 3; ++row)
        for (size_t i = 0; i < 3 * 12; ++i) EXPECT_EQ(some[row * 36 + i], all[row * 72 + 24 + i]);
}

// ---- Through the boundary: one head over embeddings of width 32, cached.

constexpr int kWidth = 32, kRows = 6;

class ProbedStep : public testing::Test {
  protected:
    void SetUp() override {
        ProgramSource source;
        source.widths.assign(3, kWidth);
        source.add(HEARTH_EMBED, {}, {0}, {source.weight(kRows, kWidth)}).parameters.embed = {
            HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
        source.add(HEARTH_CACHE_WRITE, {0, 0}, {}, {}).parameters.cache_write = {0, 1, kWidth, kWidth};
        source.add(HEARTH_ATTENTION, {0}, {1}, {}).parameters.attention = plain_attention(1, 1, kWidth);
        source.add(HEARTH_GATHER, {1}, {2}, {});
        source.result = 2;
        model_ = create_model(engine_.get(), source);
        load_floats(model_, 0, normal_floats(kRows * kWidth, 5));
        const hearth_cache_layer layer{1, kWidth, kWidth};
        hearth_cache* made = nullptr;
        const hearth_cache_options cache{&layer, 1, HEARTH_TYPE_F32, HEARTH_TYPE_F32, 8, 2, nullptr, 0, 0};
        ASSERT_EQ(hearth_cache_create(engine_.get(), &cache, sizeof cache, &made), HEARTH_OK);
        cache_.reset(made);
        probabilities_.assign(kRows * kRows, -1.0f);
        probe_ = {2, kRows, 0, 1, probabilities_.data(), probabilities_.size()};
    }

    hearth_status run(const hearth_probe* probes, int32_t count) {
        output_.assign(kRows * kWidth, -1.0f);
        const hearth_step step{
            rows_, nullptr, rows_, &sequence_, &page_, rows_, output_.data(), output_.size(), 0, nullptr,
            kRows, 1,       1,     kRows,      0,      0};
        return count == 0 ? hearth_model_run(model_.get(), cache_.get(), nullptr, &step, sizeof step)
                          : hearth_model_probe(model_.get(), cache_.get(), nullptr, &step, sizeof step,
                                               probes, count);
    }

    const EnginePointer engine_ = make_engine();
    ModelPointer model_{nullptr, hearth_model_destroy};
    CachePointer cache_{nullptr, hearth_cache_destroy};
    const int32_t rows_[kRows] = {0, 1, 2, 3, 4, 5};
    const int32_t page_ = 1;
    const hearth_sequence sequence_{0, kRows, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    std::vector<float> output_, probabilities_;
    hearth_probe probe_{};
};

TEST_F(ProbedStep, GivesTheOutputOfAnyStepAndRowsThatSumToOne) {
    ASSERT_EQ(run(nullptr, 0), HEARTH_OK) << hearth_last_error();
    const std::vector<float> plain = output_;
    ASSERT_EQ(run(&probe_, 1), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(output_, plain);
    for (int row = 0; row < kRows; ++row) {
        double sum = 0;
        for (int key = 0; key < kRows; ++key) {
            const float p = probabilities_[static_cast<size_t>(row * kRows + key)];
            if (key > row) {
                EXPECT_EQ(p, 0.0f);
            }
            sum += p;
        }
        EXPECT_NEAR(sum, 1.0, 1e-6);
    }
}

TEST_F(ProbedStep, RefusesEveryProbeThatDoesNotFit) {
    const auto expect_refused = [&](auto&& change) {
        hearth_probe wrong = probe_;
        change(wrong);
        EXPECT_EQ(run(&wrong, 1), HEARTH_INVALID_ARGUMENT);
        EXPECT_EQ(std::count(probabilities_.begin(), probabilities_.end(), -1.0f), kRows * kRows);
    };
    expect_refused([](hearth_probe& p) { p.operation = -1; });
    expect_refused([](hearth_probe& p) { p.operation = 4; });
    expect_refused([](hearth_probe& p) { p.operation = 1; });  // no attention
    expect_refused([](hearth_probe& p) { p.head_begin = -1; });
    expect_refused([](hearth_probe& p) { p.head_begin = 1; });
    expect_refused([](hearth_probe& p) { p.head_count = 0; });
    expect_refused([](hearth_probe& p) { p.head_count = INT32_MAX; });
    expect_refused([](hearth_probe& p) { p.key_count = kRows - 1; });
    expect_refused([](hearth_probe& p) { p.key_count = INT32_MAX; });
    expect_refused([](hearth_probe& p) { p.probabilities = nullptr; });
    expect_refused([](hearth_probe& p) { p.size -= 1; });
    expect_refused([](hearth_probe& p) { p.size += 1; });
    EXPECT_EQ(run(nullptr, 1), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(run(&probe_, -1), HEARTH_INVALID_ARGUMENT);
}

}  // namespace
