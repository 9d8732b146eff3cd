// Whole programs that attend to a memory, keep no values of their own, or end in one row a sequence.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "hearth.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

constexpr int kWidth = 64, kVocabulary = 12, kPageTokens = 8, kPages = 12;

CachePointer make_cache(hearth_engine* engine, hearth_cache_layer layer, hearth_type type = HEARTH_TYPE_F32) {
    const hearth_cache_options options{&layer, 1, type, type, kPageTokens, kPages, nullptr, 0, 0};
    hearth_cache* cache = nullptr;
    EXPECT_EQ(hearth_cache_create(engine, &options, sizeof options, &cache), HEARTH_OK)
        << hearth_last_error();
    return {cache, hearth_cache_destroy};
}

float table_value(int token, int column) {
    return std::sin(static_cast<float>(token * kWidth + column) * 1.7f);
}

// Embeds tokens by a table (value 0) and runs `operations` over values as wide as that; the last one's result
// is returned. Weight 0 is the table, weight 1, where there are biases, their table.
ModelPointer make_model(hearth_engine* engine, const std::vector<hearth_operation>& operations,
                        int32_t result, const std::vector<float>& biases = {}) {
    ProgramSource source;
    source.widths.assign(static_cast<size_t>(result) + 1, kWidth);
    source.add(HEARTH_EMBED, {}, {0}, {source.weight(kVocabulary, kWidth)}).parameters.embed = {
        HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    if (!biases.empty()) source.weight(1, static_cast<int64_t>(biases.size()));
    source.operations.insert(source.operations.end(), operations.begin(), operations.end());
    source.result = result;
    source.max_rows = 32;
    ModelPointer model = create_model(engine, source);
    std::vector<float> table;
    for (int token = 0; token < kVocabulary; ++token)
        for (int i = 0; i < kWidth; ++i) table.push_back(table_value(token, i));
    load_floats(model, 0, table);
    if (!biases.empty()) load_floats(model, 1, biases);
    return model;
}

// One head over the whole width.
hearth_attention_parameters attention_to(hearth_source source) {
    hearth_attention_parameters p = plain_attention(1, 1, kWidth);
    p.source = source;
    p.scale = 0.1f;
    return p;
}

hearth_operation attend(hearth_attention_parameters p, int32_t query, int32_t result) {
    hearth_operation operation = make_operation(HEARTH_ATTENTION, {query}, {result}, {});
    if (p.bias_buckets > 0) operation.weight[1] = 1;
    operation.parameters.attention = p;
    return operation;
}

hearth_operation write_cache(bool has_values) {
    hearth_operation operation = make_operation(HEARTH_CACHE_WRITE, {0}, {}, {});
    if (has_values) operation.input[1] = 0;
    operation.parameters.cache_write = {0, 1, kWidth, has_values ? kWidth : 0};
    return operation;
}

// An encoder that leaves its rows' keys and values in its cache, and what reads them as its memory.
ModelPointer make_encoder(hearth_engine* engine) {
    return make_model(engine, {write_cache(true), make_operation(HEARTH_GATHER, {0}, {1}, {})}, 1);
}
ModelPointer make_reader(hearth_engine* engine) {
    return make_model(
        engine,
        {attend(attention_to(HEARTH_SOURCE_MEMORY), 0, 1), make_operation(HEARTH_GATHER, {1}, {2}, {})}, 2);
}

struct Step {
    std::vector<int32_t> tokens, positions, pages, output_rows;
    std::vector<hearth_sequence> sequences;
    std::vector<float> output;

    Step& add(int32_t past, const std::vector<int32_t>& ids, const std::vector<int32_t>& table,
              const std::vector<int32_t>& memory_table = {}, int32_t memory_length = 0) {
        const int32_t first = static_cast<int32_t>(pages.size()), own = static_cast<int32_t>(table.size());
        sequences.push_back({static_cast<int32_t>(tokens.size()), static_cast<int32_t>(ids.size()), past,
                             first, own, memory_length > 0 ? first + own : 0,
                             static_cast<int32_t>(memory_table.size()), memory_length, 0, 0, 0, 0});
        for (size_t i = 0; i < ids.size(); ++i) positions.push_back(past + static_cast<int32_t>(i));
        tokens.insert(tokens.end(), ids.begin(), ids.end());
        pages.insert(pages.end(), table.begin(), table.end());
        pages.insert(pages.end(), memory_table.begin(), memory_table.end());
        output_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
        return *this;
    }

    hearth_status run(const ModelPointer& model, hearth_cache* cache, hearth_cache* memory) {
        output.assign(output_rows.size() * kWidth, -1.0f);
        const hearth_step step{tokens.data(),
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
        return hearth_model_run(model.get(), cache, memory, &step, sizeof step);
    }
};

// softmax(0.1 q k^T + bias) v over tokens' embeddings, in float64.
std::vector<double> attended(
    int query, const std::vector<int32_t>& keys,
    const std::function<double(int)>& bias = [](int) { return 0.0; }) {
    std::vector<double> weights, result(kWidth, 0.0);
    double total = 0;
    for (size_t k = 0; k < keys.size(); ++k) {
        double score = 0;
        for (int i = 0; i < kWidth; ++i)
            score += static_cast<double>(table_value(query, i)) * table_value(keys[k], i);
        weights.push_back(std::exp(0.1 * score + bias(static_cast<int>(k))));
        total += weights.back();
    }
    for (size_t k = 0; k < keys.size(); ++k)
        for (int i = 0; i < kWidth; ++i)
            result[static_cast<size_t>(i)] += weights[k] / total * table_value(keys[k], i);
    return result;
}

void expect_row(const Step& step, size_t row, const std::vector<double>& expected, double tolerance = 2e-6) {
    for (size_t i = 0; i < kWidth; ++i)
        ASSERT_NEAR(step.output[row * kWidth + i], expected[i], tolerance) << "row " << row;
}

const std::vector<int32_t> kLongText = {1, 5, 3, 7, 2, 9, 11, 0, 4, 6, 8, 10, 1, 1, 2, 3, 5, 8};
const std::vector<int32_t> kShortText = {9, 4, 2};

TEST(Memory, IsSeenWholeBySequencesThatMayShareIt) {
    const EnginePointer engine = make_engine();
    const ModelPointer encoder = make_encoder(engine.get()), reader = make_reader(engine.get());
    const CachePointer memory = make_cache(engine.get(), {1, kWidth, kWidth});
    Step encode;
    encode.add(0, kLongText, {4, 0, 7}).add(0, kShortText, {2});
    ASSERT_EQ(encode.run(encoder, memory.get(), nullptr), HEARTH_OK) << hearth_last_error();

    Step read;
    read.add(0, {3, 5}, {}, {4, 0, 7}, 18).add(0, {6}, {}, {2}, 3).add(0, {10}, {}, {4, 0, 7}, 18);
    read.add(0, {10}, {}, {4, 0}, 9);
    ASSERT_EQ(read.run(reader, nullptr, memory.get()), HEARTH_OK) << hearth_last_error();
    expect_row(read, 0, attended(5, kLongText));
    expect_row(read, 1, attended(6, kShortText));
    expect_row(read, 2, attended(10, kLongText));
    expect_row(read, 3, attended(10, {kLongText.begin(), kLongText.begin() + 9}));
}

TEST(Memory, BadPagesAndLengthsAreRefused) {
    const EnginePointer engine = make_engine();
    const ModelPointer reader = make_reader(engine.get());
    const CachePointer memory = make_cache(engine.get(), {1, kWidth, kWidth});
    const auto status = [&](auto damage) {
        Step step;
        step.add(0, {3, 5}, {}, {4, 0, 7}, 18);
        damage(step);
        return step.run(reader, nullptr, memory.get());
    };
    EXPECT_EQ(status([](Step&) {}), HEARTH_OK) << hearth_last_error();
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_length = 0; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_length = -1; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_length = 25; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_length = INT32_MAX; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_begin = 1; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_begin = -1; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_begin = INT32_MAX; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_count = 2; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.sequences[0].memory_count = INT32_MAX; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.pages[1] = kPages; }), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(status([](Step& s) { s.pages[2] = -1; }), HEARTH_INVALID_ARGUMENT);

    Step step;
    step.add(0, {3}, {}, {4}, 1);
    EXPECT_EQ(step.run(reader, nullptr, nullptr), HEARTH_INVALID_ARGUMENT);
    const CachePointer narrow = make_cache(engine.get(), {1, kWidth, kWidth / 2});
    EXPECT_EQ(step.run(reader, nullptr, narrow.get()), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(step.run(reader, nullptr, memory.get()), HEARTH_OK) << hearth_last_error();
}

TEST(Memory, MayBeTheCacheItselfButForPagesThatTheStepWrites) {
    const EnginePointer engine = make_engine();
    const ModelPointer encoder = make_encoder(engine.get());
    const ModelPointer decoder =
        make_model(engine.get(),
                   {write_cache(true), attend(attention_to(HEARTH_SOURCE_CACHE), 0, 1),
                    attend(attention_to(HEARTH_SOURCE_MEMORY), 0, 2),
                    make_operation(HEARTH_ADD, {1, 2}, {3}, {}), make_operation(HEARTH_GATHER, {3}, {4}, {})},
                   4);
    const CachePointer cache = make_cache(engine.get(), {1, kWidth, kWidth});
    Step encode;
    encode.add(0, kShortText, {2});
    ASSERT_EQ(encode.run(encoder, cache.get(), nullptr), HEARTH_OK) << hearth_last_error();
    Step read;
    read.add(0, {6, 1}, {5}, {2}, 3).add(0, {6, 1}, {3}, {2}, 3);
    ASSERT_EQ(read.run(decoder, cache.get(), cache.get()), HEARTH_OK) << hearth_last_error();
    std::vector<double> expected = attended(1, {6, 1});
    const std::vector<double> across = attended(1, kShortText);
    for (size_t i = 0; i < kWidth; ++i) expected[i] += across[i];
    expect_row(read, 0, expected);
    expect_row(read, 1, expected);

    for (const int32_t page : {5, 3}) {
        Step clash;
        clash.add(0, {6, 1}, {5}, {2}, 3).add(0, {6, 1}, {3}, {page}, 1);
        EXPECT_EQ(clash.run(decoder, cache.get(), cache.get()), HEARTH_INVALID_ARGUMENT) << "page " << page;
    }
    const CachePointer memory = make_cache(engine.get(), {1, kWidth, kWidth});
    Step apart;
    apart.add(0, {6, 1}, {5}, {5}, 1);
    EXPECT_EQ(apart.run(decoder, cache.get(), memory.get()), HEARTH_OK) << hearth_last_error();
}

TEST(LatentCache, KeepsKeysOnlyAndGivesTheSame) {
    const EnginePointer engine = make_engine();
    hearth_attention_parameters p = attention_to(HEARTH_SOURCE_CACHE);
    p.values_in_keys = 1;
    const ModelPointer latent = make_model(
        engine.get(), {write_cache(false), attend(p, 0, 1), make_operation(HEARTH_GATHER, {1}, {2}, {})}, 2);
    const CachePointer cache = make_cache(engine.get(), {1, kWidth, 0});
    uint64_t bytes = 0;
    ASSERT_EQ(hearth_cache_page_bytes(cache.get(), &bytes), HEARTH_OK);
    EXPECT_EQ(bytes, kPageTokens * kWidth * sizeof(float));
    Step first;
    first.add(0, {kLongText.begin(), kLongText.begin() + 5}, {3});
    ASSERT_EQ(first.run(latent, cache.get(), nullptr), HEARTH_OK) << hearth_last_error();
    expect_row(first, 0, attended(2, {1, 5, 3, 7, 2}));

    std::vector<uint8_t> saved(bytes);
    ASSERT_EQ(hearth_cache_read_page(cache.get(), 3, saved.data(), saved.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_write_page(cache.get(), 0, saved.data(), saved.size()), HEARTH_OK);
    ASSERT_EQ(hearth_cache_copy_page(cache.get(), 0, 9), HEARTH_OK);
    for (const int32_t page : {3, 0, 9}) {
        Step next;
        next.add(5, {9}, {page});
        ASSERT_EQ(next.run(latent, cache.get(), nullptr), HEARTH_OK) << hearth_last_error();
        expect_row(next, 0, attended(9, {1, 5, 3, 7, 2, 9}));
    }

    const CachePointer with_values = make_cache(engine.get(), {1, kWidth, kWidth});
    EXPECT_EQ(first.run(latent, with_values.get(), nullptr), HEARTH_INVALID_ARGUMENT);
}

TEST(LatentCache, BlocksThatTheValuesWouldCutAreRefusedBeforeTheStepRuns) {
    const EnginePointer engine = make_engine();
    hearth_attention_parameters p = attention_to(HEARTH_SOURCE_CACHE);
    p.values_in_keys = 1;
    p.value_width = 48;
    ProgramSource source;
    source.widths = {kWidth, 48, 16, kWidth, kWidth};
    source.add(HEARTH_EMBED, {}, {0}, {source.weight(kVocabulary, kWidth)}).parameters.embed = {
        HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    source.operations.push_back(write_cache(false));
    source.operations.push_back(attend(p, 0, 1));
    source.add(HEARTH_SLICE, {0}, {2}, {}).parameters.slice = {1, 0, 16};
    source.add(HEARTH_CONCAT, {1, 2}, {3}, {}).parameters.concat = {1};
    source.add(HEARTH_GATHER, {3}, {4}, {});
    source.result = 4;
    const ModelPointer model = create_model(engine.get(), source);
    load_floats(model, 0, std::vector<float>(kWidth * kVocabulary, 0.5f));
    for (const hearth_type type : {HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0}) {
        const CachePointer cache = make_cache(engine.get(), {1, kWidth, 0}, type);
        Step step;
        step.add(0, {1, 2}, {0});
        EXPECT_EQ(step.run(model, cache.get(), nullptr), HEARTH_UNSUPPORTED);
        EXPECT_NE(std::string(hearth_last_error()).find("48"), std::string::npos) << hearth_last_error();
    }
    const CachePointer cache = make_cache(engine.get(), {1, kWidth, 0}, HEARTH_TYPE_F16);
    Step step;
    step.add(0, {1, 2}, {0});
    EXPECT_EQ(step.run(model, cache.get(), nullptr), HEARTH_OK) << hearth_last_error();
}

TEST(Pool, GivesEachSequencesMean) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = make_model(engine.get(), {make_operation(HEARTH_POOL, {0}, {1}, {})}, 1);
    Step step;
    step.add(0, kLongText, {}).add(0, {7}, {}).add(0, kShortText, {}).add(0, {2, 2}, {});
    // One output of the first sequence at its first row, none of the second, two of the third.
    step.output_rows = {0, 19, 21, 23};
    ASSERT_EQ(step.run(model, nullptr, nullptr), HEARTH_OK) << hearth_last_error();
    const auto mean = [](const std::vector<int32_t>& tokens) {
        std::vector<double> result(kWidth, 0.0);
        for (const int32_t token : tokens)
            for (int i = 0; i < kWidth; ++i)
                result[static_cast<size_t>(i)] += table_value(token, i) / static_cast<double>(tokens.size());
        return result;
    };
    expect_row(step, 0, mean(kLongText), 1e-7);
    expect_row(step, 1, mean(kShortText), 1e-7);
    expect_row(step, 2, mean(kShortText), 1e-7);
    expect_row(step, 3, mean({2}), 1e-7);
}

TEST(Embed, TheFirstRowIsGivenToEveryRow) {
    const EnginePointer engine = make_engine();
    hearth_operation first = make_operation(HEARTH_EMBED, {}, {1}, {0});
    first.parameters.embed = {HEARTH_INDEX_FIRST, 3.0f, 0, 0};
    const ModelPointer model = make_model(
        engine.get(),
        {first, make_operation(HEARTH_ADD, {0, 1}, {2}, {}), make_operation(HEARTH_GATHER, {2}, {3}, {})}, 3);
    Step step;
    step.add(0, {4, 7}, {}).add(0, {11}, {});
    ASSERT_EQ(step.run(model, nullptr, nullptr), HEARTH_OK) << hearth_last_error();
    for (size_t row = 0; row < 2; ++row)
        for (int i = 0; i < kWidth; ++i)
            EXPECT_EQ(step.output[row * kWidth + static_cast<size_t>(i)],
                      table_value(row == 0 ? 7 : 11, i) + 3.0f * table_value(0, i));
}

TEST(BucketedBias, ComesFromTheProgramsTable) {
    const EnginePointer engine = make_engine();
    hearth_attention_parameters p = attention_to(HEARTH_SOURCE_CACHE);
    p.bias_buckets = 4;
    p.bias_distance = 3;
    // Causal: distances 0 and 1 are buckets 0 and 1, from 3 on bucket 3; 2 lies in bucket 2 + floor(0).
    const std::vector<float> biases = {0.25f, -1.0f, 2.0f, 0.5f};
    const ModelPointer model = make_model(
        engine.get(), {write_cache(true), attend(p, 0, 1), make_operation(HEARTH_GATHER, {1}, {2}, {})}, 2,
        biases);
    const CachePointer cache = make_cache(engine.get(), {1, kWidth, kWidth});
    Step step;
    step.add(0, kLongText, {0, 1, 2});
    ASSERT_EQ(step.run(model, cache.get(), nullptr), HEARTH_OK) << hearth_last_error();
    expect_row(step, 0, attended(8, kLongText, [&](int key) {
                   return static_cast<double>(biases[static_cast<size_t>(std::min(17 - key, 3))]);
               }));
}

}  // namespace
