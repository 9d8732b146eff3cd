#include "core/cache.h"

#include "core/backend.h"
#include "core/error.h"
#include "core/formats/blocks.h"
#include "core/types.h"

namespace hearth {

namespace {

constexpr int32_t kMaxLayers = 1 << 12;
constexpr int32_t kMaxPages = 1 << 24;
constexpr int32_t kMaxWidth = 1 << 24;
constexpr int32_t kMaxStates = 1 << 20;
constexpr int64_t kMaxStateWidth = int64_t{1} << 32;

hearth_type cache_type(const Device& device, int32_t type, const char* what) {
    switch (type) {
        case HEARTH_TYPE_F32:
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
        case HEARTH_TYPE_Q8_0:
        case HEARTH_TYPE_Q4_0:
            break;
        default:
            fail(HEARTH_UNSUPPORTED, "%s of the cache may be F32, F16, BF16, Q8_0 or Q4_0, not type %d", what,
                 type);
    }
    if (!device.caches(static_cast<hearth_type>(type)))
        fail(HEARTH_UNSUPPORTED, "%s of the cache cannot be %s on this device", what, type_info(type).name);
    return static_cast<hearth_type>(type);
}

size_t page_bytes_of(hearth_type type, int32_t kv_heads, int32_t width, int32_t page_tokens) {
    return width == 0 ? 0 : matrix_bytes(type_info(type), int64_t{kv_heads} * page_tokens, width);
}

void check_layer(const CacheShape& shape, int32_t index, const hearth_cache_layer& layer) {
    if (layer.kv_heads < 1 || layer.kv_heads > kMaxWidth || layer.key_width < 1 ||
        layer.key_width > kMaxWidth || layer.value_width < 0 || layer.value_width > kMaxWidth)
        fail(HEARTH_INVALID_ARGUMENT,
             "layer %d: kv_heads and key_width must be above 0, value_width at least 0", index);
    const auto check_blocks = [&](hearth_type type, int32_t width) {
        const TypeInfo& info = type_info(type);
        if (width % info.block != 0)
            fail(HEARTH_INVALID_ARGUMENT, "a %s cache needs head widths that are multiples of %d, got %d",
                 info.name, info.block, width);
    };
    check_blocks(shape.key_type, layer.key_width);
    check_blocks(shape.value_type, layer.value_width);
    const size_t most = SIZE_MAX / 8 / static_cast<size_t>(shape.page_count);
    if (page_bytes_of(shape.key_type, layer.kv_heads, layer.key_width, shape.page_tokens) > most ||
        page_bytes_of(shape.value_type, layer.kv_heads, layer.value_width, shape.page_tokens) > most)
        fail(HEARTH_INVALID_ARGUMENT, "layer %d: %d pages are too large", index, shape.page_count);
}

void take_layers(CacheShape& shape, const hearth_cache_options& options) {
    const int32_t least = options.state_layer_count > 0 ? 0 : 1;
    if (options.layer_count < least || options.layer_count > kMaxLayers ||
        (options.layer_count > 0 && options.layers == nullptr))
        fail(HEARTH_INVALID_ARGUMENT, "a cache needs %d to %d layers, got %d", least, kMaxLayers,
             options.layer_count);
    if (shape.page_tokens < 8 || shape.page_tokens > 256 ||
        (shape.page_tokens & (shape.page_tokens - 1)) != 0)
        fail(HEARTH_INVALID_ARGUMENT, "page_tokens must be a power of two from 8 to 256, got %d",
             shape.page_tokens);
    if (shape.page_count < 1 || shape.page_count > kMaxPages)
        fail(HEARTH_INVALID_ARGUMENT, "page_count must be 1 to %d, got %d", kMaxPages, shape.page_count);
    for (int32_t i = 0; i < options.layer_count; ++i) {
        check_layer(shape, i, options.layers[i]);
        shape.layers.push_back(options.layers[i]);
    }
}

void take_states(CacheShape& shape, const hearth_cache_options& options) {
    const int32_t layers = options.state_layer_count;
    if (layers < 0 || layers > kMaxLayers || (layers > 0) != (options.state_widths != nullptr) ||
        (layers > 0 ? shape.state_count < 1 || shape.state_count > kMaxStates : shape.state_count != 0))
        fail(HEARTH_INVALID_ARGUMENT,
             "a cache has at most %d kinds of state and, where it has any, 1 to %d states; got %d and %d",
             kMaxLayers, kMaxStates, layers, shape.state_count);
    for (int32_t i = 0; i < layers; ++i) {
        const int64_t width = options.state_widths[i];
        if (width < 1 || width > kMaxStateWidth)
            fail(HEARTH_INVALID_ARGUMENT, "state %d: its width must be 1 to %lld, got %lld", i,
                 static_cast<long long>(kMaxStateWidth), static_cast<long long>(width));
        shape.state_widths.push_back(width);
    }
}

}  // namespace

size_t CacheShape::key_page_bytes(size_t layer) const {
    return page_bytes_of(key_type, layers[layer].kv_heads, layers[layer].key_width, page_tokens);
}

size_t CacheShape::value_page_bytes(size_t layer) const {
    return page_bytes_of(value_type, layers[layer].kv_heads, layers[layer].value_width, page_tokens);
}

size_t cache_row_bytes(hearth_type type, int32_t width) {
    const size_t count = static_cast<size_t>(width);
    switch (type) {
        case HEARTH_TYPE_F32:
            return count * sizeof(float);
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
            return count * sizeof(uint16_t);
        case HEARTH_TYPE_Q8_0:
        case HEARTH_TYPE_Q4_0:
            if (count % kBlockColumns != 0)
                fail(HEARTH_UNSUPPORTED,
                     "a cache of type %d holds blocks of %d values: expected a head width that is a multiple "
                     "of it, got %d",
                     static_cast<int>(type), kBlockColumns, width);
            return count / kBlockColumns * (type == HEARTH_TYPE_Q8_0 ? sizeof(BlockQ8_0) : sizeof(BlockQ4_0));
        default:
            fail(HEARTH_UNSUPPORTED, "a cache holds F32, F16, BF16, Q8_0 or Q4_0, not type %d",
                 static_cast<int>(type));
    }
}

Cache::Cache(std::shared_ptr<Device> device, const hearth_cache_options& options)
    : device_(std::move(device)),
      shape_{{},
             cache_type(*device_, options.key_type, "keys"),
             cache_type(*device_, options.value_type, "values"),
             options.page_tokens,
             options.page_count,
             {},
             options.state_count} {
    take_layers(shape_, options);
    take_states(shape_, options);
    for (size_t i = 0; i < shape_.layers.size(); ++i)
        page_bytes_ += shape_.key_page_bytes(i) + shape_.value_page_bytes(i);
    for (const int64_t width : shape_.state_widths)
        state_bytes_ += static_cast<size_t>(width) * sizeof(float);
    memory_ = device_->make_cache(shape_);
}

void Cache::check_page(int32_t page) const {
    if (page < 0 || page >= shape_.page_count)
        fail(HEARTH_INVALID_ARGUMENT, "page %d is not one of the cache's %d", page, shape_.page_count);
}

void Cache::check_page(int32_t page, size_t size) const {
    check_page(page);
    if (size != page_bytes_)
        fail(HEARTH_INVALID_ARGUMENT, "a page has %zu bytes, the buffer %zu", page_bytes_, size);
}

void Cache::check_state(int32_t state, size_t size) const {
    if (state < 0 || state >= shape_.state_count)
        fail(HEARTH_INVALID_ARGUMENT, "state %d is not one of the cache's %d", state, shape_.state_count);
    if (size != state_bytes_)
        fail(HEARTH_INVALID_ARGUMENT, "a state has %zu bytes, the buffer %zu", state_bytes_, size);
}

void Cache::copy_page(int32_t source, int32_t destination) {
    check_page(source);
    check_page(destination);
    if (source != destination) memory_->copy_page(source, destination);
}

void Cache::read_page(int32_t page, uint8_t* buffer, size_t size) const {
    check_page(page, size);
    memory_->read_page(page, buffer);
}

void Cache::write_page(int32_t page, const uint8_t* buffer, size_t size) {
    check_page(page, size);
    memory_->write_page(page, buffer);
}

void Cache::read_state(int32_t state, uint8_t* buffer, size_t size) const {
    check_state(state, size);
    memory_->read_state(state, buffer);
}

void Cache::write_state(int32_t state, const uint8_t* buffer, size_t size) {
    check_state(state, size);
    memory_->write_state(state, buffer);
}

}  // namespace hearth
