#include "cpu/engine.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "core/error.h"
#include "cpu/isa.h"

namespace hearth {

namespace {

int32_t threads_for(int32_t asked) {
    if (asked < 0 || asked > kMaxThreads)
        fail(HEARTH_INVALID_ARGUMENT, "threads must be 0 (a core each) to %d, got %d", kMaxThreads, asked);
    return asked == 0 ? usable_cores() : asked;
}

bool pinned_for(int32_t asked) {
    if (asked != 0 && asked != 1) fail(HEARTH_INVALID_ARGUMENT, "pinned must be 0 or 1, got %d", asked);
    return asked == 1;
}

// How many pinned threads of this process run on each processor. Here and below: never destroyed, for a step
// may still run while the process ends.
struct Shares {
    std::mutex mutex;
    std::map<int32_t, int32_t> threads;
};

Shares& shares() {
    static Shares& all = *new Shares;
    return all;
}

// Processors that no step holds. Turns are taken by number, so that an engine of many threads is not passed
// by small ones for ever.
class Budget {
  public:
    void take(int32_t& threads) {
        std::unique_lock lock(mutex_);
        if (all_ == 0) free_ = all_ = usable_processors();
        threads = std::min(threads, all_);
        const uint64_t number = next_number_++;
        changed_.wait(lock, [&] { return number == serving_ && free_ >= threads; });
        free_ -= threads;
        ++serving_;
        if (serving_ != next_number_) changed_.notify_all();
    }

    void give(int32_t threads) {
        std::lock_guard lock(mutex_);
        free_ += threads;
        if (serving_ != next_number_) changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int32_t all_ = 0, free_ = 0;
    uint64_t next_number_ = 0, serving_ = 0;
};

Budget& budget() {
    static Budget& one = *new Budget;
    return one;
}

}  // namespace

ProcessorShare::ProcessorShare(int32_t threads, bool pinned) {
    if (!pinned) return;
    std::vector<int32_t> order = find_processors().numbers;
    auto& [mutex, numbers] = shares();
    std::lock_guard lock(mutex);
    // Clang before 16 captures no structured binding.
    auto& on = numbers;
    std::stable_sort(order.begin(), order.end(), [&on](int32_t a, int32_t b) { return on[a] < on[b]; });
    for (int32_t i = 0; i < threads; ++i) numbers_.push_back(order[static_cast<size_t>(i) % order.size()]);
    for (const int32_t number : numbers_) ++on[number];
}

ProcessorShare::~ProcessorShare() {
    auto& [mutex, on] = shares();
    std::lock_guard lock(mutex);
    for (const int32_t number : numbers_) --on[number];
}

Engine::Engine(const hearth_engine_options& options)
    : isa(resolve_isa(options.isa)),
      processors(threads_for(options.threads), pinned_for(options.pinned)),
      pool(threads_for(options.threads), processors.numbers()) {}

StepTurn::StepTurn(const Engine& engine)
    : threads_(engine.pool.threads()),
      pinned_(engine.processors.numbers().empty() ? -1 : engine.processors.numbers().front()) {
    budget().take(threads_);
}

StepTurn::~StepTurn() {
    budget().give(threads_);
}

}  // namespace hearth
