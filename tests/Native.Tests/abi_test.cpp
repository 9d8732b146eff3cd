// The C boundary from a caller's side: bad arguments come back as statuses, good ones compute.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "hearth.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

// One attention layer over an embedding that is also the output head: logits say what the sequence has seen.
ModelPointer make_model(hearth_engine* engine) {
    constexpr int32_t width = 8, vocabulary = 12;
    ProgramSource s;
    const int32_t embedding = s.weight(vocabulary, width);
    const int32_t x = s.value(width), attended = s.value(width), last = s.value(width),
                  logits = s.value(vocabulary);
    s.add(HEARTH_EMBED, {}, {x}, {embedding}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_CACHE_WRITE, {x, x}, {}, {}).parameters.cache_write = {0, 2, 4, 4};
    s.add(HEARTH_ATTENTION, {x}, {attended}, {}).parameters.attention = plain_attention(2, 2, 4);
    s.add(HEARTH_GATHER, {attended}, {last}, {});
    s.add(HEARTH_LINEAR, {last}, {logits}, {embedding});
    s.result = logits;
    s.max_rows = 32;
    s.max_output_rows = 8;
    ModelPointer model = create_model(engine, s);
    std::vector<float> table(width * vocabulary);
    for (size_t i = 0; i < table.size(); ++i) table[i] = std::sin(static_cast<float>(i) * 1.7f);
    load_floats(model, 0, table);
    return model;
}

CachePointer make_cache(hearth_engine* engine, int32_t pages = 8) {
    const hearth_cache_layer layer{2, 4, 4};
    const hearth_cache_options options{&layer, 1, HEARTH_TYPE_F32, HEARTH_TYPE_F32, 8, pages, nullptr, 0, 0};
    hearth_cache* cache = nullptr;
    EXPECT_EQ(hearth_cache_create(engine, &options, sizeof options, &cache), HEARTH_OK)
        << hearth_last_error();
    return {cache, hearth_cache_destroy};
}

struct Step {
    std::vector<int32_t> tokens, positions, pages, output_rows;
    std::vector<hearth_sequence> sequences;
    std::vector<float> output;

    void add(int32_t past, std::vector<int32_t> ids, std::vector<int32_t> table) {
        sequences.push_back({static_cast<int32_t>(tokens.size()), static_cast<int32_t>(ids.size()), past,
                             static_cast<int32_t>(pages.size()), static_cast<int32_t>(table.size()), 0, 0, 0,
                             0, 0, 0, 0});
        for (size_t i = 0; i < ids.size(); ++i) positions.push_back(past + static_cast<int32_t>(i));
        tokens.insert(tokens.end(), ids.begin(), ids.end());
        pages.insert(pages.end(), table.begin(), table.end());
        output_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
    }

    hearth_step native() {
        output.assign(output_rows.size() * 12, -1.0f);
        return {tokens.data(),
                nullptr,
                positions.data(),
                sequences.data(),
                pages.data(),
                output_rows.data(),
                output.data(),
                output.size(),
                0,
                nullptr,
                static_cast<int32_t>(tokens.size()),
                static_cast<int32_t>(sequences.size()),
                static_cast<int32_t>(pages.size()),
                static_cast<int32_t>(output_rows.size()),
                0,
                0};
    }

    hearth_status run(hearth_model* model, hearth_cache* cache) {
        const hearth_step step = native();
        return hearth_model_run(model, cache, nullptr, &step, sizeof step);
    }
};

std::vector<float> last_row(const Step& step) {
    return {step.output.end() - 12, step.output.end()};
}

TEST(Abi, ProbeFillsEveryField) {
    hearth_system system{};
    ASSERT_EQ(hearth_system_probe(&system, sizeof system), HEARTH_OK);
    EXPECT_GE(system.processors, 1);
    EXPECT_TRUE(system.isa_mask & 1u);
    EXPECT_TRUE(system.isa_mask & (1u << system.best_isa));
    EXPECT_GT(std::strlen(system.processor), 0u);
    EXPECT_EQ(hearth_abi_version(), HEARTH_ABI_VERSION);
}

