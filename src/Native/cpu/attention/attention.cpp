// Attention's division of work. A sequence's lines (row, head of the group) of one KV head are cut into
// tiles; a sequence of few tiles (decode, short prompts) is also cut along its keys into chunks, whose
// results merge in order. Chunks begin at the same keys for every row, and spans of kTileKeys within them, so
// that a row's result is the same with any rows of its sequence in the step, beside any other sequences and
// with any thread count; only whether the chunks of a tile run side by side depends on how many tiles there
// are.
#include "cpu/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "cpu/rows/kernels.h"

namespace hearth {

namespace {

// A chunk begins at each multiple of it: merging costs little beside so many keys.
constexpr int64_t kChunkKeys = 512;
static_assert(kChunkKeys % kTileKeys == 0);
constexpr int64_t kMaxChunks = 16;  // of every tile, that memory is held for: longer ones may run in order
constexpr int kTilesPerThread = 4;  // with more tiles, threads stay busy without splitting them
constexpr int32_t kProbeKeys = 64;
// Multiply-adds below which waking threads costs more than it saves.
constexpr int64_t kSerialWork = 100'000;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

size_t padded(int64_t count) {
    return static_cast<size_t>((count + 15) / 16 * 16);
}

// Lanes and floats of the state of a tile of so many lines.
int64_t state_lanes(int64_t lines) {
    return std::max<int64_t>(32, static_cast<int64_t>(padded(lines)));
}
size_t state_floats(int64_t lines, int32_t value_width) {
    return 2 * static_cast<size_t>(state_lanes(lines)) + padded(lines) * padded(value_width);
}

// Floats of the parts of scratch memory; all are multiples of a cache line.
struct Sizes {
    size_t queries, scores, rows, factors, state;

    explicit Sizes(const hearth_attention_parameters& p)
        : queries(kMaxLines * padded(p.key_width)),
          scores(size_t{kTileKeys} * kStripLines),
          rows(size_t{kTileKeys} * (padded(p.key_width) + padded(p.value_width) + 32)),
          factors(kMaxLines),
          state(state_floats(kMaxLines, p.value_width)) {}

    size_t thread() const { return queries + scores + rows + factors + 2 * state; }
};

// Tiles whose chunks may run side by side.
int64_t max_split_tiles(int threads) {
    return threads > 1 ? int64_t{kTilesPerThread} * threads : 0;
}

// Floats of the states of all chunks that may run side by side.
size_t max_partial_floats(const hearth_attention_parameters& p, int64_t max_rows, int threads) {
    if (threads <= 1) return 0;
    // A tile's lanes are at most 47 more than its lines, and a row's lines lie in at most one tile more than
    // they fill.
    const int64_t group = p.heads / std::max(1, p.kv_heads), tiles = group / kStripLines + 1;
    const size_t of_rows =
        static_cast<size_t>(max_rows * p.kv_heads * (group + 47 * tiles)) * (2 + padded(p.value_width));
    const size_t of_threads =
        static_cast<size_t>(max_split_tiles(threads)) * state_floats(kMaxLines, p.value_width);
    return static_cast<size_t>(kMaxChunks) * std::min(of_rows, of_threads);
}

// Keys that some line of a tile sees: indices begin .. end - 1.
struct Interval {
    int64_t begin, end;

    int64_t first_chunk() const { return begin / kChunkKeys; }
    int64_t chunks() const { return begin < end ? (end - 1) / kChunkKeys - first_chunk() + 1 : 0; }
    // Those of its n-th chunk, from the begin of a span on.
    Interval chunk(int64_t n) const {
        const int64_t at = (first_chunk() + n) * kChunkKeys;
        const int64_t first = std::max(at, begin / kTileKeys * kTileKeys);
        const int64_t last = std::min(at + kChunkKeys, end);
        return {std::min(first, last), last};
    }
};

class Attention {
  public:
    Attention(hearth_isa isa, const AttentionCall& call, Buffer& scratch, ThreadPool& pool);
    void run();

