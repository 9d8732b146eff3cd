#include "limits.h"

#include <atomic>
#include <cstring>

#include "cpu/isa.h"
#include "cpu/linear/tiles.h"
#include "measure.h"

namespace hearth_benchmarks {

namespace {

std::atomic<uint64_t> kept{0};  // results end here, so that the compiler must make them

// Independent sums, so that loads and not additions set the pace.
uint64_t sum(const uint64_t* data, int64_t count) {
    uint64_t sums[8] = {};
    for (int64_t i = 0; i + 8 <= count; i += 8)
        for (int j = 0; j < 8; ++j) sums[j] += data[i + j];
    return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

}  // namespace

double time_read(const hearth::Buffer& buffer, hearth::ThreadPool& pool) {
    const auto* data = buffer.as<uint64_t>();
    const double start = now(pool);
    pool.parallel_for(static_cast<int64_t>(buffer.size() / 8), 1 << 14, [&](int64_t begin, int64_t end, int) {
        kept.fetch_add(sum(data + begin, end - begin), std::memory_order_relaxed);
    });
    return now(pool) - start;
}

const hearth::Buffer& memory_slice(size_t turn) {
    static const std::vector<hearth::Buffer> slices = [] {
        std::vector<hearth::Buffer> filled;
        for (int i = 0; i < kSlices; ++i) {
            filled.emplace_back(static_cast<size_t>(kSliceBytes));
            std::memset(filled.back().data(), 1, filled.back().size());
        }
        return filled;
    }();
    return slices[turn % kSlices];
}

namespace {

// Seconds for one of the multiply-adds that all threads make.
double time_product(int64_t (*spin)(int64_t), int64_t products) {
    constexpr int64_t kRounds = 20'000, kPiecesEach = 4;
    const int64_t pieces = pool().threads() * kPiecesEach;
    const double start = now(pool());
    pool().parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i)
            kept.fetch_add(static_cast<uint64_t>(spin(kRounds)), std::memory_order_relaxed);
    });
    return (now(pool()) - start) / static_cast<double>(pieces * kRounds * products);
}

const hearth::PeakLoops& best_loops() {
    return hearth::linear_kernels(hearth::best_isa()).peak;
}

}  // namespace

double time_int8_peak() {
    return time_product(best_loops().int8, best_loops().int8_products);
}

void Roof::measure() {
    read_.push_back(time_read(memory_slice(turn_++), pool()) / static_cast<double>(kSliceBytes));
    int8_.push_back(time_int8_peak());
    float32_.push_back(time_product(best_loops().float32, best_loops().float32_products));
}

void Roof::report(benchmark::State& state, double seconds, double macs, double bytes) const {
    state.counters["macs/s"] = macs / seconds;
    state.counters["bytes/s"] = bytes / seconds;
    state.counters["macs/byte"] = macs / bytes;
    state.counters["read_bytes/s"] = 1 / fast_tenth(read_);
    state.counters["int8_macs/s"] = 1 / fast_tenth(int8_);
    state.counters["f32_macs/s"] = 1 / fast_tenth(float32_);
}

}  // namespace hearth_benchmarks