TEST(Abi, StructsOfAnotherSizeAreRefused) {
    hearth_system system{};
    EXPECT_EQ(hearth_system_probe(&system, sizeof system - 4), HEARTH_INVALID_ARGUMENT);
    EXPECT_NE(std::string(hearth_last_error()).find("bytes"), std::string::npos);
    EXPECT_EQ(hearth_system_probe(nullptr, sizeof system), HEARTH_INVALID_ARGUMENT);
}

TEST(Abi, AnInstructionSetThatCannotRunIsNamed) {
    const hearth_engine_options options{1, 17, 0, 0};
    hearth_engine* engine = nullptr;
    EXPECT_EQ(hearth_engine_create(&options, sizeof options, &engine), HEARTH_UNSUPPORTED);
    EXPECT_EQ(engine, nullptr);
    EXPECT_NE(std::string(hearth_last_error()).find("scalar"), std::string::npos);
}

TEST(Abi, APromptInPiecesAndInAnyPagesGivesTheSameLogits) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get());
    const CachePointer cache = make_cache(engine.get());
    const std::vector<int32_t> prompt = {1, 5, 3, 7, 2, 9, 11, 0, 4, 6, 8, 10, 1};
    Step whole;
    whole.add(0, prompt, {0, 1});
    ASSERT_EQ(whole.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
    for (size_t cut = 1; cut < prompt.size(); ++cut) {
        Step first, second;
        first.add(0, {prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(cut)}, {6, 3});
        ASSERT_EQ(first.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
        second.add(static_cast<int32_t>(cut),
                   {prompt.begin() + static_cast<std::ptrdiff_t>(cut), prompt.end()}, {6, 3});
        ASSERT_EQ(second.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
        for (size_t i = 0; i < 12; ++i)
            EXPECT_NEAR(last_row(second)[i], last_row(whole)[i], 1e-5f) << "cut " << cut;
    }
}

TEST(Abi, SequencesOfOneStepDoNotMix) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get());
    const CachePointer cache = make_cache(engine.get());
    Step alone, together;
    alone.add(0, {3, 4, 5}, {0});
    ASSERT_EQ(alone.run(model.get(), cache.get()), HEARTH_OK);
    together.add(0, {9, 9, 9, 9}, {2});
    together.add(0, {3, 4, 5}, {4});
    ASSERT_EQ(together.run(model.get(), cache.get()), HEARTH_OK);
    for (size_t i = 0; i < 12; ++i) EXPECT_NEAR(last_row(together)[i], last_row(alone)[i], 1e-6f);
}

TEST(Abi, PagesCanBeCopiedSavedAndRestored) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get());
    const CachePointer cache = make_cache(engine.get());
    Step first;
    first.add(0, {1, 2, 3, 4, 5}, {0});
    ASSERT_EQ(first.run(model.get(), cache.get()), HEARTH_OK);
    uint64_t bytes = 0;
    ASSERT_EQ(hearth_cache_page_bytes(cache.get(), &bytes), HEARTH_OK);
    EXPECT_EQ(bytes, 2u * 2 * 8 * 4 * sizeof(float));
    std::vector<uint8_t> saved(bytes);
    ASSERT_EQ(hearth_cache_copy_page(cache.get(), 0, 5), HEARTH_OK);
    ASSERT_EQ(hearth_cache_read_page(cache.get(), 0, saved.data(), saved.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_write_page(cache.get(), 7, saved.data(), saved.size()), HEARTH_OK);
    std::vector<float> expected;
    for (const int32_t page : {0, 5, 7}) {
        Step next;
        next.add(5, {6}, {page});
        ASSERT_EQ(next.run(model.get(), cache.get()), HEARTH_OK);
        if (page == 0) expected = last_row(next);
        EXPECT_EQ(last_row(next), expected) << "page " << page;
    }
    EXPECT_EQ(hearth_cache_read_page(cache.get(), 0, saved.data(), saved.size() - 1),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_read_page(cache.get(), 8, saved.data(), saved.size()), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_cache_copy_page(cache.get(), -1, 0), HEARTH_INVALID_ARGUMENT);
}

