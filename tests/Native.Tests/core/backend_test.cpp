// The C boundary over devices that are not there: what reaches a backend, and what never does.
#include "core/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "core/test_backend.h"
#include "program_support.h"

namespace hearth_test {

TestBackend& first_backend() {
    static TestBackend backend("the first", 2);
    return backend;
}
TestBackend& second_backend() {
    static TestBackend backend("the second", 1);
    return backend;
}

}  // namespace hearth_test

namespace hearth {

std::span<Backend* const> backends() {
    static const std::array<Backend*, 2> all = {&hearth_test::first_backend(),
                                                &hearth_test::second_backend()};
    return all;
}

}  // namespace hearth

using namespace hearth_test;

namespace {

constexpr int32_t kVocabulary = 130, kWidth = 4, kPageTokens = 8, kPages = 6, kStates = 5;

EnginePointer open(int32_t device) {
    const hearth_engine_options options{0, HEARTH_ISA_BEST, 0, device};
    hearth_engine* engine = nullptr;
    EXPECT_EQ(hearth_engine_create(&options, sizeof options, &engine), HEARTH_OK) << hearth_last_error();
    return {engine, hearth_engine_destroy};
}

// Twice a token's row, with keys and values that are cached and a convolution's state.
ProgramSource twice() {
    ProgramSource s;
    const int32_t table = s.weight(kVocabulary, kWidth), taps = s.weight(1, 2 * kWidth);
    const int32_t x = s.value(kWidth), c = s.value(kWidth), y = s.value(kWidth), g = s.value(kWidth);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_CACHE_WRITE, {x, x}, {}, {}).parameters.cache_write = {0, 1, kWidth, kWidth};
    s.add(HEARTH_SHORT_CONVOLUTION, {x}, {c}, {taps}).parameters.convolution = {0, 2, HEARTH_FUNCTION_NONE};
    s.add(HEARTH_ADD, {x, x}, {y}, {});
    s.add(HEARTH_GATHER, {y}, {g}, {});
    s.result = g;
    return s;
}

float table_value(int32_t token, int column) {
    return static_cast<float>(10 * token + column);
}

std::vector<float> table() {
    std::vector<float> values;
    for (int32_t token = 0; token < kVocabulary; ++token)
        for (int column = 0; column < kWidth; ++column) values.push_back(table_value(token, column));
    return values;
}

CachePointer make_cache(hearth_engine* engine) {
    static const hearth_cache_layer layer{1, kWidth, kWidth};
    static const int64_t state_width = kWidth;
    const hearth_cache_options options{&layer,       1, HEARTH_TYPE_F32, HEARTH_TYPE_F32, kPageTokens, kPages,
                                       &state_width, 1, kStates};
    hearth_cache* cache = nullptr;
    EXPECT_EQ(hearth_cache_create(engine, &options, sizeof options, &cache), HEARTH_OK)
        << hearth_last_error();
    return {cache, hearth_cache_destroy};
}

ModelPointer load_twice(hearth_engine* engine) {
    ModelPointer model = create_model(engine, twice());
    load_floats(model, 0, table());
    load_floats(model, 1, std::vector<float>(2 * kWidth, 1.0f));
    return model;
}

// Two sequences: three rows of a new one, with a checkpoint, and one row behind ten others.
struct Step {
    std::vector<int32_t> tokens = {3, 1, 4, 129}, positions = {0, 1, 2, 10}, pages = {5, 0, 2},
                         output_rows = {1, 3};
    std::vector<hearth_sequence> sequences = {{0, 3, 0, 0, 1, 0, 0, 0, -1, 1, 0, 1},
                                              {3, 1, 10, 1, 2, 0, 0, 0, 2, 3, 1, 0}};
    std::vector<hearth_checkpoint> checkpoints = {{2, 4}};
    std::vector<float> output = std::vector<float>(2 * kWidth, -1.0f);

    hearth_status run(hearth_model* model, hearth_cache* cache) {
        const hearth_step step{tokens.data(),
                               nullptr,
                               positions.data(),
                               sequences.data(),
                               pages.data(),
                               output_rows.data(),
                               output.data(),
                               output.size(),
                               0,
                               checkpoints.data(),
                               static_cast<int32_t>(tokens.size()),
                               static_cast<int32_t>(sequences.size()),
                               static_cast<int32_t>(pages.size()),
                               static_cast<int32_t>(output_rows.size()),
                               static_cast<int32_t>(checkpoints.size()),
                               0};
        return hearth_model_run(model, cache, nullptr, &step, sizeof step);
    }
};

