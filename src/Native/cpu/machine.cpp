#include "cpu/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>

#include "cpu/buffer.h"
#include "cpu/linear/tiles.h"

namespace hearth {

namespace {

// Independent sums, so that loads and not additions set the pace.
uint64_t sum(const uint64_t* data, int64_t count) {
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    for (int64_t i = 0; i + 8 <= count; i += 8) {
        a += data[i];
        b += data[i + 1];
        c += data[i + 2];
        d += data[i + 3];
        e += data[i + 4];
        f += data[i + 5];
        g += data[i + 6];
        h += data[i + 7];
    }
    return a + b + c + d + e + f + g + h;
}

}  // namespace

double measure_read_bandwidth(Engine& engine, size_t bytes) {
    constexpr int kPasses = 5;
    const int64_t words = static_cast<int64_t>(bytes / sizeof(uint64_t));
    Buffer buffer(bytes);
    uint64_t* data = buffer.as<uint64_t>();
    constexpr int64_t kPiece = 1 << 16;
    std::atomic<uint64_t> kept{0};
    engine.pool.parallel_for(words, kPiece, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) data[i] = static_cast<uint64_t>(i);
    });
    double best = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
        const auto start = std::chrono::steady_clock::now();
        engine.pool.parallel_for(words, kPiece, [&](int64_t begin, int64_t end, int) {
            kept.fetch_add(sum(data + begin, end - begin), std::memory_order_relaxed);
        });
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        best = std::max(best, static_cast<double>(words) * sizeof(uint64_t) / seconds.count());
    }
    // Uses the sums, so that the compiler must make them.
    return kept.load() == 0 ? 0 : best;
}

namespace {

// The best of some passes of pieces, each some hundred microseconds long: a thread that is held up takes
// fewer.
double products_per_second(Engine& engine, int64_t (*spin)(int64_t), int64_t products) {
    constexpr int64_t kRounds = 20'000;
    constexpr int kPasses = 5, kPiecesEach = 64;
    const int64_t pieces = int64_t{engine.pool.threads()} * kPiecesEach;
    std::atomic<int64_t> kept{0};
    double best = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
        const auto start = std::chrono::steady_clock::now();
        engine.pool.parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) kept.fetch_add(spin(kRounds), std::memory_order_relaxed);
        });
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        best = std::max(best, static_cast<double>(pieces * kRounds * products) / seconds.count());
    }
    // Uses the sums, so that the compiler must make them.
    return kept.load() == 1 ? 0 : best;
}

}  // namespace

hearth_arithmetic measure_arithmetic(Engine& engine) {
    const PeakLoops& loops = linear_kernels(engine.isa).peak;
    return {products_per_second(engine, loops.int8, loops.int8_products),
            products_per_second(engine, loops.float32, loops.float32_products)};
}

std::string processor_name() {
#if defined(__linux__)
    std::ifstream file("/proc/cpuinfo");
    std::string implementer, part;
    for (std::string line; std::getline(file, line);) {
        const size_t colon = line.find(": ");
        if (colon == std::string::npos) continue;
        const std::string value = line.substr(colon + 2);
        if (line.rfind("model name", 0) == 0) return value;
        if (line.rfind("CPU implementer", 0) == 0) implementer = value;
        if (line.rfind("CPU part", 0) == 0) part = value;
    }
    // Linux gives Arm processors numbers, not names.
    if (!part.empty()) return "Arm implementer " + implementer + " part " + part;
#endif
    return "unknown";
}

}  // namespace hearth
