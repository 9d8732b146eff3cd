#include "cpu/processors.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "cpu/engine.h"

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

using namespace hearth;

namespace {

#if defined(__linux__)

std::set<int> allowed() {
    cpu_set_t set;
    EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    std::set<int> numbers;
    for (int i = 0; i < CPU_SETSIZE; ++i)
        if (CPU_ISSET(i, &set)) numbers.insert(i);
    return numbers;
}

// A made-up tree of /proc and /sys.
class Tree {
  public:
    Tree() {
        char name[] = "/tmp/hearth-processors-XXXXXX";
        root_ = mkdtemp(name);
    }
    ~Tree() { std::filesystem::remove_all(root_); }

    Tree& file(const std::string& path, const std::string& text) {
        const std::filesystem::path at = root_ + path;
        std::filesystem::create_directories(at.parent_path());
        std::ofstream(at) << text << "\n";
        return *this;
    }
    const std::string& root() const { return root_; }

  private:
    std::string root_;
};

TEST(Processors, AreThoseOfTheAffinityMask) {
    const std::set<int> all = allowed();
    const Processors found = find_processors();
    EXPECT_EQ(std::set<int>(found.numbers.begin(), found.numbers.end()), all);
    EXPECT_EQ(found.numbers.size(), all.size());
    EXPECT_GE(found.cores, 1);
    EXPECT_LE(found.cores, static_cast<int32_t>(all.size()));

    std::thread([&] {
        ASSERT_TRUE(pin_thread(*all.rbegin()));
        EXPECT_EQ(find_processors().numbers, std::vector<int32_t>{*all.rbegin()});
        EXPECT_EQ(usable_processors(), 1);
        EXPECT_EQ(usable_cores(), 1);
    }).join();
}

TEST(Processors, SiblingsOfACoreComeLast) {
    const std::set<int> all = allowed();
    Tree tree;
    for (const int number : all) {
        const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(number) + "/topology/";
        tree.file(folder + "physical_package_id", "0").file(folder + "core_id", "7");
    }
    const Processors found = find_processors(tree.root());
    EXPECT_EQ(found.cores, 1);
    EXPECT_EQ(found.numbers.front(), *all.begin());
    EXPECT_EQ(found.numbers.size(), all.size());
}

TEST(Processors, WithoutATopologyEachIsACore) {
    const Tree tree;
    const Processors found = find_processors(tree.root());
    EXPECT_EQ(found.cores, static_cast<int32_t>(found.numbers.size()));
}

TEST(Processors, TheLeastQuotaOfAGroupAndThoseAboveItCounts) {
    Tree tree;
    tree.file("/proc/self/cgroup", "0::/system.slice/hearth.service");
    EXPECT_EQ(container_quota(tree.root()), 0);
    tree.file("/sys/fs/cgroup/system.slice/hearth.service/cpu.max", "max 100000");
    EXPECT_EQ(container_quota(tree.root()), 0);
    tree.file("/sys/fs/cgroup/system.slice/cpu.max", "350000 100000");
    EXPECT_DOUBLE_EQ(container_quota(tree.root()), 3.5);
    tree.file("/sys/fs/cgroup/system.slice/hearth.service/cpu.max", "150000 100000");
    EXPECT_DOUBLE_EQ(container_quota(tree.root()), 1.5);
}

// The path in /proc is the host's; the container's own group is the top of what it sees.
TEST(Processors, AContainersQuotaIsFoundAtTheTopOfItsMount) {
    Tree tree;
    tree.file("/proc/self/cgroup", "0::/../../docker/0123").file("/sys/fs/cgroup/cpu.max", "200000 100000");
    EXPECT_DOUBLE_EQ(container_quota(tree.root()), 2);
}

TEST(Processors, QuotasOfTheFirstVersionOfControlGroupsCount) {
    Tree tree;
    tree.file("/proc/self/cgroup", "4:memory:/a\n3:cpu,cpuacct:/docker/0123\n0::/");
    tree.file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
    tree.file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
    EXPECT_EQ(container_quota(tree.root()), 0);
    tree.file("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "50000");
    tree.file("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_period_us", "100000");
    EXPECT_DOUBLE_EQ(container_quota(tree.root()), 0.5);
}

TEST(Processors, NonsenseInControlGroupsIsNoQuota) {
    Tree tree;
    tree.file("/proc/self/cgroup", "no colons\n:\n0::\n0::relative/path\n5:cpu:/x");
    tree.file("/sys/fs/cgroup/cpu.max", "many 0").file("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-5");
    EXPECT_EQ(container_quota(tree.root()), 0);
}

TEST(Processors, AQuotaIsRoundedDownToAtLeastOne) {
    EXPECT_EQ(threads_within(8, 0), 8);
    EXPECT_EQ(threads_within(8, 1.5), 1);
    EXPECT_EQ(threads_within(8, 2), 2);
    EXPECT_EQ(threads_within(8, 3.99), 3);
    EXPECT_EQ(threads_within(8, 0.25), 1);
    EXPECT_EQ(threads_within(2, 6.5), 2);
    EXPECT_EQ(threads_within(0, 0), 1);
    EXPECT_EQ(threads_within(100000, 0), kMaxThreads);
}

TEST(Processors, APinnedScopePutsTheThreadBack) {
    const std::set<int> before = allowed();
    {
        const PinnedScope scope(*before.rbegin());
        EXPECT_EQ(allowed(), std::set<int>{*before.rbegin()});
    }
    EXPECT_EQ(allowed(), before);
    {
        const PinnedScope none(-1);
        EXPECT_EQ(allowed(), before);
    }
}

TEST(Processors, EachThreadOfAPinnedEngineHasAProcessorOfItsOwn) {
    const std::set<int> all = allowed();
    const auto threads = static_cast<int32_t>(all.size());
    Engine engine({threads, HEARTH_ISA_BEST, 1, 0});
    EXPECT_EQ(std::set<int>(engine.processors.numbers().begin(), engine.processors.numbers().end()), all);
    std::vector<std::set<int>> seen(static_cast<size_t>(threads));
    {
        const StepTurn turn(engine);
        EXPECT_EQ(allowed(), std::set<int>{engine.processors.numbers()[0]});
        engine.pool.parallel_for(int64_t{threads} * 64, 1, [&](int64_t, int64_t, int thread) {
            if (seen[static_cast<size_t>(thread)].empty()) seen[static_cast<size_t>(thread)] = allowed();
            std::this_thread::yield();
        });
    }
    for (size_t i = 0; i < seen.size(); ++i)
        if (!seen[i].empty()) {
            EXPECT_EQ(seen[i], std::set<int>{engine.processors.numbers()[i]});
        }
    EXPECT_EQ(allowed(), all);
}

TEST(Processors, PinnedEnginesTakeTheProcessorsThatOthersLeave) {
    const std::set<int> all = allowed();
    if (all.size() < 2) GTEST_SKIP() << "one processor only";
    const Engine one({1, HEARTH_ISA_BEST, 1, 0});
    const Engine two({1, HEARTH_ISA_BEST, 1, 0});
    EXPECT_NE(one.processors.numbers(), two.processors.numbers());
}

#endif

TEST(Processors, AnEngineIsPinnedOrNot) {
    EXPECT_THROW(Engine({1, HEARTH_ISA_BEST, 2, 0}), Error);
    EXPECT_THROW(Engine({1, HEARTH_ISA_BEST, -1, 0}), Error);
    EXPECT_TRUE(Engine({2, HEARTH_ISA_BEST, 0, 0}).processors.numbers().empty());
}

// Two engines of all processors each: their turns never overlap; engines of one thread each may.
TEST(Processors, EnginesThatDoNotFitSideBySideTakeTurns) {
    const int32_t all = usable_processors();
    Engine one({all, HEARTH_ISA_BEST, 0, 0}), two({all + 1, HEARTH_ISA_BEST, 0, 0});
    std::atomic<int> inside{0}, most{0};
    const auto work = [&](Engine& engine) {
        for (int i = 0; i < 200; ++i) {
            const StepTurn turn(engine);
            const int now = ++inside;
            if (now > most) most = now;
            std::this_thread::yield();
            --inside;
        }
    };
    std::thread other([&] { work(two); });
    work(one);
    other.join();
    EXPECT_EQ(most, 1);
}

}  // namespace
