// Keys that are chosen for a row, and attention to them alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "attention_support.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

constexpr int kHeads = 5;  // of the queries that choose

AttentionCase one_key_head(int width, hearth_type type, int threads) {
    AttentionCase c;
    c.sequences = {{0, 3}, {700, 5}, {37, 1}};
    c.heads = 6;
    c.kv_heads = 1;
    c.key_width = c.value_width = width;
    c.values_in_keys = true;
    c.key_type = type;
    c.threads = threads;
    return c;
}

std::vector<float> choose(const AttentionCase& c, const AttentionData& data, hearth_isa isa,
                          const std::vector<float>& queries, const std::vector<float>& weights, int chosen) {
    hearth::ThreadPool pool(c.threads);
    const auto rows = data.sequence_rows();
    std::vector<float> choice(static_cast<size_t>(c.total_rows() * chosen), -77.0f);
    hearth::choose_keys(isa,
                        {queries.data(), weights.data(), rows.data(), static_cast<int32_t>(rows.size()),
                         &data.layer(), kHeads, c.key_width, choice.data(), chosen},
                        pool);
    return choice;
}

// Calls body(row, sequence, position) for each row.
template <typename Body>
void for_rows(const AttentionCase& c, Body&& body) {
    int row = 0;
    for (size_t s = 0; s < c.sequences.size(); ++s)
        for (int i = 0; i < c.sequences[s].rows; ++i) body(row++, s, c.sequences[s].past + i);
}

TEST(Choice, IsTheBestKeysInRisingOrder) {
    constexpr int kChosen = 16;
    for (const auto& [width, type] : {std::pair{64, HEARTH_TYPE_F32},
                                      {64, HEARTH_TYPE_F16},
                                      {96, HEARTH_TYPE_Q8_0},
                                      {32, HEARTH_TYPE_Q4_0},
                                      {20, HEARTH_TYPE_F32},
                                      {1024, HEARTH_TYPE_BF16}})
        for (const hearth_isa isa : isas_here()) {
            const AttentionCase c = one_key_head(width, type, type == HEARTH_TYPE_F32 ? 3 : 1);
            AttentionData data(c);
            data.fill_cache(isa);
            const auto queries = normal_floats(static_cast<size_t>(c.total_rows() * kHeads * width), 7);
            const auto weights = normal_floats(static_cast<size_t>(c.total_rows() * kHeads), 8);
            const std::vector<float> choice = choose(c, data, isa, queries, weights, kChosen);
            for_rows(c, [&](int row, size_t s, int position) {
                const float* got = choice.data() + row * kChosen;
                std::set<int> chosen;
                for (int k = 0; k < kChosen; ++k) {
                    if (k > position) {
                        EXPECT_EQ(got[k], -1.0f);
                        continue;
                    }
                    EXPECT_TRUE(k == 0 || got[k] > got[k - 1]);
                    chosen.insert(static_cast<int>(got[k]));
                }
                ASSERT_EQ(static_cast<int>(chosen.size()), std::min(kChosen, position + 1));
                double least = INFINITY, most = -INFINITY;
                for (int key = 0; key <= position; ++key) {
                    double score = 0;
                    for (int head = 0; head < kHeads; ++head) {
                        double product = 0;
                        for (int d = 0; d < width; ++d)
                            product += queries[static_cast<size_t>((row * kHeads + head) * width + d)] *
                                       data.cached_key(s, key, 0, d);
                        score += weights[static_cast<size_t>(row * kHeads + head)] * std::max(product, 0.0);
                    }
                    if (chosen.contains(key))
                        least = std::min(least, score);
                    else
                        most = std::max(most, score);
                }
                EXPECT_GE(least, most - 1e-3) << hearth::isa_name(isa) << " width " << width << " row " << row;
            });
        }
}

TEST(Choice, OfEqualsIsTheEarlier) {
    constexpr int kChosen = 9;
    const AttentionCase c = one_key_head(32, HEARTH_TYPE_F32, 2);
    for (const hearth_isa isa : isas_here()) {
        AttentionData data(c);
        data.fill_cache(isa);
        const std::vector<float> zeros(static_cast<size_t>(c.total_rows() * kHeads * 32), 0.0f);
        const auto weights = normal_floats(static_cast<size_t>(c.total_rows() * kHeads), 8);
        const std::vector<float> choice = choose(c, data, isa, zeros, weights, kChosen);
        for_rows(c, [&](int row, size_t, int position) {
            for (int k = 0; k < kChosen; ++k)
                EXPECT_EQ(choice[static_cast<size_t>(row * kChosen + k)],
                          k <= position ? static_cast<float>(k) : -1.0f);
        });
    }
}

