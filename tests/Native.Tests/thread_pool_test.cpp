#include "cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

TEST(ThreadPool, EveryItemIsDoneExactlyOnce) {
    for (int threads : {1, 2, 3, 7}) {
        hearth::ThreadPool pool(threads);
        for (int64_t count : {0, 1, 2, 5, 64, 1000}) {
            std::vector<std::atomic<int>> done(static_cast<size_t>(count));
            pool.parallel_for(count, 3, [&](int64_t begin, int64_t end, int) {
                for (int64_t i = begin; i < end; ++i) done[static_cast<size_t>(i)].fetch_add(1);
            });
            for (auto& d : done) EXPECT_EQ(d.load(), 1);
        }
    }
}

TEST(ThreadPool, ThreadNumbersStayInRange) {
    hearth::ThreadPool pool(3);
    std::atomic<int> lowest{100}, highest{-1};
    for (int repeat = 0; repeat < 2000; ++repeat)
        pool.parallel_for(16, 1, [&](int64_t, int64_t, int thread) {
            int seen = lowest.load();
            while (thread < seen && !lowest.compare_exchange_weak(seen, thread)) {
            }
            seen = highest.load();
            while (thread > seen && !highest.compare_exchange_weak(seen, thread)) {
            }
        });
    EXPECT_EQ(lowest.load(), 0);
    EXPECT_LE(highest.load(), 2);
}

// A thread that comes to a job late, while or after the next is handed out, does nothing of the job before.
TEST(ThreadPool, ManyShortJobsInARowEachDoTheirOwnWork) {
    hearth::ThreadPool pool(4);
    for (int64_t job = 0; job < 20000; ++job) {
        std::atomic<int64_t> sum{0};
        const int64_t count = 1 + job % 9;
        pool.parallel_for(count, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) sum.fetch_add(job * 100 + i);
        });
        ASSERT_EQ(sum.load(), count * job * 100 + count * (count - 1) / 2);
    }
}

TEST(ThreadPool, SleepingThreadsWakeForTheNextJob) {
    hearth::ThreadPool pool(2);
    for (int repeat = 0; repeat < 20; ++repeat) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        std::atomic<bool> other{false};
        // The caller's pieces wait for the other thread, which therefore must come.
        pool.parallel_for(2, 1, [&](int64_t, int64_t, int thread) {
            if (thread == 1) other = true;
            while (thread == 0 && !other) std::this_thread::yield();
        });
        EXPECT_TRUE(other.load());
    }
}

}  // namespace
