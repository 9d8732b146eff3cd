// Rows that pass through a chain of operations in pieces come out as they do one at a time.
#include "core/chains.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/plan.h"
#include "program_support.h"
#include "rows_support.h"
#include "weight_samples.h"

using namespace hearth_test;

namespace {

constexpr int32_t kRows = 150, kWidth = 64, kVocabulary = 40, kResult = 8;

// Values of five widths follow each other in one chain, so that pieces which are ahead would write over what
// others still read if their memory were used again too early.
ProgramSource chained_program(hearth_type product) {
    ProgramSource s;
    s.max_rows = s.max_output_rows = kRows;
    const int32_t table = s.weight(kVocabulary, kWidth), norm = s.weight(1, kWidth),
                  wide = s.weight(4 * kWidth, kWidth, product), narrow = s.weight(kResult, kWidth, product);
    const int32_t x = s.value(kWidth), n = s.value(kWidth), w = s.value(4 * kWidth),
                  half = s.value(2 * kWidth), act = s.value(2 * kWidth), joined = s.value(3 * kWidth),
                  scaled = s.value(3 * kWidth), part = s.value(kWidth), y = s.value(kWidth),
                  z = s.value(kWidth), g = s.value(kWidth), out = s.value(kResult);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_RMS_NORM, {x}, {n}, {norm}).parameters.norm = {1e-5f, 0};
    s.add(HEARTH_LINEAR, {n}, {w}, {wide});
    s.add(HEARTH_SLICE, {w}, {half}, {}).parameters.slice = {2, 7, kWidth};
    s.add(HEARTH_ACTIVATION, {half}, {act}, {}).parameters.activation.function = HEARTH_FUNCTION_SILU;
    s.add(HEARTH_CONCAT, {act, x}, {joined}, {}).parameters.concat = {1};
    s.add(HEARTH_SCALE, {joined}, {scaled}, {}).parameters.factor = {0.5f, 0.25f};
    s.add(HEARTH_SLICE, {scaled}, {part}, {}).parameters.slice = {1, kWidth, kWidth};
    s.add(HEARTH_ADD, {part, x}, {y}, {});
    s.add(HEARTH_RMS_NORM, {y}, {z}, {norm}).parameters.norm = {1e-5f, 0};
    s.add(HEARTH_GATHER, {z}, {g}, {});
    s.add(HEARTH_LINEAR, {g}, {out}, {narrow});
    s.result = out;
    return s;
}

std::vector<float> run(const ProgramSource& source, int threads, hearth_isa isa, int32_t rows_a_step) {
    const EnginePointer engine = make_engine(threads, isa);
    const ModelPointer model = create_model(engine.get(), source);
    for (size_t i = 0; i < source.weights.size(); ++i) {
        const hearth_weight& weight = source.weights[i];
        if (weight.type == HEARTH_TYPE_F32) {
            load_floats(model, static_cast<int32_t>(i),
                        hearth_tests::sample_floats(static_cast<size_t>(weight.rows * weight.columns),
                                                    static_cast<uint32_t>(i)));
            continue;
        }
        const auto bytes = hearth_tests::sample_blocks(static_cast<hearth_type>(weight.type), weight.rows,
                                                       weight.columns, static_cast<uint32_t>(i));
        EXPECT_EQ(hearth_model_load_weight(model.get(), static_cast<int32_t>(i), bytes.data(), bytes.size()),
                  HEARTH_OK)
            << hearth_last_error();
    }
    std::vector<float> output(static_cast<size_t>(kRows) * kResult);
    for (int32_t first = 0; first < kRows; first += rows_a_step) {
        const int32_t rows = std::min(rows_a_step, kRows - first);
        std::vector<int32_t> tokens, positions, numbers;
        for (int32_t i = 0; i < rows; ++i) {
            tokens.push_back((first + i) * 7 % kVocabulary);
            positions.push_back(i);
            numbers.push_back(i);
        }
        const hearth_sequence sequence{0, rows, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        float* target = output.data() + static_cast<size_t>(first) * kResult;
        const hearth_step step{tokens.data(),
                               nullptr,
                               positions.data(),
                               &sequence,
                               nullptr,
                               numbers.data(),
                               target,
                               static_cast<size_t>(rows) * kResult,
                               0,
                               nullptr,
                               rows,
                               1,
                               0,
                               rows,
                               0,
                               0};
        EXPECT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step), HEARTH_OK)
            << hearth_last_error();
    }
    return output;
}

TEST(Chains, CoverEveryRowWiseOperationOnceAndFeedTheProductBehindThem) {
    const ProgramSource source = chained_program(HEARTH_TYPE_F32);
    const hearth::Program program(source.program());
    const auto chains = hearth::find_chains(program);
    ASSERT_EQ(chains.size(), 2u);
    EXPECT_EQ(chains[0].begin, 1);
    EXPECT_EQ(chains[0].end, 2);
    EXPECT_EQ(chains[0].widest, kWidth);
    EXPECT_TRUE(chains[0].feeds_product);
    EXPECT_EQ(chains[1].begin, 3);
    EXPECT_EQ(chains[1].end, 10);
    EXPECT_EQ(chains[1].widest, 4 * kWidth);
    EXPECT_FALSE(chains[1].feeds_product);
}

TEST(Chains, ValuesOfAChainShareMemoryOnlyWhereTheyAreOneAndTheSame) {
    const ProgramSource source = chained_program(HEARTH_TYPE_F32);
    const hearth::Program program(source.program());
    const auto chains = hearth::find_chains(program);
    const hearth::Plan plan = hearth::plan_memory(program, chains);
    const auto& values = program.values();
    const auto bytes = [&](size_t i) {
        return static_cast<size_t>(values[i].width * program.max_rows(values[i].rows)) * sizeof(float);
    };
    // Read or written by the chain.
    const auto is_used = [&](size_t i, const hearth::Chain& chain) {
        return values[i].last_operation >= chain.begin && values[i].first_operation < chain.end;
    };
    for (const hearth::Chain& chain : chains)
        for (size_t i = 0; i < values.size(); ++i)
            for (size_t j = 0; j < i; ++j) {
                if (!is_used(i, chain) || !is_used(j, chain)) continue;
                const bool same = plan.offsets[i] == plan.offsets[j] && values[i].width == values[j].width;
                const bool apart = plan.offsets[i] >= plan.offsets[j] + bytes(j) ||
                                   plan.offsets[j] >= plan.offsets[i] + bytes(i);
                EXPECT_TRUE(same || apart) << "values " << i << " and " << j;
            }
}

TEST(Chains, RowsTogetherGiveWhatTheyGiveOneByOneWithAnyThreads) {
    for (const hearth_isa isa : isas_here())
        for (const hearth_type type : {HEARTH_TYPE_F32, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0}) {
            const ProgramSource source = chained_program(type);
            const std::vector<float> alone = run(source, 1, isa, 1);
            for (const int threads : {1, 2, 3, 5})
                for (const int32_t rows : {kRows, 67}) {
                    const std::vector<float> together = run(source, threads, isa, rows);
                    for (size_t i = 0; i < alone.size(); ++i)
                        ASSERT_NEAR(together[i], alone[i], 1e-4f)
                            << "threads " << threads << " rows " << rows << " at " << i;
                }
        }
}

}  // namespace