TEST(Choice, ScoresThatAreNoNumbersAreTheLeast) {
    constexpr int kChosen = 4;
    AttentionCase c = one_key_head(32, HEARTH_TYPE_F32, 1);
    c.sequences = {{0, 12}};
    for (const hearth_isa isa : isas_here()) {
        AttentionData data(c);
        for (int d = 0; d < 32; ++d) data.keys[static_cast<size_t>(d)] = INFINITY;  // key 0
        data.fill_cache(isa);
        const std::vector<float> queries(static_cast<size_t>(c.total_rows() * kHeads * 32), 1.0f);
        std::vector<float> weights(static_cast<size_t>(c.total_rows() * kHeads), 1.0f);
        for (size_t i = 0; i < weights.size(); i += 2) weights[i] = -1.0f;  // infinity less infinity
        const std::vector<float> choice = choose(c, data, isa, queries, weights, kChosen);
        for (int k = 0; k < kChosen; ++k) EXPECT_GT(choice[static_cast<size_t>(11 * kChosen + k)], 0.0f);
    }
}

TEST(Choice, IsAllThatARowSees) {
    constexpr int kChosen = 24;
    for (const auto& [type, threads] : {std::pair{HEARTH_TYPE_F32, 3}, {HEARTH_TYPE_F16, 1}, {HEARTH_TYPE_Q8_0, 2}})
        for (const bool latent : {true, false})
            for (const hearth_isa isa : isas_here()) {
                AttentionCase c = one_key_head(64, type, threads);
                c.values_in_keys = latent;
                c.value_type = type;
                c.value_width = 32;
                AttentionData data(c);
                data.fill_cache(isa);
                const auto queries = normal_floats(static_cast<size_t>(c.total_rows() * kHeads * 64), 7);
                const auto weights = normal_floats(static_cast<size_t>(c.total_rows() * kHeads), 8);
                const std::vector<float> choice = choose(c, data, isa, queries, weights, kChosen);
                const std::vector<float> output = data.from_choice(isa, choice, kChosen);
                std::vector<double> expected(output.size(), 0.0);
                for_rows(c, [&](int row, size_t s, int position) {
                    const int count = std::min(kChosen, position + 1);
                    for (int head = 0; head < c.heads; ++head) {
                        std::vector<double> shares;
                        double total = 0;
                        for (int k = 0; k < count; ++k) {
                            const int key = static_cast<int>(choice[static_cast<size_t>(row * kChosen + k)]);
                            double score = 0;
                            for (int d = 0; d < 64; ++d)
                                score += data.queries[static_cast<size_t>((row * c.heads + head) * 64 + d)] *
                                         data.cached_key(s, key, 0, d);
                            shares.push_back(std::exp(score / 8));
                            total += shares.back();
                        }
                        for (int k = 0; k < count; ++k)
                            for (int e = 0; e < 32; ++e)
                                expected[static_cast<size_t>((row * c.heads + head) * 32 + e)] +=
                                    shares[static_cast<size_t>(k)] / total *
                                    data.value_at(s, static_cast<int>(choice[static_cast<size_t>(row * kChosen + k)]),
                                                  0, e);
                    }
                });
                EXPECT_LE(largest_error(output.data(), expected, 1.0), kArithmetic)
                    << hearth::isa_name(isa) << " type " << type << " latent " << latent;
            }
}

TEST(Choice, OfEveryKeyIsPlainAttentionToTheBit) {
    constexpr int kChosen = 100;
    for (const hearth_isa isa : isas_here()) {
        const AttentionCase c = one_key_head(64, HEARTH_TYPE_F16, 2);
        AttentionData data(c);
        data.fill_cache(isa);
        const auto queries = normal_floats(static_cast<size_t>(c.total_rows() * kHeads * 64), 7);
        const auto weights = normal_floats(static_cast<size_t>(c.total_rows() * kHeads), 8);
        const std::vector<float> choice = choose(c, data, isa, queries, weights, kChosen);
        const std::vector<float> some = data.from_choice(isa, choice, kChosen), all = data.from_cache(isa);
        for_rows(c, [&](int row, size_t, int position) {
            const auto begin = static_cast<size_t>(row * c.heads * 64), end = begin + static_cast<size_t>(c.heads * 64);
            const bool same = std::equal(some.begin() + static_cast<ptrdiff_t>(begin),
                                         some.begin() + static_cast<ptrdiff_t>(end),
                                         all.begin() + static_cast<ptrdiff_t>(begin));
            EXPECT_EQ(same, position < kChosen) << hearth::isa_name(isa) << " row " << row;
        });
    }
}