TEST(Backend, DevicesAreNumberedThroughAllBackends) {
    hearth_system system{};
    ASSERT_EQ(hearth_system_probe(&system, sizeof system), HEARTH_OK);
    EXPECT_EQ(system.devices, 3);
    EXPECT_EQ(system.processors, 20);
    const EnginePointer engine = open(2);
    const ModelPointer model = load_twice(engine.get());
    EXPECT_EQ(second_backend().record(0).weights, 2);
    for (const int32_t device : {3, -1, INT32_MAX, INT32_MIN}) {
        const hearth_engine_options options{0, HEARTH_ISA_BEST, 0, device};
        hearth_engine* none = nullptr;
        EXPECT_EQ(hearth_engine_create(&options, sizeof options, &none), HEARTH_UNSUPPORTED) << device;
        EXPECT_NE(std::string(hearth_last_error()).find("2 (the second)"), std::string::npos)
            << hearth_last_error();
    }
}

TEST(Backend, RefusesOptionsOfItsOwn) {
    const hearth_engine_options options{4, HEARTH_ISA_BEST, 0, 1};
    hearth_engine* engine = nullptr;
    EXPECT_EQ(hearth_engine_create(&options, sizeof options, &engine), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(engine, nullptr);
}

TEST(Backend, IsAskedForKernelsBeforeItGetsAProgramOrACache) {
    const EnginePointer engine = open(0);
    const auto refused = [&](const ProgramSource& source, const char* named) {
        const hearth_program program = source.program();
        hearth_model* model = nullptr;
        EXPECT_EQ(hearth_model_create(engine.get(), &program, sizeof program, &model), HEARTH_UNSUPPORTED);
        EXPECT_EQ(model, nullptr);
        EXPECT_NE(std::string(hearth_last_error()).find(named), std::string::npos) << hearth_last_error();
    };
    ProgramSource source = twice();
    source.operations[3].kind = HEARTH_MULTIPLY;
    refused(source, "operation 3 (multiply)");
    source = twice();
    source.weights[0].type = HEARTH_TYPE_F16;
    refused(source, "weight 0 of type F16");

    static const hearth_cache_layer layer{1, kWidth, kWidth};
    const hearth_cache_options options{
        &layer, 1, HEARTH_TYPE_F32, HEARTH_TYPE_BF16, kPageTokens, kPages, nullptr, 0, 0};
    hearth_cache* cache = nullptr;
    EXPECT_EQ(hearth_cache_create(engine.get(), &options, sizeof options, &cache), HEARTH_UNSUPPORTED);
    EXPECT_NE(std::string(hearth_last_error()).find("values of the cache cannot be BF16"), std::string::npos)
        << hearth_last_error();
}

TEST(Backend, RunsAStepOnceItIsChecked) {
    const EnginePointer engine = open(0);
    const ModelPointer model = load_twice(engine.get());
    const CachePointer cache = make_cache(engine.get());
    Step step;
    ASSERT_EQ(step.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
    for (int column = 0; column < kWidth; ++column) {
        EXPECT_EQ(step.output[static_cast<size_t>(column)], 2 * table_value(1, column));
        EXPECT_EQ(step.output[static_cast<size_t>(kWidth + column)], 2 * table_value(129, column));
    }
    const Record& record = first_backend().record(0);
    EXPECT_TRUE(record.had_cache);
    EXPECT_FALSE(record.had_memory);
    ASSERT_EQ(record.sequences.size(), 2u);
    EXPECT_EQ(record.sequences[1].past, 10);
    EXPECT_EQ(record.sequences[1].row_begin, 3);
    ASSERT_EQ(record.runs.size(), 3u);
    const auto expect_run = [&](size_t i, int64_t begin, int64_t count, int32_t from, int32_t to) {
        EXPECT_EQ(record.runs[i].row_begin, begin);
        EXPECT_EQ(record.runs[i].row_count, count);
        EXPECT_EQ(record.runs[i].from, from);
        EXPECT_EQ(record.runs[i].to, to);
    };
    expect_run(0, 0, 2, -1, 4);
    expect_run(1, 2, 1, 4, 1);
    expect_run(2, 3, 1, 2, 3);

    hearth_model_memory memory{};
    ASSERT_EQ(hearth_model_measure(model.get(), &memory, sizeof memory), HEARTH_OK);
    EXPECT_EQ(memory.weight_bytes, (kVocabulary + 2) * kWidth * sizeof(float));
    EXPECT_EQ(memory.scratch_bytes, 321u);
}

TEST(Backend, NeverSeesAStepThatIsWrong) {
    const EnginePointer engine = open(0);
    const ModelPointer model = load_twice(engine.get());
    const CachePointer cache = make_cache(engine.get());
    const auto refused = [&](auto damage) {
        Step step;
        damage(step);
        EXPECT_EQ(step.run(model.get(), cache.get()), HEARTH_INVALID_ARGUMENT);
    };
    refused([](Step& s) { s.tokens[1] = kVocabulary; });
    refused([](Step& s) { s.positions[0] = -1; });
    refused([](Step& s) { s.pages[2] = kPages; });
    refused([](Step& s) { s.pages[2] = 5; });
    refused([](Step& s) { s.output_rows[1] = 4; });
    refused([](Step& s) { s.output.resize(2 * kWidth - 1); });
    refused([](Step& s) { s.sequences[1].row_begin = 2; });
    refused([](Step& s) { s.sequences[1].state_from = -1; });
    refused([](Step& s) { s.sequences[1].state = 4; });
    refused([](Step& s) { s.sequences[1].state = kStates; });
    refused([](Step& s) { s.checkpoints[0].rows = 3; });
    const EnginePointer other = open(1);
    const CachePointer foreign = make_cache(other.get());
    Step step;
    EXPECT_EQ(step.run(model.get(), foreign.get()), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(step.run(model.get(), nullptr), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(first_backend().record(0).steps, 0);
    EXPECT_EQ(step.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
}

TEST(Backend, GetsNoStepBeforeItsWeights) {
    const EnginePointer engine = open(0);
    const ModelPointer model = create_model(engine.get(), twice());
    const CachePointer cache = make_cache(engine.get());
    load_floats(model, 0, table());
    Step step;
    EXPECT_EQ(step.run(model.get(), cache.get()), HEARTH_INVALID_STATE);
    EXPECT_EQ(first_backend().record(0).steps, 0);
}

TEST(Backend, TakesAWeightInParts) {
    const EnginePointer engine = open(0);
    const ModelPointer model = create_model(engine.get(), twice());
    Record& record = first_backend().record(0);
    const std::vector<float> all = table();
    const auto part = [&](int64_t first, int64_t count) {
        return hearth_model_load_rows(model.get(), 0, first, count, all.data() + first * kWidth,
                                      static_cast<size_t>(count) * kWidth * sizeof(float));
    };
    EXPECT_EQ(part(64, 64), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(part(0, 63), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(record.parts, 0);
    ASSERT_EQ(part(0, 64), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(part(0, 64), HEARTH_OK) << "begins anew";
    EXPECT_EQ(part(128, 2), HEARTH_INVALID_ARGUMENT);
    ASSERT_EQ(part(64, 64), HEARTH_OK) << hearth_last_error();
    EXPECT_TRUE(record.bound.empty());
    ASSERT_EQ(part(128, 2), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(record.bound, std::vector<int32_t>{0});
    load_floats(model, 1, std::vector<float>(2 * kWidth, 1.0f));
    const CachePointer cache = make_cache(engine.get());
    Step step;
    ASSERT_EQ(step.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(step.output[kWidth], 2 * table_value(129, 0));
}

TEST(Backend, WeightsAreSharedOnOneDeviceOnly) {
    const EnginePointer engine = open(0), other = open(2);
    const ModelPointer lender = load_twice(engine.get()), borrower = create_model(engine.get(), twice()),
                       stranger = create_model(other.get(), twice());
    for (const int32_t weight : {0, 1}) {
        EXPECT_EQ(hearth_model_share_weight(borrower.get(), weight, lender.get(), weight), HEARTH_OK);
        EXPECT_EQ(hearth_model_share_weight(stranger.get(), weight, lender.get(), weight),
                  HEARTH_INVALID_ARGUMENT);
    }
    EXPECT_EQ(first_backend().record(0).weights, 2);
    EXPECT_EQ(hearth_model_share_weight(borrower.get(), 0, lender.get(), 1), HEARTH_INVALID_ARGUMENT);
    hearth_model_memory memory{};
    ASSERT_EQ(hearth_model_measure(borrower.get(), &memory, sizeof memory), HEARTH_OK);
    EXPECT_EQ(memory.weight_bytes, 0u);
    const CachePointer cache = make_cache(engine.get());
    Step step;
    EXPECT_EQ(step.run(borrower.get(), cache.get()), HEARTH_OK) << hearth_last_error();
}

TEST(Backend, HoldsPagesAndStates) {
    const EnginePointer engine = open(0);
    const CachePointer cache = make_cache(engine.get());
    uint64_t bytes = 0, state_bytes = 0;
    ASSERT_EQ(hearth_cache_page_bytes(cache.get(), &bytes), HEARTH_OK);
    ASSERT_EQ(hearth_cache_state_bytes(cache.get(), &state_bytes), HEARTH_OK);
    EXPECT_EQ(bytes, 2 * kPageTokens * kWidth * sizeof(float));
    EXPECT_EQ(state_bytes, kWidth * sizeof(float));
    std::vector<uint8_t> page(bytes), seen(bytes), state(state_bytes, 9), seen_state(state_bytes);
    for (size_t i = 0; i < page.size(); ++i) page[i] = static_cast<uint8_t>(i);
    ASSERT_EQ(hearth_cache_write_page(cache.get(), 5, page.data(), page.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_copy_page(cache.get(), 5, 0), HEARTH_OK);
    ASSERT_EQ(hearth_cache_read_page(cache.get(), 0, seen.data(), seen.size()), HEARTH_OK);
    EXPECT_EQ(seen, page);
    ASSERT_EQ(hearth_cache_write_state(cache.get(), 4, state.data(), state.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_read_state(cache.get(), 4, seen_state.data(), seen_state.size()), HEARTH_OK);
    EXPECT_EQ(seen_state, state);

    EXPECT_EQ(hearth_cache_copy_page(cache.get(), 0, kPages), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_read_page(cache.get(), -1, seen.data(), seen.size()), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_write_page(cache.get(), 0, page.data(), page.size() - 1), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_read_state(cache.get(), kStates, seen_state.data(), state_bytes),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_write_state(cache.get(), 0, state.data(), state.size() + 1),
              HEARTH_INVALID_ARGUMENT);
}

TEST(Backend, AttendsOnceTheCallIsChecked) {
    const EnginePointer engine = open(1);
    std::vector<float> queries(2 * 8), keys(3 * 4), values(3 * 4), output(2 * 8);
    hearth_attention_call call{};
    call.queries = queries.data();
    call.keys = keys.data();
    call.values = values.data();
    call.output = output.data();
    call.query_size = queries.size();
    call.key_size = keys.size();
    call.value_size = values.size();
    call.output_size = output.size();
    call.query_rows = 2;
    call.key_rows = 3;
    call.past = 1;
    call.parameters = plain_attention(2, 1, 4);
    ASSERT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(output, std::vector<float>(output.size(), 7.0f));
    call.key_size -= 1;
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(first_backend().record(1).attentions, 1);
}

TEST(Backend, StepsOfOneDeviceComeOneAtATime) {
    const EnginePointer engine = open(0);
    const ModelPointer one = load_twice(engine.get()), two = load_twice(engine.get());
    const auto work = [&](hearth_model* model) {
        const CachePointer cache = make_cache(engine.get());
        for (int i = 0; i < 200; ++i) {
            Step step;
            EXPECT_EQ(step.run(model, cache.get()), HEARTH_OK) << hearth_last_error();
        }
    };
    std::thread other(work, two.get());
    work(one.get());
    other.join();
    EXPECT_FALSE(first_backend().record(0).overlapped);
    EXPECT_EQ(first_backend().record(0).steps, 400);
}

}  // namespace
