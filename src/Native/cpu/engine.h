// What models and caches of the processor share: threads and an instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/processors.h"
#include "cpu/thread_pool.h"
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
};

// Processors for all threads of an engine: of several engines in this process so many work side by side as
// there are processors, in the order of asking. Pins the caller meanwhile where the engine is pinned. One
// turn an engine at a time; whoever asks sees to that (the device's mutex).
class StepTurn {
  public:
    explicit StepTurn(const Engine& engine);
    ~StepTurn();
    StepTurn(const StepTurn&) = delete;
    StepTurn& operator=(const StepTurn&) = delete;

  private:
    int32_t threads_;
    PinnedScope pinned_;
};

}  // namespace hearth
