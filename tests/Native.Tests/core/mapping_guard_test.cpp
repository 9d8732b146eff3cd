// Files that are cut short while they are mapped, and what is none of a guard's business.
#include <gtest/gtest.h>

#include "hearth.h"

#if !defined(_WIN32)

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

// A file of ones that is mapped whole.
class MappedFile {
  public:
    explicit MappedFile(size_t pages) : size_(pages * static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        std::string name = ::testing::TempDir() + "hearth-guard-XXXXXX";
        file_ = mkstemp(name.data());
        unlink(name.c_str());
        const std::vector<uint8_t> ones(size_, 1);
        EXPECT_EQ(write(file_, ones.data(), size_), static_cast<ssize_t>(size_));
        data_ = static_cast<const uint8_t*>(mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0));
    }
    ~MappedFile() {
        munmap(const_cast<uint8_t*>(data_), size_);
        close(file_);
    }
    void cut(size_t bytes) { EXPECT_EQ(ftruncate(file_, static_cast<off_t>(bytes)), 0); }
    const volatile uint8_t* data() const { return data_; }
    size_t size() const { return size_; }

  private:
    size_t size_;
    int file_ = -1;
    const uint8_t* data_ = nullptr;
};

int32_t is_lost(const hearth_guard* guard) {
    int32_t lost = -1;
    EXPECT_EQ(hearth_guard_is_lost(guard, &lost), HEARTH_OK);
    return lost;
}

TEST(MappingGuard, ReadsZerosBehindTheNewEndAndSaysSo) {
    MappedFile file(8);
    hearth_guard* guard = nullptr;
    ASSERT_EQ(hearth_guard_create(const_cast<const uint8_t*>(file.data()), file.size(), &guard), HEARTH_OK);
    EXPECT_EQ(file.data()[file.size() - 1], 1);
    EXPECT_EQ(is_lost(guard), 0);
    file.cut(file.size() / 4);
    EXPECT_EQ(file.data()[0], 1);
    EXPECT_EQ(is_lost(guard), 0);
    EXPECT_EQ(file.data()[file.size() / 2], 0);
    EXPECT_EQ(file.data()[file.size() - 1], 0);
    EXPECT_EQ(file.data()[file.size() / 4 - 1], 1);
    EXPECT_EQ(is_lost(guard), 1);
    hearth_guard_destroy(guard);
}

TEST(MappingGuard, TellsRangesApart) {
    MappedFile cut(4), whole(4);
    hearth_guard *first = nullptr, *second = nullptr;
    ASSERT_EQ(hearth_guard_create(const_cast<const uint8_t*>(cut.data()), cut.size(), &first), HEARTH_OK);
    ASSERT_EQ(hearth_guard_create(const_cast<const uint8_t*>(whole.data()), whole.size(), &second),
              HEARTH_OK);
    cut.cut(0);
    EXPECT_EQ(cut.data()[0], 0);
    EXPECT_EQ(is_lost(first), 1);
    EXPECT_EQ(is_lost(second), 0);
    hearth_guard_destroy(first);
    hearth_guard_destroy(second);
}

// Guards one file and reads another that was cut.
void read_what_nobody_guards() {
    MappedFile guarded(1);
    MappedFile file(4);
    hearth_guard* guard = nullptr;
    hearth_guard_create(const_cast<const uint8_t*>(guarded.data()), guarded.size(), &guard);
    file.cut(0);
    std::exit(file.data()[0]);
}

TEST(MappingGuardDeathTest, LeavesOtherFaultsToTheProcess) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(read_what_nobody_guards(), ::testing::KilledBySignal(SIGBUS), "");
}

TEST(MappingGuard, RefusesRangesOfNothing) {
    hearth_guard* guard = nullptr;
    EXPECT_EQ(hearth_guard_create(nullptr, 10, &guard), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_guard_create(&guard, 0, &guard), HEARTH_INVALID_ARGUMENT);
    EXPECT_EQ(hearth_guard_create(&guard, SIZE_MAX, &guard), HEARTH_INVALID_ARGUMENT);
}

}  // namespace

#endif
