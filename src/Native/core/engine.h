// What models and caches of one device share: threads and an instruction set.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/processors.h"
#include "core/thread_pool.h"
#include "hearth.h"

namespace hearth {

// A share of the process's processors, given to the threads of one engine: those with the fewest threads of
// other engines, physical cores first. Empty where threads are not pinned.
class ProcessorShare {
  public:
    ProcessorShare(int32_t threads, bool pinned);
    ~ProcessorShare();
    ProcessorShare(const ProcessorShare&) = delete;
    ProcessorShare& operator=(const ProcessorShare&) = delete;

    const std::vector<int32_t>& numbers() const { return numbers_; }

  private:
    std::vector<int32_t> numbers_;
};

struct Engine {
    explicit Engine(const hearth_engine_options& options);

    hearth_isa isa;
    ProcessorShare processors;
    ThreadPool pool;
    std::mutex step;  // held by the one who uses pool or weights; for the pool through StepTurn
};

// The right to use an engine's pool, in the order of asking: one caller an engine, and of several engines in
// this process so many side by side as there are processors for all their threads. Pins the caller meanwhile
// where the engine is pinned.
class StepTurn {
  public:
    explicit StepTurn(Engine& engine);
    ~StepTurn();
    StepTurn(const StepTurn&) = delete;
    StepTurn& operator=(const StepTurn&) = delete;

  private:
    std::lock_guard<std::mutex> lock_;
    int32_t threads_;
    PinnedScope pinned_;
};

}  // namespace hearth
