// Which processors this process may use, and how many threads suit them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hearth {

constexpr int32_t kMaxThreads = 512;

struct Processors {
    // Numbers of the processors in the affinity mask: one of each physical core first, in rising order, then
    // their siblings. Never empty.
    std::vector<int32_t> numbers;
    int32_t cores = 1;  // how many come first
};

// root stands before /sys: tests bring a tree of their own.
Processors find_processors(const std::string& root = "");

// How many processors' worth of time the control groups of this process grant it, each level counted: cgroup
// v2's cpu.max, v1's cpu.cfs_quota_us. 0: no limit. root stands before /proc and /sys.
double container_quota(const std::string& root = "");

// Threads for a number of processors and a quota in processors (0: none): the quota is rounded down, to at
// least one.
int32_t threads_within(size_t processors, double quota);

// Processors that this process may keep busy: its affinity mask, and a container's quota where one is set.
int32_t usable_processors();

// What an engine's threads default to: usable processors, but one thread a physical core. Siblings share the
// units that multiply.
int32_t usable_cores();

// Runs the calling thread on one processor from now on; false where the system refuses.
bool pin_thread(int32_t processor);

// Runs the calling thread on one processor until destroyed, then where it might run before. -1: does nothing.
class PinnedScope {
  public:
    explicit PinnedScope(int32_t processor);
    ~PinnedScope();
    PinnedScope(const PinnedScope&) = delete;
    PinnedScope& operator=(const PinnedScope&) = delete;

  private:
    bool pinned_ = false;
    std::vector<uint64_t> before_;  // the mask, as the system has it
};

}  // namespace hearth
