// Files that are cut short while they are mapped. Reading a page that a file no longer has raises SIGBUS,
// which ends the process without a word; a guarded range reads as zeros from there on, and says so.
#pragma once

#include <cstddef>

namespace hearth {

class MappingGuard {
  public:
    // Guards [address, address + size) until the guard is gone. Where the system does not let a mapped file
    // be cut (Windows), there is nothing to do.
    MappingGuard(const void* address, size_t size);
    ~MappingGuard();
    MappingGuard(const MappingGuard&) = delete;
    MappingGuard& operator=(const MappingGuard&) = delete;

    // Whether a page of the range was gone when somebody read it.
    bool is_lost() const;

  private:
    int slot_ = -1;
};

}  // namespace hearth
