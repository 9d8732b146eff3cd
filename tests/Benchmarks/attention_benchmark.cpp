// Attention of one layer. Decode reads keys and values once, so its limit is the rate at which the machine
// reads memory (GB/s) or, with many heads over one KV head, multiplies (GFLOP/s, two operations each, masked
// ones not counted); prefill is bound by multiplications alone.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/types.h"
#include "cpu/attention.h"
#include "cpu/isa.h"
#include "limits.h"
#include "measure.h"

namespace {

using hearth_benchmarks::fast_tenth;
using hearth_benchmarks::now;

constexpr int kPageTokens = 32;  // as the runtime's caches have them

struct Shape {
    int64_t heads, kv_heads, key_width, value_width;
    bool values_in_keys = false;
};
constexpr Shape kShapes[] = {{32, 8, 64, 64},            // Llama 1B
                             {32, 8, 128, 128},          // Llama 8B
                             {16, 16, 64, 64},           // a head each
                             {16, 8, 64, 64},            // groups of 2
                             {24, 8, 128, 128},          // groups of 3
                             {14, 2, 64, 64},            // groups of 7
                             {64, 8, 128, 128},          // groups of 8
                             {32, 8, 80, 80},            // a width that no large vector divides
                             {32, 8, 96, 96},            //
                             {8, 4, 256, 256},           // Gemma
                             {32, 1, 64, 64},            // one KV head
                             {16, 1, 576, 512, true},    // latent: as in DeepSeek-V2-Lite
                             {128, 1, 576, 512, true}};  // as in DeepSeek-V3

enum Place { kInCache, kInMemory };
constexpr double kBeyondCaches = 134e6;  // bytes of layers that take turns

// A cache layer of `sequences` sequences of `keys` positions, and queries for the last `rows` of each.
struct Layer {
    Layer(const Shape& shape, hearth_type type, int keys, int rows, int sequences, hearth::ThreadPool& pool)
        : pages(static_cast<size_t>((keys + kPageTokens - 1) / kPageTokens * sequences)),
          queries(static_cast<size_t>(rows * sequences * shape.heads * shape.key_width), 0.1f),
          output(static_cast<size_t>(rows * sequences * shape.heads * shape.value_width)) {
        const auto page_bytes = [&](int64_t width) {
            return hearth::cache_row_bytes(type, static_cast<int32_t>(width)) *
                   static_cast<size_t>(shape.kv_heads * kPageTokens);
        };
        const int64_t value_width = shape.values_in_keys ? 0 : shape.value_width;
        layer.key_page_bytes = page_bytes(shape.key_width);
        layer.value_page_bytes = value_width > 0 ? page_bytes(value_width) : 0;
        key_memory = hearth::Buffer(layer.key_page_bytes * pages.size());
        value_memory = hearth::Buffer(layer.value_page_bytes * pages.size());
        layer.keys = key_memory.data();
        layer.values = value_memory.data();
        layer.key_type = layer.value_type = type;
        layer.page_tokens = kPageTokens;
        layer.kv_heads = static_cast<int32_t>(shape.kv_heads);
        layer.key_width = static_cast<int32_t>(shape.key_width);
        layer.value_width = static_cast<int32_t>(value_width);
        std::iota(pages.begin(), pages.end(), 0);
        std::shuffle(pages.begin(), pages.end(), std::mt19937(1));

        std::mt19937 generator(2);
        std::uniform_real_distribution<float> distribution(-1.0f, 1.0f);
        std::vector<float> row(static_cast<size_t>(keys * shape.kv_heads * shape.key_width));
        for (float& x : row) x = distribution(generator);
        for (float& x : queries) x = distribution(generator);
        for (int s = 0; s < sequences; ++s) {
            const int32_t* table =
                pages.data() + pages.size() / static_cast<size_t>(sequences) * static_cast<size_t>(s);
            const hearth::SequenceRows all{0, keys, 0, table};
            hearth::cache_write(hearth::best_isa(),
                                {row.data(), row.data(), shape.kv_heads * shape.key_width,
                                 shape.kv_heads * shape.key_width, &all, 1, &layer},
                                pool);
            this->sequences.push_back({s * rows, rows, keys - rows, table});
        }
        call = {};
        call.queries = queries.data();
        call.output = output.data();
        call.query_stride = shape.heads * shape.key_width;
        call.output_stride = shape.heads * shape.value_width;
        call.sequences = this->sequences.data();
        call.sequence_count = sequences;
        call.layer = &layer;
        call.parameters.heads = static_cast<int32_t>(shape.heads);
        call.parameters.kv_heads = static_cast<int32_t>(shape.kv_heads);
        call.parameters.key_width = static_cast<int32_t>(shape.key_width);
        call.parameters.value_width = static_cast<int32_t>(shape.value_width);
        call.parameters.values_in_keys = shape.values_in_keys;
        call.parameters.scale = 0.125f;
        scratch = hearth::Buffer(
            hearth::attention_scratch_bytes(call.parameters, rows * sequences, pool.threads()));
    }

