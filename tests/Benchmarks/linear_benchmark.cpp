// Products with packed weights against the machine's limits: reading memory for few rows, 8-bit products for
// many. Kernel and limit take turns, and the best time of each counts, since neighbours on the machine
// disturb both.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
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

// What few rows are measured on: slices used in turn that together exceed the caches of common machines, so
// that each comes from memory as in a model.
constexpr int64_t kSliceBytes = int64_t{8} << 20;
constexpr int kSlices = 24;

const std::vector<hearth::Buffer>& memory() {
    static const std::vector<hearth::Buffer> slices = [] {
        std::vector<hearth::Buffer> filled;
        for (int i = 0; i < kSlices; ++i) {
            filled.emplace_back(static_cast<size_t>(kSliceBytes));
            std::memset(filled.back().data(), 1, filled.back().size());
        }
        return filled;
    }();
    return slices;
}

double fast_tenth(std::vector<double>& times) {
    const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10);
    std::nth_element(times.begin(), place, times.end());
    return *place;
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
    std::vector<hearth::PackedWeight> weights;
    std::vector<float> input, output;
    hearth::Buffer scratch;
    int64_t call_rows;
    size_t next = 0;

    Work(hearth_isa isa, hearth_type type, int64_t rows, int64_t columns, int64_t call_rows, int count)
        : isa(isa),
          input(hearth_tests::sample_floats(static_cast<size_t>(call_rows * columns), 2)),
          output(static_cast<size_t>(call_rows * rows)),
          scratch(hearth::linear_scratch_bytes(call_rows, columns, &type, 1)),
          call_rows(call_rows) {
        for (int i = 0; i < count; ++i) weights.push_back(make_weight(isa, type, rows, columns));
    }

    double time() {
        const hearth::PackedWeight& weight = weights[next++ % weights.size()];
        const hearth::LinearOutput target{&weight, nullptr, output.data(), weight.rows};
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
    const int64_t rows = kSliceBytes / (kColumns / info.block * info.block_bytes);
    Work work(isa, type, rows, kColumns, state.range(0), kSlices);
    std::vector<double> times, reads;
    for (auto _ : state) {
        times.push_back(work.time());
        reads.push_back(hearth_benchmarks::time_read(memory()[work.next % kSlices], pool()));
        state.SetIterationTime(times.back());
    }
    const double rate = static_cast<double>(work.weights[0].data.size()) / fast_tenth(times);
    const double read_rate = static_cast<double>(kSliceBytes) / fast_tenth(reads);
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["read_GB/s"] = read_rate * 1e-9;
    state.counters["of_read"] = rate / read_rate;
}

void prefill(benchmark::State& state, hearth_isa isa, hearth_type type) {
    constexpr int64_t kRows = 2048, kColumns = 2048;
    Work work(isa, type, kRows, kColumns, state.range(0), 1);
    std::vector<double> times, peaks;
    for (auto _ : state) {
        times.push_back(work.time());
        peaks.push_back(hearth_benchmarks::time_int8_peak(pool()));
        state.SetIterationTime(times.back());
    }
    const double rate = static_cast<double>(kRows * kColumns * state.range(0)) / fast_tenth(times);
    state.counters["GMAC/s"] = rate * 1e-9;
    const double peak = hearth_benchmarks::kPeakMacs / fast_tenth(peaks);
    if (peaks[0] == 0) return;
    state.counters["peak_GMAC/s"] = peak * 1e-9;
    state.counters["of_peak"] = rate / peak;
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
    for (int i = HEARTH_ISA_SCALAR; i <= hearth::kLastIsa; ++i) {
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
