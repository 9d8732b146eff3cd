// The KV cache and its states: what shape they have, and every check of what is read and written. The memory
// is a device's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hearth.h"

namespace hearth {

class Device;

// Checked hearth_cache_options.
struct CacheShape {
    std::vector<hearth_cache_layer> layers;
    hearth_type key_type, value_type;
    int32_t page_tokens, page_count;
    std::vector<int64_t> state_widths;  // floats of a state's part for each operation that keeps one
    int32_t state_count;

    // Of one page of a layer; 0 where its values lie in its keys.
    size_t key_page_bytes(size_t layer) const;
    size_t value_page_bytes(size_t layer) const;
};

// Bytes of one position of one KV head in a page, keys or values of `width` in `type`. Throws
// HEARTH_UNSUPPORTED where the cache cannot hold the type, or where a block type's 32 values do not divide
// the width.
size_t cache_row_bytes(hearth_type type, int32_t width);

// Pages and states in a device's memory. A page leaves and enters it layer by layer, keys before values, as
// hearth.h lays them out; a state operation by operation. Numbers are in range and buffers of the right size.
class CacheMemory {
  public:
    virtual ~CacheMemory() = default;
    // Two pages that differ.
    virtual void copy_page(int32_t source, int32_t destination) = 0;
    virtual void read_page(int32_t page, uint8_t* buffer) const = 0;
    virtual void write_page(int32_t page, const uint8_t* buffer) = 0;
    virtual void read_state(int32_t state, uint8_t* buffer) const = 0;
    virtual void write_state(int32_t state, const uint8_t* buffer) = 0;
};

class Cache {
  public:
    Cache(std::shared_ptr<Device> device, const hearth_cache_options& options);

    const CacheShape& shape() const { return shape_; }
    size_t page_bytes() const { return page_bytes_; }
    size_t state_bytes() const { return state_bytes_; }
    Device& device() const { return *device_; }
    CacheMemory& memory() const { return *memory_; }

    void copy_page(int32_t source, int32_t destination);
    void read_page(int32_t page, uint8_t* buffer, size_t size) const;
    void write_page(int32_t page, const uint8_t* buffer, size_t size);
    void read_state(int32_t state, uint8_t* buffer, size_t size) const;
    void write_state(int32_t state, const uint8_t* buffer, size_t size);

  private:
    void check_page(int32_t page) const;
    void check_page(int32_t page, size_t size) const;
    void check_state(int32_t state, size_t size) const;

    std::shared_ptr<Device> device_;
    CacheShape shape_;
    size_t page_bytes_ = 0, state_bytes_ = 0;
    std::unique_ptr<CacheMemory> memory_;
};

}  // namespace hearth
