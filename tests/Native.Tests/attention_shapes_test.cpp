// Shapes at which attention's kernels and its division of work change: groups of heads of every size, tiles
// of every size, more heads than a tile holds, chunks of keys.
#include <gtest/gtest.h>

#include "attention_support.h"

using namespace hearth_test;

namespace {

TEST(AttentionShapes, EveryGroupOfHeadsGivesTheReference) {
    for (int group = 1; group <= 33; ++group)
        for (hearth_type type : {HEARTH_TYPE_F16, HEARTH_TYPE_Q8_0})
            for (int rows : {1, 2})
                expect_reference({.sequences = {{130 + group, rows}},
                                  .heads = 2 * group,
                                  .kv_heads = 2,
                                  .key_width = 96,
                                  .value_width = 32,
                                  .page_tokens = 16,
                                  .key_type = type,
                                  .value_type = type,
                                  .alibi = group % 5 == 0 ? 8.0f : 0.0f,
                                  .sinks = group % 4 == 0,
                                  .seed = static_cast<uint32_t>(group)});
}

TEST(AttentionShapes, EveryHeadWidthGivesTheReferenceForGroupsOfEveryPass) {
    for (int width : {1, 7, 16, 31, 48, 64, 80, 112, 128, 200, 256})
        for (int group : {1, 2, 3, 4, 7, 8})
            expect_reference({.sequences = {{140, 1}},
                              .heads = group,
                              .kv_heads = 1,
                              .key_width = width,
                              .value_width = width,
                              .key_type = HEARTH_TYPE_F16,
                              .value_type = HEARTH_TYPE_BF16,
                              .seed = static_cast<uint32_t>(width + group)});
}

TEST(AttentionShapes, AnyNumberOfKeysGivesTheReference) {
    for (int past : {14, 15, 16, 127, 128, 129, 255, 256, 511, 512, 513, 1030})
        for (int heads : {1, 4, 8, 20})
            expect_reference({.sequences = {{past, 1}},
                              .heads = heads,
                              .kv_heads = 1,
                              .key_width = 32,
                              .value_width = 32,
                              .page_tokens = 32,
                              .key_type = HEARTH_TYPE_F16,
                              .value_type = HEARTH_TYPE_F16,
                              .seed = static_cast<uint32_t>(past + heads)});
}

// Lines of a KV head: up to a tile's strip, some strips, long enough for the largest tiles.
TEST(AttentionShapes, TilesOfEverySizeGiveTheReferenceUnderEveryMask) {
    for (hearth_mask mask :
         {HEARTH_MASK_CAUSAL, HEARTH_MASK_BIDIRECTIONAL, HEARTH_MASK_PREFIX, HEARTH_MASK_CHUNKED})
        for (int rows : {11, 33, 70, 135})
            for (int window : {mask == HEARTH_MASK_CHUNKED ? 40 : 0, 9})
                expect_reference({.sequences = {{window + 3, rows}},
                                  .heads = 8,
                                  .kv_heads = 1,
                                  .mask = mask,
                                  .window = window,
                                  .prefix = rows / 2,
                                  .softcap = rows == 33 ? 3.0f : 0.0f,
                                  .alibi = rows == 70 ? 8.0f : 0.0f,
                                  .seed = static_cast<uint32_t>(rows + window)});
}

TEST(AttentionShapes, WideHeadsInLongPromptsGiveTheReference) {
    expect_reference({.sequences = {{10, 70}},
                      .heads = 16,
                      .kv_heads = 1,
                      .key_width = 300,
                      .value_width = 260,
                      .key_type = HEARTH_TYPE_F16,
                      .value_type = HEARTH_TYPE_F16});
}

TEST(AttentionShapes, MoreHeadsThanATileHoldsAreSplitAlongTheKeysAndGiveTheReference) {
    for (int heads : {33, 128, 200})
        for (int threads : {1, 2, 3})
            expect_reference({.sequences = {{1500, 1}, {3, 1}, {600, 2}},
                              .heads = heads,
                              .kv_heads = 1,
                              .key_width = 48,
                              .value_width = 32,
                              .page_tokens = 32,
                              .key_type = HEARTH_TYPE_F16,
                              .values_in_keys = heads == 128,
                              .threads = threads});
}

TEST(AttentionShapes, SlidingWindowsOfSplitTilesGiveTheReference) {
    for (int threads : {1, 4})
        expect_reference({.sequences = {{2000, 50}},
                          .heads = 4,
                          .kv_heads = 1,
                          .window = 700,
                          .sinks = true,
                          .threads = threads});
}

TEST(AttentionShapes, ThreadsDoNotChangeAResult) {
    const Span spans[][2] = {{{1300, 1}, {5, 40}}, {{2500, 1}, {0, 1}}, {{600, 90}, {1100, 3}}};
    for (hearth_isa isa : isas_here())
        for (const auto& [first, second] : spans)
            for (int kv_heads : {1, 4}) {
                AttentionCase c{.sequences = {first, second},
                                .heads = 40,
                                .kv_heads = kv_heads,
                                .key_type = HEARTH_TYPE_F16,
                                .value_type = HEARTH_TYPE_BF16,
                                .threads = 1};
                AttentionData alone(c);
                alone.fill_cache(isa);
                const std::vector<float> expected = alone.from_cache(isa);
                for (int threads : {2, 3, 7}) {
                    c.threads = threads;
                    AttentionData other(c);
                    other.fill_cache(isa);
                    EXPECT_EQ(other.from_cache(isa), expected) << hearth::isa_name(isa) << describe(c);
                }
            }
}

TEST(AttentionShapes, NeighboursDoNotChangeASequenceHoweverManyTheyAre) {
    for (hearth_isa isa : isas_here()) {
        AttentionCase c{.sequences = {{1300, 2}}, .heads = 8, .kv_heads = 2, .threads = 2};
        AttentionData alone(c);
        alone.fill_cache(isa);
        const std::vector<float> expected = alone.from_cache(isa);
        // The same numbers come first; so many sequences leave no reason to split any.
        c.sequences.resize(40, Span{3, 1});
        AttentionData crowd(c);
        crowd.queries.assign(crowd.queries.size(), 0.25f);
        std::copy(alone.queries.begin(), alone.queries.end(), crowd.queries.begin());
        std::copy(alone.keys.begin(), alone.keys.end(), crowd.keys.begin());
        std::copy(alone.values.begin(), alone.values.end(), crowd.values.begin());
        crowd.fill_cache(isa);
        std::vector<float> output = crowd.from_cache(isa);
        output.resize(expected.size());
        EXPECT_EQ(output, expected) << hearth::isa_name(isa);
    }
}

// What a row gives with all rows before it in one step, with some of them, and alone.
void expect_same_bits_in_any_step(AttentionCase c, int positions) {
    c.sequences = {{0, positions}};
    AttentionData whole(c);
    for (hearth_isa isa : isas_here()) {
        whole.fill_cache(isa);
        const std::vector<float> expected = whole.from_cache(isa);
        const auto width = static_cast<int64_t>(expected.size()) / positions;
        for (int rows : {1, 2, 3, 7, 40}) {
            AttentionCase part = c;
            part.sequences = {{positions - rows, rows}};
            AttentionData some(part);
            const auto last = static_cast<int64_t>(some.queries.size());
            std::copy(whole.queries.end() - last, whole.queries.end(), some.queries.begin());
            some.keys = whole.keys;
            some.values = whole.values;
            some.sinks = whole.sinks;
            some.fill_cache(isa);
            EXPECT_EQ(some.from_cache(isa), std::vector<float>(expected.end() - rows * width, expected.end()))
                << hearth::isa_name(isa) << " rows " << rows << " " << describe(c);
        }
    }
}

TEST(AttentionShapes, ARowGivesTheSameBitsInAnyStep) {
    for (int positions : {41, 130, 700, 1300})
        for (const auto& [heads, kv_heads] : {std::pair{1, 1}, {4, 4}, {6, 2}, {14, 2}, {12, 1}})
            for (int width : {20, 64})
                expect_same_bits_in_any_step({.heads = heads,
                                              .kv_heads = kv_heads,
                                              .key_width = width,
                                              .value_width = width,
                                              .key_type = HEARTH_TYPE_F16,
                                              .value_type = HEARTH_TYPE_F16,
                                              .seed = static_cast<uint32_t>(positions + heads)},
                                             positions);
}

TEST(AttentionShapes, ARowGivesTheSameBitsInAnyStepUnderEveryTermAndType) {
    const AttentionCase cases[] = {{.window = 100},
                                   {.window = 600, .softcap = 30},
                                   {.alibi = 8},
                                   {.mask = HEARTH_MASK_CHUNKED, .window = 160},
                                   {.key_type = HEARTH_TYPE_BF16, .value_type = HEARTH_TYPE_F32},
                                   {.key_type = HEARTH_TYPE_Q8_0, .value_type = HEARTH_TYPE_Q4_0},
                                   {.sinks = true}};
    for (AttentionCase c : cases) {
        c.heads = 4;
        c.kv_heads = 2;
        c.key_width = c.value_width = 64;
        for (int positions : {90, 1100}) expect_same_bits_in_any_step(c, positions);
    }
}

TEST(AttentionShapes, BlockCachesGiveWhatScalarCodeGives) {
    for (hearth_type type : {HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0})
        for (int heads : {1, 2, 3, 4, 8, 12})
            for (int width : {32, 64, 96, 288}) {
                AttentionData data({.sequences = {{200, 1}, {5, 9}},
                                    .heads = heads,
                                    .kv_heads = 1,
                                    .key_width = width,
                                    .value_width = width,
                                    .page_tokens = 16,
                                    .key_type = type,
                                    .value_type = type,
                                    .seed = static_cast<uint32_t>(heads + width)});
                data.fill_cache(HEARTH_ISA_SCALAR);
                const std::vector<float> plain = data.from_cache(HEARTH_ISA_SCALAR);
                const std::vector<double> expected(plain.begin(), plain.end());
                for (hearth_isa isa : isas_here())
                    EXPECT_LE(largest_error(data.from_cache(isa).data(), expected, 1.0), kArithmetic)
                        << hearth::isa_name(isa) << " type " << type << " heads " << heads << " width "
                        << width;
            }
}

}  // namespace
