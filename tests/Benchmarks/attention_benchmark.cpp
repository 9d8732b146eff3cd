// Attention of one layer of an 8-billion-parameter Llama: 32 heads over 8 KV heads of width 128. Decode reads
// keys and values once, so its limit is the rate at which the machine reads memory (GB/s); prefill is bound
// by multiply-adds (GFLOP/s, two operations each, masked ones not counted).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "core/isa.h"
#include "cpu/attention.h"
#include "limits.h"

namespace {

constexpr int kHeads = 32, kKvHeads = 8, kWidth = 128, kPageTokens = 64;

struct Layer {
    Layer(hearth_type type, int keys, int rows, int threads)
        : pool(threads),
          pages(static_cast<size_t>((keys + kPageTokens - 1) / kPageTokens)),
          queries(static_cast<size_t>(rows) * kHeads * kWidth, 0.1f),
          output(queries.size()) {
        const size_t page_bytes = hearth::cache_row_bytes(type, kWidth) * kKvHeads * kPageTokens;
        key_memory = hearth::Buffer(page_bytes * pages.size());
        value_memory = hearth::Buffer(page_bytes * pages.size());
        layer = {key_memory.data(),
                 value_memory.data(),
                 page_bytes,
                 page_bytes,
                 type,
                 type,
                 kPageTokens,
                 kKvHeads,
                 kWidth,
                 kWidth};
        std::iota(pages.begin(), pages.end(), 0);
        std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
        std::vector<float> row(static_cast<size_t>(keys) * kKvHeads * kWidth);
        std::mt19937 generator(2);
        std::uniform_real_distribution<float> distribution(-1.0f, 1.0f);
        for (float& x : row) x = distribution(generator);
        const hearth::SequenceRows all{0, keys, 0, pages.data()};
        hearth::cache_write(hearth::best_isa(),
                            {row.data(), row.data(), kKvHeads * kWidth, kKvHeads * kWidth, &all, 1, &layer},
                            pool);
        sequence = {0, rows, keys - rows, pages.data()};
        call = {};
        call.queries = queries.data();
        call.output = output.data();
        call.query_stride = call.output_stride = kHeads * kWidth;
        call.sequences = &sequence;
        call.sequence_count = 1;
        call.layer = &layer;
        call.parameters.heads = kHeads;
        call.parameters.kv_heads = kKvHeads;
        call.parameters.key_width = call.parameters.value_width = kWidth;
        call.parameters.scale = 0.088f;
        scratch = hearth::Buffer(hearth::attention_scratch_bytes(call.parameters, rows, threads));
    }

    hearth::ThreadPool pool;
    std::vector<int32_t> pages;
    std::vector<float> queries, output;
    hearth::Buffer key_memory, value_memory, scratch;
    hearth::KvLayer layer;
    hearth::SequenceRows sequence;
    hearth::AttentionCall call;
};

double seconds_of(Layer& layer, hearth_isa isa) {
    const auto start = std::chrono::steady_clock::now();
    hearth::attention(isa, layer.call, layer.scratch, layer.pool);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Neighbours on the machine only ever slow a run down: the fast tenth of the runs tells most about the code.
double fast_tenth(std::vector<double> times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 10];
}

// Arguments: instruction set, cache type, depth, threads. Layers take turns, as in a model, so that no cache
// of the processor holds one until it is read again.
void decode(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    const auto type = static_cast<hearth_type>(state.range(1));
    const int depth = static_cast<int>(state.range(2)), threads = static_cast<int>(state.range(3));
    const double bytes = 2.0 * depth * kKvHeads * static_cast<double>(hearth::cache_row_bytes(type, kWidth));
    std::vector<std::unique_ptr<Layer>> layers;
    for (double total = 0; total < 128e6; total += bytes)
        layers.push_back(std::make_unique<Layer>(type, depth, 1, threads));
    size_t next = 0;
    std::vector<double> times, reads;
    for (auto _ : state) {
        times.push_back(seconds_of(*layers[next++ % layers.size()], isa));
        reads.push_back(
            hearth_benchmarks::time_read(layers[next++ % layers.size()]->key_memory, layers[0]->pool));
        state.SetIterationTime(times.back());
    }
    const double rate = bytes / fast_tenth(times), read_rate = 0.5 * bytes / fast_tenth(reads);
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["read_GB/s"] = read_rate * 1e-9;
    state.counters["of_read"] = rate / read_rate;
    state.SetLabel(hearth::isa_name(isa));
}

// Arguments: instruction set, cache type, rows, positions before them, threads.
void prefill(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    const int rows = static_cast<int>(state.range(2)), past = static_cast<int>(state.range(3));
    Layer layer(static_cast<hearth_type>(state.range(1)), past + rows, rows,
                static_cast<int>(state.range(4)));
    std::vector<double> times;
    for (auto _ : state) {
        times.push_back(seconds_of(layer, isa));
        state.SetIterationTime(times.back());
    }
    const double pairs = static_cast<double>(rows) * past + 0.5 * rows * (rows + 1.0);
    state.counters["GFLOP/s"] = 4e-9 * pairs * kHeads * kWidth / fast_tenth(times);
    state.SetLabel(hearth::isa_name(isa));
}

std::vector<int64_t> isas_here() {
    std::vector<int64_t> found;
    for (int64_t isa = 0; isa <= hearth::kLastIsa; ++isa)
        if (hearth::available_isas() & (1u << isa)) found.push_back(isa);
    return found;
}

void decode_cases(benchmark::internal::Benchmark* b) {
    for (int64_t isa : isas_here())
        for (int64_t type : {HEARTH_TYPE_F16, HEARTH_TYPE_F32, HEARTH_TYPE_Q8_0})
            b->Args({isa, type, 4096, 2});
}

void prefill_cases(benchmark::internal::Benchmark* b) {
    for (int64_t isa : isas_here()) {
        b->Args({isa, HEARTH_TYPE_F16, 512, 0, 2});
        b->Args({isa, HEARTH_TYPE_F16, 512, 3584, 2});
    }
    b->Args({hearth::best_isa(), HEARTH_TYPE_F16, 4096, 0, 2});
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

}  // namespace
