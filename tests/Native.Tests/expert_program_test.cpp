// Programs with experts through the C boundary: what they compute, and which are refused.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/program.h"
#include "program_support.h"
#include "rows_support.h"

using namespace hearth_test;

namespace {

constexpr int kVocabulary = 20, kWidth = 16, kExperts = 5, kChosen = 2, kInner = 24;

// Numbers of the program's operations, values and weights, in their order.
enum Operations {
    kEmbed,
    kScores,
    kRoute,
    kUp,
    kActivate,
    kDown,
    kSum,
    kGrouped,
    kSlice,
    kConcat,
    kFactor,
    kMultiply,
    kAdd,
    kClamp,
    kGather,
    kOperations
};
enum Values {
    vX,
    vScores,
    vWeights,
    vChoice,
    vGate,
    vUp,
    vInner,
    vPieces,
    vMixed,
    vHeads,
    vSliced,
    vJoined,
    vFactor,
    vScaled,
    vShifted,
    vClamped,
    vResult,
    kValues
};
enum Weights {
    wTable,
    wRouter,
    wBias,
    wGate,
    wGateBias,
    wUp,
    wDown,
    wDownBias,
    wHeads,
    wFactor,
    wShift,
    kWeights
};

ProgramSource experts_program() {
    ProgramSource s;
    s.result = vResult;
    s.widths = {kWidth,
                kExperts,
                kChosen,
                kChosen,
                kChosen * kInner,
                kChosen * kInner,
                kChosen * kInner,
                kChosen * kWidth,
                kWidth,
                12,
                6,
                18,
                1,
                18,
                18,
                18,
                18};
    s.weights = {{HEARTH_TYPE_F32, 1, kWidth, kVocabulary},
                 {HEARTH_TYPE_F32, 1, kWidth, kExperts},
                 {HEARTH_TYPE_F32, 1, kExperts, 1},
                 {HEARTH_TYPE_F32, kExperts, kWidth, kInner},
                 {HEARTH_TYPE_F32, 1, kExperts * kInner, 1},
                 {HEARTH_TYPE_F32, kExperts, kWidth, kInner},
                 {HEARTH_TYPE_F32, kExperts, kInner, kWidth},
                 {HEARTH_TYPE_F32, 1, kExperts * kWidth, 1},
                 {HEARTH_TYPE_F32, 4, 4, 3},
                 {HEARTH_TYPE_F32, 1, kWidth, 1},
                 {HEARTH_TYPE_F32, 1, 18, 1}};
    s.add(HEARTH_EMBED, {}, {vX}, {wTable}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_LINEAR, {vX}, {vScores}, {wRouter});
    s.add(HEARTH_ROUTER, {vScores}, {vWeights, vChoice}, {wBias}).parameters.router = {
        kChosen, HEARTH_GATING_SIGMOID, 0, 0, 1, 0, 6.103515625e-5f, 1.5f, 0};
    s.add(HEARTH_EXPERT_LINEAR, {vX, vChoice}, {vGate, vUp}, {wGate, wUp, -1, wGateBias});
    s.add(HEARTH_ACTIVATION, {vGate, vUp}, {vInner}, {}).parameters.activation.function =
        HEARTH_FUNCTION_SILU;
    s.add(HEARTH_EXPERT_LINEAR, {vInner, vChoice}, {vPieces}, {wDown, -1, -1, wDownBias});
    s.add(HEARTH_EXPERT_SUM, {vPieces, vWeights}, {vMixed}, {});
    s.add(HEARTH_GROUPED_LINEAR, {vMixed}, {vHeads}, {wHeads});
    s.add(HEARTH_SLICE, {vMixed}, {vSliced}, {}).parameters.slice = {2, 1, 3};
    s.add(HEARTH_CONCAT, {vHeads, vSliced}, {vJoined}, {}).parameters.concat = {2};
    s.add(HEARTH_LINEAR, {vMixed}, {vFactor}, {wFactor}).parameters.linear.function = HEARTH_FUNCTION_SIGMOID;
    s.add(HEARTH_MULTIPLY, {vJoined, vFactor}, {vScaled}, {});
    s.add(HEARTH_ADD, {vScaled}, {vShifted}, {wShift});
    s.add(HEARTH_CLAMP, {vShifted}, {vClamped}, {}).parameters.clamp = {-2.0f, 1.5f};
    s.add(HEARTH_GATHER, {vClamped}, {vResult}, {});
    return s;
}

std::vector<std::vector<float>> sample_weights(const ProgramSource& source) {
    std::vector<std::vector<float>> weights;
    for (const hearth_weight& w : source.weights)
        weights.push_back(normal_floats(static_cast<size_t>(w.stack * w.rows * w.columns),
                                        static_cast<uint32_t>(weights.size()) + 1, 0.5f));
    return weights;
}

// matrix [rows, columns] from a stack, times x.
std::vector<double> times(const std::vector<float>& stack, int matrix, int rows, const std::vector<double>& x,
                          const std::vector<float>* bias = nullptr) {
    std::vector<double> y;
    for (int o = matrix * rows; o < (matrix + 1) * rows; ++o) {
        y.push_back(bias ? static_cast<double>((*bias)[static_cast<size_t>(o)]) : 0.0);
        for (size_t k = 0; k < x.size(); ++k)
            y.back() += static_cast<double>(stack[static_cast<size_t>(o) * x.size() + k]) * x[k];
    }
    return y;
}

double logistic(double x) {
    return 1 / (1 + std::exp(-x));
}

std::vector<double> reference(const std::vector<std::vector<float>>& w, int token) {
    const auto row = w[wTable].begin() + token * kWidth;
    const std::vector<double> x(row, row + kWidth);
    const std::vector<double> scores = times(w[wRouter], 0, kExperts, x);
    std::vector<int> order{0, 1, 2, 3, 4};
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        const auto value = [&](int e) {
            return logistic(scores[static_cast<size_t>(e)]) +
                   static_cast<double>(w[wBias][static_cast<size_t>(e)]);
        };
        return value(a) > value(b);
    });
    double total = 0;
    for (int c = 0; c < kChosen; ++c)
        total += logistic(scores[static_cast<size_t>(order[static_cast<size_t>(c)])]);
    std::vector<double> mixed(kWidth, 0.0);
    for (int c = 0; c < kChosen; ++c) {
        const int e = order[static_cast<size_t>(c)];
        std::vector<double> inner = times(w[wGate], e, kInner, x, &w[wGateBias]);
        const std::vector<double> up = times(w[wUp], e, kInner, x);
        for (size_t i = 0; i < inner.size(); ++i) inner[i] *= logistic(inner[i]) * up[i];
        const std::vector<double> piece = times(w[wDown], e, kWidth, inner, &w[wDownBias]);
        for (size_t i = 0; i < mixed.size(); ++i)
            mixed[i] += 1.5 * logistic(scores[static_cast<size_t>(e)]) / total * piece[i];
    }
    const double factor = logistic(times(w[wFactor], 0, 1, mixed)[0]);
    std::vector<double> joined;
    for (int g = 0; g < 2; ++g) {
        for (int head = 2 * g; head < 2 * g + 2; ++head) {
            const std::vector<double> part(mixed.begin() + 4 * head, mixed.begin() + 4 * head + 4);
            for (const double v : times(w[wHeads], head, 3, part)) joined.push_back(v);
        }
        for (int i = 0; i < 3; ++i) joined.push_back(mixed[static_cast<size_t>(8 * g + 1 + i)]);
    }
    for (size_t i = 0; i < joined.size(); ++i)
        joined[i] = std::clamp(joined[i] * factor + static_cast<double>(w[wShift][i]), -2.0, 1.5);
    return joined;
}

