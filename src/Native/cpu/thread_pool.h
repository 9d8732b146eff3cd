// A pool of persistent threads that share one job at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace hearth {

// Threads wait for work by spinning briefly, then asleep, so an idle engine costs nothing. The calling thread
// works too: a pool of n has n - 1 threads of its own. One caller at a time (the engine serializes steps).
class ThreadPool {
  public:
    // Thread i of the pool's own runs on processors[i] only, where there are any; [0] is the caller's, which
    // whoever calls sees to. May be shorter than there are threads. Throws HEARTH_OUT_OF_MEMORY where the
    // system starts no more threads.
    explicit ThreadPool(int threads, std::vector<int32_t> processors = {});
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return threads_; }

    // Calls body(begin, end, thread) for pieces of [0, count) of at most `grain` items until all are done;
    // thread is 0 .. threads() - 1. Every thread has a share of adjacent pieces, which it works through from
    // the front, so that what it reads follows in memory (and is the same part in every step); a thread
    // without pieces takes the last ones of others, since neighbours on the machine make some slower, and one
    // that comes late is not waited for. There are at most 2^31 pieces. body must not throw.
    template <typename Body>
    void parallel_for(int64_t count, int64_t grain, Body&& body) {
        if (count <= 0) return;
        if (grain < 1) grain = 1;
        if (threads_ == 1 || count <= grain) {
            body(int64_t{0}, count, 0);
            return;
        }
        using Plain = std::remove_reference_t<Body>;
        run(
            count, grain,
            [](void* context, int64_t begin, int64_t end, int thread) {
                (*static_cast<Plain*>(context))(begin, end, thread);
            },
            const_cast<void*>(static_cast<const void*>(&body)));
    }

  private:
    using Piece = void (*)(void* context, int64_t begin, int64_t end, int thread);

    void run(int64_t count, int64_t grain, Piece piece, void* context);
    void work(int thread);
    void stop();
    bool enter(uint64_t& seen);
    void take_pieces(int thread);

    // Pieces of one thread that nobody has taken: the first in the upper half, the end in the lower.
    struct alignas(64) Share {
        std::atomic<uint64_t> rest{0};
    };
    static bool take(Share& share, bool is_owner, int64_t& piece);

    int threads_;
    std::vector<int32_t> processors_;

    // The job: written by the caller while the gate is shut and nobody is inside, read by those who entered.
    Piece piece_ = nullptr;
    void* context_ = nullptr;
    int64_t count_ = 0;
    int64_t grain_ = 1;
    std::vector<Share> shares_;

    // The gate: the job's number, whether it is open, and the threads inside (thread_pool.cpp).
    alignas(64) std::atomic<uint64_t> gate_{0};

    std::mutex mutex_;
    std::condition_variable wake_;
    int asleep_ = 0;
    std::atomic<bool> stopping_{false};

    std::vector<std::thread> workers_;
};

}  // namespace hearth
