#include "cpu/buffer.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace hearth {

#if defined(_WIN32)

Buffer::Buffer(size_t size) : size_(size) {
    if (size == 0) return;
    data_ = static_cast<uint8_t*>(VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    if (!data_) fail(HEARTH_OUT_OF_MEMORY, "%zu bytes of memory could not be had", size);
}

Buffer::~Buffer() {
    if (data_) VirtualFree(data_, 0, MEM_RELEASE);
}

#else

namespace {
constexpr size_t kHugePage = size_t{2} << 20;
}

Buffer::Buffer(size_t size) : size_(size) {
    if (size == 0) return;
    // Weights are streamed end to end: fewer, larger pages spare faults and address translations. The mapping
    // is made longer, then cut down to one that starts at a huge page's boundary.
    const size_t slack = size >= kHugePage ? kHugePage : 0;
    void* memory = size > SIZE_MAX - slack ? MAP_FAILED
                                           : mmap(nullptr, size + slack, PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        size_ = 0;
        fail(HEARTH_OUT_OF_MEMORY, "%zu bytes of memory could not be had", size);
    }
    data_ = static_cast<uint8_t*>(memory);
    if (slack == 0) return;
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t head = (kHugePage - reinterpret_cast<uintptr_t>(data_) % kHugePage) % kHugePage;
    const size_t used = (head + size + page - 1) / page * page;
    if (head > 0) munmap(data_, head);
    if (used < size + slack) munmap(data_ + used, size + slack - used);
    data_ += head;
#if defined(MADV_HUGEPAGE)
    madvise(data_, size, MADV_HUGEPAGE);  // advice only
#endif
}

Buffer::~Buffer() {
    if (data_) munmap(data_, size_);
}

#endif

}  // namespace hearth
