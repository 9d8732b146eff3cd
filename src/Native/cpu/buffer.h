// Memory aligned for vector loads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace hearth {

// Owns bytes at a 64-byte boundary (large blocks at a huge-page boundary where the system has them). Fresh
// memory is zero and, until it is touched, costs no physical page.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(size_t size);  // throws Error(HEARTH_OUT_OF_MEMORY)
    ~Buffer();
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    uint8_t* data() { return data_; }
    const uint8_t* data() const { return data_; }
    size_t size() const { return size_; }
    template <typename T>
    T* as(size_t byte_offset = 0) {
        return reinterpret_cast<T*>(data_ + byte_offset);
    }
    template <typename T>
    const T* as(size_t byte_offset = 0) const {
        return reinterpret_cast<const T*>(data_ + byte_offset);
    }

  private:
    uint8_t* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace hearth
