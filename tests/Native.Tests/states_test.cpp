// Operations that keep a state, against their definitions in float64, and the step's rules for states.
#include "cpu/states.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "attention_support.h"
#include "cpu/isa.h"
#include "hearth.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

using hearth::ConstRows;
using hearth::StateRun;
using hearth::StateSteps;
using hearth::ThreadPool;

constexpr double kTolerance = 2e-5;  // of the largest output: sums of some hundred float32 products

std::vector<float> floats(size_t count, uint32_t seed, float size = 1.0f) {
    return normal_floats(count, seed, size);
}

// One sequence of some rows, computed by an operation that is told its runs.
struct Sequence {
    int64_t rows, output_width, state_width;
    std::function<void(const StateSteps& steps, float* output, ThreadPool& pool)> compute;
    std::vector<float> states = {};

    // The output where the rows are cut as told, each piece a step of its own that goes on in place, the
    // first one from zeros.
    std::vector<float> run(const std::vector<int64_t>& pieces, int threads = 2) {
        states.assign(static_cast<size_t>(state_width), NAN);
        std::vector<float> output(static_cast<size_t>(rows * output_width), NAN);
        ThreadPool pool(threads);
        int64_t row = 0;
        for (const int64_t piece : pieces) {
            const StateRun run{row, piece, row == 0 ? -1 : 0, 0};
            const int32_t begins[] = {0, 1};
            compute({&run, begins, 1, states.data(), state_width}, output.data(), pool);
            row += piece;
        }
        EXPECT_EQ(row, rows);
        return output;
    }
};

void expect_close(const std::vector<float>& actual, const std::vector<double>& expected,
                  const std::string& what) {
    double most = 1e-30, error = 0;
    for (const double value : expected) most = std::max(most, std::abs(value));
    for (size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::abs(actual[i] - expected[i]);
        error = std::max(error, std::isnan(difference) ? INFINITY : difference);
    }
    EXPECT_LE(error / most, kTolerance) << what;
}

// Whole, row by row and in uneven pieces: the same bits, and close to the definition.
void expect_definition(Sequence sequence, const std::vector<double>& expected, const std::string& what) {
    const std::vector<float> whole = sequence.run({sequence.rows});
    const std::vector<float> state = sequence.states;
    expect_close(whole, expected, what);
    std::vector<int64_t> singly(static_cast<size_t>(sequence.rows), 1);
    EXPECT_EQ(sequence.run(singly, 1), whole) << what;
    EXPECT_EQ(sequence.states, state) << what;
    if (sequence.rows > 3) {
        EXPECT_EQ(sequence.run({2, 1, sequence.rows - 3}, 3), whole) << what;
        EXPECT_EQ(sequence.states, state) << what;
    }
}

TEST(States, AShortConvolutionSeesTheRowsBefore) {
    for (hearth_isa isa : isas_here())
        for (int64_t width : {1, 7, 16, 100, 1030})
            for (int32_t taps : {2, 3, 4, 9})
                for (int64_t rows : {1, 2, 5, 37}) {
                    const auto x = floats(static_cast<size_t>(rows * width), 1);
                    const auto weights = floats(static_cast<size_t>(taps * width), 2);
                    const auto bias = floats(static_cast<size_t>(width), 3);
                    const bool biased = rows != 2, gated = taps != 3;
                    std::vector<double> expected;
                    for (int64_t t = 0; t < rows; ++t)
                        for (int64_t c = 0; c < width; ++c) {
                            double sum = biased ? double{bias[static_cast<size_t>(c)]} : 0.0;
                            for (int64_t k = 0; k < taps; ++k)
                                if (const int64_t at = t - taps + 1 + k; at >= 0)
                                    sum += double{weights[static_cast<size_t>(k * width + c)]} *
                                           x[static_cast<size_t>(at * width + c)];
                            expected.push_back(gated ? sum / (1 + std::exp(-sum)) : sum);
                        }
                    const hearth_convolution_parameters p{
                        0, taps, gated ? HEARTH_FUNCTION_SILU : HEARTH_FUNCTION_NONE};
                    expect_definition({rows, width, (taps - 1) * width,
                                       [&](const StateSteps& steps, float* output, ThreadPool& pool) {
                                           hearth::short_convolution(isa, {x.data(), rows, width},
                                                                     weights.data(),
                                                                     biased ? bias.data() : nullptr, p, steps,
                                                                     {output, rows, width}, pool);
                                       }},
                                      expected,
                                      std::string(hearth::isa_name(isa)) + " width " + std::to_string(width) +
                                          " taps " + std::to_string(taps) + " rows " + std::to_string(rows));
                }
}