// ---- Through the C boundary

constexpr int32_t kVocabulary = 50, kWidth = 8, kChosenKeys = 4, kLength = 40, kPageTokens = 8;

ProgramSource indexed() {
    ProgramSource s;
    s.max_rows = s.max_output_rows = kLength;
    const int32_t table = s.weight(kVocabulary, kWidth), two = s.weight(2 * kWidth, kWidth), one = s.weight(1, kWidth);
    const int32_t x = s.value(kWidth), q = s.value(2 * kWidth), w = s.value(1), choice = s.value(kChosenKeys),
                  a = s.value(2 * kWidth), g = s.value(2 * kWidth);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_LINEAR, {x}, {q, w}, {two, one});
    s.add(HEARTH_CACHE_WRITE, {x, x}, {}, {}).parameters.cache_write = {0, 1, kWidth, kWidth};
    s.add(HEARTH_CACHE_WRITE, {x}, {}, {}).parameters.cache_write = {1, 1, kWidth, 0};
    s.add(HEARTH_CHOOSE_KEYS, {x, w}, {choice}, {}).parameters.choose_keys = {1, 1, kWidth};
    s.add(HEARTH_ATTENTION, {q, -1, choice}, {a}, {}).parameters.attention = plain_attention(2, 1, kWidth);
    s.add(HEARTH_GATHER, {a}, {g}, {});
    s.result = g;
    return s;
}

std::vector<float> run(int32_t rows_a_step) {
    const EnginePointer engine = make_engine();
    const ModelPointer model = create_model(engine.get(), indexed());
    load_floats(model, 0, normal_floats(kVocabulary * kWidth, 1));
    load_floats(model, 1, normal_floats(2 * kWidth * kWidth, 2));
    load_floats(model, 2, normal_floats(kWidth, 3));
    const hearth_cache_layer layers[] = {{1, kWidth, kWidth}, {1, kWidth, 0}};
    const hearth_cache_options options{layers, 2, HEARTH_TYPE_F32, HEARTH_TYPE_F32, kPageTokens, 5, nullptr, 0, 0};
    hearth_cache* cache = nullptr;
    EXPECT_EQ(hearth_cache_create(engine.get(), &options, sizeof options, &cache), HEARTH_OK) << hearth_last_error();
    const CachePointer pages(cache, hearth_cache_destroy);
    const std::vector<int32_t> table = {3, 0, 4, 1, 2};
    std::vector<float> output(kLength * 2 * kWidth);
    for (int32_t begin = 0; begin < kLength; begin += rows_a_step) {
        const int32_t count = std::min(rows_a_step, kLength - begin);
        std::vector<int32_t> tokens, positions, rows;
        for (int32_t i = 0; i < count; ++i) {
            tokens.push_back((begin + i) * 7 % kVocabulary);
            positions.push_back(begin + i);
            rows.push_back(i);
        }
        const hearth_sequence sequence{0, count, begin, 0, 5, 0, 0, 0, 0, 0, 0, 0};
        const hearth_step step{tokens.data(),
                               nullptr,
                               positions.data(),
                               &sequence,
                               table.data(),
                               rows.data(),
                               output.data() + begin * 2 * kWidth,
                               static_cast<size_t>(count) * 2 * kWidth,
                               0,
                               nullptr,
                               count,
                               1,
                               5,
                               count,
                               0,
                               0};
        EXPECT_EQ(hearth_model_run(model.get(), cache, nullptr, &step, sizeof step), HEARTH_OK)
            << hearth_last_error();
    }
    return output;
}

TEST(Choice, DoesNotDependOnHowATextIsCut) {
    const std::vector<float> whole = run(kLength);
    for (const int32_t rows : {1, 3, 17}) EXPECT_EQ(run(rows), whole) << rows;
}

}  // namespace
