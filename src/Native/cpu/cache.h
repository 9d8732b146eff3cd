// Pages and states in the machine's own memory: a pool of pages for each layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/cache.h"
#include "cpu/attention.h"
#include "cpu/buffer.h"

namespace hearth {

class CpuCache : public CacheMemory {
  public:
    explicit CpuCache(const CacheShape& shape);

    const KvLayer& layer(size_t index) const { return layers_[index]; }
    // [state_count, width] of an operation's part of all states.
    float* states(size_t state) const { return states_[state].data; }

    void copy_page(int32_t source, int32_t destination) override;
    void read_page(int32_t page, uint8_t* buffer) const override;
    void write_page(int32_t page, const uint8_t* buffer) override;
    void read_state(int32_t state, uint8_t* buffer) const override;
    void write_state(int32_t state, const uint8_t* buffer) override;

  private:
    template <typename Body>
    void for_parts(int32_t page, Body&& body) const;

    struct States {
        float* data;
        int64_t width;
    };

    std::vector<Buffer> memory_;  // keys and values of each layer, then states
    std::vector<KvLayer> layers_;
    std::vector<States> states_;
};

}  // namespace hearth
