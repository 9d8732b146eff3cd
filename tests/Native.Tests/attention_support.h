// A paged cache filled through cache_write, and attention in plain double precision to compare with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "cpu/attention.h"
#include "cpu/thread_pool.h"
#include "rows_support.h"

namespace hearth_test {

struct Span {
    int past, rows;
};

// What a test varies; the rest follows from it.
struct AttentionCase {
    std::vector<Span> sequences{{0, 1}};
    int heads = 4, kv_heads = 2, key_width = 20, value_width = 12;
    int page_tokens = 8;
    hearth_type key_type = HEARTH_TYPE_F32, value_type = HEARTH_TYPE_F32;
    hearth_mask mask = HEARTH_MASK_CAUSAL;
    int window = 0, prefix = 0;
    float softcap = 0, alibi = 0;
    bool sinks = false;
    int bias_buckets = 0, bias_distance = 0;
    int temperature_length = 0;
    float temperature = 0, temperature_offset = 0;
    bool values_in_keys = false;
    int chunk_memory = 0, relative_distances = 0;
    std::vector<int>
        memory{};  // positions of each sequence's memory; empty: attention to the sequence itself
    int threads = 2;
    uint32_t seed = 1;

    hearth_attention_parameters parameters() const {
        hearth_attention_parameters p{};
        p.source = memory.empty() ? HEARTH_SOURCE_CACHE : HEARTH_SOURCE_MEMORY;
        p.heads = heads;
        p.kv_heads = kv_heads;
        p.key_width = key_width;
        p.value_width = value_width;
        p.mask = mask;
        p.window = window;
        p.prefix_length = prefix;
        p.scale = 1.0f / std::sqrt(static_cast<float>(key_width));
        p.softcap = softcap;
        p.alibi_bias = alibi;
        p.bias_buckets = bias_buckets;
        p.bias_distance = bias_distance;
        p.temperature_length = temperature_length;
        p.temperature = temperature;
        p.temperature_offset = temperature_offset;
        p.values_in_keys = values_in_keys;
        p.chunk_memory = chunk_memory;
        p.relative_distances = relative_distances;
        return p;
    }
    int key_count(size_t s) const {
        return memory.empty() ? sequences[s].past + sequences[s].rows : memory[s];
    }
    int total_rows() const {
        return std::accumulate(sequences.begin(), sequences.end(), 0,
                               [](int n, Span s) { return n + s.rows; });
    }
};

inline std::string describe(const AttentionCase& c) {
    std::string text = "heads " + std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) + " widths " +
                       std::to_string(c.key_width) + "," + std::to_string(c.value_width) + " page " +
                       std::to_string(c.page_tokens) + " types " + std::to_string(c.key_type) + "," +
                       std::to_string(c.value_type) + " mask " + std::to_string(c.mask) + " window " +
                       std::to_string(c.window) + " prefix " + std::to_string(c.prefix) + " softcap " +
                       std::to_string(c.softcap) + " alibi " + std::to_string(c.alibi) + " sinks " +
                       std::to_string(c.sinks) + " buckets " + std::to_string(c.bias_buckets) + "," +
                       std::to_string(c.bias_distance) + " temperature " + std::to_string(c.temperature) +
                       "/" + std::to_string(c.temperature_length) + "+" +
                       std::to_string(c.temperature_offset) + " values in keys " +
                       std::to_string(c.values_in_keys) + " chunk memory " + std::to_string(c.chunk_memory) +
                       " distances " + std::to_string(c.relative_distances) + " threads " +
                       std::to_string(c.threads) + " sequences";
    for (Span s : c.sequences)
        text.append(" ").append(std::to_string(s.past)).append("+").append(std::to_string(s.rows));
    for (int length : c.memory) text.append(" memory ").append(std::to_string(length));
    return text;
}

// The bucket of a key `distance` after its query (arXiv 1910.10683 and its published code), in float64: the
// nudge keeps whole numbers whole.
inline int bias_bucket(bool two_sided, int buckets, int furthest, int distance) {
    const int count = two_sided ? buckets / 2 : buckets, exact = count / 2;
    const int first = two_sided && distance > 0 ? count : 0;
    const int apart = two_sided ? std::abs(distance) : std::max(-distance, 0);
    if (apart < exact) return first + apart;
    const double steps = std::log(1.0 * apart / exact) / std::log(1.0 * furthest / exact) * (count - exact);
    return first + std::min(count - 1, exact + static_cast<int>(steps + 1e-7));
}

