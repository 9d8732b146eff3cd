#include "measure.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

#include "cpu/isa.h"

namespace hearth_benchmarks {

int thread_count() {
    const char* text = std::getenv("HEARTH_BENCHMARK_THREADS");
    if (text == nullptr) return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    int count = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, count);
    if (error == std::errc() && stop == end && count >= 1 && count <= 1024) return count;
    std::fprintf(stderr, "HEARTH_BENCHMARK_THREADS is '%s', not a number from 1 to 1024\n", text);
    std::exit(1);
}

hearth::ThreadPool& pool() {
    static hearth::ThreadPool pool(thread_count());
    return pool;
}

double now(const hearth::ThreadPool& pool) {
    timespec time{};
    clock_gettime(pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double fast_tenth(std::vector<double> times) {
    const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10);
    std::nth_element(times.begin(), place, times.end());
    return *place;
}

namespace {

// As Linux names it on x86; other architectures have no such line.
std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name"))
            if (const size_t colon = line.find(": "); colon != std::string::npos)
                return line.substr(colon + 2);
    return "unnamed processor";
}

// Whoever reads the results as JSON finds in their context what they were measured on.
const bool described = [] {
    benchmark::AddCustomContext("processor", processor_name());
    benchmark::AddCustomContext("instruction_set", hearth::isa_name(hearth::best_isa()));
    benchmark::AddCustomContext("threads", std::to_string(thread_count()));
    return true;
}();

}  // namespace

}  // namespace hearth_benchmarks
