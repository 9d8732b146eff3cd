// Products with packed weights against the machine's limits: reading memory for few rows, 8-bit products for
// many. Kernel and limit take turns, and the best time of each counts, since neighbours on the machine
// disturb both.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "core/isa.h"
#include "core/types.h"
#include "cpu/linear.h"
#include "limits.h"
#include "weight_samples.h"

namespace {

hearth::ThreadPool& pool() {
    static hearth::ThreadPool pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
    return pool;
}

// Larger than the caches of common machines, so that weights come from memory as in a model.
constexpr int64_t kMemoryBytes = int64_t{192} << 20;

const hearth::Buffer& memory() {
    static const hearth::Buffer buffer = [] {
        hearth::Buffer filled(static_cast<size_t>(kMemoryBytes));
        std::memset(filled.data(), 1, filled.size());
        return filled;
    }();
    return buffer;
}

hearth::PackedWeight make_weight(hearth_isa isa, hearth_type type, int64_t rows, int64_t columns) {
    const auto sample = hearth_tests::sample_blocks(type, 16, columns, 1);
    std::vector<uint8_t> file(sample.size() / 16 * static_cast<size_t>(rows));
    for (size_t i = 0; i < file.size(); i += sample.size())
        std::memcpy(&file[i], sample.data(), std::min(sample.size(), file.size() - i));
    return hearth::pack_weight(isa, type, rows, columns, file.data(), pool());
}

struct Work {
    hearth_isa isa;
    hearth::PackedWeight weight;
    std::vector<float> input, output;
    hearth::Buffer scratch;
    hearth::LinearOutput target;
    int64_t call_rows;

    Work(hearth_isa isa, hearth_type type, int64_t rows, int64_t columns, int64_t call_rows)
        : isa(isa),
          weight(make_weight(isa, type, rows, columns)),
          input(hearth_tests::sample_floats(static_cast<size_t>(call_rows * columns), 2)),
          output(static_cast<size_t>(call_rows * rows)),
          scratch(hearth::linear_scratch_bytes(call_rows, columns)),
          target{&weight, nullptr, output.data(), rows},
          call_rows(call_rows) {}

    double time() {
        const hearth::LinearCall call{
            input.data(), weight.columns, call_rows, weight.columns, &target, 1, HEARTH_FUNCTION_NONE};
        const auto start = std::chrono::steady_clock::now();
        hearth::linear(isa, call, scratch, pool());
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
};

void decode(benchmark::State& state, hearth_isa isa, hearth_type type) {
    constexpr int64_t kColumns = 2048;
    const auto& info = hearth::type_info(type);
    const int64_t rows = kMemoryBytes / (kColumns / info.block * info.block_bytes);
    Work work(isa, type, rows, kColumns, state.range(0));
    double best = std::numeric_limits<double>::max(), best_read = best;
    for (auto _ : state) {
        const double seconds = work.time();
        best = std::min(best, seconds);
        best_read = std::min(best_read, hearth_benchmarks::time_read(memory(), pool()));
        state.SetIterationTime(seconds);
    }
    const double rate = static_cast<double>(work.weight.data.size()) / best;
    const double read_rate = static_cast<double>(kMemoryBytes) / best_read;
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["read_GB/s"] = read_rate * 1e-9;
    state.counters["of_read"] = rate / read_rate;
}

void prefill(benchmark::State& state, hearth_isa isa, hearth_type type) {
    constexpr int64_t kRows = 2048, kColumns = 2048;
    Work work(isa, type, kRows, kColumns, state.range(0));
    double best = std::numeric_limits<double>::max(), best_peak = best;
    for (auto _ : state) {
        const double seconds = work.time();
        best = std::min(best, seconds);
        best_peak = std::min(best_peak, hearth_benchmarks::time_int8_peak(pool()));
        state.SetIterationTime(seconds);
    }
    const double rate = static_cast<double>(kRows * kColumns * state.range(0)) / best;
    state.counters["GMAC/s"] = rate * 1e-9;
    if (best_peak == 0) return;
    state.counters["peak_GMAC/s"] = hearth_benchmarks::kPeakMacs / best_peak * 1e-9;
    state.counters["of_peak"] = rate * best_peak / hearth_benchmarks::kPeakMacs;
}

void pack(benchmark::State& state, hearth_type type) {
    constexpr int64_t kRows = 8192, kColumns = 2048;
    const auto file = hearth_tests::sample_blocks(type, kRows, kColumns, 1);
    for (auto _ : state)
        benchmark::DoNotOptimize(
            hearth::pack_weight(hearth::best_isa(), type, kRows, kColumns, file.data(), pool()).data.data());
    state.SetBytesProcessed(static_cast<int64_t>(file.size()) * state.iterations());
}

const bool registered = [] {
    for (int i = HEARTH_ISA_SCALAR; i <= HEARTH_ISA_NEON; ++i) {
        const auto isa = static_cast<hearth_isa>(i);
        if (!(hearth::available_isas() & (1u << i))) continue;
        for (const hearth_type type : hearth_tests::kWeightTypes) {
            const std::string name =
                std::string("/") + hearth::isa_name(isa) + "/" + hearth::type_info(type).name;
            benchmark::RegisterBenchmark(("decode" + name).c_str(), decode, isa, type)
                ->Arg(1)
                ->Arg(4)
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
            benchmark::RegisterBenchmark(("prefill" + name).c_str(), prefill, isa, type)
                ->Arg(16)
                ->Arg(64)
                ->Arg(512)
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
        }
    }
    for (const hearth_type type : hearth_tests::kWeightTypes)
        benchmark::RegisterBenchmark((std::string("pack/") + hearth::type_info(type).name).c_str(), pack,
                                     type)
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
    return true;
}();

}  // namespace