TEST(Abi, BadStepsAreRefusedAndLeaveTheModelUsable) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get());
    const CachePointer cache = make_cache(engine.get());
    const auto refused = [&](auto damage) {
        Step step;
        step.add(0, {1, 2, 3}, {0});
        step.add(8, {4}, {1, 2});
        hearth_step native = step.native();
        damage(step, native);
        return hearth_model_run(model.get(), cache.get(), nullptr, &native, sizeof native) ==
               HEARTH_INVALID_ARGUMENT;
    };
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.tokens[1] = 12; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.tokens[1] = -1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.positions[0] = -1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.pages[0] = 8; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.pages[2] = -1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.pages[2] = 0; }));  // both would write page 0
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.pages[1] = 0; }));  // one reads what the other writes
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].page_count = 1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].page_begin = 3; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].past = -8; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].past = INT32_MAX; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[0].row_count = 2; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].memory_begin = 1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].memory_count = 1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].memory_length = 1; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.sequences[1].row_count = INT32_MAX; }));
    EXPECT_TRUE(refused([](Step& s, hearth_step&) { s.output_rows[0] = 3; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.output_size = 12; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.row_count = 33; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.row_count = 0; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.tokens = nullptr; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.sequences = nullptr; }));
    EXPECT_TRUE(refused([](Step&, hearth_step& n) { n.page_count = -1; }));
    Step good;
    good.add(0, {1, 2, 3}, {0});
    EXPECT_EQ(good.run(model.get(), cache.get()), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(good.run(model.get(), nullptr), HEARTH_INVALID_ARGUMENT);
}

TEST(Abi, AStepBeforeTheWeightsIsRefused) {
    const EnginePointer engine = make_engine();
    ProgramSource source;
    source.widths = {4, 4, 4};
    source.add(HEARTH_EMBED, {}, {0}, {source.weight(4, 4)}).parameters.embed = {HEARTH_INDEX_TOKEN, 2.0f, 0,
                                                                                 0};
    source.add(HEARTH_GATHER, {0}, {1}, {});
    source.add(HEARTH_SCALE, {1}, {2}, {}).parameters.factor = {0.5f, 0.0f};
    source.result = 2;
    const ModelPointer model = create_model(engine.get(), source);
    const int32_t token = 2, position = 0, row = 0;
    const hearth_sequence sequence{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    float output[4] = {};
    const hearth_step step{&token, nullptr, &position, &sequence, nullptr, &row, output, 4,
                           0,      nullptr, 1,         1,         0,       1,    0,      0};
    EXPECT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step), HEARTH_INVALID_STATE);
    const float table[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    EXPECT_EQ(hearth_model_load_weight(model.get(), 0, table, 60), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_model_load_weight(model.get(), 1, table, 64), HEARTH_INVALID_ARGUMENT);
    ASSERT_EQ(hearth_model_load_weight(model.get(), 0, table, 64), HEARTH_OK) << hearth_last_error();
    ASSERT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step), HEARTH_OK)
        << hearth_last_error();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(output[i], table[8 + i]);
}

