// Attention of one layer of an 8-billion-parameter Llama: 32 heads over 8 KV heads of width 128. Decode reads
// keys and values once, so its limit is the rate at which the machine reads memory (GB/s); prefill is bound
// by multiply-adds (GFLOP/s, two operations each, masked ones not counted).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "core/isa.h"
#include "cpu/attention.h"

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

// Arguments: instruction set, cache type, depth, threads.
void decode(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    if (!(hearth::available_isas() & (1u << isa))) return state.SkipWithError("not on this processor");
    const auto type = static_cast<hearth_type>(state.range(1));
    const int depth = static_cast<int>(state.range(2));
    Layer layer(type, depth, 1, static_cast<int>(state.range(3)));
    for (auto _ : state) hearth::attention(isa, layer.call, layer.scratch, layer.pool);
    const double bytes = 2.0 * depth * kKvHeads * static_cast<double>(hearth::cache_row_bytes(type, kWidth));
    state.counters["bytes"] = benchmark::Counter(bytes, benchmark::Counter::kIsIterationInvariantRate);
    state.SetLabel(hearth::isa_name(isa));
}

// Arguments: instruction set, cache type, rows, positions before them, threads.
void prefill(benchmark::State& state) {
    const auto isa = static_cast<hearth_isa>(state.range(0));
    if (!(hearth::available_isas() & (1u << isa))) return state.SkipWithError("not on this processor");
    const int rows = static_cast<int>(state.range(2)), past = static_cast<int>(state.range(3));
    Layer layer(static_cast<hearth_type>(state.range(1)), past + rows, rows,
                static_cast<int>(state.range(4)));
    for (auto _ : state) hearth::attention(isa, layer.call, layer.scratch, layer.pool);
    const double pairs = static_cast<double>(rows) * past + 0.5 * rows * (rows + 1.0);
    state.counters["flop"] =
        benchmark::Counter(4.0 * pairs * kHeads * kWidth, benchmark::Counter::kIsIterationInvariantRate);
    state.SetLabel(hearth::isa_name(isa));
}

void decode_cases(benchmark::internal::Benchmark* b) {
    for (int64_t isa : {HEARTH_ISA_SCALAR, HEARTH_ISA_AVX2, HEARTH_ISA_AVX512, HEARTH_ISA_NEON})
        for (int64_t type : {HEARTH_TYPE_F16, HEARTH_TYPE_F32, HEARTH_TYPE_Q8_0})
            b->Args({isa, type, 4096, 2});
}

void prefill_cases(benchmark::internal::Benchmark* b) {
    for (int64_t isa : {HEARTH_ISA_SCALAR, HEARTH_ISA_AVX2, HEARTH_ISA_AVX512, HEARTH_ISA_NEON}) {
        b->Args({isa, HEARTH_TYPE_F16, 512, 0, 2});
        b->Args({isa, HEARTH_TYPE_F16, 512, 3584, 2});
    }
    b->Args({hearth::best_isa(), HEARTH_TYPE_F16, 4096, 0, 2});
}

BENCHMARK(decode)->Apply(decode_cases)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(prefill)->Apply(prefill_cases)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