  private:
    // How a sequence is cut, and where its parts are counted from.
    struct Cut {
        int64_t first_item, first_tile, first_partial;  // partial: in floats
        int64_t tile_lines, chunks;                     // chunks of each tile; some may be empty
    };
    struct Item {
        int32_t sequence, kv_head;
        int64_t tile, chunk;  // chunk: 0 unless chunks run side by side
    };

    int64_t group() const { return call_.parameters.heads / call_.parameters.kv_heads; }
    int64_t lines(const SequenceRows& s) const { return int64_t{s.row_count} * group(); }
    int64_t tile_lines(const SequenceRows& s) const;
    int64_t tiles(const SequenceRows& s) const { return (lines(s) + tile_lines(s) - 1) / tile_lines(s); }
    int64_t key_count(const SequenceRows& s) const;
    // The key index of the position at which the sequence's first row stands.
    int64_t first_index(const SequenceRows& s) const { return own_rows() ? 0 : s.past; }
    bool own_rows() const { return !call_.layer && call_.key_rows == 0; }
    bool is_memory() const { return call_.parameters.source == HEARTH_SOURCE_MEMORY; }
    Interval visible(const SequenceRows& s, int64_t row) const;
    Interval visible_to_tile(const SequenceRows& s, int64_t tile) const;
    Cut cut_of(const SequenceRows& s) const;
    KvRows keys_of(const SequenceRows& s, int32_t kv_head, bool is_value) const;
    AttentionTile tile_of(const SequenceRows& s, int32_t kv_head, int64_t tile) const;

    void plan();
    int64_t place(bool split);
    Item item(int64_t index) const;
    void work(int64_t index, int thread);
    void whole_tile(const AttentionTile& tile, Interval keys, int thread);
    void one_chunk(const AttentionTile& tile, Interval keys, const Item& item, int thread);
    AttentionWork work_space(int thread) const;
    AttentionState thread_state(int thread, int which) const;
    AttentionState state_at(float* memory, int64_t lines) const;

    float scale_of(int64_t position) const;

    const AttentionCall& call_;
    const RowKernels& kernels_;
    ThreadPool& pool_;
    const Sizes sizes_;
    bool split_ = false;        // chunks run side by side
    Cut* cuts_;                 // [sequences + 1]
    float* slopes_;             // [heads]
    int32_t* bias_offset_;      // [2 * bias_distance + 1], from its middle on; null: no buckets
    int32_t* finished_chunks_;  // [split tiles], KV heads of a tile side by side
    float* thread_memory_;      // [threads, sizes_.thread()]
    float* partial_memory_;     // the states of chunks, in the order of items
    size_t partial_floats_;     // that partial_memory_ holds

  public:
    struct Layout;
};

// Whether scores get a bias by the distance between key and query, and the distance from which on all share
// one.
bool has_biases(const hearth_attention_parameters& p) {
    return p.bias_buckets > 0 || p.relative_distances > 0;
}
int64_t bias_reach(const hearth_attention_parameters& p) {
    return p.bias_buckets > 0 ? p.bias_distance : int64_t{p.relative_distances} - 1;
}

struct Attention::Layout {
    size_t cuts, slopes, buckets, finished, threads, partials, partial_floats, total;  // byte offsets

