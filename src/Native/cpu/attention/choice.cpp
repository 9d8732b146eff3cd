// Attention to some keys of a row, as DeepSeek-V3.2 has it (arXiv 2512.02556, section 2.1): which ones, and
// that it sees no others.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/error.h"
#include "cpu/attention.h"
#include "cpu/rows/kernels.h"

namespace hearth {

namespace {

constexpr int64_t kPieceKeys = 256;                // scored by one thread at a time
constexpr int64_t kHeldScores = int64_t{1} << 22;  // of some rows, before the best of them are chosen

// A row of the step and how many keys it sees.
struct SeeingRow {
    int64_t row, keys;
    const SequenceRows* sequence;
};

std::vector<SeeingRow> rows_with_more_than(const SequenceRows* sequences, int32_t count, int64_t chosen) {
    std::vector<SeeingRow> rows;
    for (const SequenceRows* s = sequences; s != sequences + count; ++s)
        for (int64_t i = 0; i < s->row_count; ++i)
            if (s->past + i + 1 > chosen) rows.push_back({s->row_begin + i, s->past + i + 1, s});
    return rows;
}

// Which keys are the best so far: a heap of positions, the worst at its root. A key that is only as good as
// the worst does not enter; of equals the one at the root goes when a better one does. That decides among
// equals as the reference's selection by a heap does, and scores are often equal: relu makes zeros of many.
class Best {
  public:
    // The first `chosen` positions.
    Best(const float* scores, int64_t chosen, std::vector<int32_t>& positions)
        : scores_(scores), positions_(positions), count_(chosen) {
        positions.resize(static_cast<size_t>(chosen));
        for (int64_t i = 0; i < chosen; ++i) at(i) = static_cast<int32_t>(i);
        for (int64_t i = chosen / 2; i-- > 0;) sink(i, at(i));
    }

    void offer(int32_t position) {
        if (is_better(position, at(0))) sink(0, position);
    }

  private:
    int32_t& at(int64_t i) { return positions_[static_cast<size_t>(i)]; }
    bool is_better(int32_t a, int32_t b) const { return scores_[a] > scores_[b]; }

    // Puts a position into the heap below `top`: the hole goes down along the worse children to a leaf, from
    // where the position rises.
    void sink(int64_t top, int32_t position) {
        int64_t hole = top;
        while (2 * hole + 1 < count_) {
            const int64_t left = 2 * hole + 1, right = left + 1;
            const int64_t worse = right < count_ && !is_better(at(right), at(left)) ? right : left;
            at(hole) = at(worse);
            hole = worse;
        }
        for (; hole > top; hole = (hole - 1) / 2) {
            const int32_t parent = at((hole - 1) / 2);
            if (!is_better(parent, position)) break;
            at(hole) = parent;
        }
        at(hole) = position;
    }

