#include "core/cache.h"

#include <cstring>

#include "core/error.h"
#include "core/types.h"

namespace hearth {

namespace {

constexpr int32_t kMaxLayers = 1 << 12;
constexpr int32_t kMaxPages = 1 << 24;
constexpr int32_t kMaxWidth = 1 << 24;

const TypeInfo& cache_type(int32_t type, const char* what) {
    switch (type) {
        case HEARTH_TYPE_F32:
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
        case HEARTH_TYPE_Q8_0:
        case HEARTH_TYPE_Q4_0:
            return type_info(type);
        default:
            fail(HEARTH_UNSUPPORTED, "%s of the cache may be F32, F16, BF16, Q8_0 or Q4_0, not type %d", what,
                 type);
    }
}

size_t page_bytes_of(const TypeInfo& type, const hearth_cache_layer& layer, int32_t width,
                     int32_t page_tokens) {
    if (width == 0) return 0;
    if (width % type.block != 0)
        fail(HEARTH_INVALID_ARGUMENT, "a %s cache needs head widths that are multiples of %d, got %d",
             type.name, type.block, width);
    return matrix_bytes(type, int64_t{layer.kv_heads} * page_tokens, width);
}

}  // namespace

Cache::Cache(std::shared_ptr<Engine> engine, const hearth_cache_options& options)
    : engine_(std::move(engine)), page_tokens_(options.page_tokens), page_count_(options.page_count) {
    const int32_t least = options.state_layer_count > 0 ? 0 : 1;
    if (options.layer_count < least || options.layer_count > kMaxLayers ||
        (options.layer_count > 0 && options.layers == nullptr))
        fail(HEARTH_INVALID_ARGUMENT, "a cache needs %d to %d layers, got %d", least, kMaxLayers,
             options.layer_count);
    if (page_tokens_ < 8 || page_tokens_ > 256 || (page_tokens_ & (page_tokens_ - 1)) != 0)
        fail(HEARTH_INVALID_ARGUMENT, "page_tokens must be a power of two from 8 to 256, got %d",
             page_tokens_);
    if (page_count_ < 1 || page_count_ > kMaxPages)
        fail(HEARTH_INVALID_ARGUMENT, "page_count must be 1 to %d, got %d", kMaxPages, page_count_);
    const TypeInfo& key_type = cache_type(options.key_type, "keys");
    const TypeInfo& value_type = cache_type(options.value_type, "values");
    for (int32_t i = 0; i < options.layer_count; ++i) {
        const hearth_cache_layer& shape = options.layers[i];
        if (shape.kv_heads < 1 || shape.kv_heads > kMaxWidth || shape.key_width < 1 ||
            shape.key_width > kMaxWidth || shape.value_width < 0 || shape.value_width > kMaxWidth)
            fail(HEARTH_INVALID_ARGUMENT,
                 "layer %d: kv_heads and key_width must be above 0, value_width at least 0", i);
        const size_t keys = page_bytes_of(key_type, shape, shape.key_width, page_tokens_);
        const size_t values = page_bytes_of(value_type, shape, shape.value_width, page_tokens_);
        const size_t pages = static_cast<size_t>(page_count_);
        if (keys > SIZE_MAX / 8 / pages || values > SIZE_MAX / 8 / pages)
            fail(HEARTH_INVALID_ARGUMENT, "layer %d: %d pages are too large", i, page_count_);
        Buffer& key_memory = memory_.emplace_back(keys * pages);
        uint8_t* key_data = key_memory.data();
        Buffer& value_memory = memory_.emplace_back(values * pages);
        layers_.push_back({key_data, value_memory.data(), keys, values, key_type.type, value_type.type,
                           page_tokens_, shape.kv_heads, shape.key_width, shape.value_width});
        page_bytes_ += keys + values;
    }
    take_states(options);
}

void Cache::take_states(const hearth_cache_options& options) {
    constexpr int32_t kMaxStates = 1 << 20;
    constexpr int64_t kMaxStateWidth = int64_t{1} << 32;
    const int32_t layers = options.state_layer_count;
    if (layers < 0 || layers > kMaxLayers || (layers > 0) != (options.state_widths != nullptr) ||
        (layers > 0 ? options.state_count < 1 || options.state_count > kMaxStates : options.state_count != 0))
        fail(HEARTH_INVALID_ARGUMENT,
             "a cache has at most %d kinds of state and, where it has any, 1 to %d states; got %d and %d",
             kMaxLayers, kMaxStates, layers, options.state_count);
    state_count_ = options.state_count;
    for (int32_t i = 0; i < layers; ++i) {
        const int64_t width = options.state_widths[i];
        if (width < 1 || width > kMaxStateWidth)
            fail(HEARTH_INVALID_ARGUMENT, "state %d: its width must be 1 to %lld, got %lld", i,
                 static_cast<long long>(kMaxStateWidth), static_cast<long long>(width));
        const size_t bytes = static_cast<size_t>(width) * sizeof(float);
        state_widths_.push_back(width);
        state_data_.push_back(memory_.emplace_back(bytes * static_cast<size_t>(state_count_)).as<float>());
        state_bytes_ += bytes;
    }
}

void Cache::check_state(int32_t state, size_t size) const {
    if (state < 0 || state >= state_count_)
        fail(HEARTH_INVALID_ARGUMENT, "state %d is not one of the cache's %d", state, state_count_);
    if (size != state_bytes_)
        fail(HEARTH_INVALID_ARGUMENT, "a state has %zu bytes, the buffer %zu", state_bytes_, size);
}

void Cache::read_state(int32_t state, uint8_t* buffer, size_t size) const {
    check_state(state, size);
    for (size_t i = 0; i < state_widths_.size(); ++i) {
        const size_t bytes = static_cast<size_t>(state_widths_[i]) * sizeof(float);
        std::memcpy(buffer, state_data_[i] + state * state_widths_[i], bytes);
        buffer += bytes;
    }
}

void Cache::write_state(int32_t state, const uint8_t* buffer, size_t size) {
    check_state(state, size);
    for (size_t i = 0; i < state_widths_.size(); ++i) {
        const size_t bytes = static_cast<size_t>(state_widths_[i]) * sizeof(float);
        std::memcpy(state_data_[i] + state * state_widths_[i], buffer, bytes);
        buffer += bytes;
    }
}

// The keys and values of a page in each layer, in the order in which a page is read and written.
template <typename Body>
void Cache::for_parts(size_t page, Body&& body) const {
    for (const KvLayer& layer : layers_) {
        body(layer.keys + page * layer.key_page_bytes, layer.key_page_bytes);
        if (layer.value_width > 0) body(layer.values + page * layer.value_page_bytes, layer.value_page_bytes);
    }
}

void Cache::check_page(int32_t page) const {
    if (page < 0 || page >= page_count_)
        fail(HEARTH_INVALID_ARGUMENT, "page %d is not one of the cache's %d", page, page_count_);
}

void Cache::check_size(size_t size) const {
    if (size != page_bytes_)
        fail(HEARTH_INVALID_ARGUMENT, "a page has %zu bytes, the buffer %zu", page_bytes_, size);
}

void Cache::copy_page(int32_t source, int32_t destination) {
    check_page(source);
    check_page(destination);
    if (source == destination) return;
    const ptrdiff_t pages = ptrdiff_t{destination} - source;
    for_parts(static_cast<size_t>(source), [pages](uint8_t* part, size_t bytes) {
        std::memcpy(part + pages * static_cast<ptrdiff_t>(bytes), part, bytes);
    });
}

void Cache::read_page(int32_t page, uint8_t* buffer, size_t size) const {
    check_page(page);
    check_size(size);
    for_parts(static_cast<size_t>(page), [&buffer](const uint8_t* part, size_t bytes) {
        std::memcpy(buffer, part, bytes);
        buffer += bytes;
    });
}

void Cache::write_page(int32_t page, const uint8_t* buffer, size_t size) {
    check_page(page);
    check_size(size);
    for_parts(static_cast<size_t>(page), [&buffer](uint8_t* part, size_t bytes) {
        std::memcpy(part, buffer, bytes);
        buffer += bytes;
    });
}

}  // namespace hearth
