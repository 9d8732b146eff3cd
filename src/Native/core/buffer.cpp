#include "core/buffer.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
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
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        size_ = 0;
        fail(HEARTH_OUT_OF_MEMORY, "%zu bytes of memory could not be had", size);
    }
    data_ = static_cast<uint8_t*>(memory);
#if defined(MADV_HUGEPAGE)
    // Weights are streamed end to end: fewer, larger pages spare address translations. Advice only.
    if (size >= 4 * kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
}

Buffer::~Buffer() {
    if (data_) munmap(data_, size_);
}

#endif

}  // namespace hearth