struct ScanShape {
    int32_t heads, head_width, state_width, groups, decays_by_state;
};

void expect_scan(hearth_isa isa, const ScanShape& s, int64_t rows) {
    const int64_t width = int64_t{s.heads} * s.head_width, shared = int64_t{s.groups} * s.state_width;
    const auto x = floats(static_cast<size_t>(rows * width), 1);
    auto sizes = floats(static_cast<size_t>(rows * s.heads), 2);
    const auto b = floats(static_cast<size_t>(rows * shared), 3),
               c = floats(static_cast<size_t>(rows * shared), 4);
    auto decay = floats(static_cast<size_t>(s.heads * (s.decays_by_state ? s.state_width : 1)), 5, 0.3f);
    const auto skip = floats(static_cast<size_t>(s.heads), 6);
    for (float& size : sizes) size = std::log1p(std::exp(size));
    for (float& value : decay) value = -std::exp(value);
    std::vector<double> state(static_cast<size_t>(width * s.state_width), 0.0), expected;
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t i = 0; i < width; ++i) {
            const int64_t head = i / s.head_width, group = head / (s.heads / s.groups);
            const double size = sizes[static_cast<size_t>(t * s.heads + head)];
            const double in = x[static_cast<size_t>(t * width + i)];
            double sum = skip[static_cast<size_t>(head)] * in;
            for (int32_t n = 0; n < s.state_width; ++n) {
                const double a = decay[static_cast<size_t>(s.decays_by_state ? n * s.heads + head : head)];
                const auto at = static_cast<size_t>(t * shared + group * s.state_width + n);
                double& h = state[static_cast<size_t>(i * s.state_width + n)];
                h = h * std::exp(size * a) + size * b[at] * in;
                sum += c[at] * h;
            }
            expected.push_back(sum);
        }
    const hearth_scan_parameters p{0, s.heads, s.head_width, s.state_width, s.groups, s.decays_by_state};
    expect_definition({rows, width, width * s.state_width,
                       [&](const StateSteps& steps, float* output, ThreadPool& pool) {
                           hearth::selective_scan(isa,
                                                  {{x.data(), rows, width},
                                                   {sizes.data(), rows, s.heads},
                                                   {b.data(), rows, shared},
                                                   {c.data(), rows, shared},
                                                   decay.data(),
                                                   skip.data(),
                                                   {output, rows, width}},
                                                  p, steps, pool);
                       }},
                      expected,
                      std::string(hearth::isa_name(isa)) + " heads " + std::to_string(s.heads) + " of " +
                          std::to_string(s.head_width) + " states " + std::to_string(s.state_width) +
                          " rows " + std::to_string(rows));
}

TEST(States, ASelectiveScanOfHeadsGivesTheReference) {
    for (hearth_isa isa : isas_here())
        for (const ScanShape& shape : {ScanShape{1, 1, 1, 1, 0},
                                       {4, 64, 16, 2, 0},
                                       {2, 70, 128, 1, 0},
                                       {6, 13, 5, 3, 0},
                                       {2, 256, 8, 2, 0}})
            for (int64_t rows : {1, 4, 29}) expect_scan(isa, shape, rows);
}

TEST(States, ASelectiveScanOfChannelsGivesTheReference) {
    for (hearth_isa isa : isas_here())
        for (const ScanShape& shape :
             {ScanShape{1, 1, 16, 1, 1}, {64, 1, 16, 1, 1}, {75, 1, 4, 3, 1}, {33, 1, 1, 1, 1}})
            for (int64_t rows : {1, 4, 29}) expect_scan(isa, shape, rows);
}