    double bytes() const { return static_cast<double>(key_memory.size() + value_memory.size()); }

    std::vector<int32_t> pages;
    std::vector<float> queries, output;
    hearth::Buffer key_memory, value_memory, scratch;
    hearth::KvLayer layer{};
    std::vector<hearth::SequenceRows> sequences;
    hearth::AttentionCall call;
};

double seconds_of(Layer& layer, hearth_isa isa, hearth::ThreadPool& pool) {
    const double start = now(pool);
    hearth::attention(isa, layer.call, layer.scratch, pool);
    return now(pool) - start;
}

double products(const Shape& shape) {
    return static_cast<double>(shape.heads * (shape.key_width + shape.value_width));
}

void label(benchmark::State& state, hearth_isa isa, const Shape& shape) {
    state.SetLabel(std::string(hearth::isa_name(isa)) + " " + std::to_string(shape.heads) + "/" +
                   std::to_string(shape.kv_heads) + " heads of " + std::to_string(shape.key_width));
}

// Arguments: instruction set, shape, cache type, depth, sequences, place, threads. In memory: layers take
// turns, as in a model, so that no cache of the processor holds one until it is read again.
void decode(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    const Shape& shape = kShapes[state.range(1)];
    const auto type = static_cast<hearth_type>(state.range(2));
    const int depth = static_cast<int>(state.range(3)), sequences = static_cast<int>(state.range(4));
    hearth::ThreadPool pool(static_cast<int>(state.range(6)));
    std::vector<std::unique_ptr<Layer>> layers;
    double held = 0;
    do {
        layers.push_back(std::make_unique<Layer>(shape, type, depth, 1, sequences, pool));
        held += layers.back()->bytes();
    } while (state.range(5) == kInMemory && held < kBeyondCaches);
    const double bytes = layers[0]->bytes();
    size_t next = 0;
    std::vector<double> times, reads;
    for (auto _ : state) {
        times.push_back(seconds_of(*layers[next++ % layers.size()], isa, pool));
        const hearth::Buffer& read = layers[next++ % layers.size()]->key_memory;
        reads.push_back(hearth_benchmarks::time_read(read, pool) / static_cast<double>(read.size()));
        state.SetIterationTime(times.back());
    }
    const double seconds = fast_tenth(times), rate = bytes / seconds;
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["of_read"] = rate * fast_tenth(reads);
    state.counters["GFLOP/s"] = 2e-9 * depth * sequences * products(shape) / seconds;
    label(state, isa, shape);
}

// Arguments: instruction set, shape, cache type, rows, positions before them, threads.
void prefill(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    const Shape& shape = kShapes[state.range(1)];
    const int rows = static_cast<int>(state.range(3)), past = static_cast<int>(state.range(4));
    hearth::ThreadPool pool(static_cast<int>(state.range(5)));
    Layer layer(shape, static_cast<hearth_type>(state.range(2)), past + rows, rows, 1, pool);
    std::vector<double> times;
    for (auto _ : state) {
        times.push_back(seconds_of(layer, isa, pool));
        state.SetIterationTime(times.back());
    }
    const double pairs = static_cast<double>(rows) * past + 0.5 * rows * (rows + 1.0);
    state.counters["GFLOP/s"] = 2e-9 * pairs * products(shape) / fast_tenth(times);
    label(state, isa, shape);
}

// Argument: rows, the last ones of a sequence of 4096 positions in the shape of Llama 1B, whose layers take
// turns.
void roofline(benchmark::State& state, hearth_type type) {
    constexpr int kKeys = 4096;
    const Shape& shape = kShapes[0];
    const int rows = static_cast<int>(state.range(0));
    hearth::ThreadPool& pool = hearth_benchmarks::pool();
    std::vector<std::unique_ptr<Layer>> layers;
    double held = 0;
    do {
        layers.push_back(std::make_unique<Layer>(shape, type, kKeys, rows, 1, pool));
        held += layers.back()->bytes();
    } while (held < kBeyondCaches);
    hearth_benchmarks::Roof roof;
    size_t next = 0;
    std::vector<double> times;
    for (auto _ : state) {
        times.push_back(seconds_of(*layers[next++ % layers.size()], hearth::best_isa(), pool));
        roof.measure();
        state.SetIterationTime(times.back());
    }
    const double pairs = static_cast<double>(rows) * (kKeys - rows) + 0.5 * rows * (rows + 1.0);
    roof.report(state, fast_tenth(times), pairs * products(shape), layers[0]->bytes());
}

std::vector<int64_t> isas_here() {
    std::vector<int64_t> found;
    for (int64_t isa = 0; isa <= hearth::kLastIsa; ++isa)
        if (hearth::available_isas() & (1u << isa)) found.push_back(isa);
    return found;
}

constexpr int64_t kShapeCount = std::size(kShapes);

void decode_cases(benchmark::internal::Benchmark* b) {
    b->ArgNames({"isa", "shape", "type", "depth", "sequences", "memory", "threads"});
    for (int64_t isa : isas_here())
        for (int64_t type : {HEARTH_TYPE_F16, HEARTH_TYPE_F32, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0}) {
            b->Args({isa, 0, type, 256, 1, kInCache, 1});
            b->Args({isa, 0, type, 4096, 1, kInMemory, 1});
            b->Args({isa, 0, type, 4096, 1, kInMemory, 2});
        }
    const int64_t best = hearth::best_isa();
    for (int64_t shape = 1; shape < kShapeCount; ++shape)
        for (int64_t type : {HEARTH_TYPE_F16, HEARTH_TYPE_Q8_0}) {
            if (type == HEARTH_TYPE_Q8_0 && kShapes[shape].key_width % 32 != 0) continue;
            b->Args({best, shape, type, 256, 1, kInCache, 1});
            b->Args({best, shape, type, 4096, 1, kInMemory, 2});
        }
    b->Args({best, 0, HEARTH_TYPE_F16, 256, 16, kInMemory, 2});
}

void prefill_cases(benchmark::internal::Benchmark* b) {
    b->ArgNames({"isa", "shape", "type", "rows", "past", "threads"});
    for (int64_t isa : isas_here()) b->Args({isa, 0, HEARTH_TYPE_F16, 512, 0, 1});
    for (int64_t shape = 0; shape < kShapeCount; ++shape)
        b->Args({hearth::best_isa(), shape, HEARTH_TYPE_F16, shape + 1 < kShapeCount ? 512 : 64, 1536, 1});
    b->Args({hearth::best_isa(), 0, HEARTH_TYPE_Q8_0, 512, 1536, 1});
    b->Args({hearth::best_isa(), 0, HEARTH_TYPE_F16, 4096, 0, 2});
}

BENCHMARK(decode)
    ->Name("attention_decode")
    ->Apply(decode_cases)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(prefill)
    ->Name("attention_prefill")
    ->Apply(prefill_cases)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

const bool registered = [] {
    for (const hearth_type type : {HEARTH_TYPE_F16, HEARTH_TYPE_Q8_0})
        benchmark::RegisterBenchmark(
            (std::string("roofline/attention/") + hearth::type_info(type).name).c_str(), roofline, type)
            ->ArgName("rows")
            ->Arg(1)
            ->Arg(512)
            ->UseManualTime()
            ->MinTime(hearth_benchmarks::kRooflineSeconds)
            ->Unit(benchmark::kMillisecond);
    return true;
}();

}  // namespace
