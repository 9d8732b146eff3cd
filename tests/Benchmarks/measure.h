// What all benchmarks share: the threads, the clock, and how one time is taken from many.
#pragma once

#include <vector>

#include "cpu/thread_pool.h"

namespace hearth_benchmarks {

// HEARTH_BENCHMARK_THREADS in the environment, 1 to 1024, else as many as there are processors; ends the
// process with a message where it is something else.
int thread_count();

// thread_count() threads, started with the first call.
hearth::ThreadPool& pool();

// Seconds since some start. One thread's processor time leaves out what neighbours on the machine take; of
// several threads, only the clock tells.
double now(const hearth::ThreadPool& pool);

// Neighbours on the machine only ever slow a run down: the fast tenth of the runs tells most about the code.
double fast_tenth(std::vector<double> times);

}  // namespace hearth_benchmarks