    const float* scores_;
    std::vector<int32_t>& positions_;
    int64_t count_;
};

// The positions of the best scores, in rising order.
void best_of(const float* scores, int64_t count, int64_t chosen, std::vector<int32_t>& positions,
             float* output) {
    Best best(scores, chosen, positions);
    for (int64_t i = chosen; i < count; ++i) best.offer(static_cast<int32_t>(i));
    std::sort(positions.begin(), positions.end());
    std::copy(positions.begin(), positions.end(), output);
}

}  // namespace

void choose_keys(hearth_isa isa, const KeyChoiceCall& call, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const KvLayer& layer = *call.layer;
    const size_t row_bytes = cache_row_bytes(layer.key_type, call.key_width);
    for (const SequenceRows* s = call.sequences; s != call.sequences + call.sequence_count; ++s)
        for (int64_t i = 0; i < s->row_count; ++i) {
            float* output = call.output + (s->row_begin + i) * call.chosen;
            const int64_t all = std::min(s->past + i + 1, call.chosen);
            for (int64_t k = 0; k < call.chosen; ++k) output[k] = k < all ? static_cast<float>(k) : -1.0f;
        }
    const std::vector<SeeingRow> rows = rows_with_more_than(call.sequences, call.sequence_count, call.chosen);
    std::vector<float> scores;
    std::vector<std::vector<int32_t>> orders(static_cast<size_t>(pool.threads()));
    for (size_t first = 0; first < rows.size();) {
        // So many rows at a time as their scores fit; scores of all lie as far apart as the most keys.
        int64_t most = 0;
        size_t last = first;
        for (; last < rows.size(); ++last) {
            const int64_t wider = std::max(most, rows[last].keys);
            if (last > first && wider * static_cast<int64_t>(last + 1 - first) > kHeldScores) break;
            most = wider;
        }
        const int64_t count = static_cast<int64_t>(last - first),
                      pieces = (most + kPieceKeys - 1) / kPieceKeys;
        scores.resize(static_cast<size_t>(most * count));
        pool.parallel_for(count * pieces, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) {
                const SeeingRow& at = rows[first + static_cast<size_t>(i / pieces)];
                const int64_t key = i % pieces * kPieceKeys;
                if (key >= at.keys) continue;
                const KvRows keys{layer.keys,        at.sequence->pages, layer.key_page_bytes, row_bytes,
                                  layer.page_tokens, call.key_width,     layer.key_type};
                float* out = scores.data() + i / pieces * most + key;
                const int64_t stop = std::min(at.keys, key + kPieceKeys);
                kernels.key_scores({keys, call.queries + at.row * call.heads * call.key_width,
                                    call.weights + at.row * call.heads, call.heads, key, stop, out});
                for (int64_t k = 0; k < stop - key; ++k)
                    if (!(out[k] == out[k])) out[k] = -std::numeric_limits<float>::infinity();
            }
        });
        pool.parallel_for(count, 1, [&](int64_t begin, int64_t end, int thread) {
            for (int64_t i = begin; i < end; ++i) {
                const SeeingRow& at = rows[first + static_cast<size_t>(i)];
                best_of(scores.data() + i * most, at.keys, call.chosen, orders[static_cast<size_t>(thread)],
                        call.output + at.row * call.chosen);
            }
        });
        first = last;
    }
}

// A row is a sequence of its own, whose pages hold one position each: those that were chosen.
void attend_to_choice(hearth_isa isa, const AttentionCall& call, const float* choice, int64_t chosen,
                      Buffer& scratch, ThreadPool& pool) {
    if (rows_with_more_than(call.sequences, call.sequence_count, chosen).empty())
        return attention(isa, call, scratch, pool);
    std::vector<int32_t> places;
    std::vector<SequenceRows> rows;
    const KvLayer& layer = *call.layer;
    for (const SequenceRows* s = call.sequences; s != call.sequences + call.sequence_count; ++s)
        for (int32_t i = 0; i < s->row_count; ++i) {
            const float* positions = choice + int64_t{s->row_begin + i} * chosen;
            int32_t count = 0;
            for (; count < chosen && positions[count] >= 0; ++count) {
                const auto position = static_cast<int32_t>(positions[count]);
                const int64_t place = int64_t{s->pages[position / layer.page_tokens]} * layer.page_tokens +
                                      position % layer.page_tokens;
                if (place > std::numeric_limits<int32_t>::max())
                    fail(HEARTH_UNSUPPORTED,
                         "keys are chosen from the first 2^31 positions of a cache alone");
                places.push_back(static_cast<int32_t>(place));
            }
            rows.push_back({s->row_begin + i, 1, count - 1, nullptr});
        }
    const int32_t* next = places.data();
    for (SequenceRows& row : rows) {
        row.pages = next;
        next += row.past + 1;
    }
    KvLayer single = layer;
    single.page_tokens = 1;
    single.key_page_bytes = cache_row_bytes(layer.key_type, layer.key_width);
    if (layer.value_width > 0) single.value_page_bytes = cache_row_bytes(layer.value_type, layer.value_width);
    AttentionCall inner = call;
    inner.sequences = rows.data();
    inner.sequence_count = static_cast<int32_t>(rows.size());
    inner.layer = &single;
    attention(isa, inner, scratch, pool);
}

}  // namespace hearth