struct DeltaShape {
    int32_t heads, key_heads, key_width, value_width, keys_in_turns;
    bool by_key;
};

void expect_delta(hearth_isa isa, const DeltaShape& s, int64_t rows) {
    const int64_t keys = int64_t{s.key_heads} * s.key_width, values = int64_t{s.heads} * s.value_width;
    const int32_t decay_width = s.by_key ? s.key_width : 1;
    const float unit = 1.0f / std::sqrt(static_cast<float>(s.key_width));
    const auto q = floats(static_cast<size_t>(rows * keys), 1, unit),
               k = floats(static_cast<size_t>(rows * keys), 2, unit),
               v = floats(static_cast<size_t>(rows * values), 3);
    auto g = floats(static_cast<size_t>(rows * s.heads * decay_width), 4),
         beta = floats(static_cast<size_t>(rows * s.heads), 5);
    for (float& value : g) value = -0.1f * std::log1p(std::exp(value));
    for (float& value : beta) value = 1.0f / (1.0f + std::exp(-value));
    std::vector<double> state(static_cast<size_t>(values * s.key_width), 0.0), expected;
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t head = 0; head < s.heads; ++head) {
            const int64_t key = s.keys_in_turns ? head % s.key_heads : head / (s.heads / s.key_heads);
            const float* const qt = q.data() + t * keys + key * s.key_width;
            const float* const kt = k.data() + t * keys + key * s.key_width;
            const float* const gt = g.data() + (t * s.heads + head) * decay_width;
            for (int32_t j = 0; j < s.value_width; ++j) {
                double* const column = state.data() + (head * s.value_width + j) * s.key_width;
                double known = 0, sum = 0;
                for (int32_t i = 0; i < s.key_width; ++i) {
                    column[i] *= std::exp(double{gt[s.by_key ? i : 0]});
                    known += column[i] * kt[i];
                }
                const double change = beta[static_cast<size_t>(t * s.heads + head)] *
                                      (v[static_cast<size_t>(t * values + head * s.value_width + j)] - known);
                for (int32_t i = 0; i < s.key_width; ++i) {
                    column[i] += kt[i] * change;
                    sum += column[i] * qt[i];
                }
                expected.push_back(0.25 * sum);
            }
        }
    const hearth_delta_parameters p{0,           s.heads,         s.key_heads, s.key_width, s.value_width,
                                    decay_width, s.keys_in_turns, 0.25f};
    expect_definition({rows, values, values * s.key_width,
                       [&](const StateSteps& steps, float* output, ThreadPool& pool) {
                           hearth::delta_rule(isa,
                                              {{q.data(), rows, keys},
                                               {k.data(), rows, keys},
                                               {v.data(), rows, values},
                                               {g.data(), rows, int64_t{s.heads} * decay_width},
                                               {beta.data(), rows, s.heads},
                                               {output, rows, values}},
                                              p, steps, pool);
                       }},
                      expected,
                      std::string(hearth::isa_name(isa)) + " heads " + std::to_string(s.heads) + " keys " +
                          std::to_string(s.key_width) + " values " + std::to_string(s.value_width) +
                          " rows " + std::to_string(rows));
}

TEST(States, TheDeltaRuleGivesTheReference) {
    for (hearth_isa isa : isas_here())
        for (const DeltaShape& shape : {DeltaShape{1, 1, 1, 1, 0, false},
                                        {4, 2, 64, 64, 0, false},
                                        {4, 2, 64, 64, 1, false},
                                        {2, 2, 128, 128, 0, true},
                                        {6, 3, 17, 75, 1, true}})
            for (int64_t rows : {1, 4, 29}) expect_delta(isa, shape, rows);
}

enum class WkvKind { Plain, Bonus, Corrected };

struct WkvShape {
    int32_t heads, key_width, value_width;
    WkvKind kind;
};