ModelPointer make_model(hearth_engine* engine, const ProgramSource& source,
                        const std::vector<std::vector<float>>& weights) {
    ModelPointer model = create_model(engine, source);
    for (size_t i = 0; i < weights.size(); ++i) load_floats(model, static_cast<int32_t>(i), weights[i]);
    return model;
}

std::vector<float> run(hearth_model* model, const std::vector<int32_t>& tokens) {
    const auto rows = static_cast<int32_t>(tokens.size());
    std::vector<int32_t> positions(tokens.size());
    for (int32_t i = 0; i < rows; ++i) positions[static_cast<size_t>(i)] = i;
    std::vector<float> output(tokens.size() * 18, NAN);
    hearth_sequence sequence{};
    sequence.row_count = rows;
    hearth_step step{};
    step.tokens = tokens.data();
    step.positions = positions.data();
    step.sequences = &sequence;
    step.output_rows = positions.data();
    step.output = output.data();
    step.output_size = output.size();
    step.row_count = step.output_count = rows;
    step.sequence_count = 1;
    EXPECT_EQ(hearth_model_run(model, nullptr, nullptr, &step, sizeof step), HEARTH_OK)
        << hearth_last_error();
    return output;
}

TEST(ExpertProgram, AMixtureOfExpertsGivesItsDefinition) {
    const ProgramSource source = experts_program();
    const auto weights = sample_weights(source);
    const std::vector<int32_t> tokens{3, 19, 0, 3, 7, 11, 12, 5, 18, 1, 2};
    std::vector<double> expected;
    for (const int32_t token : tokens)
        for (const double v : reference(weights, token)) expected.push_back(v);
    for (const hearth_isa isa : isas_here())
        for (const int threads : {1, 3}) {
            const EnginePointer engine = make_engine(threads, isa);
            const ModelPointer model = make_model(engine.get(), source, weights);
            const std::vector<float> together = run(model.get(), tokens);
            EXPECT_LT(normalized_error(together.data(), expected), 1e-11)
                << hearth::isa_name(isa) << ", " << threads << " threads";
            for (size_t i = 0; i < tokens.size(); ++i) {
                const std::vector<float> alone = run(model.get(), {tokens[i]});
                EXPECT_TRUE(std::equal(alone.begin(), alone.end(), &together[18 * i])) << "row " << i;
            }
        }
}

