// The memory of the KV cache: a pool of pages for each layer.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/engine.h"
#include "cpu/attention.h"
#include "hearth.h"

namespace hearth {

class Cache {
  public:
    Cache(std::shared_ptr<Engine> engine, const hearth_cache_options& options);

    const KvLayer& layer(size_t index) const { return layers_[index]; }
    size_t layer_count() const { return layers_.size(); }
    int32_t page_tokens() const { return page_tokens_; }
    int32_t page_count() const { return page_count_; }
    size_t page_bytes() const { return page_bytes_; }
    Engine& engine() const { return *engine_; }

    void copy_page(int32_t source, int32_t destination);
    void read_page(int32_t page, uint8_t* buffer, size_t size) const;
    void write_page(int32_t page, const uint8_t* buffer, size_t size);

    const std::vector<int64_t>& state_widths() const { return state_widths_; }
    int32_t state_count() const { return state_count_; }
    size_t state_bytes() const { return state_bytes_; }
    // [state_count, width] of an operation's part of all states.
    float* states(size_t layer) const { return state_data_[layer]; }
    void read_state(int32_t state, uint8_t* buffer, size_t size) const;
    void write_state(int32_t state, const uint8_t* buffer, size_t size);

  private:
    template <typename Body>
    void for_parts(size_t page, Body&& body) const;
    void take_states(const hearth_cache_options& options);
    void check_state(int32_t state, size_t size) const;
    void check_page(int32_t page) const;
    void check_size(size_t size) const;

    std::shared_ptr<Engine> engine_;
    std::vector<Buffer> memory_;  // keys and values of each layer, then states
    std::vector<KvLayer> layers_;
    int32_t page_tokens_;
    int32_t page_count_;
    size_t page_bytes_ = 0;
    std::vector<int64_t> state_widths_;
    std::vector<float*> state_data_;
    int32_t state_count_ = 0;
    size_t state_bytes_ = 0;
};

}  // namespace hearth