// Queries of all rows, keys and values of all positions of all sequences; a cache whose pages are shuffled.
class AttentionData {
  public:
    explicit AttentionData(const AttentionCase& c)
        : case_(c),
          pool_(c.threads),
          scratch_(hearth::attention_scratch_bytes(c.parameters(), c.total_rows(), c.threads)) {
        const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
        queries = normal_floats(size(c.total_rows(), c.heads * c.key_width), c.seed, 1.5f);
        sinks = normal_floats(static_cast<size_t>(c.heads), c.seed + 3);
        biases = normal_floats(size(c.bias_buckets, c.heads), c.seed + 4, 2.0f);
        relative = normal_floats(size(c.total_rows(), c.heads * c.relative_distances), c.seed + 5, 2.0f);
        int positions = 0, pages = 0;
        for (size_t s = 0; s < c.sequences.size(); ++s) {
            first_position_.push_back(positions);
            first_page_.push_back(pages);
            positions += c.key_count(s);
            pages += (c.key_count(s) + c.page_tokens - 1) / c.page_tokens;
        }
        keys = normal_floats(size(positions, c.kv_heads * c.key_width), c.seed + 1);
        values =
            normal_floats(c.values_in_keys ? 0 : size(positions, c.kv_heads * c.value_width), c.seed + 2);
        page_table_.resize(static_cast<size_t>(pages));
        std::iota(page_table_.begin(), page_table_.end(), 0);
        std::mt19937 generator(c.seed);
        std::shuffle(page_table_.begin(), page_table_.end(), generator);

        layer_.page_tokens = c.page_tokens;
        layer_.kv_heads = c.kv_heads;
        layer_.key_width = c.key_width;
        layer_.value_width = c.values_in_keys ? 0 : c.value_width;
        layer_.key_type = c.key_type;
        layer_.value_type = c.value_type;
        layer_.key_page_bytes =
            hearth::cache_row_bytes(c.key_type, c.key_width) * size(c.kv_heads, c.page_tokens);
        if (!c.values_in_keys)
            layer_.value_page_bytes =
                hearth::cache_row_bytes(c.value_type, c.value_width) * size(c.kv_heads, c.page_tokens);
        // What nobody has written is NaN in every type: reading it shows.
        key_pages_.assign(layer_.key_page_bytes * page_table_.size(), 0xff);
        value_pages_.assign(layer_.value_page_bytes * page_table_.size(), 0xff);
        layer_.keys = key_pages_.data();
        layer_.values = value_pages_.data();
    }

    // Past positions first, then this step's rows, as an engine would.
    void fill_cache(hearth_isa isa) {
        for (bool past : {true, false}) {
            for (size_t s = 0; s < case_.sequences.size(); ++s) {
                const int key_count = case_.key_count(s);
                const Span span = case_.memory.empty() ? case_.sequences[s] : Span{key_count, 0};
                const hearth::SequenceRows rows{first_position_[s] + (past ? 0 : span.past),
                                                past ? span.past : span.rows, past ? 0 : span.past,
                                                page_table_.data() + first_page_[s]};
                hearth::CacheWriteCall call{keys.data(),
                                            values_or_null(),
                                            case_.kv_heads * case_.key_width,
                                            case_.kv_heads * case_.value_width,
                                            &rows,
                                            1,
                                            &layer_};
                hearth::cache_write(isa, call, pool_);
            }
        }
    }

    std::vector<hearth::SequenceRows> sequence_rows() const {
        std::vector<hearth::SequenceRows> rows;
        int row = 0;
        for (size_t s = 0; s < case_.sequences.size(); ++s) {
            const int32_t* pages = page_table_.data() + first_page_[s];
            const Span span = case_.sequences[s];
            if (case_.memory.empty())
                rows.push_back({row, span.rows, span.past, pages});
            else
                rows.push_back({row, span.rows, span.past, nullptr, pages, case_.memory[s]});
            row += case_.sequences[s].rows;
        }
        return rows;
    }

    hearth::AttentionCall call(std::vector<float>& output,
                               const std::vector<hearth::SequenceRows>& rows) const {
        output.assign(static_cast<size_t>(case_.total_rows() * case_.heads * case_.value_width), -77.0f);
        hearth::AttentionCall call{};
        call.queries = queries.data();
        call.query_stride = case_.heads * case_.key_width;
        call.output = output.data();
        call.output_stride = case_.heads * case_.value_width;
        call.sinks = case_.sinks ? sinks.data() : nullptr;
        call.biases = case_.bias_buckets > 0 ? biases.data() : nullptr;
        call.relative = case_.relative_distances > 0 ? relative.data() : nullptr;
        call.relative_stride = case_.heads * case_.relative_distances;
        call.sequences = rows.data();
        call.sequence_count = static_cast<int32_t>(rows.size());
        call.parameters = case_.parameters();
        return call;
    }

    std::vector<float> from_cache(hearth_isa isa) {
        std::vector<float> output;
        const auto rows = sequence_rows();
        hearth::AttentionCall with_cache = call(output, rows);
        with_cache.layer = &layer_;
        hearth::attention(isa, with_cache, scratch_, pool_);
        return output;
    }