    Layout(const hearth_attention_parameters& p, int64_t max_rows, int thread_count) {
        const Sizes sizes(p);
        cuts = 0;
        slopes = cuts + padded(max_rows + 1) * sizeof(Cut);
        buckets = slopes + padded(p.heads) * sizeof(float);
        const int64_t distances = has_biases(p) ? 2 * bias_reach(p) + 1 : 0;
        finished = buckets + padded(distances) * sizeof(int32_t);
        threads = finished + padded(max_split_tiles(thread_count)) * sizeof(int32_t);
        partials = threads + static_cast<size_t>(thread_count) * sizes.thread() * sizeof(float);
        partial_floats = max_partial_floats(p, max_rows, thread_count);
        total = partials + partial_floats * sizeof(float);
    }
};

int64_t row_bound(const AttentionCall& call) {
    int64_t rows = 0;
    for (int32_t s = 0; s < call.sequence_count; ++s) rows += call.sequences[s].row_count;
    return std::max<int64_t>(rows, call.sequence_count);
}

// ALiBi (arXiv 2108.12409): slopes are powers of one base for the first power-of-two heads and of its root
// between them for the others.
float alibi_slope(float largest_bias, int32_t heads, int32_t head) {
    if (largest_bias <= 0.0f) return 0.0f;
    int32_t whole = 1;
    while (whole <= heads / 2) whole *= 2;
    if (head < whole)
        return std::pow(std::exp2(-largest_bias / static_cast<float>(whole)), static_cast<float>(head + 1));
    return std::pow(std::exp2(-largest_bias / 2.0f / static_cast<float>(whole)),
                    static_cast<float>(2 * (head - whole) + 1));
}

// T5's bucket (arXiv 1910.10683, section 2.1, and its published code) of a key that lies `distance` after the
// query. The logarithm is rounded where that code rounds it.
int32_t bias_bucket(const hearth_attention_parameters& p, int32_t distance) {
    const bool two_sided = p.mask == HEARTH_MASK_BIDIRECTIONAL;
    const int32_t count = two_sided ? p.bias_buckets / 2 : p.bias_buckets, exact = count / 2;
    const int32_t first = two_sided && distance > 0 ? count : 0;
    const int32_t apart = two_sided ? std::abs(distance) : std::max(-distance, 0);
    if (apart < exact) return first + apart;
    const double whole = exact;
    const float steps = std::log(static_cast<float>(apart / whole)) * static_cast<float>(count - exact);
    const double bucket = whole + static_cast<double>(steps) / std::log(p.bias_distance / whole);
    return first + std::min(count - 1, static_cast<int32_t>(static_cast<float>(bucket)));
}

Attention::Attention(hearth_isa isa, const AttentionCall& call, Buffer& scratch, ThreadPool& pool)
    : call_(call), kernels_(row_kernels(isa)), pool_(pool), sizes_(call.parameters) {
    const Layout layout(call.parameters, row_bound(call), pool.threads());
    if (scratch.size() < layout.total)
        fail(HEARTH_INTERNAL, "[attention] expected %zu bytes of scratch, got %zu", layout.total,
             scratch.size());
    // Whole blocks of the keys make up the values too.
    if (call.layer && call.parameters.values_in_keys)
        cache_row_bytes(call.layer->key_type, call.parameters.value_width);
    cuts_ = scratch.as<Cut>(layout.cuts);
    slopes_ = scratch.as<float>(layout.slopes);
    finished_chunks_ = scratch.as<int32_t>(layout.finished);
    bias_offset_ = nullptr;
    if (const hearth_attention_parameters& p = call.parameters; has_biases(p)) {
        const auto reach = static_cast<int32_t>(bias_reach(p));
        bias_offset_ = scratch.as<int32_t>(layout.buckets) + reach;
        for (int32_t d = -reach; d <= reach; ++d)
            bias_offset_[d] = p.bias_buckets > 0 ? bias_bucket(p, d) * p.heads : std::max(0, -d);
    }
    thread_memory_ = scratch.as<float>(layout.threads);
    partial_memory_ = scratch.as<float>(layout.partials);
    partial_floats_ = layout.partial_floats;
    for (int32_t head = 0; head < call.parameters.heads; ++head)
        slopes_[head] = alibi_slope(call.parameters.alibi_bias, call.parameters.heads, head);
}

int64_t Attention::key_count(const SequenceRows& s) const {
    if (is_memory()) return s.memory_length;
    if (call_.layer) return int64_t{s.past} + s.row_count;
    return own_rows() ? s.row_count : call_.key_rows;
}

Interval Attention::visible(const SequenceRows& s, int64_t row) const {
    const hearth_attention_parameters& p = call_.parameters;
    const int64_t count = key_count(s), index = first_index(s) + row;
    if (is_memory()) return {0, count};
    // Positions are key indices plus this.
    const int64_t shift = int64_t{s.past} - first_index(s);
    Interval keys{0, count};
    switch (p.mask) {
        case HEARTH_MASK_BIDIRECTIONAL:
            if (p.window > 0) keys = {index - p.window / 2, index + p.window / 2 + 1};
            break;
        case HEARTH_MASK_CHUNKED:
            keys = {(index + shift) / p.window * p.window - p.chunk_memory - shift, index + 1};
            break;
        default:
            if (p.window > 0) keys.begin = index - p.window + 1;
            keys.end = index + 1;
            if (p.mask == HEARTH_MASK_PREFIX) keys.end = std::max(keys.end, p.prefix_length - shift);
            break;
    }
    keys.begin = std::max<int64_t>(0, keys.begin);
    keys.end = std::clamp<int64_t>(keys.end, 0, count);
    keys.begin = std::min(keys.begin, keys.end);
    return keys;
}

Interval Attention::visible_to_tile(const SequenceRows& s, int64_t tile) const {
    const int64_t first_row = tile * tile_lines(s) / group();
    const int64_t last_row = (std::min(lines(s), (tile + 1) * tile_lines(s)) - 1) / group();
    Interval all{std::numeric_limits<int64_t>::max(), 0};
    for (int64_t row = first_row; row <= last_row; ++row) {
        const Interval keys = visible(s, row);
        if (keys.begin == keys.end) continue;
        all.begin = std::min(all.begin, keys.begin);
        all.end = std::max(all.end, keys.end);
    }
    all.begin = std::min(all.begin, all.end);
    return all;
}

// Long prompts get large tiles, which share the conversion of keys and values; of short ones every thread
// gets some. The tile's queries and sums stay in the processor's second cache.
int64_t Attention::tile_lines(const SequenceRows& s) const {
    const hearth_attention_parameters& p = call_.parameters;
    if (lines(s) < 8 * kStripLines) return kStripLines;
    const bool is_long = lines(s) >= 8 * kMaxLines && p.key_width + p.value_width <= 512;
    return is_long ? kMaxLines : kMaxLines / 2;
}

Attention::Cut Attention::cut_of(const SequenceRows& s) const {
    Cut cut{};
    cut.tile_lines = tile_lines(s);
    cut.chunks = 1;
    for (int64_t t = 0, count = tiles(s); t < count; ++t)
        cut.chunks = std::max(cut.chunks, visible_to_tile(s, t).chunks());
    return cut;
}

KvRows Attention::keys_of(const SequenceRows& s, int32_t kv_head, bool is_value) const {
    const hearth_attention_parameters& p = call_.parameters;
    const int32_t width = is_value ? p.value_width : p.key_width;
    if (is_value && call_.common_values)
        return {reinterpret_cast<const uint8_t*>(call_.common_values),
                nullptr,
                0,
                static_cast<size_t>(width) * sizeof(float),
                0,
                width,
                HEARTH_TYPE_F32};
    if (is_value && p.values_in_keys) {
        KvRows rows = keys_of(s, kv_head, false);
        rows.width = width;
        return rows;
    }
    if (!call_.layer) {
        const int64_t stride = is_value ? call_.value_stride : call_.key_stride;
        const float* rows = (is_value ? call_.values : call_.keys) + int64_t{kv_head} * width;
        if (own_rows()) rows += s.row_begin * stride;
        return {reinterpret_cast<const uint8_t*>(rows),
                nullptr,
                0,
                static_cast<size_t>(stride) * sizeof(float),
                0,
                width,
                HEARTH_TYPE_F32};
    }
    const KvLayer& layer = *call_.layer;
    const hearth_type type = is_value ? layer.value_type : layer.key_type;
    const size_t row_bytes = cache_row_bytes(type, width);
    const uint8_t* base = is_value ? layer.values : layer.keys;
    return {base + static_cast<size_t>(kv_head) * static_cast<size_t>(layer.page_tokens) * row_bytes,
            is_memory() ? s.memory_pages : s.pages,
            is_value ? layer.value_page_bytes : layer.key_page_bytes,
            row_bytes,
            layer.page_tokens,
            width,
            type};
}

// What the query at a position is scaled by: where the temperature rises, once every temperature_length
// positions (Llama 4).
float Attention::scale_of(int64_t position) const {
    const hearth_attention_parameters& p = call_.parameters;
    if (p.temperature_length == 0) return p.scale;
    const double rises =
        std::floor((static_cast<double>(position) + p.temperature_offset) / p.temperature_length);
    return static_cast<float>(p.scale * (1.0 + p.temperature * std::log(1.0 + rises)));
}

AttentionTile Attention::tile_of(const SequenceRows& s, int32_t kv_head, int64_t tile) const {
    const hearth_attention_parameters& p = call_.parameters;
    AttentionTile t;
    t.keys = keys_of(s, kv_head, false);
    t.values = keys_of(s, kv_head, true);
    const int64_t first_line = tile * tile_lines(s);
    t.line_count = static_cast<int32_t>(std::min<int64_t>(tile_lines(s), lines(s) - first_line));
    t.softcap = p.softcap;
    t.biased = p.alibi_bias > 0.0f;
    t.values_in_keys = p.values_in_keys != 0;
    t.bias_offset = bias_offset_;
    t.bias_distance = has_biases(p) ? static_cast<int32_t>(bias_reach(p)) : 0;
    t.all_visible_begin = 0;
    t.all_visible_end = key_count(s);
    for (int32_t l = 0; l < t.line_count; ++l) {
        const int64_t row = (first_line + l) / group();
        const int64_t head = kv_head * group() + (first_line + l) % group();
        t.query[l] = call_.queries + (s.row_begin + row) * call_.query_stride + head * p.key_width;
        t.output[l] = call_.output + (s.row_begin + row) * call_.output_stride + head * p.value_width;
        const Interval keys = visible(s, row);
        t.visible_begin[l] = keys.begin;
        t.visible_end[l] = keys.end;
        t.all_visible_begin = std::max(t.all_visible_begin, keys.begin);
        t.all_visible_end = std::min(t.all_visible_end, keys.end);
        t.position[l] = first_index(s) + row;
        t.slope[l] = slopes_[head];
        t.scale[l] = scale_of(int64_t{s.past} + row);
        if (call_.relative)
            t.bias[l] =
                call_.relative + (s.row_begin + row) * call_.relative_stride + head * p.relative_distances;
        else if (bias_offset_)
            t.bias[l] = call_.biases + head;
        t.sink[l] = call_.sinks ? call_.sinks[head] : -kInfinity;
    }
    return t;
}

void Attention::plan() {
    int64_t tile_count = 0;
    for (int32_t s = 0; s < call_.sequence_count; ++s) {
        cuts_[s] = cut_of(call_.sequences[s]);
        tile_count += tiles(call_.sequences[s]) * call_.parameters.kv_heads;
    }
    split_ = tile_count <= max_split_tiles(pool_.threads()) &&
             place(true) <= static_cast<int64_t>(partial_floats_);
    if (split_)
        std::fill_n(finished_chunks_, tile_count, 0);
    else
        place(false);
}

// Numbers items, tiles and states; returns the floats of the states.
int64_t Attention::place(bool split) {
    const int32_t kv_heads = call_.parameters.kv_heads;
    int64_t items = 0, tile_count = 0, partials = 0;
    for (int32_t s = 0; s <= call_.sequence_count; ++s) {
        cuts_[s].first_item = items;
        cuts_[s].first_tile = tile_count;
        cuts_[s].first_partial = partials;
        if (s == call_.sequence_count) break;
        const int64_t units = tiles(call_.sequences[s]) * kv_heads;
        const int64_t count = units * (split ? cuts_[s].chunks : 1);
        items += count;
        tile_count += units;
        const int64_t tile_lines = std::min(cuts_[s].tile_lines, lines(call_.sequences[s]));
        partials += count * static_cast<int64_t>(state_floats(tile_lines, call_.parameters.value_width));
    }
    return partials;
}

Attention::Item Attention::item(int64_t index) const {
    const auto starts_after = [](int64_t i, const Cut& c) { return i < c.first_item; };
    const Cut* cut = std::upper_bound(cuts_, cuts_ + call_.sequence_count, index, starts_after) - 1;
    const int32_t kv_heads = call_.parameters.kv_heads;
    const int64_t local = index - cut->first_item, unit = local / kv_heads;
    const int64_t chunks = split_ ? cut->chunks : 1, s = cut - cuts_;
    // Later tiles of a causal sequence see more keys: they go first, so that no thread starts one when others
    // end.
    return {static_cast<int32_t>(s), static_cast<int32_t>(local % kv_heads),
            tiles(call_.sequences[s]) - 1 - unit / chunks, unit % chunks};
}

AttentionState Attention::state_at(float* memory, int64_t lines) const {
    const int64_t lanes = state_lanes(lines);
    return {memory, memory + lanes, memory + 2 * lanes};
}

AttentionWork Attention::work_space(int thread) const {
    float* memory = thread_memory_ + static_cast<size_t>(thread) * sizes_.thread();
    AttentionWork space;
    space.queries = memory;
    space.scores = space.queries + sizes_.queries;
    space.rows = space.scores + sizes_.scores;
    space.factors = space.rows + sizes_.rows;
    return space;
}

AttentionState Attention::thread_state(int thread, int which) const {
    return state_at(work_space(thread).factors + sizes_.factors + static_cast<size_t>(which) * sizes_.state,
                    kMaxLines);
}

void Attention::whole_tile(const AttentionTile& tile, Interval keys, int thread) {
    const AttentionWork space = work_space(thread);
    const AttentionState total = thread_state(thread, 0), part = thread_state(thread, 1);
    kernels_.attention_prepare(tile, space);
    kernels_.attention_start(tile, total);
    for (int64_t c = 0; c < keys.chunks(); ++c) {
        const Interval chunk = keys.chunk(c);
        if (c == 0) {
            kernels_.attention_extend(tile, space, total, chunk.begin, chunk.end);
        } else {
            kernels_.attention_start(tile, part);
            kernels_.attention_extend(tile, space, part, chunk.begin, chunk.end);
            kernels_.attention_merge(tile, total, part);
        }
    }
    kernels_.attention_finish(tile, total);
}

// Whoever finishes a tile's last chunk merges them all, in order.
void Attention::one_chunk(const AttentionTile& tile, Interval keys, const Item& item, int thread) {
    const Cut& cut = cuts_[item.sequence];
    const int32_t kv_heads = call_.parameters.kv_heads;
    const int64_t line_count = std::min(cut.tile_lines, lines(call_.sequences[item.sequence]));
    const int64_t tile_number = item.tile * kv_heads + item.kv_head;
    const auto partial = [&](int64_t chunk) {
        const size_t number = static_cast<size_t>(tile_number * cut.chunks + chunk);
        return state_at(partial_memory_ + cut.first_partial +
                            number * state_floats(line_count, call_.parameters.value_width),
                        line_count);
    };
    const AttentionWork space = work_space(thread);
    const Interval chunk = item.chunk < keys.chunks() ? keys.chunk(item.chunk) : Interval{0, 0};
    kernels_.attention_prepare(tile, space);
    kernels_.attention_start(tile, partial(item.chunk));
    kernels_.attention_extend(tile, space, partial(item.chunk), chunk.begin, chunk.end);

    std::atomic_ref<int32_t> finished(finished_chunks_[cut.first_tile + tile_number]);
    if (finished.fetch_add(1, std::memory_order_acq_rel) != cut.chunks - 1) return;
    for (int64_t c = 1; c < keys.chunks(); ++c) kernels_.attention_merge(tile, partial(0), partial(c));
    kernels_.attention_finish(tile, partial(0));
}

void Attention::work(int64_t index, int thread) {
    const Item at = item(index);
    const SequenceRows& sequence = call_.sequences[at.sequence];
    const AttentionTile tile = tile_of(sequence, at.kv_head, at.tile);
    const Interval keys = visible_to_tile(sequence, at.tile);
    if (split_)
        one_chunk(tile, keys, at, thread);
    else
        whole_tile(tile, keys, thread);
}

void Attention::run() {
    plan();
    const hearth_attention_parameters& p = call_.parameters;
    int64_t products = 0;
    for (int32_t s = 0; s < call_.sequence_count; ++s)
        products += int64_t{call_.sequences[s].row_count} * key_count(call_.sequences[s]);
    const bool is_small = products < kSerialWork / (int64_t{p.heads} * (p.key_width + p.value_width)) + 1;
    const int64_t items = cuts_[call_.sequence_count].first_item;
    pool_.parallel_for(items, is_small ? items : 1, [this](int64_t begin, int64_t end, int thread) {
        for (int64_t i = begin; i < end; ++i) work(i, thread);
    });
}

}  // namespace

size_t attention_scratch_bytes(const hearth_attention_parameters& parameters, int64_t max_rows, int threads) {
    return Attention::Layout(parameters, std::max<int64_t>(1, max_rows), std::max(1, threads)).total;
}

void attention(hearth_isa isa, const AttentionCall& call, Buffer& scratch, ThreadPool& pool) {
    if (call.sequence_count <= 0) return;
    Attention(isa, call, scratch, pool).run();
}

// With row j of the identity for key j's value, softmax(q k^T) v is the softmax itself; a block of columns at
// a time, so that memory stays in proportion to the keys.
void probe_attention(hearth_isa isa, const AttentionCall& call, const AttentionProbe& probe,
                     ThreadPool& pool) {
    const int64_t rows = row_bound(call);
    AttentionCall blockwise = call;
    hearth_attention_parameters& p = blockwise.parameters;
    p.value_width = std::min(probe.key_count, kProbeKeys);
    p.values_in_keys = 0;
    std::vector<float> units(static_cast<size_t>(probe.key_count) * static_cast<size_t>(p.value_width));
    std::vector<float> output(static_cast<size_t>(rows * p.heads) * static_cast<size_t>(p.value_width));
    Buffer scratch(attention_scratch_bytes(p, rows, pool.threads()));
    blockwise.common_values = units.data();
    blockwise.output = output.data();
    blockwise.output_stride = int64_t{p.heads} * p.value_width;

    const auto unit = [&](int64_t key, int64_t column) -> float& {
        return units[static_cast<size_t>(key * p.value_width + column)];
    };
    for (int64_t begin = 0; begin < probe.key_count; begin += p.value_width) {
        const int64_t count = std::min<int64_t>(p.value_width, probe.key_count - begin);
        for (int64_t i = 0; i < count; ++i) unit(begin + i, i) = 1.0f;
        attention(isa, blockwise, scratch, pool);
        for (int64_t i = 0; i < count; ++i) unit(begin + i, i) = 0.0f;
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t head = 0; head < probe.head_count; ++head)
                std::copy_n(output.data() + (row * p.heads + probe.head_begin + head) * p.value_width, count,
                            probe.probabilities + (row * probe.head_count + head) * probe.key_count + begin);
    }
}

}  // namespace hearth
