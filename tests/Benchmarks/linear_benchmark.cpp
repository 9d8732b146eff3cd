// Products with packed weights against the machine's limits: reading memory for few rows, 8-bit products for
// many. Kernel and limit take turns, and the best time of each counts, since neighbours on the machine
// disturb both.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/types.h"
#include "cpu/isa.h"
#include "cpu/linear.h"
#include "limits.h"
#include "measure.h"
#include "weight_samples.h"

namespace {

using hearth_benchmarks::fast_tenth;
using hearth_benchmarks::kSliceBytes;
using hearth_benchmarks::kSlices;
using hearth_benchmarks::now;
using hearth_benchmarks::pool;

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
          scratch(hearth::linear_scratch_bytes(isa, call_rows, columns, &type, 1)),
          call_rows(call_rows) {
        for (int i = 0; i < count; ++i) weights.push_back(make_weight(isa, type, rows, columns));
    }

    double time() {
        const hearth::PackedWeight& weight = weights[next++ % weights.size()];
        const hearth::LinearOutput target{&weight, nullptr, output.data(), weight.rows};
        const hearth::LinearCall call{
            input.data(), weight.columns, call_rows, weight.columns, &target, 1, HEARTH_FUNCTION_NONE};
        const double start = now(pool());
        hearth::linear(isa, call, scratch, pool());
        return now(pool()) - start;
    }
};

constexpr int64_t kColumns = 2048;

// Outputs of a matrix of kColumns inputs that takes a slice.
int64_t slice_rows(hearth_type type) {
    const auto& info = hearth::type_info(type);
    return kSliceBytes / (kColumns / info.block * info.block_bytes);
}

void decode(benchmark::State& state, hearth_isa isa, hearth_type type) {
    Work work(isa, type, slice_rows(type), kColumns, state.range(0), kSlices);
    std::vector<double> times, reads;
    for (auto _ : state) {
        times.push_back(work.time());
        reads.push_back(hearth_benchmarks::time_read(hearth_benchmarks::memory_slice(work.next), pool()));
        state.SetIterationTime(times.back());
    }
    const double rate = static_cast<double>(work.weights[0].data.size()) / fast_tenth(times);
    const double read_rate = static_cast<double>(kSliceBytes) / fast_tenth(reads);
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["read_GB/s"] = read_rate * 1e-9;
    state.counters["of_read"] = rate / read_rate;
}

void prefill(benchmark::State& state, hearth_isa isa, hearth_type type) {
    constexpr int64_t kRows = 2048;
    Work work(isa, type, kRows, kColumns, state.range(0), 1);
    std::vector<double> times, peaks;
    for (auto _ : state) {
        times.push_back(work.time());
        peaks.push_back(hearth_benchmarks::time_int8_peak());
        state.SetIterationTime(times.back());
    }
    const double rate = static_cast<double>(kRows * kColumns * state.range(0)) / fast_tenth(times);
    state.counters["GMAC/s"] = rate * 1e-9;
    const double peak = 1 / fast_tenth(peaks);
    state.counters["peak_GMAC/s"] = peak * 1e-9;
    state.counters["of_peak"] = rate / peak;
}

constexpr int64_t kMostRooflineRows = 512;

// Argument: rows of the call. The weights come from memory, whatever their number of rows; what is multiplied
// with them was just written by the operation before, so it does not count as read.
void roofline(benchmark::State& state, hearth_type type) {
    // Kept for the next call, since packing takes longer than what is measured.
    static std::unique_ptr<Work> work;
    if (!work || work->weights[0].type != type) {
        work.reset();
        work = std::make_unique<Work>(hearth::best_isa(), type, slice_rows(type), kColumns, kMostRooflineRows,
                                      kSlices);
    }
    work->call_rows = state.range(0);
    hearth_benchmarks::Roof roof;
    std::vector<double> times;
    for (auto _ : state) {
        times.push_back(work->time());
        roof.measure();
        state.SetIterationTime(times.back());
    }
    const hearth::PackedWeight& weight = work->weights[0];
    roof.report(state, fast_tenth(times), static_cast<double>(weight.rows * weight.columns * work->call_rows),
                static_cast<double>(weight.data.size()));
}

void pack(benchmark::State& state, hearth_type type) {
    constexpr int64_t kRows = 8192;
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
    for (const hearth_type type : {HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q6_K,
                                   HEARTH_TYPE_Q4_K, HEARTH_TYPE_Q4_0, HEARTH_TYPE_IQ3_S, HEARTH_TYPE_IQ2_XS})
        benchmark::RegisterBenchmark((std::string("roofline/linear/") + hearth::type_info(type).name).c_str(),
                                     roofline, type)
            ->ArgName("rows")
            ->Arg(1)
            ->Arg(4)
            ->Arg(8)
            ->Arg(64)
            ->Arg(kMostRooflineRows)
            ->UseManualTime()
            ->MinTime(hearth_benchmarks::kRooflineSeconds)
            ->Unit(benchmark::kMillisecond);
    return true;
}();

}  // namespace