    // What the softmax over the cache gives each key, [R, head_count, key_count].
    std::vector<float> probed(hearth_isa isa, int head_begin, int head_count, int key_count) {
        std::vector<float> output;
        std::vector<float> probabilities(static_cast<size_t>(case_.total_rows() * head_count * key_count),
                                         -77.0f);
        const auto rows = sequence_rows();
        hearth::AttentionCall with_cache = call(output, rows);
        with_cache.layer = &layer_;
        hearth::probe_attention(isa, with_cache, {probabilities.data(), head_begin, head_count, key_count},
                                pool_);
        return probabilities;
    }

    // A value as the cache holds it, wherever that is.
    double value_at(size_t s, int position, int kv_head, int e) const {
        return case_.values_in_keys ? cached_key(s, position, kv_head, e)
                                    : cached_value_of(s, position, kv_head, e);
    }

    // The same attention over float32 rows: each sequence alone, as the stand-alone call does it.
    std::vector<float> from_rows(hearth_isa isa) {
        std::vector<float> output;
        const auto rows = sequence_rows();
        hearth::AttentionCall alone = call(output, rows);
        alone.key_stride = case_.kv_heads * case_.key_width;
        alone.value_stride = case_.kv_heads * case_.value_width;
        alone.sequence_count = 1;
        for (size_t s = 0; s < rows.size(); ++s) {
            alone.sequences = &rows[s];
            alone.keys = keys.data() + first_position_[s] * alone.key_stride;
            if (!case_.values_in_keys) alone.values = values.data() + first_position_[s] * alone.value_stride;
            alone.key_rows = rows[s].past + rows[s].row_count;
            hearth::attention(isa, alone, scratch_, pool_);
        }
        return output;
    }

    // softmax(scale q k^T + bias) v, one score after another; `cached`: over what the cache holds, else over
    // keys and values as they were before they were rounded.
    std::vector<double> reference(bool cached) const {
        std::vector<double> key_numbers(keys.begin(), keys.end()),
            value_numbers(values.begin(), values.end());
        if (cached) read_cache(key_numbers, value_numbers);
        if (case_.values_in_keys) {
            const size_t key_width = static_cast<size_t>(case_.key_width);
            for (size_t first = 0; first < key_numbers.size(); first += key_width)
                value_numbers.insert(value_numbers.end(), key_numbers.data() + first,
                                     key_numbers.data() + first + case_.value_width);
        }
        std::vector<double> output(static_cast<size_t>(case_.total_rows() * case_.heads * case_.value_width),
                                   0.0);
        int row = 0;
        for (size_t s = 0; s < case_.sequences.size(); ++s)
            for (int i = 0; i < case_.sequences[s].rows; ++i, ++row)
                for (int head = 0; head < case_.heads; ++head)
                    reference_line(s, i, row, head, key_numbers, value_numbers, output);
        return output;
    }

    double cached_key(size_t s, int position, int kv_head, int d) const {
        return cached(key_pages_, layer_.key_page_bytes, case_.key_type, case_.key_width, s, position,
                      kv_head, d);
    }
    double cached_value_of(size_t s, int position, int kv_head, int d) const {
        return cached(value_pages_, layer_.value_page_bytes, case_.value_type, case_.value_width, s, position,
                      kv_head, d);
    }

    std::vector<float> queries, keys, values, sinks, biases, relative;

  private:
    const float* values_or_null() const { return case_.values_in_keys ? nullptr : values.data(); }

    double cached(const std::vector<uint8_t>& pages, size_t page_bytes, hearth_type type, int width, size_t s,
                  int position, int kv_head, int d) const {
        const size_t page = static_cast<size_t>(
            page_table_[static_cast<size_t>(first_page_[s] + position / case_.page_tokens)]);
        const size_t row = static_cast<size_t>(kv_head * case_.page_tokens + position % case_.page_tokens);
        return hearth_test::cached_value(
            type, pages.data() + page * page_bytes + row * hearth::cache_row_bytes(type, width), d);
    }

    bool sees(size_t s, int query, int key) const {
        if (key >= case_.key_count(s)) return false;
        if (!case_.memory.empty()) return true;
        const bool in_window = case_.window == 0 || query - key < case_.window;
        switch (case_.mask) {
            case HEARTH_MASK_CAUSAL:
                return in_window && key <= query;
            case HEARTH_MASK_PREFIX:
                return in_window && (key <= query || (query < case_.prefix && key < case_.prefix));
            case HEARTH_MASK_CHUNKED:
                return key <= query && key >= query / case_.window * case_.window - case_.chunk_memory;
            default:
                return case_.window == 0 || std::abs(query - key) <= case_.window / 2;
        }
    }

