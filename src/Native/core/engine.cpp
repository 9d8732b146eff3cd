#include "core/engine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/isa.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace hearth {

namespace {

constexpr int32_t kMaxThreads = 512;

int32_t threads_for(int32_t asked) {
    if (asked < 0 || asked > kMaxThreads)
        fail(HEARTH_INVALID_ARGUMENT, "threads must be 0 (all) to %d, got %d", kMaxThreads, asked);
    return asked == 0 ? usable_processors() : asked;
}

#if defined(__linux__)
// A control group's quota in processors, or 0 for none: cgroup v2's cpu.max, then v1's cpu.cfs_*.
double container_quota() {
    if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file) {
        std::string quota;
        double period = 0;
        if (file >> quota >> period && quota != "max" && period > 0)
            return std::strtod(quota.c_str(), nullptr) / period;
        return 0;
    }
    double quota = 0, period = 0;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
    return quota > 0 && period > 0 ? quota / period : 0;
}
#endif

}  // namespace

int32_t usable_processors() {
    int32_t count = static_cast<int32_t>(std::thread::hardware_concurrency());
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
    if (const double quota = container_quota(); quota > 0)
        count = std::min(count, static_cast<int32_t>(std::ceil(quota)));
#endif
    return std::clamp(count, 1, kMaxThreads);
}

Engine::Engine(const hearth_engine_options& options)
    : isa(resolve_isa(options.isa)), pool(threads_for(options.threads)) {}

}  // namespace hearth
