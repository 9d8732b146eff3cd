// The terms that only some models use: bucketed biases, temperature, values in the keys, a memory.
#include <gtest/gtest.h>

#include "attention_support.h"
#include "core/error.h"

using namespace hearth_test;

namespace {

// Of sums of hundreds of products, and of scales that rise to several times the plain one.
constexpr double kLargeScores = 4 * kArithmetic;

TEST(AttentionTerms, BucketsAreThoseOfT5) {
    // The first distance of each bucket of 32, as T5 and its kin have them (furthest 128).
    const int both_sides[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    for (int distance = 0; distance < 300; ++distance) {
        int bucket = 0;
        while (bucket < 15 && both_sides[bucket + 1] <= distance) ++bucket;
        EXPECT_EQ(bias_bucket(true, 32, 128, -distance), bucket) << distance;
        EXPECT_EQ(bias_bucket(true, 32, 128, distance), bucket + (distance > 0 ? 16 : 0)) << distance;
        EXPECT_EQ(bias_bucket(false, 32, 128, distance), 0) << "ahead of a causal query";
    }
    const int behind[] = {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
    for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(bias_bucket(false, 32, 128, -behind[i]), 16 + i);
        EXPECT_EQ(bias_bucket(false, 32, 128, 1 - behind[i]), 15 + i);
    }
}

TEST(AttentionTerms, BucketedBiasesGiveTheReference) {
    const int sizes[][2] = {{32, 128}, {8, 20}, {5, 9}, {4, 70}};
    uint32_t seed = 1;
    for (hearth_mask mask :
         {HEARTH_MASK_CAUSAL, HEARTH_MASK_BIDIRECTIONAL, HEARTH_MASK_PREFIX, HEARTH_MASK_CHUNKED})
        for (const auto& [buckets, furthest] : sizes)
            for (int past : {0, 30, 200})
                for (int rows : {1, 2, 9, 70})
                    expect_reference({.sequences = {{past, rows}},
                                      .heads = 6,
                                      .kv_heads = rows % 2 ? 6 : 2,
                                      .mask = mask,
                                      .window = mask == HEARTH_MASK_CHUNKED ? 50 : 0,
                                      .prefix = 20,
                                      .softcap = seed % 3 ? 0.0f : 2.5f,
                                      .alibi = seed % 4 ? 0.0f : 8.0f,
                                      .sinks = seed % 5 == 0,
                                      .bias_buckets = buckets,
                                      .bias_distance = furthest,
                                      .seed = seed++});
}

TEST(AttentionTerms, ARisingTemperatureGivesTheReference) {
    for (int length : {1, 8, 100})
        for (float offset : {0.0f, 1.0f, 0.5f})
            for (int rows : {1, 3, 40})
                expect_reference({.sequences = {{95, rows}, {0, rows}},
                                  .softcap = length == 8 ? 3.0f : 0.0f,
                                  .temperature_length = length,
                                  .temperature = 0.1f * static_cast<float>(length),
                                  .temperature_offset = offset},
                                 kLargeScores);
}

TEST(AttentionTerms, ValuesThatLieInTheKeysGiveTheReference) {
    const int shapes[][4] = {
        {16, 1, 576, 512}, {5, 1, 50, 33}, {6, 3, 96, 96}, {40, 1, 96, 64}, {4, 2, 64, 1}};
    for (hearth_type type :
         {HEARTH_TYPE_F32, HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0})
        for (const auto& [heads, kv_heads, key_width, value_width] : shapes)
            for (int rows : {1, 3, 20}) {
                const bool blocks = type == HEARTH_TYPE_Q8_0 || type == HEARTH_TYPE_Q4_0;
                if (blocks && (key_width % 32 != 0 || value_width % 32 != 0)) continue;
                expect_reference({.sequences = {{70, rows}, {3, 2}},
                                  .heads = heads,
                                  .kv_heads = kv_heads,
                                  .key_width = key_width,
                                  .value_width = value_width,
                                  .page_tokens = 16,
                                  .key_type = type,
                                  .value_type = HEARTH_TYPE_F16,
                                  .values_in_keys = true},
                                 kLargeScores);
            }
}

TEST(AttentionTerms, BlocksThatValuesInKeysCutAreRefused) {
    const AttentionCase c{
        .key_width = 64, .value_width = 48, .key_type = HEARTH_TYPE_Q8_0, .values_in_keys = true};
    AttentionData data(c);
    data.fill_cache(HEARTH_ISA_SCALAR);
    EXPECT_THROW(data.from_cache(HEARTH_ISA_SCALAR), hearth::Error);
}

TEST(AttentionTerms, EveryPositionOfAMemoryIsSeen) {
    uint32_t seed = 1;
    for (hearth_type type : {HEARTH_TYPE_F32, HEARTH_TYPE_F16, HEARTH_TYPE_Q8_0})
        for (hearth_mask mask : {HEARTH_MASK_CAUSAL, HEARTH_MASK_CHUNKED})
            for (int rows : {1, 3, 40})
                expect_reference({.sequences = {{0, rows}, {300, 1}, {7, 2}, {2, rows}},
                                  .heads = 8,
                                  .kv_heads = 4,
                                  .key_width = 32,
                                  .value_width = 64,
                                  .key_type = type,
                                  .value_type = type,
                                  .mask = mask,
                                  .window = 3,
                                  .sinks = rows == 3,
                                  .temperature_length = rows == 1 ? 0 : 4,
                                  .temperature = 0.5f,
                                  .memory = {5, 700, 1, 130},
                                  .seed = seed++},
                                 kLargeScores);
}

TEST(AttentionTerms, LongSequencesThatAreSplitGiveTheReference) {
    for (int threads : {1, 3}) {
        expect_reference({.sequences = {{4000, 1}, {700, 2}},
                          .kv_heads = 4,
                          .page_tokens = 64,
                          .bias_buckets = 32,
                          .bias_distance = 128,
                          .temperature_length = 512,
                          .temperature = 0.3f,
                          .threads = threads});
        expect_reference({.sequences = {{4000, 1}, {700, 2}},
                          .page_tokens = 64,
                          .mask = HEARTH_MASK_CHUNKED,
                          .window = 1800,
                          .threads = threads});
        expect_reference({.sequences = {{3000, 1}, {700, 1}},
                          .heads = 16,
                          .kv_heads = 1,
                          .key_width = 96,
                          .value_width = 64,
                          .page_tokens = 64,
                          .key_type = HEARTH_TYPE_Q8_0,
                          .values_in_keys = true,
                          .threads = threads});
        expect_reference(
            {.sequences = {{5, 1}, {0, 2}}, .page_tokens = 64, .memory = {3000, 700}, .threads = threads});
    }
}

TEST(AttentionTerms, ThreadCountChangesNoTerm) {
    const AttentionCase cases[] = {
        {.kv_heads = 4,
         .mask = HEARTH_MASK_BIDIRECTIONAL,
         .window = 301,
         .bias_buckets = 32,
         .bias_distance = 128},
        {.mask = HEARTH_MASK_CHUNKED, .window = 1000, .temperature_length = 64, .temperature = 0.2f},
        {.heads = 16, .kv_heads = 1, .values_in_keys = true},
        {.memory = {1500, 40, 1}},
    };
    for (hearth_isa isa : isas_here())
        for (AttentionCase c : cases) {
            c.sequences = {{1300, 1}, {5, 40}, {90, 2}};
            c.threads = 1;
            AttentionData one(c);
            one.fill_cache(isa);
            const std::vector<float> expected = one.from_cache(isa);
            for (int threads : {2, 3}) {
                c.threads = threads;
                AttentionData other(c);
                other.fill_cache(isa);
                EXPECT_EQ(other.from_cache(isa), expected) << describe(c);
                if (!c.memory.empty()) continue;
                EXPECT_EQ(other.from_rows(isa), expected) << describe(c);
            }
        }
}

// Over the rows of a step, the first key stands where the step begins, not at 0.
TEST(AttentionTerms, ChunksOfRowsBeginAtTheirPositions) {
    const AttentionCase c{.sequences = {{0, 40}},
                          .mask = HEARTH_MASK_CHUNKED,
                          .window = 8,
                          .bias_buckets = 8,
                          .bias_distance = 20};
    for (hearth_isa isa : isas_here()) {
        AttentionData data(c);
        const auto at = [&](int past) {
            const std::vector<hearth::SequenceRows> rows{{0, 40, past, nullptr}};
            std::vector<float> output;
            hearth::AttentionCall call = data.call(output, rows);
            call.keys = data.keys.data();
            call.values = data.values.data();
            call.key_stride = c.kv_heads * c.key_width;
            call.value_stride = c.kv_heads * c.value_width;
            hearth::ThreadPool pool(2);
            hearth::Buffer scratch(hearth::attention_scratch_bytes(call.parameters, 40, 2));
            hearth::attention(isa, call, scratch, pool);
            return output;
        };
        data.fill_cache(isa);
        EXPECT_EQ(at(0), data.from_cache(isa));
        EXPECT_EQ(at(16), at(0));
        EXPECT_EQ(at(13), at(5));
        EXPECT_NE(at(13), at(0));
    }
}

}  // namespace
