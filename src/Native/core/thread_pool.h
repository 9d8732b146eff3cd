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
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return threads_; }

    // Calls body(begin, end, thread) for pieces of [0, count) of at most `grain` items until all are done;
    // thread is 0 .. threads() - 1. Pieces are handed out as threads become free, since neighbours on the
    // machine make some slower. body must not throw.
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
    void take_pieces(int thread);

    int threads_;
    std::vector<std::thread> workers_;

    // The job: written by the caller before generation_ rises, read by workers after they see it rise.
    Piece piece_ = nullptr;
    void* context_ = nullptr;
    int64_t count_ = 0;
    int64_t grain_ = 1;
    alignas(64) std::atomic<int64_t> next_{0};
    alignas(64) std::atomic<uint32_t> generation_{0};
    alignas(64) std::atomic<int> running_{0};

    std::mutex mutex_;
    std::condition_variable wake_;
    int asleep_ = 0;
    std::atomic<bool> stopping_{false};
};

}  // namespace hearth
