#include "cpu/thread_pool.h"

#include <chrono>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "cpu/processors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth {

namespace {

// Long enough to bridge the caller's work between two operations of a step, short enough not to be seen by
// neighbours. Time rather than turns: a pause takes 10 to 140 cycles, by the processor.
constexpr std::chrono::microseconds kSpin{40};
constexpr int kPausesPerLook = 32;

// The gate's fields.
constexpr uint64_t kInside = (uint64_t{1} << 16) - 1;
constexpr uint64_t kOpen = uint64_t{1} << 16;
constexpr uint64_t kJob = uint64_t{1} << 17;

constexpr uint64_t kLow = (uint64_t{1} << 32) - 1;

constexpr uint64_t job_of(uint64_t gate) {
    return gate / kJob;
}

inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Spins until done() or for kSpin; whether it is done.
template <typename Done>
bool spin(Done&& done) {
    if (done()) return true;
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < kPausesPerLook; ++i) {
            if (done()) return true;
            relax();
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads, std::vector<int32_t> processors)
    : threads_(threads < 1 ? 1 : threads),
      processors_(std::move(processors)),
      shares_(static_cast<size_t>(threads_)) {
    workers_.reserve(static_cast<size_t>(threads_ - 1));
    try {
        for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error& error) {
        const size_t started = workers_.size();
        stop();
        fail(HEARTH_OUT_OF_MEMORY, "%zu of an engine's %d threads could be started: %s", started + 1,
             threads_, error.what());
    } catch (...) {
        stop();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    stop();
}

void ThreadPool::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_.store(true, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
}

// The next piece of a share, for its owner, or the last, for another thread; false where none is left.
bool ThreadPool::take(Share& share, bool is_owner, int64_t& piece) {
    uint64_t rest = share.rest.load(std::memory_order_relaxed);
    for (;;) {
        const uint64_t begin = rest >> 32, end = rest & kLow;
        if (begin >= end) return false;
        const uint64_t left = is_owner ? (begin + 1) << 32 | end : begin << 32 | (end - 1);
        if (!share.rest.compare_exchange_weak(rest, left, std::memory_order_relaxed)) continue;
        piece = static_cast<int64_t>(is_owner ? begin : end - 1);
        return true;
    }
}

void ThreadPool::take_pieces(int thread) {
    for (int i = 0; i < threads_; ++i) {
        Share& share = shares_[static_cast<size_t>((thread + i) % threads_)];
        for (int64_t piece; take(share, i == 0, piece);) {
            const int64_t begin = piece * grain_;
            piece_(context_, begin, begin + grain_ < count_ ? begin + grain_ : count_, thread);
        }
    }
}

void ThreadPool::run(int64_t count, int64_t grain, Piece piece, void* context) {
    piece_ = piece;
    context_ = context;
    count_ = count;
    grain_ = grain;
    const int64_t pieces = (count - 1) / grain + 1;
    for (int i = 0; i < threads_; ++i) {
        const auto begin = static_cast<uint64_t>(pieces * i / threads_);
        const auto end = static_cast<uint64_t>(pieces * (i + 1) / threads_);
        shares_[static_cast<size_t>(i)].rest.store(begin << 32 | end, std::memory_order_relaxed);
    }
    bool sleepers;
    {
        // Under the lock, so that a worker about to sleep either sees the new job or is counted as asleep.
        std::lock_guard lock(mutex_);
        const uint64_t job = job_of(gate_.load(std::memory_order_relaxed)) + 1;
        gate_.store((job * kJob) | kOpen, std::memory_order_release);
        sleepers = asleep_ > 0;
    }
    if (sleepers) wake_.notify_all();
    take_pieces(0);
    // No piece is left: whoever has not come by now need not. Those inside still work on theirs.
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    const auto empty = [this] { return (gate_.load(std::memory_order_acquire) & kInside) == 0; };
    // A worker that lost its processor cannot finish while this thread holds one: give way.
    if (!spin(empty))
        while (!empty()) std::this_thread::yield();
}

// Enters a job that this thread has not seen yet, if one is open.
bool ThreadPool::enter(uint64_t& seen) {
    uint64_t gate = gate_.load(std::memory_order_relaxed);
    while ((gate & kOpen) != 0 && job_of(gate) != seen)
        if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
            seen = job_of(gate);
            return true;
        }
    return false;
}

void ThreadPool::work(int thread) {
    if (static_cast<size_t>(thread) < processors_.size())
        pin_thread(processors_[static_cast<size_t>(thread)]);
    uint64_t seen = 0;
    bool entered = false;
    const auto look = [&] {
        entered = enter(seen);
        return entered || stopping_.load(std::memory_order_acquire);
    };
    for (;;) {
        if (!spin(look)) {
            std::unique_lock lock(mutex_);
            ++asleep_;
            wake_.wait(lock, look);
            --asleep_;
        }
        if (!entered) return;
        take_pieces(thread);
        gate_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace hearth