    double bias(int row, int head, int distance) const {
        if (case_.relative_distances > 0)
            return relative[static_cast<size_t>((row * case_.heads + head) * case_.relative_distances +
                                                std::clamp(-distance, 0, case_.relative_distances - 1))];
        if (case_.bias_buckets == 0) return 0;
        const int bucket = bias_bucket(case_.mask == HEARTH_MASK_BIDIRECTIONAL, case_.bias_buckets,
                                       case_.bias_distance, distance);
        return biases[static_cast<size_t>(bucket * case_.heads + head)];
    }

    double scale(int position) const {
        const double plain = 1 / std::sqrt(static_cast<double>(case_.key_width));
        if (case_.temperature_length == 0) return plain;
        const double rises = std::floor((position + case_.temperature_offset) / case_.temperature_length);
        return plain * (1 + case_.temperature * std::log(1 + rises));
    }

    double slope(int head) const {
        if (case_.alibi == 0) return 0;
        const int whole = 1 << static_cast<int>(std::floor(std::log2(case_.heads)));
        return head < whole ? std::pow(2.0, -case_.alibi / whole * (head + 1))
                            : std::pow(2.0, -case_.alibi / 2 / whole * (2 * (head - whole) + 1));
    }

    void read_cache(std::vector<double>& key_numbers, std::vector<double>& value_numbers) const {
        auto key = key_numbers.begin(), value = value_numbers.begin();
        for (size_t s = 0; s < case_.sequences.size(); ++s)
            for (int p = 0; p < case_.key_count(s); ++p)
                for (int h = 0; h < case_.kv_heads; ++h) {
                    for (int d = 0; d < case_.key_width; ++d) *key++ = cached_key(s, p, h, d);
                    for (int d = 0; d < layer_.value_width; ++d) *value++ = cached_value_of(s, p, h, d);
                }
    }

    void reference_line(size_t s, int i, int row, int head, const std::vector<double>& key_numbers,
                        const std::vector<double>& value_numbers, std::vector<double>& output) const {
        const int kv_head = head / (case_.heads / case_.kv_heads);
        const int query = case_.sequences[s].past + i, count = case_.key_count(s);
        const auto at = [&](int k, int width) {
            return static_cast<size_t>(((first_position_[s] + k) * case_.kv_heads + kv_head) * width);
        };
        std::vector<double> scores;
        std::vector<int> seen;
        for (int k = 0; k < count; ++k) {
            if (!sees(s, query, k)) continue;
            double score = 0;
            for (int d = 0; d < case_.key_width; ++d)
                score += queries[static_cast<size_t>((row * case_.heads + head) * case_.key_width + d)] *
                         key_numbers[at(k, case_.key_width) + static_cast<size_t>(d)];
            score *= scale(query);
            if (case_.softcap != 0) score = case_.softcap * std::tanh(score / case_.softcap);
            scores.push_back(score - slope(head) * std::abs(query - k) + bias(row, head, k - query));
            seen.push_back(k);
        }
        if (seen.empty()) return;
        double largest = *std::max_element(scores.begin(), scores.end()), total = 0;
        if (case_.sinks) largest = std::max<double>(largest, sinks[static_cast<size_t>(head)]);
        for (double& x : scores) total += x = std::exp(x - largest);
        if (case_.sinks) total += std::exp(sinks[static_cast<size_t>(head)] - largest);
        for (size_t k = 0; k < seen.size(); ++k)
            for (int d = 0; d < case_.value_width; ++d)
                output[static_cast<size_t>((row * case_.heads + head) * case_.value_width + d)] +=
                    scores[k] / total *
                    value_numbers[at(seen[k], case_.value_width) + static_cast<size_t>(d)];
    }

    AttentionCase case_;
    hearth::ThreadPool pool_;
    hearth::Buffer scratch_;
    hearth::KvLayer layer_{};
    std::vector<int> first_position_, first_page_;
    std::vector<int32_t> page_table_;
    std::vector<uint8_t> key_pages_, value_pages_;
};

// float32 arithmetic over some hundred terms: outputs are averages of values of about 1, so the error is
// absolute, a few roundings (6e-8) of scores of a few units.
constexpr double kArithmetic = 4e-6;

// Scores that a test makes larger carry larger roundings.
inline void expect_reference(const AttentionCase& c, double tolerance = kArithmetic) {
    for (hearth_isa isa : isas_here()) {
        AttentionData data(c);
        data.fill_cache(isa);
        const std::vector<float> output = data.from_cache(isa);
        EXPECT_LE(largest_error(output.data(), data.reference(true), 1.0), tolerance)
            << hearth::isa_name(isa) << ": " << describe(c);
    }
}

}  // namespace hearth_test
