#include <gtest/gtest.h>

#include "attention_support.h"
#include "core/error.h"

using namespace hearth_test;

namespace {

TEST(Attention, EveryPageSizePastAndRowCountGivesTheReference) {
    uint32_t seed = 1;
    for (int page_tokens : {8, 16, 64})
        for (int past : {0, 1, 7, 63, 64, 300})
            for (int rows : {1, 2, 17, 65})
                expect_reference({.sequences = {{past, rows}},
                                  .page_tokens = page_tokens,
                                  .threads = 1 + static_cast<int>(seed % 3),
                                  .seed = seed++});
}

TEST(Attention, EveryMaskAndBiasGivesTheReference) {
    for (hearth_mask mask :
         {HEARTH_MASK_CAUSAL, HEARTH_MASK_BIDIRECTIONAL, HEARTH_MASK_PREFIX, HEARTH_MASK_CHUNKED})
        for (int window : {mask == HEARTH_MASK_CHUNKED ? 33 : 0, 1, 5, 70})
            for (int variant = 0; variant < 8; ++variant)
                for (int rows : {1, 9, 40})
                    expect_reference({.sequences = {{variant * 9, rows}},
                                      .heads = 6,
                                      .kv_heads = 3,
                                      .mask = mask,
                                      .window = window,
                                      .prefix = mask == HEARTH_MASK_PREFIX ? variant * 9 + rows / 2 : 0,
                                      .softcap = variant & 1 ? 2.5f : 0.0f,
                                      .alibi = variant & 2 ? 8.0f : 0.0f,
                                      .sinks = (variant & 4) != 0,
                                      .seed = static_cast<uint32_t>(window + rows)});
}

TEST(Attention, EveryHeadShapeGivesTheReference) {
    const int shapes[][4] = {{1, 1, 4, 4},     {1, 1, 1, 1},      {3, 1, 17, 33},   {8, 8, 64, 64},
                             {8, 1, 64, 64},   {32, 8, 128, 128}, {40, 1, 32, 16},  {71, 1, 64, 64},
                             {12, 4, 100, 96}, {5, 5, 192, 128},  {2, 1, 256, 256}, {2, 2, 320, 20},
                             {16, 2, 576, 512}};
    for (const auto& [heads, kv_heads, key_width, value_width] : shapes)
        for (int rows : {1, 3, 12})
            expect_reference({.sequences = {{67, rows}},
                              .heads = heads,
                              .kv_heads = kv_heads,
                              .key_width = key_width,
                              .value_width = value_width,
                              .page_tokens = 16,
                              .seed = static_cast<uint32_t>(heads + rows)});
}

// How far rounding the cache may move attention's result, as mean squared error over mean square. A format
// with step 2^-n relative to its scale has a relative variance of about 2^-2n / 12 in keys and values alike;
// averaging over keys shrinks output and error alike, and scores of a few units amplify keys' error by their
// size: hence a margin of 30.
double rounding_bound(hearth_type type) {
    constexpr double kMargin = 30.0 / 12.0;
    switch (type) {
        case HEARTH_TYPE_F32:
            return 1e-11;
        case HEARTH_TYPE_F16:
            return kMargin * std::ldexp(1.0, -20);  // 11 digits, so a step of 2^-10 of the value
        case HEARTH_TYPE_BF16:
            return kMargin * std::ldexp(1.0, -14);  // 8 digits
        case HEARTH_TYPE_Q8_0:
            return kMargin *
                   std::pow(2.5 / 127, 2);  // the largest of 32 normal values is about 2.5 deviations
        default:
            return kMargin * std::pow(2.5 / 8, 2);
    }
}

TEST(Attention, EveryCacheTypeGivesTheReferenceOfWhatItHoldsAndStaysNearTheUnrounded) {
    const hearth_type types[] = {HEARTH_TYPE_F32, HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0,
                                 HEARTH_TYPE_Q4_0};
    for (hearth_type key_type : types)
        for (hearth_type value_type : types)
            for (int rows : {1, 7, 20}) {
                const AttentionCase c{.sequences = {{130, rows}, {3, 1}},
                                      .heads = 6,
                                      .kv_heads = 2,
                                      .key_width = 64,
                                      .value_width = 96,
                                      .page_tokens = 16,
                                      .key_type = key_type,
                                      .value_type = value_type,
                                      .seed = static_cast<uint32_t>(rows)};
                expect_reference(c);
                AttentionData data(c);
                data.fill_cache(hearth::best_isa());
                EXPECT_LE(normalized_error(data.from_cache(hearth::best_isa()).data(), data.reference(false)),
                          rounding_bound(key_type) + rounding_bound(value_type))
                    << describe(c);
            }
}

TEST(Attention, HalfWidthsThatNoVectorDividesGiveTheReference) {
    for (hearth_type type : {HEARTH_TYPE_F16, HEARTH_TYPE_BF16})
        for (int width : {1, 3, 20, 50, 80, 100})
            for (int rows : {1, 2, 30})
                expect_reference({.sequences = {{40, rows}},
                                  .heads = 2,
                                  .kv_heads = 1,
                                  .key_width = width,
                                  .value_width = width + 1,
                                  .key_type = type,
                                  .value_type = type});
}

TEST(Attention, SequencesInOneCallDoNotMix) {
    expect_reference({.sequences = {{0, 5}, {300, 1}, {7, 1}, {64, 33}, {0, 1}, {1500, 1}, {20, 2}},
                      .heads = 8,
                      .kv_heads = 2,
                      .key_type = HEARTH_TYPE_F16,
                      .value_type = HEARTH_TYPE_F16,
                      .threads = 3});
}

TEST(Attention, LongDecodeIsSplitAndGivesTheReference) {
    for (int threads : {1, 2, 3})
        for (int window : {0, 1000})
            expect_reference({.sequences = {{9000, 1}, {700, 3}},
                              .heads = 4,
                              .kv_heads = 1,
                              .page_tokens = 64,
                              .window = window,
                              .alibi = window ? 4.0f : 0.0f,
                              .sinks = window != 0,
                              .threads = threads});
}

TEST(Attention, ThreadCountAndNeighboursDoNotChangeASequence) {
    for (hearth_isa isa : isas_here()) {
        AttentionCase c{.sequences = {{1300, 1}, {5, 40}, {90, 2}}, .heads = 8, .kv_heads = 2, .threads = 1};
        AttentionData one(c);
        one.fill_cache(isa);
        const std::vector<float> expected = one.from_cache(isa);
        for (int threads : {2, 3}) {
            c.threads = threads;
            AttentionData other(c);
            other.fill_cache(isa);
            EXPECT_EQ(other.from_cache(isa), expected);
            EXPECT_EQ(other.from_rows(isa), expected) << "each sequence alone, over rows";
        }
    }
}

TEST(Attention, RowsOfTheStepEqualTheCache) {
    for (hearth_isa isa : isas_here())
        for (hearth_mask mask : {HEARTH_MASK_CAUSAL, HEARTH_MASK_BIDIRECTIONAL}) {
            const AttentionCase c{.sequences = {{0, 33}, {0, 1}, {0, 70}}, .mask = mask};
            AttentionData data(c);
            data.fill_cache(isa);
            std::vector<float> output;
            auto rows = data.sequence_rows();
            for (auto& r : rows) r.pages = nullptr;
            hearth::AttentionCall call = data.call(output, rows);
            call.keys = data.keys.data();
            call.values = data.values.data();
            call.key_stride = c.kv_heads * c.key_width;
            call.value_stride = c.kv_heads * c.value_width;
            hearth::ThreadPool pool(2);
            hearth::Buffer scratch(hearth::attention_scratch_bytes(call.parameters, c.total_rows(), 2));
            hearth::attention(isa, call, scratch, pool);
            EXPECT_EQ(output, data.from_cache(isa));
        }
}

TEST(Attention, ARowThatSeesNoKeyGivesZeros) {
    for (hearth_isa isa : isas_here())
        for (int rows : {1, 40}) {
            // Three keys, queries at positions 100 and later, and a window of 5: all keys are too far back.
            const std::vector<float> queries = normal_floats(static_cast<size_t>(rows * 8), 1);
            const std::vector<float> keys = normal_floats(24, 2);
            std::vector<float> output(static_cast<size_t>(rows * 8), NAN);
            const float sinks[] = {0.5f, -1.0f};
            const hearth::SequenceRows sequence{0, rows, 100, nullptr};
            hearth::AttentionCall call{};
            call.queries = queries.data();
            call.output = output.data();
            call.keys = call.values = keys.data();
            call.query_stride = call.output_stride = call.key_stride = call.value_stride = 8;
            call.sequences = &sequence;
            call.sequence_count = 1;
            call.key_rows = 3;
            call.parameters =
                AttentionCase{.heads = 2, .kv_heads = 2, .key_width = 4, .value_width = 4, .window = 5}
                    .parameters();
            hearth::ThreadPool pool(2);
            hearth::Buffer scratch(hearth::attention_scratch_bytes(call.parameters, rows, 2));
            for (const float* sink : {static_cast<const float*>(nullptr), sinks}) {
                call.sinks = sink;
                hearth::attention(isa, call, scratch, pool);
                EXPECT_EQ(output, std::vector<float>(output.size(), 0.0f));
            }
        }
}

TEST(Attention, ScoresOfAnySizeStayFinite) {
    for (hearth_isa isa : isas_here())
        for (float size : {1e-30f, 1e15f})
            for (int rows : {1, 40}) {
                AttentionCase c{.sequences = {{20, rows}}};
                AttentionData data(c);
                for (float& q : data.queries) q *= size;
                data.fill_cache(isa);
                for (float x : data.from_cache(isa)) EXPECT_TRUE(std::isfinite(x));
            }
}

TEST(Attention, ANaNStaysWithItsSequence) {
    for (hearth_isa isa : isas_here()) {
        AttentionCase c{.sequences = {{20, 1}, {20, 40}, {4, 1}}};
        AttentionData data(c);
        const int row = c.heads * c.value_width;
        for (int d = 0; d < c.heads * c.key_width; ++d) {
            data.queries[static_cast<size_t>(d)] = NAN;
            data.queries[static_cast<size_t>(41 * c.heads * c.key_width + d)] = INFINITY;
        }
        data.fill_cache(isa);
        const std::vector<float> output = data.from_cache(isa);
        for (int i = 0; i < row; ++i) EXPECT_TRUE(std::isnan(output[static_cast<size_t>(i)]));
        for (int i = row; i < 41 * row; ++i) EXPECT_TRUE(std::isfinite(output[static_cast<size_t>(i)]));
    }
}

TEST(Attention, TooLittleScratchIsRefused) {
    const AttentionCase c{.sequences = {{5, 3}}};
    AttentionData data(c);
    std::vector<float> output;
    const auto rows = data.sequence_rows();
    hearth::ThreadPool pool(2);
    hearth::Buffer scratch(64);
    EXPECT_THROW(hearth::attention(HEARTH_ISA_SCALAR, data.call(output, rows), scratch, pool), hearth::Error);
}

}  // namespace