void expect_wkv(hearth_isa isa, const WkvShape& s, int64_t rows) {
    const int64_t keys = int64_t{s.heads} * s.key_width, values = int64_t{s.heads} * s.value_width;
    const float unit = 1.0f / std::sqrt(static_cast<float>(s.key_width));
    const auto sample = [&](uint32_t seed, float scale) {
        return floats(static_cast<size_t>(rows * keys), seed, scale);
    };
    const auto r = sample(1, unit), k = sample(2, unit), a = sample(3, unit), b = sample(4, unit);
    const auto v = floats(static_cast<size_t>(rows * values), 5);
    const auto bonus = floats(static_cast<size_t>(keys), 6);
    auto w = sample(7, 1.0f);
    for (float& value : w) value = -0.1f * std::log1p(std::exp(value));
    const bool corrects = s.kind == WkvKind::Corrected, adds = s.kind == WkvKind::Bonus;
    std::vector<double> state(static_cast<size_t>(values * s.key_width), 0.0), expected;
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t head = 0; head < s.heads; ++head) {
            const auto at = [&](const std::vector<float>& x, int32_t i) {
                return double{x[static_cast<size_t>(t * keys + head * s.key_width + i)]};
            };
            for (int32_t j = 0; j < s.value_width; ++j) {
                double* const column = state.data() + (head * s.value_width + j) * s.key_width;
                const double value = v[static_cast<size_t>(t * values + head * s.value_width + j)];
                double removed = 0, sum = 0;
                for (int32_t i = 0; corrects && i < s.key_width; ++i) removed += at(a, i) * column[i];
                for (int32_t i = 0; i < s.key_width; ++i) {
                    if (adds)
                        sum += at(r, i) *
                               (column[i] + double{bonus[static_cast<size_t>(head * s.key_width + i)]} *
                                                at(k, i) * value);
                    column[i] = std::exp(at(w, i)) * column[i] + at(k, i) * value;
                    if (corrects) column[i] += at(b, i) * removed;
                    if (!adds) sum += at(r, i) * column[i];
                }
                expected.push_back(0.5 * sum);
            }
        }
    const hearth_wkv_parameters p{0, s.heads, s.key_width, s.value_width, 0.5f};
    expect_definition({rows, values, values * s.key_width,
                       [&](const StateSteps& steps, float* output, ThreadPool& pool) {
                           const auto rows_of = [&](const std::vector<float>& x) {
                               return hearth::ConstRows{x.data(), rows, keys};
                           };
                           const auto optional = [&](const std::vector<float>& x) {
                               return corrects ? rows_of(x) : hearth::ConstRows{};
                           };
                           hearth::wkv(isa,
                                       {rows_of(r),
                                        rows_of(k),
                                        {v.data(), rows, values},
                                        rows_of(w),
                                        optional(a),
                                        optional(b),
                                        adds ? bonus.data() : nullptr,
                                        {output, rows, values}},
                                       p, steps, pool);
                       }},
                      expected,
                      std::string(hearth::isa_name(isa)) + " heads " + std::to_string(s.heads) + " keys " +
                          std::to_string(s.key_width) + " values " + std::to_string(s.value_width) +
                          " rows " + std::to_string(rows) + " kind " +
                          std::to_string(static_cast<int>(s.kind)));
}

TEST(States, RwkvsRecurrencesGiveTheReference) {
    for (hearth_isa isa : isas_here())
        for (const WkvKind kind : {WkvKind::Plain, WkvKind::Bonus, WkvKind::Corrected})
            for (const WkvShape& shape :
                 {WkvShape{1, 1, 1, kind}, {3, 64, 64, kind}, {2, 17, 75, kind}, {2, 128, 33, kind}})
                for (int64_t rows : {1, 4, 29}) expect_wkv(isa, shape, rows);
}

// A program of one convolution over embedded tokens: whose rows a state knows shows in the output.
class StateStep : public testing::Test {
  protected:
    static constexpr int32_t kWidth = 3, kTokens = 6, kTaps = 4;

