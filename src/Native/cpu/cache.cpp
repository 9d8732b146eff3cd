#include "cpu/cache.h"

#include <cstring>

namespace hearth {

CpuCache::CpuCache(const CacheShape& shape) {
    const size_t pages = static_cast<size_t>(shape.page_count);
    for (size_t i = 0; i < shape.layers.size(); ++i) {
        const hearth_cache_layer& layer = shape.layers[i];
        const size_t keys = shape.key_page_bytes(i), values = shape.value_page_bytes(i);
        uint8_t* const key_data = memory_.emplace_back(keys * pages).data();
        uint8_t* const value_data = memory_.emplace_back(values * pages).data();
        layers_.push_back({key_data, value_data, keys, values, shape.key_type, shape.value_type,
                           shape.page_tokens, layer.kv_heads, layer.key_width, layer.value_width});
    }
    for (const int64_t width : shape.state_widths) {
        const size_t bytes =
            static_cast<size_t>(width) * static_cast<size_t>(shape.state_count) * sizeof(float);
        states_.push_back({memory_.emplace_back(bytes).as<float>(), width});
    }
}

// The keys and values of a page in each layer, in the order in which a page is read and written.
template <typename Body>
void CpuCache::for_parts(int32_t page, Body&& body) const {
    const size_t number = static_cast<size_t>(page);
    for (const KvLayer& layer : layers_) {
        body(layer.keys + number * layer.key_page_bytes, layer.key_page_bytes);
        if (layer.value_width > 0)
            body(layer.values + number * layer.value_page_bytes, layer.value_page_bytes);
    }
}

void CpuCache::copy_page(int32_t source, int32_t destination) {
    const ptrdiff_t pages = ptrdiff_t{destination} - source;
    for_parts(source, [pages](uint8_t* part, size_t bytes) {
        std::memcpy(part + pages * static_cast<ptrdiff_t>(bytes), part, bytes);
    });
}

void CpuCache::read_page(int32_t page, uint8_t* buffer) const {
    for_parts(page, [&buffer](const uint8_t* part, size_t bytes) {
        std::memcpy(buffer, part, bytes);
        buffer += bytes;
    });
}

void CpuCache::write_page(int32_t page, const uint8_t* buffer) {
    for_parts(page, [&buffer](uint8_t* part, size_t bytes) {
        std::memcpy(part, buffer, bytes);
        buffer += bytes;
    });
}

void CpuCache::read_state(int32_t state, uint8_t* buffer) const {
    for (const States& part : states_) {
        const size_t bytes = static_cast<size_t>(part.width) * sizeof(float);
        std::memcpy(buffer, part.data + state * part.width, bytes);
        buffer += bytes;
    }
}

void CpuCache::write_state(int32_t state, const uint8_t* buffer) {
    for (const States& part : states_) {
        const size_t bytes = static_cast<size_t>(part.width) * sizeof(float);
        std::memcpy(part.data + state * part.width, buffer, bytes);
        buffer += bytes;
    }
}

}  // namespace hearth
