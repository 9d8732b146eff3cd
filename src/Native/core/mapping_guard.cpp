#include "core/mapping_guard.h"

#include "core/error.h"

#if defined(_WIN32)

namespace hearth {

MappingGuard::MappingGuard(const void*, size_t) {}
MappingGuard::~MappingGuard() = default;
bool MappingGuard::is_lost() const {
    return false;
}

}  // namespace hearth

#else

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace hearth {

namespace {

// Parts of all models that are being loaded at a time.
constexpr int kMostGuards = 1024;

// What the handler reads: begin is set last and cleared first, so that a slot in use is whole.
struct Slot {
    std::atomic<uintptr_t> begin{0};
    std::atomic<uintptr_t> end{0};
    std::atomic<bool> lost{false};
};

Slot slots[kMostGuards];
std::mutex slots_lock;
struct sigaction previous;
uintptr_t page_size;

// Puts pages of zeros in the place of those from a page on: the file's end lies before all of them.
bool replace(Slot& slot, uintptr_t address) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    const uintptr_t end = slot.end.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= end) return false;
    const uintptr_t page = address / page_size * page_size;
    const size_t bytes = (end - page + page_size - 1) / page_size * page_size;
    if (mmap(reinterpret_cast<void*>(page), bytes, PROT_READ,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        return false;
    slot.lost.store(true, std::memory_order_release);
    return true;
}

// Runs on the thread that read; anything else than a guarded page is whoever's was there before.
void on_bus_error(int signal, siginfo_t* info, void* context) {
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    for (Slot& slot : slots)
        if (replace(slot, address)) return;
    if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr)
        previous.sa_sigaction(signal, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        previous.sa_handler(signal);
    else
        sigaction(SIGBUS, &previous,
                  nullptr);  // the read happens again, and ends the process as it would have
}

void install() {
    static std::once_flag once;
    std::call_once(once, [] {
        page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        struct sigaction action {};
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &previous) != 0)
            fail(HEARTH_INTERNAL, "the handler for pages that a file no longer has cannot be set");
    });
}

}  // namespace

MappingGuard::MappingGuard(const void* address, size_t size) {
    const auto begin = reinterpret_cast<uintptr_t>(address);
    if (begin == 0 || size == 0 || begin + size < begin)
        fail(HEARTH_INVALID_ARGUMENT, "a guarded range has an address and at least a byte");
    install();
    const std::lock_guard<std::mutex> lock(slots_lock);
    for (int i = 0; i < kMostGuards; ++i) {
        if (slots[i].begin.load(std::memory_order_relaxed) != 0) continue;
        slots[i].lost.store(false, std::memory_order_relaxed);
        slots[i].end.store(begin + size, std::memory_order_relaxed);
        slots[i].begin.store(begin, std::memory_order_release);
        slot_ = i;
        return;
    }

    fail(HEARTH_INVALID_STATE, "%d ranges are guarded already", kMostGuards);
}

MappingGuard::~MappingGuard() {
    const std::lock_guard<std::mutex> lock(slots_lock);
    slots[slot_].begin.store(0, std::memory_order_release);
}

bool MappingGuard::is_lost() const {
    return slots[slot_].lost.load(std::memory_order_acquire);
}

}  // namespace hearth

#endif
