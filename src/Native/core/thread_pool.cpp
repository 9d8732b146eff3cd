#include "core/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth {

namespace {

// Long enough to bridge the managed side's work between two operations of a step, short enough not to be seen
// by neighbours: some tens of microseconds.
constexpr int kSpins = 4000;

inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : threads_(threads < 1 ? 1 : threads) {
    workers_.reserve(static_cast<size_t>(threads_ - 1));
    for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
    {
        std::lock_guard lock(mutex_);
        stopping_.store(true, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_pieces(int thread) {
    for (;;) {
        const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
        if (begin >= count_) return;
        const int64_t end = begin + grain_ < count_ ? begin + grain_ : count_;
        piece_(context_, begin, end, thread);
    }
}

void ThreadPool::run(int64_t count, int64_t grain, Piece piece, void* context) {
    piece_ = piece;
    context_ = context;
    count_ = count;
    grain_ = grain;
    next_.store(0, std::memory_order_relaxed);
    running_.store(threads_ - 1, std::memory_order_relaxed);
    bool sleepers;
    {
        // Under the lock, so that a worker about to sleep either sees the new generation or is counted as
        // asleep.
        std::lock_guard lock(mutex_);
        generation_.fetch_add(1, std::memory_order_release);
        sleepers = asleep_ > 0;
    }
    if (sleepers) wake_.notify_all();
    take_pieces(0);
    for (int spin = 0; running_.load(std::memory_order_acquire) != 0; ++spin) {
        // A worker that lost its processor cannot finish while this thread holds one: give way.
        if (spin < kSpins)
            relax();
        else
            std::this_thread::yield();
    }
}

void ThreadPool::work(int thread) {
    uint32_t seen = 0;
    for (;;) {
        for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin)
            relax();
        if (generation_.load(std::memory_order_acquire) == seen) {
            std::unique_lock lock(mutex_);
            ++asleep_;
            wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
            --asleep_;
        }
        seen = generation_.load(std::memory_order_acquire);
        if (stopping_.load(std::memory_order_relaxed)) return;
        take_pieces(thread);
        running_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace hearth