    StateStep() {
        ProgramSource source;
        source.widths.assign(3, kWidth);
        const int32_t table = source.weight(kTokens, kWidth), taps = source.weight(1, kTaps * kWidth);
        source.add(HEARTH_EMBED, {}, {0}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
        source.add(HEARTH_SHORT_CONVOLUTION, {0}, {1}, {taps}).parameters.convolution = {
            0, kTaps, HEARTH_FUNCTION_NONE};
        source.add(HEARTH_GATHER, {1}, {2}, {});
        source.result = 2;
        model_ = create_model(engine_.get(), source);
        load_floats(model_, table, normal_floats(kTokens * kWidth, 1));
        load_floats(model_, taps, normal_floats(kTaps * kWidth, 2));
        const int64_t widths[] = {(kTaps - 1) * kWidth};
        hearth_cache_options options{};
        options.key_type = options.value_type = HEARTH_TYPE_F16;
        options.page_tokens = 8;
        options.page_count = 1;
        options.state_widths = widths;
        options.state_layer_count = 1;
        options.state_count = 5;
        hearth_cache* cache = nullptr;
        EXPECT_EQ(hearth_cache_create(engine_.get(), &options, sizeof options, &cache), HEARTH_OK)
            << hearth_last_error();
        cache_.reset(cache);
    }

    hearth_status run(const std::vector<int32_t>& tokens, const std::vector<hearth_sequence>& sequences,
                      const std::vector<hearth_checkpoint>& checkpoints = {}) {
        std::vector<int32_t> rows(tokens.size());
        for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
        output_.assign(tokens.size() * kWidth, NAN);
        hearth_step step{};
        step.tokens = tokens.data();
        step.positions = rows.data();
        step.sequences = sequences.data();
        step.output_rows = rows.data();
        step.output = output_.data();
        step.output_size = output_.size();
        step.checkpoints = checkpoints.data();
        step.row_count = step.output_count = static_cast<int32_t>(tokens.size());
        step.sequence_count = static_cast<int32_t>(sequences.size());
        step.checkpoint_count = static_cast<int32_t>(checkpoints.size());
        return hearth_model_run(model_.get(), cache_.get(), nullptr, &step, sizeof step);
    }

    static hearth_sequence sequence(int32_t row, int32_t rows, int32_t past, int32_t from, int32_t to,
                                    int32_t checkpoint = 0, int32_t checkpoints = 0) {
        hearth_sequence s{};
        s.row_begin = row;
        s.row_count = rows;
        s.past = past;
        s.state_from = from;
        s.state = to;
        s.checkpoint_begin = checkpoint;
        s.checkpoint_count = checkpoints;
        return s;
    }

    std::vector<float> last(size_t rows) const {
        return {output_.end() - static_cast<std::ptrdiff_t>(rows * kWidth), output_.end()};
    }

    EnginePointer engine_ = make_engine();
    ModelPointer model_{nullptr, hearth_model_destroy};
    CachePointer cache_{nullptr, hearth_cache_destroy};
    std::vector<float> output_;
};

TEST_F(StateStep, ForksCheckpointsAndSavedStatesGoOnAlike) {
    ASSERT_EQ(run({1, 2, 3, 4, 5}, {sequence(0, 5, 0, -1, 0)}), HEARTH_OK) << hearth_last_error();
    const std::vector<float> expected = last(2);
    // A checkpoint after three rows, from which a fork reads the rest while another sequence does something
    // else.
    ASSERT_EQ(run({1, 2, 3, 0}, {sequence(0, 4, 0, -1, 1, 0, 1)}, {{3, 2}}), HEARTH_OK)
        << hearth_last_error();
    ASSERT_EQ(run({0, 5, 4, 5}, {sequence(0, 2, 4, 1, 1), sequence(2, 2, 3, 2, 3)}), HEARTH_OK)
        << hearth_last_error();
    EXPECT_EQ(last(2), expected);
    // Its state is as it was: another may go on from it, too, after it went through the caller's memory.
    uint64_t bytes = 0;
    ASSERT_EQ(hearth_cache_state_bytes(cache_.get(), &bytes), HEARTH_OK);
    ASSERT_EQ(bytes, (kTaps - 1) * kWidth * sizeof(float));
    std::vector<char> saved(bytes);
    ASSERT_EQ(hearth_cache_read_state(cache_.get(), 2, saved.data(), saved.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_write_state(cache_.get(), 4, saved.data(), saved.size()), HEARTH_OK);
    ASSERT_EQ(run({4, 5}, {sequence(0, 2, 3, 4, 4)}), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(last(2), expected);
}

TEST_F(StateStep, WrongStatesAreRefused) {
    const std::vector<int32_t> tokens = {1, 2, 3, 4};
    const std::vector<hearth_checkpoint> none;
    struct Case {
        const char* name;
        std::vector<hearth_sequence> sequences;
        std::vector<hearth_checkpoint> checkpoints;
    };
    const Case cases[] = {
        {"state that is not there", {sequence(0, 4, 0, -1, 5)}, none},
        {"negative state", {sequence(0, 4, 0, -1, -1)}, none},
        {"beginning that goes on", {sequence(0, 4, 0, 0, 0)}, none},
        {"goes on from nothing", {sequence(0, 4, 7, -1, 0)}, none},
        {"goes on from one that is not there", {sequence(0, 4, 7, 5, 0)}, none},
        {"one state of two", {sequence(0, 2, 0, -1, 0), sequence(2, 2, 0, -1, 0)}, none},
        {"read while written", {sequence(0, 2, 3, 0, 1), sequence(2, 2, 3, 2, 0)}, none},
        {"checkpoint at the end", {sequence(0, 4, 0, -1, 0, 0, 1)}, {{4, 1}}},
        {"checkpoint before the first row", {sequence(0, 4, 0, -1, 0, 0, 1)}, {{0, 1}}},
        {"checkpoints that fall", {sequence(0, 4, 0, -1, 0, 0, 2)}, {{2, 1}, {1, 2}}},
        {"checkpoint over the state", {sequence(0, 4, 0, -1, 0, 0, 1)}, {{2, 0}}},
        {"checkpoint that is not there", {sequence(0, 4, 0, -1, 0, 0, 1)}, {{2, 9}}},
        {"checkpoints beyond the list", {sequence(0, 4, 0, -1, 0, 1, 1)}, {{2, 1}}},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(run(tokens, c.sequences, c.checkpoints), HEARTH_INVALID_ARGUMENT) << c.name;
        EXPECT_STRNE(hearth_last_error(), "") << c.name;
    }
    EXPECT_EQ(run(tokens, {sequence(0, 4, 0, -1, 0)}), HEARTH_OK) << hearth_last_error();
    std::vector<char> small(7);
    EXPECT_EQ(hearth_cache_read_state(cache_.get(), 0, small.data(), small.size()), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_write_state(cache_.get(), 5, small.data(), small.size()), HEARTH_INVALID_ARGUMENT);
}

TEST_F(StateStep, ACacheOfOtherStatesIsRefused) {
    const int64_t widths[] = {(kTaps - 1) * kWidth + 1};
    hearth_cache_options options{};
    options.key_type = options.value_type = HEARTH_TYPE_F16;
    options.page_tokens = 8;
    options.page_count = 1;
    options.state_widths = widths;
    options.state_layer_count = 1;
    options.state_count = 1;
    hearth_cache* cache = nullptr;
    ASSERT_EQ(hearth_cache_create(engine_.get(), &options, sizeof options, &cache), HEARTH_OK)
        << hearth_last_error();
    cache_.reset(cache);
    EXPECT_EQ(run({1}, {sequence(0, 1, 0, -1, 0)}), HEARTH_INVALID_ARGUMENT);
    for (const int64_t width : {int64_t{0}, int64_t{-1}, INT64_MAX}) {
        const int64_t wrong[] = {width};
        options.state_widths = wrong;
        EXPECT_EQ(hearth_cache_create(engine_.get(), &options, sizeof options, &cache),
                  HEARTH_INVALID_ARGUMENT)
            << width;
    }
    options.state_widths = widths;
    options.state_count = 0;
    EXPECT_EQ(hearth_cache_create(engine_.get(), &options, sizeof options, &cache), HEARTH_INVALID_ARGUMENT);
    options.state_layer_count = 0;
    options.state_widths = nullptr;
    EXPECT_EQ(hearth_cache_create(engine_.get(), &options, sizeof options, &cache), HEARTH_INVALID_ARGUMENT);
}

}  // namespace