TEST(ExpertProgram, AStackIsLoadedWholeAndCounted) {
    const ProgramSource source = experts_program();
    auto weights = sample_weights(source);
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get(), source, weights);
    hearth_model_memory memory{};
    ASSERT_EQ(hearth_model_measure(model.get(), &memory, sizeof memory), HEARTH_OK);
    // Rows of a matrix are filled up to 16: F32 panels of 16 rows, of each matrix apart.
    const uint64_t panels =
        2 * kWidth + 1 * kWidth + kExperts * 2 * kWidth * 2 + kExperts * kInner + 4 * 4 + kWidth;
    const uint64_t vectors = kExperts + kExperts * kInner + kExperts * kWidth + 18;
    EXPECT_EQ(memory.weight_bytes, panels * 64 + vectors * 4);
    EXPECT_GT(memory.scratch_bytes, 0u);
    for (const size_t size : {weights[wGate].size() / kExperts, weights[wGate].size() + 1, size_t{0}})
        EXPECT_EQ(hearth_model_load_weight(model.get(), wGate, weights[wGate].data(), size * sizeof(float)),
                  HEARTH_INVALID_ARGUMENT);
}

TEST(ExpertProgram, ProgramsThatDoNotFitTogetherAreRefused) {
    struct Case {
        const char* name;
        std::function<void(ProgramSource&)> damage;
    };
    const Case cases[] = {
        {"no experts to choose", [](auto& s) { s.operations[kRoute].parameters.router.chosen = 0; }},
        {"more chosen than there are", [](auto& s) { s.operations[kRoute].parameters.router.chosen = 6; }},
        {"unknown gating", [](auto& s) { s.operations[kRoute].parameters.router.gating = 9; }},
        {"groups that do not divide", [](auto& s) { s.operations[kRoute].parameters.router.groups = 2; }},
        {"shared matrices that do not divide",
         [](auto& s) { s.operations[kRoute].parameters.router.experts_per_matrix = 2; }},
        {"shared matrices, stacks for all",
         [](auto& s) { s.operations[kRoute].parameters.router.experts_per_matrix = 5; }},
        {"NaN least sum", [](auto& s) { s.operations[kRoute].parameters.router.least_sum = NAN; }},
        {"choice of another width", [](auto& s) { s.widths[vChoice] = 3; }},
        {"bias of the choice too short", [](auto& s) { s.weights[wBias].columns = 4; }},
        {"choice that no router made", [](auto& s) { s.operations[kUp].input[1] = vWeights; }},
        {"stack of another size", [](auto& s) { s.weights[wGate].stack = 4; }},
        {"stack of none", [](auto& s) { s.weights[wGate].stack = 0; }},
        {"stack beyond the bound", [](auto& s) { s.weights[wGate].stack = 1 << 15; }},
        {"stack that overflows",
         [](auto& s) {
             s.weights[wGate].stack = 1 << 14;
             s.weights[wGate].rows = INT32_MAX;
             s.weights[wGate].columns = 1 << 24;
         }},
        {"missing expert weight", [](auto& s) { s.operations[kUp].weight[1] = -1; }},
        {"weight without an output", [](auto& s) { s.operations[kDown].weight[1] = wUp; }},
        {"bias of one expert", [](auto& s) { s.weights[wGateBias].columns = kInner; }},
        {"input neither shared nor split", [](auto& s) { s.weights[wDown].columns = kInner + 1; }},
        {"two columns", [](auto& s) { s.weights[wUp].columns = kWidth * 2; }},
        {"sum of another width", [](auto& s) { s.widths[vMixed] = kWidth / 2; }},
        {"group without a matrix", [](auto& s) { s.weights[wHeads].stack = 3; }},
        {"stack where one matrix belongs", [](auto& s) { s.weights[wRouter].stack = 2; }},
        {"slice beyond the group", [](auto& s) { s.operations[kSlice].parameters.slice.offset = 6; }},
        {"slice of no width", [](auto& s) { s.operations[kSlice].parameters.slice.width = 0; }},
        {"slice of no groups", [](auto& s) { s.operations[kSlice].parameters.slice.groups = 0; }},
        {"concat of uneven groups", [](auto& s) { s.operations[kConcat].parameters.concat.groups = 5; }},
        {"concat of another width", [](auto& s) { s.widths[vJoined] = 17; }},
        {"right side of another width", [](auto& s) { s.widths[vFactor] = 2; }},
        {"vector of another width", [](auto& s) { s.weights[wShift].columns = 17; }},
        {"bounds the wrong way round", [](auto& s) { s.operations[kClamp].parameters.clamp.least = 2.0f; }},
        {"NaN bound", [](auto& s) { s.operations[kClamp].parameters.clamp.most = NAN; }},
        {"xielu inside a linear",
         [](auto& s) { s.operations[kFactor].parameters.linear.function = HEARTH_FUNCTION_XIELU; }},
    };
    EXPECT_NO_THROW(hearth::Program{experts_program().program()});
    for (const Case& c : cases) {
        ProgramSource source = experts_program();
        c.damage(source);
        EXPECT_THROW(hearth::Program{source.program()}, hearth::Error) << c.name;
    }
}

}  // namespace