TEST(Abi, AWeightInPartsIsTheWeightInOne) {
    const EnginePointer engine = make_engine();
    constexpr int64_t kRows = 2 * HEARTH_PART_ROWS + 37, kColumns = 32;
    for (const hearth_type type : {HEARTH_TYPE_F32, HEARTH_TYPE_F16, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0}) {
        ProgramSource source;
        const int32_t embedding = source.weight(4, kColumns), head = source.weight(kRows, kColumns, type);
        source.widths = {kColumns, kColumns, kRows};
        source.add(HEARTH_EMBED, {}, {0}, {embedding}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
        source.add(HEARTH_GATHER, {0}, {1}, {});
        source.add(HEARTH_LINEAR, {1}, {2}, {head}).parameters.linear = {HEARTH_FUNCTION_NONE};
        source.result = 2;
        std::vector<float> table(4 * kColumns);
        for (size_t i = 0; i < table.size(); ++i) table[i] = std::sin(static_cast<float>(i));
        std::vector<float> values(kRows * kColumns);
        for (size_t i = 0; i < values.size(); ++i) values[i] = std::cos(static_cast<float>(i) * 0.37f);
        const size_t row_bytes = type == HEARTH_TYPE_F32    ? 4 * kColumns
                                 : type == HEARTH_TYPE_F16  ? 2 * kColumns
                                 : type == HEARTH_TYPE_Q8_0 ? 34
                                                            : 18;
        std::vector<uint8_t> data(kRows * row_bytes);
        ASSERT_EQ(
            hearth_quantize(type, values.data(), values.size(), kColumns, nullptr, data.data(), data.size()),
            HEARTH_OK)
            << hearth_last_error();

        const auto load_rows = [&](hearth_model* model, int64_t first, int64_t count) {
            return hearth_model_load_rows(model, 1, first, count,
                                          data.data() + static_cast<size_t>(first) * row_bytes,
                                          static_cast<size_t>(count) * row_bytes);
        };
        const int32_t token = 3, position = 0, row = 0;
        const hearth_sequence sequence{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        std::vector<float> outputs[2];
        for (const bool in_parts : {false, true}) {
            const ModelPointer model = create_model(engine.get(), source);
            hearth_model* const raw = model.get();
            load_floats(model, 0, table);
            std::vector<float>& output = outputs[in_parts];
            output.resize(kRows);
            const hearth_step step{&token,
                                   nullptr,
                                   &position,
                                   &sequence,
                                   nullptr,
                                   &row,
                                   output.data(),
                                   output.size(),
                                   0,
                                   nullptr,
                                   1,
                                   1,
                                   0,
                                   1,
                                   0,
                                   0};
            if (in_parts) {
                EXPECT_EQ(load_rows(raw, HEARTH_PART_ROWS, HEARTH_PART_ROWS), HEARTH_INVALID_ARGUMENT);
                EXPECT_EQ(load_rows(raw, 0, HEARTH_PART_ROWS - 1), HEARTH_INVALID_ARGUMENT);
                EXPECT_EQ(load_rows(raw, -HEARTH_PART_ROWS, HEARTH_PART_ROWS), HEARTH_INVALID_ARGUMENT);
                ASSERT_EQ(load_rows(raw, 0, 2 * HEARTH_PART_ROWS), HEARTH_OK) << hearth_last_error();
                EXPECT_EQ(load_rows(raw, 2 * HEARTH_PART_ROWS, 38), HEARTH_INVALID_ARGUMENT);
                EXPECT_EQ(hearth_model_run(raw, nullptr, nullptr, &step, sizeof step), HEARTH_INVALID_STATE);
                ASSERT_EQ(load_rows(raw, 0, HEARTH_PART_ROWS), HEARTH_OK)
                    << hearth_last_error();  // begins anew
                ASSERT_EQ(load_rows(raw, HEARTH_PART_ROWS, HEARTH_PART_ROWS), HEARTH_OK)
                    << hearth_last_error();
                ASSERT_EQ(load_rows(raw, 2 * HEARTH_PART_ROWS, 37), HEARTH_OK) << hearth_last_error();
            } else {
                ASSERT_EQ(hearth_model_load_weight(raw, 1, data.data(), data.size()), HEARTH_OK);
            }
            ASSERT_EQ(hearth_model_run(raw, nullptr, nullptr, &step, sizeof step), HEARTH_OK)
                << hearth_last_error();
        }
        EXPECT_EQ(outputs[0], outputs[1]) << "type " << type;
    }
}

TEST(Abi, AttentionChecksItsSpans) {
    const EnginePointer engine = make_engine(1);
    std::vector<float> q(2 * 4), k(3 * 4), v(3 * 4), out(2 * 4);
    hearth_attention_call call{};
    call.queries = q.data();
    call.keys = k.data();
    call.values = v.data();
    call.output = out.data();
    call.query_size = q.size();
    call.key_size = k.size();
    call.value_size = v.size();
    call.output_size = out.size();
    call.query_rows = 2;
    call.key_rows = 3;
    call.parameters = plain_attention(1, 1, 4);
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_OK) << hearth_last_error();
    call.key_rows = 4;
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_INVALID_ARGUMENT);
    call.key_rows = 3;
    call.parameters.heads = 0;
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_INVALID_ARGUMENT);
    call.parameters.heads = 1;
    call.output_size = 7;
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_INVALID_ARGUMENT);
    call.output_size = out.size();
    EXPECT_EQ(hearth_attention(engine.get(), &call, sizeof call), HEARTH_OK) << hearth_last_error();

    // The terms that bring a span of their own, or leave one out.
    const auto status = [&](auto change) {
        hearth_attention_call changed = call;
        change(changed);
        return hearth_attention(engine.get(), &changed, sizeof changed);
    };
    std::vector<float> biases(8);
    const auto buckets = [&](hearth_attention_call& c) {
        c.parameters.bias_buckets = 8;
        c.parameters.bias_distance = 20;
        c.biases = biases.data();
        c.bias_size = biases.size();
    };
    using Call = hearth_attention_call;
    EXPECT_EQ(status([&](Call& c) { buckets(c); }), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.bias_size = 7; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.biases = nullptr; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.parameters.bias_buckets = 3; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.parameters.bias_buckets = 0; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.parameters.bias_distance = 4; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { buckets(c), c.parameters.bias_distance = INT32_MAX; }),
              HEARTH_INVALID_ARGUMENT);
    // Scores by distance come with a program's input, which there is none of here.
    EXPECT_EQ(status([](Call& c) { c.parameters.relative_distances = 3; }), HEARTH_INVALID_ARGUMENT);
    const float sink = 1.0f;
    EXPECT_EQ(status([&](Call& c) { c.sinks = &sink, c.sink_size = 1; }), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(status([&](Call& c) { c.sinks = &sink; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.sink_size = 1; }), HEARTH_INVALID_ARGUMENT);
    const auto in_keys = [](Call& c) {
        c.parameters.values_in_keys = 1;
        c.values = nullptr;
        c.value_size = 0;
    };
    EXPECT_EQ(status([&](Call& c) { in_keys(c); }), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(status([&](Call& c) { in_keys(c), c.values = v.data(); }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { in_keys(c), c.parameters.values_in_keys = 2; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([&](Call& c) { in_keys(c), c.parameters.value_width = 5; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.parameters.mask = HEARTH_MASK_CHUNKED; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.parameters.mask = 4; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.parameters.temperature_length = -1; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.parameters.temperature_offset = -1; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Call& c) { c.parameters.temperature = NAN; }), HEARTH_INVALID_ARGUMENT);
}

TEST(Abi, ADeviceThatIsNotThereIsRefused) {
    hearth_engine* engine = nullptr;
    for (const int32_t device : {1, -1, INT32_MAX}) {
        const hearth_engine_options options{1, HEARTH_ISA_BEST, 0, device};
        EXPECT_EQ(hearth_engine_create(&options, sizeof options, &engine), HEARTH_UNSUPPORTED) << device;
        EXPECT_EQ(engine, nullptr);
    }
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Abi, ThreadsThatCannotStartAreAnError) {
    // Each thread reserves a stack: with little address space left some start and some do not.
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    if (pages == 0) GTEST_SKIP() << "the system does not tell a process's size";
    const rlimit tight{pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) + (size_t{256} << 20),
                       before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
    const hearth_engine_options options{500, HEARTH_ISA_BEST, 0, 0};
    hearth_engine* engine = nullptr;
    const hearth_status status = hearth_engine_create(&options, sizeof options, &engine);
    setrlimit(RLIMIT_AS, &before);
    EXPECT_EQ(status, HEARTH_OUT_OF_MEMORY);
    EXPECT_EQ(engine, nullptr);
    make_engine(3);
}
#endif

TEST(Abi, EmbeddingsBringTheirSize) {
    const EnginePointer engine = make_engine(1);
    ProgramSource source;
    source.widths = {4, 4};
    const int32_t table = source.weight(4, 4);
    source.add(HEARTH_EMBED, {}, {0}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    source.add(HEARTH_GATHER, {0}, {1}, {});
    source.result = 1;
    const ModelPointer model = create_model(engine.get(), source);
    load_floats(model, table, std::vector<float>(16));
    const hearth_sequence sequence{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const float row[4] = {1, 2, 3, 4};
    const int32_t zero = 0;
    float output[4] = {};
    hearth_step step{nullptr, row, &zero, &sequence, nullptr, &zero, output, 4, 4, nullptr, 1, 1, 0, 1, 0, 0};
    ASSERT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step), HEARTH_OK)
        << hearth_last_error();
    EXPECT_EQ(output[3], 4.0f);
    step.embeddings_size = 3;
    EXPECT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step), HEARTH_INVALID_ARGUMENT);
}

TEST(Abi, TablesOfDifferentWidthsTakeNoEmbeddings) {
    const EnginePointer engine = make_engine(1);
    ProgramSource source;
    source.widths = {4, 8, 8};
    const int32_t narrow = source.weight(4, 4), wide = source.weight(4, 8);
    source.add(HEARTH_EMBED, {}, {0}, {narrow}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    source.add(HEARTH_EMBED, {}, {1}, {wide}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    source.add(HEARTH_GATHER, {1}, {2}, {});
    source.result = 2;
    const ModelPointer model = create_model(engine.get(), source);
    load_floats(model, narrow, std::vector<float>(16));
    load_floats(model, wide, std::vector<float>(32));
    const hearth_sequence sequence{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const float row[8] = {};
    const int32_t zero = 0;
    float output[8] = {};
    for (const size_t size : {size_t{4}, size_t{8}}) {
        const hearth_step step{nullptr, row,     &zero, &sequence, nullptr, &zero, output, 8,
                               size,    nullptr, 1,     1,         0,       1,     0,      0};
        EXPECT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &step, sizeof step),
                  HEARTH_INVALID_ARGUMENT);
    }
    const hearth_step tokens{&zero, nullptr, &zero, &sequence, nullptr, &zero, output, 8,
                             0,     nullptr, 1,     1,         0,       1,     0,      0};
    EXPECT_EQ(hearth_model_run(model.get(), nullptr, nullptr, &tokens, sizeof tokens), HEARTH_OK)
        << hearth_last_error();
}

TEST(Abi, ACacheOutlivesItsEngineHandle) {
    CachePointer cache{nullptr, hearth_cache_destroy};
    {
        const EnginePointer engine = make_engine();
        cache = make_cache(engine.get());
    }
    uint64_t bytes = 0;
    EXPECT_EQ(hearth_cache_page_bytes(cache.get(), &bytes), HEARTH_OK);
}

TEST(Abi, BadCachesAreRefused) {
    const EnginePointer engine = make_engine();
    const hearth_cache_layer layer{2, 4, 4};
    const auto status = [&](hearth_cache_options options) {
        hearth_cache* cache = nullptr;
        const hearth_status result = hearth_cache_create(engine.get(), &options, sizeof options, &cache);
        hearth_cache_destroy(cache);
        return result;
    };
    EXPECT_EQ(status({&layer, 1, HEARTH_TYPE_F16, HEARTH_TYPE_F16, 12, 4, nullptr, 0, 0}),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status({&layer, 1, HEARTH_TYPE_F16, HEARTH_TYPE_F16, 8, 0, nullptr, 0, 0}),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status({&layer, 0, HEARTH_TYPE_F16, HEARTH_TYPE_F16, 8, 4, nullptr, 0, 0}),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status({&layer, 1, HEARTH_TYPE_Q8_0, HEARTH_TYPE_F16, 8, 4, nullptr, 0, 0}),
              HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status({&layer, 1, HEARTH_TYPE_Q6_K, HEARTH_TYPE_F16, 8, 4, nullptr, 0, 0}),
              HEARTH_UNSUPPORTED);
}

}  // namespace
