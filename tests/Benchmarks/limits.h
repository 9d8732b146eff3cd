// The machine's own limits, measured beside the kernels so that a result is a ratio of one run.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "cpu/buffer.h"
#include "cpu/thread_pool.h"

namespace hearth_benchmarks {

// Seconds that all threads together take to read the buffer once.
double time_read(const hearth::Buffer& buffer, hearth::ThreadPool& pool);

// Seconds for one of the multiply-adds of 8-bit integers on registers, by the best instruction set, that all
// threads of pool() make.
double time_int8_peak();

// One piece of the memory that reading is measured on: pieces used in turn together exceed the caches of
// common machines, so that each comes from memory as weights do in a model.
constexpr int64_t kSliceBytes = int64_t{8} << 20;
constexpr int kSlices = 24;
const hearth::Buffer& memory_slice(size_t turn);

// How long each kernel of the roofline runs: enough for a steady fast tenth, and for all of them in a minute
// or two.
constexpr double kRooflineSeconds = 0.3;

// The roof over a kernel: what all threads of pool() read from memory, and multiply on registers by the best
// instruction set, in turns with the kernel.
class Roof {
  public:
    // Once more each.
    void measure();

    // The counters of a roofline: arithmetic in multiply-adds, bytes as read from memory at least once, and
    // the limits, each a second; macs/byte is the kernel's intensity. `seconds` is the time of one run.
    void report(benchmark::State& state, double seconds, double macs, double bytes) const;

  private:
    size_t turn_ = 0;
    std::vector<double> read_, int8_, float32_;  // seconds for a byte, a multiply-add
};

}  // namespace hearth_benchmarks
