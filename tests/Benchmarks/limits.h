// The machine's own limits, measured beside the kernels so that a result is a ratio of one run.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/thread_pool.h"

namespace hearth_benchmarks {

// Seconds that all threads together take to read the buffer once.
double time_read(const hearth::Buffer& buffer, hearth::ThreadPool& pool);

// Seconds for kPeakMacs multiply-accumulates of 8-bit integers in registers by all threads; 0 where the
// processor has no instruction for it that is known here.
constexpr double kPeakMacs = 2.5e8;
double time_int8_peak(hearth::ThreadPool& pool);

#if defined(__x86_64__)
// Returns a sum that depends on every product.
int32_t run_int8_avx512(int64_t macs);
#endif

}  // namespace hearth_benchmarks
