#include "limits.h"

#include <atomic>
#include <chrono>

#include "core/isa.h"

namespace hearth_benchmarks {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

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
    const auto start = Clock::now();
    pool.parallel_for(static_cast<int64_t>(buffer.size() / 8), 1 << 14, [&](int64_t begin, int64_t end, int) {
        kept.fetch_add(sum(data + begin, end - begin), std::memory_order_relaxed);
    });
    return seconds_since(start);
}

double time_int8_peak(hearth::ThreadPool& pool) {
#if defined(__x86_64__)
    if (!(hearth::available_isas() & (1u << HEARTH_ISA_AVX512))) return 0;
    constexpr int64_t kPieces = 16;
    const auto start = Clock::now();
    pool.parallel_for(kPieces, 1, [](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i)
            kept.fetch_add(static_cast<uint64_t>(run_int8_avx512(static_cast<int64_t>(kPeakMacs) / kPieces)),
                           std::memory_order_relaxed);
    });
    return seconds_since(start);
#else
    (void)pool;
    return 0;
#endif
}

}  // namespace hearth_benchmarks
